//! What goes at the pace of whom: streams both ways, pipelines, answers that are early or late.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use squall::{IoLoop, moment, sleep, yield_};
use squall_web::http::Limits;
use squall_web::{
    Application, BodyPlan, Call, Error, Exchange, Handle, HttpServer, Result, StatusCode,
};

use super::handlers::{hello, slow};
use super::{ask, body, connect, get, header, read_answer, status};
use crate::support::{Trace, capture_logs, held_bytes, run};

const PIECE: usize = 64 * 1024;
const PIECES: usize = 1024;

/// What the system holds between two ends of a connection on this machine, and some more.
const ON_THE_WAY: usize = 16 << 20;

/// A handler of one kind, with a count that its test looks at.
struct Counts {
    count: Rc<Cell<usize>>,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    /// Sends pieces, and counts their bytes.
    Sends,
    /// Takes a body after a while, and counts its bytes.
    Takes,
    /// Gives a large answer, and counts how often.
    Answers,
}

impl Handle for Counts {
    fn body_plan(&self, _: &mut Exchange) -> BodyPlan {
        BodyPlan::stream().max_bytes(1 << 30).no_timeout()
    }

    fn handle<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a> {
        let add = |bytes| self.count.set(self.count.get() + bytes);
        match self.what {
            What::Sends => Call::coroutine(async move {
                for _ in 0..PIECES {
                    ex.write(vec![b'x'; PIECE]);
                    ex.flush().await?;
                    add(PIECE);
                }
                Ok::<(), Error>(())
            }),
            What::Takes => Call::coroutine(async move {
                sleep(Duration::from_secs(10)).await;
                while let Some(piece) = ex.body_chunk().await? {
                    add(piece.len());
                }
                ex.write("taken");
                Ok::<(), Error>(())
            }),
            What::Answers => {
                add(1);
                ex.write(vec![b'x'; PIECE]);
                Call::done(())
            }
        }
    }
}

/// A server with a handler that counts.
fn counting(what: What) -> (HttpServer, Rc<Cell<usize>>) {
    let count = Rc::default();
    let handler = Counts {
        count: Rc::clone(&count),
        what,
    };
    (HttpServer::new(handler), count)
}

