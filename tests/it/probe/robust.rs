//! Clients that behave badly, signals, and what a command line may say.

use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{Probe, Wire, example, ms};
use crate::programs::{PATIENCE, Running, free_port};

const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

/// Has the connection be reset when it is dropped: closed with bytes unread.
fn reset(wire: Wire) {
    socket2::SockRef::from(&wire.stream)
        .set_linger(Some(Duration::ZERO))
        .expect("a socket has options");
}

#[test]
fn requests_in_flight_finish_after_sigterm() {
    let mut probe = Probe::patient();
    let mut idle = probe.connect();
    idle.is_kept();
    let mut slow = probe.connect();
    slow.send("GET /sleep/500 HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut stream = probe.connect();
    stream.send("GET /stream/5/3?delay=100 HTTP/1.1\r\nHost: a\r\n\r\n");
    thread::sleep(ms(150));
    probe.terminate();
    assert!(idle.rest().is_empty(), "an idle connection is closed");
    let refused = std::net::TcpStream::connect(("127.0.0.1", probe.port));
    assert!(refused.is_err(), "nobody listens any more");
    let answer = slow.answer(false).expect("it finishes");
    assert_eq!((answer.status, &*answer.text()), (200, "slept 500"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(slow.rest().is_empty());
    assert_eq!(
        stream.answer(false).expect("it finishes").text(),
        "aaabbbcccdddeee"
    );
    assert_eq!(probe.wait(), Some(0));
}

#[test]
fn requests_that_take_longer_than_the_grace_are_cut() {
    let mut probe = Probe::patient();
    let mut slow = probe.connect();
    slow.send("GET /sleep/3600000 HTTP/1.1\r\nHost: a\r\n\r\n");
    thread::sleep(ms(150));
    probe.terminate();
    assert_eq!(probe.wait(), Some(0));
    let rest = slow.rest();
    assert!(
        !rest.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&rest)
    );
}

#[test]
fn sigterm_without_clients_ends_it() {
    let mut probe = Probe::patient();
    probe.terminate();
    assert_eq!(probe.wait(), Some(0));
}

#[test]
fn port_in_use_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let output = Command::new(example("probe"))
        .args(["--port", &port])
        .output();
    let output = output.expect("it runs");
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("error"), "{message}");
}

#[test]
fn flags_that_are_wrong_are_refused() {
    for (args, why) in [
        (&["--no-such-flag"][..], "unknown flag"),
        (&["--port"], "needs a number"),
        (&["--port", "x"], "needs a number"),
        (&["--port", "70000"], "up to 65535"),
        (
            &["--port", "1", "--idle-timeout-ms", "-1"],
            "needs a number",
        ),
        (&[], "--port is missing"),
        (&["--port", "0", "--static-dir"], "needs a directory"),
    ] {
        let output = Command::new(example("probe"))
            .args(args)
            .stdin(Stdio::null())
            .output();
        let output = output.expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(
            message.contains(why) && message.contains("Usage"),
            "{message}"
        );
    }
    let help = Command::new(example("probe"))
        .arg("--help")
        .output()
        .expect("it runs");
    assert!(help.status.success() && help.stdout.starts_with(b"A server"));
}

#[test]
fn unread_answer_waits_and_takes_no_memory() {
    let probe = Probe::patient();
    probe.lives();
    let before = probe.memory();
    let mut readers: Vec<Wire> = (0..20)
        .map(|n| {
            let mut wire = probe.connect();
            let target = [
                "/bytes/67108864",
                "/stream/1000000/65536",
                "/static/big.bin",
            ][n % 3];
            wire.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
            wire
        })
        .collect();
    thread::sleep(ms(700));
    let grown = probe.memory().saturating_sub(before);
    assert!(grown < 20 * 1024, "grown by {grown} KiB");
    let ticks = probe.ticks();
    thread::sleep(ms(500));
    let spent = probe.ticks() - ticks;
    assert!(spent < 20, "it spins: {spent} of 50 hundredths of a second");
    let answer = readers[0].answer(false).expect("it comes after all");
    assert!(answer.body.len() == 64 * 1024 * 1024);
    assert!(
        answer
            .body
            .iter()
            .enumerate()
            .all(|(i, byte)| *byte == (i % 251) as u8)
    );
    probe.lives();
}

