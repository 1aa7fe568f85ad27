//! Many at a time, over a real clock: a server in a process of its own, which is this test binary once
//! more, and those who ask it.
//!
//! How many there are is `SQUALL_TEST_CONNECTIONS`; few, unless CI says otherwise.

use std::cell::Cell;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use squall::net::{IoStream, TcpClient};
use squall::sync::Semaphore;
use squall::{IoLoop, sleep, yield_};
use squall_web::{Application, Exchange, HttpServer, Result};

use crate::programs::Running;

/// Set in the child: on how many threads it serves.
const SERVES: &str = "SQUALL_TEST_SERVES";

// ---------------------------------------------------------------- the server

static BEGUN: AtomicUsize = AtomicUsize::new(0);
static ANSWERED: AtomicUsize = AtomicUsize::new(0);

/// What the child does.
fn serves_here(threads: &str) {
    let threads: usize = threads.parse().unwrap();
    let io_loop = IoLoop::new().unwrap();
    io_loop.make_current();
    io_loop.run_sync(|| serve(threads)).unwrap();
    io_loop.close();
}

fn server() -> HttpServer {
    #[squall::coroutine]
    fn sleeps(ex: &mut Exchange) {
        BEGUN.fetch_add(1, Ordering::Relaxed);
        yield_!(sleep(Duration::from_millis(10)));
        ANSWERED.fetch_add(1, Ordering::Relaxed);
        ex.write("slept");
    }
    HttpServer::new(Application::new().get("/", sleeps))
}

#[squall::coroutine]
fn serve(threads: usize) -> Result<()> {
    let limit = Duration::from_secs(10);
    let drained = if threads == 0 {
        let listening = server().listen("127.0.0.1:0")?;
        println!("port {}", listening.local_addr().port());
        yield_!(listening.shutdown_on_signal(limit))?
    } else {
        let threads = HttpServer::start("127.0.0.1:0", threads, server)?;
        println!("port {}", threads.local_addr().port());
        yield_!(threads.shutdown_on_signal(limit))?
    };
    println!("begun {}", BEGUN.load(Ordering::Relaxed));
    println!("answered {}", ANSWERED.load(Ordering::Relaxed));
    println!("clean {}", drained.is_clean());
    Ok(())
}

/// The server in its process.
struct Server {
    process: Running,
    said: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Server {
    fn start(threads: usize) -> Server {
        let (_, module) = module_path!().split_once("::").unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "--nocapture",
                &format!("{module}::a_signal_under_load_loses_no_request"),
            ])
            .env(SERVES, threads.to_string())
            .stdout(Stdio::piped());
        let mut process = Running::start(&mut command);
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let port: u16 = says(&mut said, "port ").parse().unwrap();
        Server {
            process,
            said,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        }
    }
}

/// What the child says behind some words.
fn says(said: &mut BufReader<ChildStdout>, what: &str) -> String {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(
            said.read_line(&mut line).unwrap() > 0,
            "it never said {what:?}"
        );
        if let Some((_, rest)) = line.split_once(what) {
            return rest.trim().to_owned();
        }
    }
}

// ---------------------------------------------------------------- a signal under load

/// What one client met.
#[derive(Debug, Default)]
struct Met {
    answers: usize,
    /// Requests that went into a connection that idled, and was closed at that moment.
    idle_closes: usize,
    /// New connections that the system reset as their listening socket closed: it had not handed them
    /// out, for their handshake came to its end at that moment.
    not_taken: usize,
    failures: Vec<String>,
}

/// Asks until the server takes no more connections.
fn keeps_asking(address: SocketAddr) -> Met {
    let mut met = Met::default();
    'connect: while let Ok(mut stream) = TcpStream::connect(address) {
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        for n in 0.. {
            let wrote = stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            let mut answer = Vec::new();
            let mut buffer = [0; 4096];
            while !answer.ends_with(b"slept") {
                let read = wrote.as_ref().map_or(Ok(0), |()| stream.read(&mut buffer));
                match read {
                    Ok(count) if count > 0 => answer.extend_from_slice(&buffer[..count]),
                    // A connection that has served may be closed while it idles; a new one serves.
                    _ if answer.is_empty() && n > 0 => {
                        met.idle_closes += 1;
                        continue 'connect;
                    }
                    Err(error)
                        if answer.is_empty() && error.kind() == ErrorKind::ConnectionReset =>
                    {
                        met.not_taken += 1;
                        continue 'connect;
                    }
                    read => {
                        let text = String::from_utf8_lossy(&answer);
                        met.failures
                            .push(format!("{read:?} after {n} answers: {text}"));
                        continue 'connect;
                    }
                }
            }
            met.answers += 1;
            if String::from_utf8_lossy(&answer).contains("Connection: close") {
                continue 'connect;
            }
        }
    }
    met
}