#[squall::test]
fn a_slow_reader_holds_its_handler_up_and_memory_does_not_grow() {
    let (server, sent) = counting(What::Sends);
    let server = server.listen("127.0.0.1:0").unwrap();
    let stream = yield_!(connect(server.local_addr()));
    yield_!(stream.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    yield_!(stream.read_until(b"\r\n\r\n", 4096)).unwrap();
    let (mut read, held) = (0, held_bytes());
    yield_!(sleep(Duration::from_secs(10)));
    assert!(sent.get() > 0, "the first pieces go out");
    while read < PIECE * PIECES {
        assert!(
            sent.get() - read.min(sent.get()) < ON_THE_WAY,
            "{read} of {}",
            sent.get()
        );
        let grown = held_bytes() - held;
        assert!(grown < 4 << 20, "{grown} bytes are held");
        let size = yield_!(stream.read_until(b"\r\n", 80)).unwrap();
        let size = usize::from_str_radix(str::from_utf8(&size).unwrap().trim(), 16).unwrap();
        yield_!(stream.read_bytes(size + 2)).unwrap();
        read += size;
    }
    assert_eq!(
        yield_!(stream.read_until(b"\r\n\r\n", 80)).unwrap(),
        b"0\r\n\r\n"
    );
    assert_eq!(sent.get(), PIECE * PIECES);
}

#[squall::test]
fn a_handler_that_does_not_read_holds_its_client_up() {
    let (server, taken) = counting(What::Takes);
    let server = server.listen("127.0.0.1:0").unwrap();
    let stream = yield_!(connect(server.local_addr()));
    let length = PIECE * PIECES;
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    yield_!(stream.write(head.as_bytes())).unwrap();
    let (piece, written, held) = (vec![b'x'; PIECE], Cell::new(0), held_bytes());
    let (_, answer, _) = yield_!((
        async {
            for _ in 0..PIECES {
                stream.write(&piece).await.unwrap();
                written.set(written.get() + PIECE);
            }
        },
        read_answer(&stream),
        async {
            sleep(Duration::from_secs(5)).await;
            assert!(written.get() < ON_THE_WAY, "{} are taken in", written.get());
            assert_eq!(taken.get(), 0);
            let grown = held_bytes() - held;
            assert!(grown < 1 << 20, "{grown} bytes are held");
        },
    ));
    assert_eq!(body(&answer), "taken");
    assert_eq!(taken.get(), length);
}

// ---------------------------------------------------------------- pipelines

#[squall::coroutine]
fn numbered(ex: &mut Exchange) -> Result<()> {
    let n: u64 = ex.path_argument("n")?;
    match n % 10 {
        3 => yield_!(sleep(Duration::from_millis(n))),
        7 => yield_!(moment()),
        _ => {}
    }
    ex.write(format!("number {n}"));
    if n % 10 == 5 {
        yield_!(ex.flush())?;
        yield_!(moment());
        ex.write(" in two");
    }
    Ok(())
}

#[squall::test]
fn hundreds_in_a_pipeline_are_answered_in_order() {
    let app = Application::new().get("/{n}", numbered);
    let server = HttpServer::new(app).listen("127.0.0.1:0").unwrap();
    let stream = yield_!(connect(server.local_addr()));
    let requests = (0..500).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let wire = requests.collect::<String>();
    let (sent, _) = yield_!((stream.write(wire.as_bytes()), async {
        for n in 0..500 {
            if n % 10 == 5 {
                let answer = stream.read_until(b"0\r\n\r\n", 4096).await.unwrap();
                let answer = String::from_utf8(answer).unwrap();
                let text = format!("number {n}");
                let chunks = format!("{:x}\r\n{text}\r\n7\r\n in two\r\n0\r\n\r\n", text.len());
                assert_eq!(body(&answer), chunks);
            } else {
                assert_eq!(body(&read_answer(&stream).await), format!("number {n}"));
            }
        }
    }));
    sent.unwrap();
}

#[squall::test]
fn a_pipeline_of_which_nobody_reads_the_answers_stops_and_is_cut() {
    let (server, answered) = counting(What::Answers);
    let server = server.listen("127.0.0.1:0").unwrap();
    let stream = yield_!(connect(server.local_addr()));
    let held = held_bytes();
    let many = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000);
    let wrote = yield_!(squall::with_timeout(Duration::from_secs(30), async {
        while stream.write(many.as_bytes()).await.is_ok() {}
    }));
    assert!(wrote.is_err(), "the server stops to read");
    let unread = answered.get() * PIECE;
    assert!(
        (1..2 * ON_THE_WAY).contains(&unread),
        "{unread} bytes are answered"
    );
    let grown = held_bytes() - held;
    assert!(grown < 2 << 20, "{grown} bytes are held");
    yield_!(sleep(Duration::from_secs(60)));
    assert_eq!(server.connections(), 0, "the write time-out has passed");
}

#[squall::test]
fn earlier_answers_go_out_while_a_later_handler_waits() {
    let app = Application::new().get("/", hello).get("/slow", slow);
    let server = HttpServer::new(app).listen("127.0.0.1:0").unwrap();
    let stream = yield_!(connect(server.local_addr()));
    let began = IoLoop::current().time();
    let wire = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2) + &get("/slow");
    yield_!(stream.write(wire.as_bytes())).unwrap();
    for _ in 0..2 {
        assert_eq!(body(&yield_!(read_answer(&stream))), "hello");
    }
    assert!(IoLoop::current().time() - began < Duration::from_secs(60));
    assert_eq!(body(&yield_!(read_answer(&stream))), "at last");
}

// ---------------------------------------------------------------- early and late

