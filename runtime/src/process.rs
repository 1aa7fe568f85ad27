//! Other programs: their pipes as streams, their end as a future.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::rc::Rc;

use crate::coro::deferred::Deferred;
use crate::error::Result;
use crate::future::Promise;
use crate::ioloop::{ChildExit, IoLoop};
use crate::net::IoStream;

/// A program that was started: Tornado's `Subprocess`.
///
/// Those of its standard streams that the command says `Stdio::piped()` of are streams here. The
/// loop notices its end whether or not anybody waits, so none becomes a zombie while the loop runs.
/// Dropping this neither ends nor waits for the program, as with [`std::process::Child`].
///
/// # Examples
///
/// ```
/// use squall::{Subprocess, yield_};
/// use std::process::{Command, Stdio};
///
/// #[squall::main]
/// fn main() -> squall::Result<()> {
///     let mut command = Command::new("tr");
///     command.args(["a-z", "A-Z"]).stdin(Stdio::piped()).stdout(Stdio::piped());
///     let mut tr = Subprocess::spawn(&mut command)?;
///     let (input, output) = (tr.stdin.take().unwrap(), tr.stdout.take().unwrap());
///     yield_!(input.write(b"hello"))?;
///     drop(input); // the end of its input
///     assert_eq!(yield_!(output.read_until_close(1024))?, b"HELLO");
///     assert!(yield_!(tr.wait())?.success());
///     Ok(())
/// }
/// ```
pub struct Subprocess {
    /// Writes what the program reads. Take it and drop it to end the program's input.
    pub stdin: Option<IoStream>,
    /// Reads what the program writes.
    pub stdout: Option<IoStream>,
    /// Reads what the program complains of.
    pub stderr: Option<IoStream>,
    running: Rc<Running>,
}

/// What the coroutine that waits for the end shares with those who wait for it.
struct Running {
    child: RefCell<Child>,
    /// None while it runs.
    ended: Cell<Option<Ended>>,
    waiting: RefCell<Vec<Promise<Result<ExitStatus>>>>,
}

/// How it ended, or how waiting for that failed.
type Ended = std::result::Result<ExitStatus, io::ErrorKind>;

impl Subprocess {
    /// Starts a program, and watches it from the current loop.
    ///
    /// # Errors
    ///
    /// If the program cannot be started, or not be watched; one that was started is killed then.
    pub fn spawn(command: &mut Command) -> Result<Subprocess> {
        let mut child = Guard(Some(command.spawn()?));
        let started = child.0.as_mut().expect("it was put in above");
        let reader = |pipe: OwnedFd| IoStream::from_pipe_reader(pipe);
        let stdin =
            (started.stdin.take()).map(|pipe| IoStream::from_pipe_writer(OwnedFd::from(pipe)));
        let stdout = started.stdout.take().map(|pipe| reader(pipe.into()));
        let stderr = started.stderr.take().map(|pipe| reader(pipe.into()));
        let (stdin, stdout) = (stdin.transpose()?, stdout.transpose()?);
        let stderr = stderr.transpose()?;
        let exit = ChildExit::new(started)?;
        let child = child.0.take().expect("it is taken once");
        let running = Rc::new(Running {
            child: RefCell::new(child),
            ended: Cell::new(None),
            waiting: RefCell::default(),
        });
        drop(reap(running.clone(), exit));
        Ok(Subprocess {
            stdin,
            stdout,
            stderr,
            running,
        })
    }

    /// Returns the number of the process.
    pub fn id(&self) -> u32 {
        self.running.child.borrow().id()
    }

    /// Waits for the end of the program: Tornado's `wait_for_exit`. It may be called any number of
    /// times.
    ///
    /// Take and drop [`stdin`](Self::stdin) first if the program reads to the end of its input.
    ///
    /// # Errors
    ///
    /// If the system does not tell (somebody else has waited for the process).
    pub fn wait(&self) -> Deferred<Result<ExitStatus>> {
        if let Some(ended) = self.running.ended.get() {
            return Deferred::ready(result(ended));
        }
        let (promise, deferred) = Promise::new();
        self.running.waiting.borrow_mut().push(promise);
        deferred
    }

    /// Calls `callback` on the loop after the end: Tornado's `set_exit_callback`.
    ///
    /// It comes in a later turn, also if the program has ended already. Several callbacks all come.
    pub fn set_exit_callback(&self, callback: impl FnOnce(Result<ExitStatus>) + 'static) {
        IoLoop::current().add_future(self.wait(), callback);
    }

    /// Returns how the program ended; none while it runs, as far as the loop has noticed.
    pub fn status(&self) -> Option<ExitStatus> {
        self.running.ended.get()?.ok()
    }

    /// Ends the program (`SIGKILL`). Harmless if it has ended.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn kill(&self) -> Result<()> {
        Ok(self.running.child.borrow_mut().kill()?)
    }
}

impl fmt::Debug for Subprocess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subprocess")
            .field("id", &self.id())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// Waits for the end, and tells those who wait.
#[crate::coroutine]
fn reap(running: Rc<Running>, exit: ChildExit) {
    let ended = loop {
        let status = running.child.borrow_mut().try_wait();
        match status {
            Ok(Some(status)) => break Ok(status),
            Ok(None) => {}
            Err(error) => break Err(error.kind()),
        }
        if let Err(error) = crate::yield_!(exit.changed()) {
            break Err(io::Error::from(error).kind());
        }
    };
    running.ended.set(Some(ended));
    let waiting = running.waiting.take();
    for promise in waiting {
        promise.set_result(result(ended));
    }
}

fn result(ended: Ended) -> Result<ExitStatus> {
    ended.map_err(|kind| io::Error::from(kind).into())
}

/// A child that is killed and waited for, unless it is taken out.
struct Guard(Option<Child>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
