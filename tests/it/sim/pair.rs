use std::io::ErrorKind;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use squall::net::IoStream;
use squall::{IoLoop, Result, moment, yield_};

use crate::support::run;

const KIB: usize = 1024;

fn kind(result: Result<impl std::fmt::Debug>) -> Option<ErrorKind> {
    result.unwrap_err().io().map(std::io::Error::kind)
}

#[squall::test]
fn bytes_come_out_at_the_other_end() -> Result<()> {
    let (a, b) = IoStream::pair();
    yield_!(a.write(b"one\ntwo"))?;
    yield_!(b.write(b"three"))?;
    assert_eq!(yield_!(b.read_until(b"\n", 80))?, b"one\n");
    assert_eq!(yield_!(b.read_bytes(3))?, b"two");
    assert_eq!(yield_!(a.read_partial(80))?, b"three");
    assert_eq!((a.peer_addr(), a.local_addr()), (None, None));
    a.set_nodelay(true)
}

#[squall::test]
fn a_read_waits_for_the_write() -> Result<()> {
    #[squall::coroutine]
    fn reads(stream: IoStream) -> Result<Vec<u8>> {
        yield_!(stream.read_bytes(4))
    }
    let (a, b) = IoStream::pair();
    let reading = reads(b);
    for byte in b"abcd" {
        assert!(!reading.done());
        let waits = squall::live()
            .iter()
            .any(|one| one.waits_for() == squall::WaitsFor::Bytes);
        assert!(waits, "{}", squall::dump());
        yield_!(a.write(&[*byte]))?;
        yield_!(moment());
    }
    assert_eq!(yield_!(reading)?, b"abcd");
    Ok(())
}

#[squall::test]
fn a_slow_reader_makes_its_writer_wait() -> Result<()> {
    #[squall::coroutine]
    fn writes(stream: Rc<IoStream>) -> Result<()> {
        let data: Vec<u8> = (0..200 * KIB).map(|n| n as u8).collect();
        yield_!(stream.write(&data))
    }
    let (a, b) = IoStream::pair();
    let writing = writes(Rc::new(a));
    for _ in 0..10 {
        yield_!(moment());
    }
    assert!(!writing.done());
    assert!(
        squall::live()
            .iter()
            .any(|one| one.waits_for() == squall::WaitsFor::Room)
    );
    let got = yield_!(b.read_bytes(200 * KIB))?;
    assert!(got.iter().enumerate().all(|(n, byte)| *byte == n as u8));
    yield_!(writing)
}

#[squall::test]
fn a_pair_holds_64_kib_each_way() {
    let (a, _b) = IoStream::pair();
    let mut cx = Context::from_waker(Waker::noop());
    let data = vec![0; 100 * KIB];
    let Poll::Ready(Ok(count)) = a.poll_write(&mut cx, &data) else {
        panic!("there is room");
    };
    assert_eq!(count, 64 * KIB);
    assert!(a.poll_write(&mut cx, &data).is_pending());
}

#[squall::test]
fn the_end_comes_after_the_last_byte() -> Result<()> {
    let (a, b) = IoStream::pair();
    yield_!(a.write(b"last"))?;
    drop(a);
    assert_eq!(yield_!(b.read_until_close(80))?, b"last");
    assert_eq!(yield_!(b.read_partial(80))?, b"");
    assert!(yield_!(b.read_bytes(1)).unwrap_err().is_closed());
    let error = yield_!(b.write(b"x")).unwrap_err();
    assert!(error.is_closed());
    assert_eq!(
        error.io().map(std::io::Error::kind),
        Some(ErrorKind::BrokenPipe)
    );
    Ok(())
}

#[squall::test]
fn half_of_it_can_be_closed() -> Result<()> {
    let (a, b) = IoStream::pair();
    yield_!(a.write(b"question"))?;
    a.shutdown_write()?;
    assert_eq!(yield_!(b.read_until_close(80))?, b"question");
    assert_eq!(kind(yield_!(a.write(b"more"))), Some(ErrorKind::BrokenPipe));
    yield_!(b.write(b"answer"))?;
    b.close();
    assert_eq!(yield_!(a.read_until_close(80))?, b"answer");
    Ok(())
}