#[track_caller]
fn loses_nothing_when_it_is_told_to_end(threads: usize) {
    const CLIENTS: usize = 16;
    let mut server = Server::start(threads);
    let address = server.address;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| thread::spawn(move || keeps_asking(address)))
        .collect();
    thread::sleep(Duration::from_millis(500));
    server.process.terminate();
    let mut all = Met::default();
    for client in clients {
        let met = client.join().unwrap();
        all.answers += met.answers;
        all.idle_closes += met.idle_closes;
        all.not_taken += met.not_taken;
        all.failures.extend(met.failures);
    }
    assert_eq!(all.failures, Vec::<String>::new());
    assert!(all.not_taken <= CLIENTS / 4, "that is rare: {all:?}");
    let [begun, answered] =
        ["begun ", "answered "].map(|what| says(&mut server.said, what).parse::<usize>().unwrap());
    assert_eq!(begun, answered, "what was begun was answered");
    assert_eq!(says(&mut server.said, "clean "), "true");
    assert!(server.process.wait().unwrap().success());
    assert!(answered > 2 * CLIENTS, "there was no load: {answered}");
    assert_eq!(
        all.answers, answered,
        "each answer has come to its client: {all:?}"
    );
}

#[test]
fn a_signal_under_load_loses_no_request() {
    if let Ok(threads) = std::env::var(SERVES) {
        return serves_here(&threads);
    }
    loses_nothing_when_it_is_told_to_end(0);
}

#[test]
fn a_signal_under_load_loses_no_request_of_several_threads() {
    loses_nothing_when_it_is_told_to_end(2);
}

// ---------------------------------------------------------------- many connections

#[test]
fn many_connections_of_which_some_are_reset_lose_nothing() {
    let count = std::env::var("SQUALL_TEST_CONNECTIONS");
    let count: usize = count.map_or(500, |count| count.parse().expect("a number"));
    let server = Server::start(0);
    let io_loop = IoLoop::new().unwrap();
    io_loop.make_current();
    let address = server.address;
    let answers = io_loop.run_sync(|| ask_all(address, count));
    io_loop.close();
    assert_eq!(answers, 2 * (count - count / 10));
}

/// Has all connect, then all ask twice; every tenth resets its connection in the middle.
#[squall::coroutine]
fn ask_all(address: SocketAddr, count: usize) -> usize {
    let client = TcpClient::new();
    // As many as wait to be accepted at a time.
    let places = Semaphore::new(500);
    let connects = (0..count).map(|_| async {
        let _place = places.acquire().await;
        client.connect("127.0.0.1", address.port()).await.unwrap()
    });
    let streams: Vec<IoStream> = yield_!(connects.collect::<Vec<_>>());
    let answers = Cell::new(0);
    let asks = streams.into_iter().enumerate().map(|(n, stream)| {
        let answers = &answers;
        async move {
            for _ in 0..2 {
                stream
                    .write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    .await
                    .unwrap();
                if n % 10 == 0 {
                    return stream.reset();
                }
                stream.read_until(b"slept", 4096).await.unwrap();
                answers.set(answers.get() + 1);
            }
        }
    });
    yield_!(asks.collect::<Vec<_>>());
    answers.get()
}

// ---------------------------------------------------------------- several threads

#[test]
fn each_thread_has_a_server_of_its_own_and_all_are_drained() {
    let made = Arc::new(AtomicUsize::new(0));
    let stuck = Arc::new(AtomicBool::new(false));
    let io_loop = IoLoop::new().unwrap();
    io_loop.make_current();
    let (count, is_stuck) = (made.clone(), stuck.clone());
    let drained = io_loop.run_sync(|| async move {
        let factory = move || {
            count.fetch_add(1, Ordering::Relaxed);
            let stuck = is_stuck.clone();
            let hangs = async move |_: &mut Exchange| {
                stuck.store(true, Ordering::Relaxed);
                sleep(Duration::from_secs(3600)).await;
            };
            HttpServer::new(
                Application::new()
                    .get("/", super::hello)
                    .get("/hangs", hangs),
            )
        };
        let threads = HttpServer::start("127.0.0.1:0", 3, factory).unwrap();
        assert_eq!(threads.len(), 3);
        let address = threads.local_addr();
        for _ in 0..30 {
            let answer = super::ask(address, super::get("/")).await;
            assert_eq!(super::body(&answer), "hello");
        }
        let hanging = super::connect(address).await;
        hanging
            .write(super::get("/hangs").as_bytes())
            .await
            .unwrap();
        let begun = Instant::now();
        while !stuck.load(Ordering::Relaxed) {
            assert!(begun.elapsed() < Duration::from_secs(10));
            sleep(Duration::from_millis(5)).await;
        }
        threads.drain(Duration::from_millis(200)).await.unwrap()
    });
    io_loop.close();
    assert_eq!(made.load(Ordering::Relaxed), 3);
    let [unfinished] = &drained.unfinished[..] else {
        panic!("{drained:?}");
    };
    assert!(
        unfinished.to_string().contains("serve_connection"),
        "{unfinished}"
    );
}
