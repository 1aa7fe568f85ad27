//! The limits on time and number: who is slow, who is many.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use squall::{IoLoop, sleep, yield_};
use squall_web::http::Limits;
use squall_web::{Application, BodyPlan, Exchange, HttpServer, Listening, Result};

use super::handlers::hello;
use super::{ask, body, connect, get, read_answer, status};
use crate::support::{capture_logs, run};

/// To the nearest one: the two ends of a connection notice what happens a moment apart.
fn seconds_since(began: std::time::Instant) -> u64 {
    (IoLoop::current().time() - began).as_secs_f64().round() as u64
}

fn listen(limits: Limits) -> Listening {
    #[squall::coroutine]
    fn count(ex: &mut Exchange) -> Result<()> {
        let mut bytes = 0;
        while let Some(chunk) = yield_!(ex.body_chunk())? {
            bytes += chunk.len();
        }
        ex.write(bytes.to_string());
        Ok(())
    }
    #[squall::coroutine]
    fn large(ex: &mut Exchange) -> Result<()> {
        ex.write(vec![b'x'; 32 << 20]);
        yield_!(ex.flush())
    }
    let app = Application::new()
        .get("/", hello)
        .get("/large", large)
        .post("/whole", |ex: &mut Exchange| {
            ex.write(ex.request().body().len().to_string())
        })
        .post("/count", count)
        .body("/count", BodyPlan::stream().no_timeout());
    HttpServer::new(app)
        .limits(limits)
        .listen("127.0.0.1:0")
        .unwrap()
}

// ---------------------------------------------------------------- slow clients

#[squall::test]
fn five_hundred_that_never_finish_a_head_leave_others_served() {
    let server = listen(Limits::default());
    let mut slow = Vec::new();
    for _ in 0..500 {
        let stream = yield_!(connect(server.local_addr()));
        yield_!(stream.write(b"GET / HTTP/1.1\r\nHost: ")).unwrap();
        slow.push(stream);
    }
    let began = IoLoop::current().time();
    // A byte each a second, for longer than a head may take.
    for second in 0..25 {
        for stream in &slow {
            // Those that were cut do not take it any more.
            let _ = yield_!(stream.write(b"a"));
        }
        let answer = yield_!(ask(server.local_addr(), get("/")));
        assert_eq!(body(&answer), "hello");
        assert!(seconds_since(began) <= second + 1, "it is answered at once");
        yield_!(sleep(Duration::from_secs(1)));
    }
    assert_eq!(server.connections(), 0);
    for stream in slow {
        let answer = yield_!(stream.read_until_close(4096)).unwrap();
        assert_eq!(status(str::from_utf8(&answer).unwrap()), "408");
    }
}

/// Sends a body of `size` bytes to `path`, so many a second; the answer's status and its time.
#[squall::coroutine]
fn sent_slowly(
    server: std::net::SocketAddr,
    path: String,
    size: usize,
    rate: usize,
) -> (String, u64) {
    let stream = yield_!(connect(server));
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
    );
    yield_!(stream.write(head.as_bytes())).unwrap();
    let began = IoLoop::current().time();
    let (_, answer) = yield_!((
        async {
            let mut left = size;
            while left > 0 {
                let piece = rate.min(left);
                if stream.write(&vec![b'x'; piece]).await.is_err() {
                    return;
                }
                left -= piece;
                sleep(Duration::from_secs(1)).await;
            }
        },
        async {
            let answer = read_answer(&stream).await;
            let took = seconds_since(began);
            stream.close();
            (status(&answer).to_owned(), took)
        },
    ));
    answer
}

// 240 bytes a second are enough; with less the allowance of 20 s is used up.
#[squall::test]
fn a_body_has_to_come_at_a_least_rate() {
    let address = listen(Limits::default()).local_addr();
    let count = || "/count".to_owned();
    let (enough, took) = yield_!(sent_slowly(address, count(), 24_000, 240));
    assert_eq!((&*enough, took), ("200", 99));
    let (half, took) = yield_!(sent_slowly(address, count(), 24_000, 120));
    assert_eq!(half, "408");
    assert!((38..42).contains(&took), "{took} s at half the rate");
    let (drops, took) = yield_!(sent_slowly(address, count(), 24_000, 1));
    assert_eq!(drops, "408");
    assert!((20..22).contains(&took), "{took} s for a byte a second");
    // And a body that is read whole has a time in all.
    let (whole, took) = yield_!(sent_slowly(address, "/whole".to_owned(), 24_000, 300));
    assert_eq!((&*whole, took), ("408", 60));
}

