//! The stack of a thread, walked by itself on the request of another.
//!
//! The watchdog's thread [asks](ask) a loop's thread by a signal that nobody uses, `SIGURG`: it is
//! ignored by default, and real ones (urgent data on a socket) go to a process only if it asked for
//! them. The handler walks its own stack into an array that is there already, and the asker makes
//! names of the addresses.
//!
//! ```text
//!  asker                            thread that is asked
//!  Idle ──► Asked ── tgkill ──────► handler: is it my thread, and still the same turn?
//!             │                     Asked ──► Walking ──► Done
//!             └─► Idle, if nothing came in time             │
//!  Idle ◄── addresses ◄─────────────────────────────────────┘
//! ```
//!
//! A handler runs between any two instructions, so it may neither allocate nor lock. What the walk
//! needs of the system is free of both where it is built:
//!
//! * glibc from 2.35 on finds unwind tables by `_dl_find_object`, which takes no lock. Earlier ones
//!   and other C libraries lock the loader's list, and could hang: there nothing is asked, and the
//!   message says so.
//! * The unwinder's first walk binds its symbols and makes its tables; so [`prepare`] walks once, on
//!   an ordinary stack, before any signal.
//! * A request that is late finds nobody who asks, and the handler does nothing. So it is inert for
//!   any `SIGURG` that is not the watchdog's.
//! * Whoever has a handler of his own for `SIGURG` keeps it, and gets no stacks.
//!
//! `SA_RESTART` has interrupted system calls go on; a few of the system's never do so (`poll`,
//! `nanosleep` in C), and give `EINTR` once in each turn that is told of.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use std::{mem, ptr, thread};

use super::stack_frame::StackFrame;
use crate::coro::beacon::{AtomicRef, Beacon};

/// How many calls are kept.
const FRAMES: usize = 64;

/// How often it is looked for the answer, and how long between: 500 ms in all.
const LOOKS: u32 = 500;
const PAUSE: Duration = Duration::from_millis(1);

/// Names a thread to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ThreadId(libc::pid_t);

impl ThreadId {
    /// The thread that calls.
    pub(super) fn current() -> ThreadId {
        // SAFETY: it takes nothing and cannot fail.
        ThreadId(unsafe { libc::gettid() })
    }
}

const IDLE: u8 = 0;
const ASKED: u8 = 1;
const WALKING: u8 = 2;
const DONE: u8 = 3;

/// The one request that there can be: the process has one watchdog.
struct Request {
    state: AtomicU8,
    /// Whom it is for; written while the state is `IDLE`.
    thread: AtomicI32,
    beacon: AtomicRef<Beacon>,
    /// The turn that it is about.
    phase: AtomicU64,
    /// Written by the handler while the state is `WALKING`.
    length: AtomicUsize,
    addresses: [AtomicUsize; FRAMES],
}

static REQUEST: Request = Request {
    state: AtomicU8::new(IDLE),
    thread: AtomicI32::new(0),
    beacon: AtomicRef::none(),
    phase: AtomicU64::new(0),
    length: AtomicUsize::new(0),
    addresses: [const { AtomicUsize::new(0) }; FRAMES],
};

/// Why no stack can be had, or nothing once the handler is there.
static PREPARED: OnceLock<Result<(), &'static str>> = OnceLock::new();

/// Makes it possible to ask; called by each thread that may be asked, before it is.
pub(super) fn prepare() {
    PREPARED.get_or_init(install);
}

/// Asks a thread for its stack. To be called while the thread cannot end: its loop takes the
/// watchdog's lock first.
///
/// # Errors
///
/// With the reason.
pub(super) fn ask(
    thread: ThreadId,
    beacon: &'static Beacon,
    phase: u64,
) -> Result<Asked, &'static str> {
    PREPARED.get().copied().unwrap_or(Err("it was not asked"))?;
    if REQUEST.state.load(Ordering::Acquire) == WALKING {
        return Err("an earlier walk of a stack has not ended");
    }
    // `DONE` if an earlier walk ended after nobody waited for it any more.
    REQUEST.state.store(IDLE, Ordering::Relaxed);
    REQUEST.thread.store(thread.0, Ordering::Relaxed);
    REQUEST.beacon.store(Some(beacon));
    REQUEST.phase.store(phase, Ordering::Relaxed);
    REQUEST.length.store(0, Ordering::Relaxed);
    REQUEST.state.store(ASKED, Ordering::Release);
    // SAFETY: it takes numbers. A thread that is gone is an error; one that got the number anew finds
    // that the request is not about its turn.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread.0, libc::SIGURG) };
    if sent == 0 {
        Ok(Asked(()))
    } else {
        REQUEST.state.store(IDLE, Ordering::Release);
        Err("the thread could not be sent a signal")
    }
}

/// A request that was made.
pub(super) struct Asked(());

impl Asked {
    /// Waits for the answer, up to 500 ms, and names the calls, innermost first.
    ///
    /// # Errors
    ///
    /// With the reason.
    pub(super) fn answer(self) -> Result<Vec<StackFrame>, &'static str> {
        for _ in 0..LOOKS {
            if REQUEST.state.load(Ordering::Acquire) == DONE {
                break;
            }
            thread::sleep(PAUSE);
        }
        let state = &REQUEST.state;
        match state.compare_exchange(ASKED, IDLE, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Err("the thread did not answer within 500 ms"),
            Err(DONE) => {}
            Err(_) => return Err("the thread did not end the walk within 500 ms"),
        }
        let length = REQUEST.length.load(Ordering::Relaxed);
        let addresses = REQUEST.addresses[..length].iter();
        let addresses: Vec<usize> = addresses.map(|a| a.load(Ordering::Relaxed)).collect();
        state.store(IDLE, Ordering::Release);
        if addresses.is_empty() {
            return Err("the loop went on meanwhile");
        }
        Ok(name(&addresses))
    }
}

