//! Other programs: their pipes, their end.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use squall::net::IoStream;
use squall::{IoLoop, Result, Subprocess, sleep, yield_};

use crate::support::{Trace, run};

const MIB: usize = 1024 * 1024;

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[squall::coroutine]
fn send(stream: IoStream, data: Vec<u8>) -> Result<()> {
    yield_!(stream.write(&data))
}

// tornado: process_test.py SubprocessTest.test_subprocess
#[squall::test]
fn program_reads_and_writes_through_streams() {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut cat = Subprocess::spawn(&mut command).unwrap();
    let (input, output) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
    assert!(cat.stderr.is_none());
    yield_!(input.write(b"one\n")).unwrap();
    assert_eq!(yield_!(output.read_until(b"\n", 80)).unwrap(), b"one\n");
    // More than a pipe holds, both ways.
    let data = vec![7; MIB];
    let sent = send(input, data.clone());
    assert!(yield_!(output.read_bytes(MIB)).unwrap() == data);
    yield_!(sent).unwrap();
    // Its input was dropped: it ends.
    assert_eq!(yield_!(output.read_until_close(80)).unwrap(), b"");
    assert!(yield_!(cat.wait()).unwrap().success());
}

// tornado: process_test.py SubprocessTest.test_stderr
#[squall::test]
fn complaints_come_on_a_stream_of_their_own() {
    let mut command = shell("echo hello >&2");
    let mut sh = Subprocess::spawn(command.stderr(Stdio::piped())).unwrap();
    let errors = sh.stderr.take().unwrap();
    assert_eq!(yield_!(errors.read_until_close(80)).unwrap(), b"hello\n");
    assert!(yield_!(sh.wait()).unwrap().success());
}

// tornado: process_test.py SubprocessTest.test_wait_for_exit_raise
#[squall::test]
fn end_is_told_as_often_as_it_is_asked_for() {
    let sh = Subprocess::spawn(&mut shell("exit 3")).unwrap();
    let (one, two) = (sh.wait(), sh.wait());
    for status in yield_!([one, two]).unwrap() {
        assert_eq!(status.code(), Some(3));
    }
    assert_eq!(yield_!(sh.wait()).unwrap().code(), Some(3));
    assert_eq!(sh.status().unwrap().code(), Some(3));
    sh.kill().expect("harmless, as it has ended");
}

// tornado: process_test.py SubprocessTest.test_exit_callback
#[squall::test]
fn exit_callbacks_are_called_after_the_end_also_when_it_was_before() {
    let trace = Trace::new();
    let sh = Subprocess::spawn(&mut shell("exit 4")).unwrap();
    let note = |name: &'static str| {
        let trace = trace.clone();
        move |status: Result<std::process::ExitStatus>| {
            trace.add(format!("{name}: {:?}", status.unwrap().code()));
        }
    };
    sh.set_exit_callback(note("before"));
    yield_!(sh.wait()).unwrap();
    sh.set_exit_callback(note("after"));
    trace.add("not inline");
    yield_!(sleep(Duration::from_secs(1)));
    let mut got = trace.take();
    got.sort_unstable();
    assert_eq!(got, ["after: Some(4)", "before: Some(4)", "not inline"]);
}

// tornado: process_test.py SubprocessTest.test_sigchild_signal
#[squall::test]
fn killed_program_says_which_signal_it_was() {
    let mut command = Command::new("cat");
    let cat = Subprocess::spawn(command.stdin(Stdio::piped())).unwrap();
    assert!(cat.status().is_none());
    assert!(cat.id() > 0);
    cat.kill().unwrap();
    let status = yield_!(cat.wait()).unwrap();
    assert_eq!((status.code(), status.signal()), (None, Some(9)));
}

#[squall::test]
fn hundred_programs_end_each_to_its_own() {
    let programs: Vec<_> = (0..100)
        .map(|n| Subprocess::spawn(&mut shell(&format!("exit {n}"))).unwrap())
        .collect();
    let ends: Vec<_> = programs.iter().map(Subprocess::wait).collect();
    for (n, status) in yield_!(ends).unwrap().into_iter().enumerate() {
        assert_eq!(status.code(), Some(n as i32));
    }
}

#[squall::test]
fn program_that_is_not_there_is_an_error() {
    let error = Subprocess::spawn(&mut Command::new("/nonexistent/program")).unwrap_err();
    let kind = error.io().map(std::io::Error::kind);
    assert_eq!(kind, Some(std::io::ErrorKind::NotFound));
}

#[test]
fn program_outlives_who_started_it_and_the_loop() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    run(|| async {
        let mut command = shell("sleep 0.2; echo done");
        drop(Subprocess::spawn(command.stdout(writer)).unwrap());
    });
    let mut text = String::new();
    std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
    assert_eq!(text, "done\n");
}

// Pipes.

#[squall::test]
fn end_of_a_pipe_is_told_to_the_other_end() {
    let (reader, writer) = std::io::pipe().unwrap();
    let reader = IoStream::from_pipe_reader(reader).unwrap();
    let writer = IoStream::from_pipe_writer(writer).unwrap();
    yield_!(writer.write(b"last words")).unwrap();
    writer.shutdown_write().unwrap();
    assert!(yield_!(writer.write(b"more")).unwrap_err().is_closed());
    let all = yield_!(reader.read_until_close(80)).unwrap();
    assert_eq!(all, b"last words");

    let (reader, writer) = std::io::pipe().unwrap();
    let reader = IoStream::from_pipe_reader(reader).unwrap();
    let writer = IoStream::from_pipe_writer(writer).unwrap();
    reader.close();
    assert!(yield_!(reader.read_bytes(1)).unwrap_err().is_closed());
    assert!(yield_!(writer.write(b"x")).unwrap_err().is_closed());
}

#[squall::test]
fn wrong_end_of_a_pipe_is_an_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    let reader = IoStream::from_pipe_reader(reader).unwrap();
    let writer = IoStream::from_pipe_writer(writer).unwrap();
    assert!(
        yield_!(reader.write(b"x"))
            .unwrap_err()
            .to_string()
            .contains("the wrong one")
    );
    assert_eq!((reader.peer_addr(), writer.local_addr()), (None, None));
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    assert!(IoStream::from_pipe_reader(file).unwrap_err().io().is_some());
}

#[squall::test]
fn close_ends_a_read_of_a_pipe_that_waits() {
    #[squall::coroutine]
    fn read(stream: std::rc::Rc<IoStream>) -> Result<Vec<u8>> {
        yield_!(stream.read_bytes(1))
    }

    let (reader, _writer) = std::io::pipe().unwrap();
    let reader = std::rc::Rc::new(IoStream::from_pipe_reader(reader).unwrap());
    let reading = read(reader.clone());
    let closer = reader.clone();
    IoLoop::current().add_callback(move || closer.close());
    assert!(yield_!(reading).unwrap_err().is_closed());
}