#[squall::test]
fn closing_ends_ones_own_reads_and_writes_too() -> Result<()> {
    #[squall::coroutine]
    fn reads(stream: Rc<IoStream>) -> Result<Vec<u8>> {
        yield_!(stream.read_bytes(1))
    }
    #[squall::coroutine]
    fn writes(stream: Rc<IoStream>) -> Result<()> {
        yield_!(stream.write(&vec![0; 100 * KIB]))
    }
    let (a, b) = IoStream::pair();
    let (a, b) = (Rc::new(a), Rc::new(b));
    let (reading, writing) = (reads(a.clone()), writes(a.clone()));
    yield_!(moment());
    a.close();
    assert!(a.is_closed());
    assert!(yield_!(reading).unwrap_err().is_closed());
    assert!(yield_!(writing).unwrap_err().is_closed());
    assert_eq!(kind(yield_!(b.write(b"x"))), Some(ErrorKind::BrokenPipe));
    assert!(yield_!(a.read_bytes(1)).unwrap_err().is_closed());
    assert_eq!(yield_!(b.read_until_close(100 * KIB))?.len(), 64 * KIB);
    Ok(())
}

#[squall::test]
fn a_write_that_waits_for_room_ends_when_nobody_reads_any_more() -> Result<()> {
    #[squall::coroutine]
    fn writes(stream: IoStream) -> Result<()> {
        yield_!(stream.write(&vec![0; 100 * KIB]))
    }
    let (a, b) = IoStream::pair();
    let writing = writes(a);
    yield_!(moment());
    b.close();
    assert_eq!(kind(yield_!(writing)), Some(ErrorKind::BrokenPipe));
    Ok(())
}

#[squall::test]
fn one_that_is_dropped_with_bytes_unread_resets_the_other() -> Result<()> {
    let (a, b) = IoStream::pair();
    yield_!(b.write(b"kept"))?;
    yield_!(a.write(b"never read"))?;
    drop(b);
    assert_eq!(yield_!(a.read_bytes(4))?, b"kept");
    let error = yield_!(a.read_bytes(1)).unwrap_err();
    assert!(error.is_closed());
    assert_eq!(
        error.io().map(std::io::Error::kind),
        Some(ErrorKind::ConnectionReset)
    );
    assert_eq!(
        kind(yield_!(a.write(b"x"))),
        Some(ErrorKind::ConnectionReset)
    );
    Ok(())
}

#[squall::test]
fn a_second_read_is_refused_and_a_dropped_one_loses_nothing() -> Result<()> {
    let (a, b) = IoStream::pair();
    let mut cx = Context::from_waker(Waker::noop());
    {
        let mut first = pin!(b.read_bytes(4));
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(yield_!(b.read_bytes(1)).is_err());
        yield_!(a.write(b"ab"))?;
        assert!(first.as_mut().poll(&mut cx).is_pending());
    }
    yield_!(a.write(b"cd"))?;
    assert_eq!(yield_!(b.read_bytes(4))?, b"abcd");
    Ok(())
}

#[test]
fn a_pair_works_on_a_real_clock_and_has_no_descriptor() {
    #[squall::coroutine]
    fn talk() -> Result<Vec<u8>> {
        // More than a process may have descriptors, by default.
        let pairs: Vec<_> = (0..10_000).map(|_| IoStream::pair()).collect();
        let (a, b) = &pairs[9_999];
        yield_!(a.write(b"hello"))?;
        yield_!(b.read_bytes(5))
    }
    let io_loop = IoLoop::new().unwrap();
    assert_eq!(io_loop.run_sync(talk).unwrap(), b"hello");
}

#[test]
fn streams_outlive_their_loop_as_errors() {
    let (a, b) = run(|| async { IoStream::pair() });
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(a.poll_write(&mut cx, b"x"), Poll::Ready(Err(_))));
    assert!(matches!(b.poll_readable(&mut cx), Poll::Ready(Err(_))));
    drop(a);
    drop(b);
}

#[squall::test]
fn writes_go_out_in_the_order_of_their_calls() -> Result<()> {
    #[squall::coroutine]
    fn writes(stream: Rc<IoStream>, data: Vec<u8>) -> Result<()> {
        yield_!(stream.write(&data))
    }
    let (a, b) = IoStream::pair();
    let a = Rc::new(a);
    let first = writes(a.clone(), vec![b'x'; 100 * KIB]);
    let second = writes(a, b"y".to_vec());
    let read = yield_!(b.read_bytes(100 * KIB + 1))?;
    assert!(read.ends_with(b"xy"));
    yield_!([first, second]).map(|_| ())
}