/// Installs the handler, unless the system or the program has something against it.
fn install() -> Result<(), &'static str> {
    if !has_lock_free_tables() {
        return Err("it takes glibc 2.35 or later");
    }
    // The first walk, on an ordinary stack.
    walk(0, |_| true);
    // SAFETY: an all-zero `sigaction` is a valid one: no flags, no mask, the default action.
    let mut old: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: a null action only asks for the present one, which is written to `old`.
    let asked = unsafe { libc::sigaction(libc::SIGURG, ptr::null(), &mut old) };
    if asked != 0 || ![libc::SIG_DFL, libc::SIG_IGN].contains(&old.sa_sigaction) {
        return Err("the program handles SIGURG itself");
    }
    // SAFETY: as above.
    let mut new: libc::sigaction = unsafe { mem::zeroed() };
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = handle;
    new.sa_sigaction = handler as *const () as usize;
    new.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    // SAFETY: `handle` has the signature that `SA_SIGINFO` asks for, is there for the process's life,
    // and does only what a signal handler may: see its comment.
    let set = unsafe { libc::sigaction(libc::SIGURG, &new, ptr::null_mut()) };
    if set == 0 {
        Ok(())
    } else {
        Err("the system takes no handler for SIGURG")
    }
}

/// True if unwind tables are found without a lock.
fn has_lock_free_tables() -> bool {
    // SAFETY: it takes nothing, and returns a static text.
    let version = unsafe { CStr::from_ptr(libc::gnu_get_libc_version()) };
    let mut parts = version.to_bytes().split(|byte| *byte == b'.');
    let mut part = || std::str::from_utf8(parts.next()?).ok()?.parse::<u32>().ok();
    let version = part().zip(part());
    version.is_some_and(|version| version >= (2, 35))
}

/// The handler. Touches atomics, the interrupted thread's registers and its stack, and keeps `errno`.
extern "C" fn handle(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: it returns the thread's own `errno`, which is valid while the thread is.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above, and nothing else of the thread runs meanwhile.
    let kept = unsafe { *errno };
    let state = &REQUEST.state;
    let is_mine = REQUEST.thread.load(Ordering::Relaxed) == ThreadId::current().0;
    if is_mine
        && state
            .compare_exchange(ASKED, WALKING, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    {
        let phase = REQUEST.phase.load(Ordering::Relaxed);
        let beacon = REQUEST.beacon.load();
        if beacon.is_some_and(|beacon| beacon.phase() == phase) {
            // SAFETY: with `SA_SIGINFO` the kernel hands a valid `ucontext_t` for the handler's time.
            let context = unsafe { &*context.cast::<libc::ucontext_t>() };
            record(interrupted_at(context));
        }
        state.store(DONE, Ordering::Release);
    }
    // SAFETY: as above.
    unsafe { *errno = kept };
}

/// Writes down where the thread was interrupted, and the calls that led there.
fn record(interrupted: usize) {
    // One more than it is, as return addresses are: those are looked up one less.
    REQUEST.addresses[0].store(interrupted + 1, Ordering::Relaxed);
    let mut length = 1;
    walk(interrupted, |address| {
        REQUEST.addresses[length].store(address, Ordering::Relaxed);
        length += 1;
        length < FRAMES
    });
    REQUEST.length.store(length, Ordering::Relaxed);
}

/// Gives the return addresses that lie further out than `interrupted`, the handler's own left out,
/// as long as `next` wants them.
fn walk(interrupted: usize, mut next: impl FnMut(usize) -> bool) {
    let mut is_outside = false;
    // SAFETY: what it does without a lock is the walk, which has no state of the process; the lock is
    // for systems whose walk has. The closure does not panic.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            let address = frame.ip().addr();
            if is_outside {
                return next(address);
            }
            is_outside = address == interrupted;
            true
        });
    }
}

#[cfg(target_arch = "x86_64")]
fn interrupted_at(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize
}

#[cfg(target_arch = "aarch64")]
fn interrupted_at(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.pc as usize
}

/// Names the calls, up to the loop's own.
fn name(addresses: &[usize]) -> Vec<StackFrame> {
    let mut frames = Vec::new();
    for &address in addresses {
        let before = frames.len();
        backtrace::resolve(ptr::without_provenance_mut(address), |symbol| {
            frames.push(StackFrame {
                address,
                function: symbol.name().map(|name| format!("{name:#}")),
                file: symbol.filename().map(|file| file.display().to_string()),
                line: symbol.lineno(),
            });
        });
        if frames.len() == before {
            frames.push(StackFrame {
                address,
                ..StackFrame::default()
            });
        }
        if let Some(turn) = frames[before..].iter().position(is_of_the_turn) {
            frames.truncate(before + turn);
            break;
        }
    }
    frames
}

/// True if it is the loop's turn, or what runs turns: nothing further out is of this turn.
fn is_of_the_turn(frame: &StackFrame) -> bool {
    let Some(function) = frame.function() else {
        return false;
    };
    let is_last = |name: &&str| function.rsplit("::").next() == Some(*name);
    function.contains("squall::ioloop::")
        && ["turn", "drive", "start", "run_sync"].iter().any(is_last)
}