// The same for answers: who takes a little now and then is cut all the same.
#[squall::test]
fn an_answer_has_to_be_taken_at_a_least_rate() {
    let limits = Limits {
        min_write_rate: 1 << 20,
        ..Limits::default()
    };
    let server = listen(limits);
    for (rate, is_cut) in [(2 << 20, false), (256 << 10, true)] {
        let stream = yield_!(connect(server.local_addr()));
        yield_!(stream.write(get("/large").as_bytes())).unwrap();
        let mut read = 0;
        let began = IoLoop::current().time();
        let ended = loop {
            match yield_!(stream.read_bytes(rate)) {
                Ok(bytes) => read += bytes.len(),
                Err(_) => break read,
            }
            yield_!(sleep(Duration::from_secs(1)));
        };
        if is_cut {
            assert!(ended < 32 << 20, "{ended} bytes came");
            let took = seconds_since(began);
            assert!((60..160).contains(&took), "{took} s");
        } else {
            assert!(ended + rate > 32 << 20, "{ended} bytes came");
        }
    }
}

// X15. tornado: IdleTimeoutTest test_idle_after_use
#[squall::test]
fn a_connection_that_idles_is_closed_in_the_end_and_not_before() {
    let server = listen(Limits::default());
    let stream = yield_!(connect(server.local_addr()));
    for _ in 0..3 {
        yield_!(stream.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
        yield_!(read_answer(&stream));
        yield_!(sleep(Duration::from_secs(74)));
    }
    let began = IoLoop::current().time();
    assert_eq!(yield_!(stream.read_until_close(80)).unwrap(), b"");
    assert_eq!(seconds_since(began), 1);
    // One that never says anything as well.
    let mute = yield_!(connect(server.local_addr()));
    let began = IoLoop::current().time();
    assert_eq!(yield_!(mute.read_until_close(80)).unwrap(), b"");
    assert_eq!(seconds_since(began), 75);
}

// ---------------------------------------------------------------- many clients

#[test]
fn accepting_pauses_at_the_most_connections_and_goes_on() {
    let ((), log) = capture_logs(|| {
        run(|| async {
            let limits = Limits {
                max_connections: 3,
                ..Limits::default()
            };
            // Two sockets have the limit in common.
            let app = Application::new().get("/", hello);
            let server = HttpServer::new(app).limits(limits);
            let [one, two] = [0, 1].map(|_| server.listen("127.0.0.1:0").unwrap());
            let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
            let mut streams = Vec::new();
            for n in 0..6 {
                let place = if n % 2 == 0 { &one } else { &two };
                let stream = connect(place.local_addr()).await;
                stream.write(request).await.unwrap();
                streams.push(stream);
            }
            sleep(Duration::from_secs(5)).await;
            assert_eq!(server.connections(), 3);
            let (served, waiting) = streams.split_at(3);
            for stream in served {
                assert_eq!(body(&read_answer(stream).await), "hello");
            }
            // One by one, as others go.
            for (gone, comes) in served.iter().zip(waiting) {
                gone.close();
                assert_eq!(body(&read_answer(comes).await), "hello");
                assert!(server.connections() <= 3);
            }
        });
    });
    let pauses = log
        .iter()
        .filter(|line| line.contains("accepting pauses, as 3 connections are open"));
    assert!((1..=2).contains(&pauses.count()), "once a socket: {log:?}");
}

/// Set in the child that has few descriptors.
const FEW: &str = "SQUALL_TEST_HTTP_FEW_DESCRIPTORS";

#[test]
fn accepting_pauses_when_descriptors_run_out_and_goes_on() {
    if std::env::var_os(FEW).is_some() {
        return run_out_of_descriptors();
    }
    let (_, module) = module_path!().split_once("::").unwrap();
    let name = format!("{module}::accepting_pauses_when_descriptors_run_out_and_goes_on");
    let child = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &name])
        .env(FEW, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(
        child.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

fn run_out_of_descriptors() {
    run(|| async {
        let server = listen(Limits::default());
        let address = server.local_addr();
        // The system takes connections as long as there are descriptors for this side of them.
        let mut clients = Vec::new();
        while let Ok(client) = TcpStream::connect(address) {
            clients.push(client);
            assert!(clients.len() < 100, "the limit is lower");
        }
        let total = clients.len();
        clients.pop(); // one is left for the server, that is all
        sleep(Duration::from_secs(1)).await;
        assert!(
            server.connections() < total / 2,
            "there was no descriptor left"
        );
        clients.truncate(total / 3);
        sleep(Duration::from_secs(1)).await;
        for client in &mut clients {
            client.write_all(get("/").as_bytes()).unwrap();
        }
        sleep(Duration::from_secs(1)).await;
        for mut client in clients {
            client.set_nonblocking(true).unwrap();
            let mut answer = String::new();
            client
                .read_to_string(&mut answer)
                .expect("it is answered, and the end is there");
            assert_eq!(body(&answer), "hello");
        }
        assert!(!server.has_ended());
    });
}