#[test]
fn endless_pipeline_takes_no_memory() {
    let probe = Probe::patient();
    probe.lives();
    let before = probe.memory();
    // Nobody reads the answers, so that at some time nothing is taken any more.
    let wire = probe.connect();
    wire.stream
        .set_write_timeout(Some(ms(1000)))
        .expect("a socket has options");
    let requests = HELLO.repeat(2000);
    use std::io::Write;
    let mut stream = &wire.stream;
    let mut sent = 0;
    while stream.write_all(requests.as_bytes()).is_ok() && sent < 400 {
        sent += 1;
    }
    assert!(sent < 400, "a client that does not read is made to wait");
    let grown = probe.memory().saturating_sub(before);
    assert!(grown < 16 * 1024, "grown by {grown} KiB");
    probe.lives();
}

#[test]
fn long_pipeline_is_answered_in_order() {
    let probe = Probe::patient();
    let mut wire = probe.connect();
    let mut requests = String::new();
    for n in 0..1000 {
        requests += &format!("GET /args?n={n} HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let sender = {
        let mut stream = wire.stream.try_clone().expect("a socket");
        thread::spawn(move || std::io::Write::write_all(&mut stream, requests.as_bytes()))
    };
    for n in 0..1000 {
        let answer = wire.answer(false).expect("an answer").json();
        assert_eq!(answer["query"]["n"][0], n.to_string());
    }
    sender.join().expect("it ends").expect("all was taken");
    wire.is_kept();
}

#[test]
fn clients_that_go_are_forgotten() {
    let probe = Probe::patient();
    let starts = [
        "",
        "G",
        "GET /hello HTTP/1.1\r\nHost",
        HELLO,
        "GET /sleep/50 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /stream/1000000/65536 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /bytes/67108864 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /static/big.bin HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /poll/wait?topic=t HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc",
        "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ];
    for round in 0..20 {
        for (n, start) in starts.iter().enumerate() {
            let mut wire = probe.connect();
            wire.send(start);
            match (round + n) % 3 {
                0 => reset(wire),
                1 => drop(wire),
                _ => {
                    thread::sleep(ms(2));
                    reset(wire);
                }
            }
        }
    }
    probe.lives();
    thread::sleep(ms(300));
    let ticks = probe.ticks();
    thread::sleep(ms(500));
    let spent = probe.ticks() - ticks;
    assert!(spent < 20, "it spins: {spent} of 50 hundredths of a second");
    probe.lives();
}

#[test]
fn head_byte_by_byte_is_understood() {
    let probe = Probe::patient();
    let mut wire = probe.connect();
    for byte in format!("{HELLO}{HELLO}").bytes() {
        wire.send([byte]);
    }
    for _ in 0..2 {
        assert_eq!(
            wire.answer(false).expect("an answer").text(),
            "Hello, world"
        );
    }
    wire.is_kept();
}

#[test]
fn many_connections_at_a_time() {
    let probe = Probe::patient();
    let mut wires: Vec<Wire> = (0..400).map(|_| probe.connect()).collect();
    for _ in 0..2 {
        wires.iter_mut().for_each(|wire| wire.send(HELLO));
        for wire in &mut wires {
            assert_eq!(wire.answer(false).expect("an answer").status, 200);
        }
    }
}

#[test]
fn descriptors_that_have_run_out_come_back() {
    let port = free_port();
    // As a shell starts it that allows few.
    let command = format!(
        "ulimit -n 40; exec {} --port {port}",
        example("probe").display()
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &command]).stdin(Stdio::null());
    let _process = Running::start(&mut shell);
    let mut wires = Vec::new();
    while wires.len() < 80 {
        match std::net::TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => wires.push(stream),
            Err(_) => thread::sleep(ms(10)),
        }
    }
    thread::sleep(ms(300));
    drop(wires);
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket has options");
    let request = "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.ends_with("Hello, world"), "{answer}");
}

#[test]
fn garbage_does_no_harm() {
    let probe = Probe::start([500, 500, 500]);
    let mut state = 0x1234_5678_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let seed = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for _ in 0..300 {
        let mut bytes = seed.to_vec();
        for _ in 0..1 + next() % 4 {
            let at = next() as usize % bytes.len();
            match next() % 3 {
                0 => bytes[at] = next() as u8,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, next() as u8),
            }
        }
        let mut wire = probe.connect();
        wire.send(&bytes);
        wire.finish();
        let answer = wire.rest();
        let is_sound = answer.is_empty() || answer.starts_with(b"HTTP/1.1 ");
        assert!(
            is_sound,
            "{}: {}",
            bytes.escape_ascii(),
            answer.escape_ascii()
        );
    }
    probe.lives();
}
