//! Handlers of descriptors: those that borrow, and those that own.

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use squall::{Interest, IoLoop, Promise, sleep, yield_};

use crate::support::{OnDrop, Trace, capture_logs, run};

use super::{MS, pair};

/// A handler that adds what it is told to a trace.
fn trace_interest(trace: &Trace) -> impl Fn(i32, Interest) + use<> {
    let trace = trace.clone();
    move |_, told| trace.add(name(told))
}

fn name(interest: Interest) -> &'static str {
    let both = Interest::READ | Interest::WRITE;
    let names = [
        (Interest::READ, "read"),
        (Interest::WRITE, "write"),
        (both, "read and write"),
    ];
    let found = names.into_iter().find(|(of, _)| *of == interest);
    found.map_or("something else", |(_, name)| name)
}

/// Checks that a handler was called more than once, and told the same each time.
#[track_caller]
fn check_told(trace: &Trace, want: &str) {
    let mut told = trace.take();
    assert!(told.len() > 1, "level-triggered: called while it is ready");
    told.dedup();
    assert_eq!(told, [want]);
}

/// Lets the loop ask the system for I/O a few times.
#[squall::coroutine]
fn polls() {
    for _ in 0..5 {
        yield_!(sleep(MS));
    }
}

// tornado: ioloop_test.py test_multiple_add, test_mixed_fd_fileobj (I10)
#[squall::test]
fn bad_i10_second_handler_of_a_descriptor_is_an_error() {
    let io_loop = IoLoop::current();
    let (a, mut b) = pair();
    let trace = Trace::new();
    (io_loop.add_handler(&a, Interest::READ, trace_interest(&trace))).unwrap();
    let fd = a.as_raw_fd();
    let want = format!("descriptor {fd} has a handler already");
    let by_object = io_loop.add_handler(&a, Interest::READ, |_, _| panic!("not added"));
    let by_number = io_loop.add_handler(&fd, Interest::WRITE, |_, _| panic!("not added"));
    for error in [by_object, by_number] {
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(&want), "{error}");
    }
    // The first one is as it was.
    b.write_all(b"x").unwrap();
    yield_!(polls());
    io_loop.remove_handler(&a);
    check_told(&trace, "read");
}

// tornado: ioloop_test.py test_remove_without_add (I11)
#[squall::test]
fn i11_handler_that_is_not_there_can_be_removed_but_not_updated() {
    let io_loop = IoLoop::current();
    let (a, _b) = pair();
    io_loop.remove_handler(&a);
    let error = io_loop.update_handler(&a, Interest::READ).unwrap_err();
    let want = format!("descriptor {} has no handler; add one first", a.as_raw_fd());
    assert_eq!(error.to_string(), want);
    // Added and removed, it is not there again, and may be added again.
    for _ in 0..2 {
        (io_loop.add_handler(&a, Interest::WRITE, |_, _| {})).unwrap();
        io_loop.remove_handler(&a);
        io_loop.remove_handler(&a);
    }
}

#[squall::test]
fn bad_descriptor_that_cannot_be_polled_is_refused_and_not_kept() {
    let io_loop = IoLoop::current();
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    for _ in 0..2 {
        let error = io_loop.add_handler(&file, Interest::READ, |_, _| {});
        let error = error.unwrap_err();
        let code = error.io().and_then(std::io::Error::raw_os_error);
        let want = format!(
            "descriptor {} cannot be polled: a file is always ready; read it by run_in_executor",
            file.as_raw_fd()
        );
        assert_eq!((code, error.to_string()), (Some(libc::EPERM), want));
    }
    let (a, _b) = pair();
    let error = io_loop.add_handler(&a, Interest::ERROR, |_, _| {});
    assert!(error.unwrap_err().to_string().contains("READ or WRITE"));
}

// tornado: ioloop_test.py test_read_while_writeable (I12)
#[squall::test]
fn i12_reader_is_told_of_reading_only() {
    let io_loop = IoLoop::current();
    let (a, mut b) = pair();
    let trace = Trace::new();
    (io_loop.add_handler(&a, Interest::READ, trace_interest(&trace))).unwrap();
    yield_!(polls());
    assert_eq!(
        trace.take(),
        [""; 0],
        "it can be written, which is not asked"
    );
    b.write_all(b"x").unwrap();
    yield_!(polls());
    io_loop.remove_handler(&a);
    check_told(&trace, "read");
}