#[squall::test]
fn an_answer_that_is_finished_goes_out_while_its_handler_works_on() {
    #[squall::coroutine]
    fn early(ex: &mut Exchange) -> Result<()> {
        ex.write("early");
        ex.finish();
        yield_!(sleep(Duration::from_secs(600)));
        ex.write("and lost");
        assert!(ex.write_json(&1).is_err());
        assert!(ex.add_trailer("x", "y").is_err());
        Ok(())
    }
    let app = Application::new().get("/", early).get("/next", hello);
    let server = HttpServer::new(app).listen("127.0.0.1:0").unwrap();
    let stream = yield_!(connect(server.local_addr()));
    let began = IoLoop::current().time();
    yield_!(stream.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    assert_eq!(body(&yield_!(read_answer(&stream))), "early");
    let seconds = || (IoLoop::current().time() - began).as_secs();
    assert!(seconds() < 60, "{} s", seconds());
    // The next request waits for the handler, since it may not overtake.
    yield_!(stream.write(get("/next").as_bytes())).unwrap();
    assert_eq!(body(&yield_!(read_answer(&stream))), "hello");
    assert_eq!(seconds(), 600);
}

#[squall::test]
fn a_handler_that_waits_learns_that_its_client_has_gone() {
    struct Waits(Trace);
    impl Handle for Waits {
        fn handle<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a> {
            Call::coroutine(async move {
                let began = IoLoop::current().time();
                let limit = Duration::from_secs(3600);
                let gone = squall::with_timeout(limit, ex.client_gone()).await.is_ok();
                let seconds = (IoLoop::current().time() - began).as_secs_f64().round();
                self.0.add(format!("gone {gone} after {seconds} s"));
            })
        }
    }
    let trace = Trace::new();
    let server = HttpServer::new(Waits(trace.clone()))
        .listen("127.0.0.1:0")
        .unwrap();
    for how in 0..3 {
        let stream = yield_!(connect(server.local_addr()));
        yield_!(stream.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
        yield_!(sleep(Duration::from_secs(2)));
        // One that sends a next request is there all the same.
        yield_!(stream.write(b"GET / HT")).unwrap();
        yield_!(sleep(Duration::from_secs(5)));
        assert!(trace.take().is_empty());
        match how {
            0 => stream.close(),
            1 => stream.reset(),
            _ => stream.shutdown_write().unwrap(),
        }
        drop(stream);
        yield_!(sleep(Duration::from_secs(5)));
        assert_eq!(trace.take(), ["gone true after 7 s"]);
    }
}

// ---------------------------------------------------------------- unread bodies

#[squall::test]
fn a_body_that_is_left_unread_is_dropped_or_ends_the_connection() {
    fn refuses(_: &mut Exchange) -> Result<()> {
        Err(Error::status_only(StatusCode::FORBIDDEN))
    }
    let app = Application::new()
        .post("/", refuses)
        .body("/", BodyPlan::stream())
        .get("/", hello);
    let server = HttpServer::new(app).listen("127.0.0.1:0").unwrap();
    let limit = Limits::default().max_unread_bytes as usize;
    for (size, stays) in [(limit - 1024, true), (limit + 1024, false)] {
        let part = "x".repeat(size);
        let lengths = format!("Content-Length: {size}\r\n\r\n{part}");
        let chunks = format!("Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n{part}\r\n0\r\n\r\n");
        for body_of_it in [lengths, chunks] {
            let wire = format!("POST / HTTP/1.1\r\nHost: a\r\n{body_of_it}") + &get("/");
            let answer = yield_!(ask(server.local_addr(), wire));
            assert_eq!(status(&answer), "403");
            assert_eq!(answer.ends_with("hello"), stays, "{size} {answer}");
        }
    }
    // The head says so if it is known in time.
    let wire = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        1 << 20
    );
    let answer = yield_!(ask(server.local_addr(), wire));
    assert_eq!(header(&answer, "connection"), Some("close"));
}

// ---------------------------------------------------------------- the log

#[test]
fn the_access_log_has_those_that_were_refused() {
    let (_, log) = capture_logs(|| {
        run(|| async {
            let limits = Limits {
                max_body_bytes: 10,
                ..Limits::default()
            };
            let server = HttpServer::new(Application::new().post("/", hello)).limits(limits);
            let server = server.listen("127.0.0.1:0").unwrap();
            for wire in [
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n",
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
                "GET /cut HTTP/1.1\r\n",
                "GET /bad\r\n\r\n",
            ] {
                ask(server.local_addr(), wire).await;
            }
        });
    });
    let access: Vec<_> = log
        .iter()
        .filter(|line| line.contains("squall::access"))
        .map(|line| {
            let fields = ["status=", "method=", "target="];
            fields.map(|field| {
                let value = line.split(field).nth(1).unwrap_or("none");
                value
                    .split(' ')
                    .next()
                    .unwrap_or_default()
                    .trim_matches('"')
                    .to_owned()
            })
        })
        .collect();
    let want = [
        ["413", "POST", "/"],
        ["408", "POST", "/"],
        ["408", "-", "-"],
        ["400", "-", "-"],
    ];
    assert_eq!(access, want, "{log:#?}");
}