// tornado: ioloop_test.py test_handler_callback_file_object, for a number (I13)
#[squall::test]
fn i13_handler_is_called_again_until_all_is_read() {
    let io_loop = IoLoop::current();
    let (a, mut b) = pair();
    b.write_all(b"abc").unwrap();
    let trace = Trace::new();
    let (seen, reader, number) = (trace.clone(), a.try_clone().unwrap(), a.as_raw_fd());
    let handler = move |fd, told| {
        assert_eq!((fd, told), (number, Interest::READ));
        let mut byte = [0];
        (&reader).read_exact(&mut byte).expect("it is ready");
        seen.add(String::from_utf8_lossy(&byte));
    };
    (io_loop.add_handler(&a, Interest::READ, handler)).unwrap();
    yield_!(polls());
    assert_eq!(trace.take(), ["a", "b", "c"]);
    b.write_all(b"d").unwrap();
    yield_!(polls());
    assert_eq!(trace.take(), ["d"]);
    io_loop.remove_handler(&a);
    b.write_all(b"e").unwrap();
    yield_!(polls());
    assert_eq!(trace.take(), [""; 0]);
}

#[squall::test]
fn update_handler_changes_what_a_handler_waits_for() {
    let io_loop = IoLoop::current();
    let (a, mut b) = pair();
    let trace = Trace::new();
    (io_loop.add_handler(&a, Interest::WRITE, trace_interest(&trace))).unwrap();
    b.write_all(b"x").unwrap();
    yield_!(polls());
    check_told(&trace, "write");
    let both = Interest::READ | Interest::WRITE;
    for interest in [Interest::READ, both, Interest::WRITE] {
        io_loop.update_handler(&a, interest).unwrap();
        yield_!(polls());
        check_told(&trace, name(interest));
    }
    assert!(io_loop.update_handler(&a, Interest::ERROR).is_err());
    io_loop.remove_handler(&a);
}

// tornado: ioloop_test.py test_remove_handler_from_handler (I14)
#[squall::test]
fn i14_handler_that_another_one_removes_in_the_same_turn_is_not_called() {
    let io_loop = IoLoop::current();
    let (a, mut a_peer) = pair();
    let (b, mut b_peer) = pair();
    a_peer.write_all(b"x").unwrap();
    b_peer.write_all(b"x").unwrap();
    let trace = Trace::new();
    for (fd, other) in [(&a, &b), (&b, &a)] {
        let (seen, remover) = (trace.clone(), io_loop.clone());
        let (fd, other) = (fd.as_raw_fd(), other.as_raw_fd());
        let handler = move |_, _| {
            seen.add("called");
            remover.remove_handler(&other);
            remover.remove_handler(&fd);
        };
        (io_loop.add_handler(&fd, Interest::READ, handler)).unwrap();
    }
    yield_!(polls());
    assert_eq!(trace.take(), ["called"]);
}

#[squall::test]
fn handler_that_takes_the_place_of_one_removed_in_the_same_turn_gets_no_stale_event() {
    let io_loop = IoLoop::current();
    let (a, mut a_peer) = pair();
    let (b, mut b_peer) = pair();
    a_peer.write_all(b"x").unwrap();
    b_peer.write_all(b"x").unwrap();
    let trace = Trace::new();
    // Whichever is first replaces the other's handler by one that waits for what never comes.
    for (fd, other) in [(&a, &b), (&b, &a)] {
        let (seen, io) = (trace.clone(), io_loop.clone());
        let (fd, other, drain) = (
            fd.as_raw_fd(),
            other.as_raw_fd(),
            other.try_clone().unwrap(),
        );
        let handler = move |_, _| {
            seen.add("first");
            io.remove_handler(&other);
            (&drain).read_exact(&mut [0]).expect("it is ready");
            let stale = trace_interest(&seen);
            (io.add_handler(&other, Interest::READ, stale)).expect("it was removed");
            io.remove_handler(&fd);
        };
        (io_loop.add_handler(&fd, Interest::READ, handler)).unwrap();
    }
    yield_!(polls());
    assert_eq!(trace.take(), ["first"]);
    io_loop.remove_handler(&a);
    io_loop.remove_handler(&b);
}

#[squall::test]
fn handler_may_remove_itself_and_keeps_what_it_owns_to_its_end() {
    let io_loop = IoLoop::current();
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let trace = Trace::new();
    let guard = OnDrop(trace.clone(), "dropped");
    let (fd, remover) = (a.as_raw_fd(), io_loop.clone());
    let handler = move |_, _| {
        remover.remove_handler(&fd);
        guard.0.add("removed");
    };
    (io_loop.add_handler(&a, Interest::READ, handler)).unwrap();
    yield_!(polls());
    assert_eq!(trace.take(), ["removed", "dropped"]);
}

#[squall::test]
fn reader_is_told_that_its_peer_has_closed() {
    let io_loop = IoLoop::current();
    let (a, b) = pair();
    let trace = Trace::new();
    let (closed, done) = Promise::new();
    let (seen, closed) = (trace.clone(), Cell::new(Some(closed)));
    let handler = move |_, told: Interest| {
        if let Some(closed) = closed.take() {
            seen.add(format!("read {}", told.contains(Interest::READ)));
            closed.set_result(());
        }
    };
    (io_loop.add_handler(&a, Interest::READ, handler)).unwrap();
    drop(b);
    yield_!(done);
    assert_eq!(trace.take(), ["read true"]);
    io_loop.remove_handler(&a);
}

#[test]
fn bad_handler_whose_descriptor_was_closed_is_removed_and_logged() {
    let trace = Trace::new();
    let ((), log) = capture_logs(|| {
        run(|| {
            let io_loop = IoLoop::current();
            let (a, mut b) = pair();
            b.write_all(b"x").unwrap();
            let (seen, fd) = (trace.clone(), a.as_raw_fd());
            let owned = Cell::new(Some(a));
            let handler = move |_, _| {
                seen.add("called");
                drop(owned.take());
            };
            (io_loop.add_handler(&fd, Interest::READ, handler)).unwrap();
            polls()
        });
    });
    assert_eq!(trace.take(), ["called"]);
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].starts_with("ERROR squall: the handler of descriptor"));
}

// Handlers that own.

// tornado: ioloop_test.py test_handler_callback_file_object (I13)
#[squall::test]
fn i13_a_handler_that_owns_gets_the_same_object() {
    let io_loop = IoLoop::current();
    let (a, mut b) = pair();
    let a = Rc::new(a);
    let (trace, same) = (Trace::new(), a.clone());
    let seen = trace.clone();
    let handler = move |source: &Rc<UnixStream>, _| {
        seen.add(format!("same: {}", Rc::ptr_eq(source, &same)));
        source.as_ref().read_exact(&mut [0]).unwrap();
    };
    (io_loop.add_source(a.clone(), Interest::READ, handler)).unwrap();
    b.write_all(b"x").unwrap();
    yield_!(polls());
    assert_eq!(trace.take(), ["same: true"]);
    io_loop.remove_handler(&*a);
    let back = Rc::into_inner(a).expect("the loop has given it back");
    assert!(back.peer_addr().is_ok(), "and it is open");
}

// tornado: ioloop_test.py test_close_file_object (I28)
#[test]
fn i28_close_closes_what_it_was_given_and_leaves_open_what_was_lent() {
    let (given, mut peer_of_given) = pair();
    let (lent, mut peer_of_lent) = pair();
    run(|| async {
        let io_loop = IoLoop::current();
        (io_loop.add_source(Rc::new(given), Interest::READ, |_, _| {})).unwrap();
        (io_loop.add_handler(&lent, Interest::READ, |_, _| {})).unwrap();
    });
    let end = peer_of_given.read(&mut [0]).unwrap();
    assert_eq!(end, 0, "its descriptor was closed with the loop");
    peer_of_lent.set_nonblocking(true).unwrap();
    let open = peer_of_lent.read(&mut [0]).unwrap_err();
    assert_eq!(open.kind(), std::io::ErrorKind::WouldBlock);
}

#[squall::test]
fn source_that_is_refused_is_not_kept() {
    let io_loop = IoLoop::current();
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    let file = Rc::new(file);
    let refused = io_loop.add_source(file.clone(), Interest::READ, |_, _| {});
    assert!(refused.unwrap_err().io().is_some());
    assert_eq!(Rc::strong_count(&file), 1);
}

#[squall::test]
fn bad_descriptor_that_is_closed_is_refused_by_its_number() {
    let (a, _b) = pair();
    // A number that nobody has: the highest that a process may have is below it.
    let nobody = i32::MAX;
    drop(a);
    let io_loop = IoLoop::current();
    let error = io_loop.add_handler(&nobody, Interest::READ, |_, _| {});
    let error = error.unwrap_err();
    let code = error.io().and_then(std::io::Error::raw_os_error);
    assert_eq!(code, Some(libc::EBADF));
    let want = "descriptor 2147483647 cannot be polled; was it closed?";
    assert_eq!(error.to_string(), want);
    assert_eq!(
        format!("{error:?}"),
        format!("{want}: {}", error.io().unwrap())
    );
    // One that is closed while it has a handler: a change finds out.
    let (a, _b) = pair();
    let fd = a.as_raw_fd();
    (io_loop.add_handler(&fd, Interest::READ, |_, _| {})).unwrap();
    drop(a);
    let error = io_loop.update_handler(&fd, Interest::WRITE).unwrap_err();
    let want = format!("descriptor {fd} cannot be polled; was it closed?");
    assert_eq!(error.to_string(), want);
    io_loop.remove_handler(&fd);
}
