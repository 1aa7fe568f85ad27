//! WebSocket: what a connection that idles holds, what an echo costs, and how long one message takes to
//! get to thousands.
//!
//! ```sh
//! cargo bench --bench websocket                                    # 2,000 clients, 5 seconds
//! cargo bench --bench websocket -- --clients 10000 --seconds 30
//! ```
//!
//! The server is one loop on one thread. Its clients are in a process of their own, on one loop as well,
//! so that neither's memory nor its descriptors are the other's. A broadcast's time is from its push to
//! the last byte at each client, by the clock that all processes share.

mod support;

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use squall::{IoLoop, moment, run_in_executor, sleep, yield_};
use squall_web::websocket::{
    Broadcast, ConnectOptions, Membership, Message, WebSocket, WebSocketHandler, WebSocketSender,
    websocket_connect,
};
use squall_web::{Application, Exchange, HttpServer, Result};
use support::{Counting, Lap, Memory};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Asked {
    clients: usize,
    seconds: u64,
    /// The address of the server, in a process of clients.
    dial: Option<String>,
}

fn parse() -> Asked {
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let mut asked = Asked {
        clients: if is_bench { 2000 } else { 20 },
        seconds: if is_bench { 5 } else { 1 },
        dial: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} wants a value"));
        match arg.as_str() {
            "--clients" => asked.clients = value().parse().expect("--clients wants a number"),
            "--seconds" => asked.seconds = value().parse().expect("--seconds wants a number"),
            "--dial" => asked.dial = Some(value()),
            _ => {}
        }
    }
    asked
}

fn main() {
    let asked = parse();
    let _closed = Closed(IoLoop::current());
    match &asked.dial {
        Some(url) => IoLoop::current().run_sync(|| dial(url.clone(), asked.clients)),
        None => {
            IoLoop::current().run_sync(|| idle(asked.clients));
            IoLoop::current().run_sync(|| echoes(asked.clients));
            IoLoop::current().run_sync(|| broadcasts(asked.clients, asked.seconds));
        }
    }
}

/// Closes the loop before the thread is at its end: it has servers with connections.
struct Closed(IoLoop);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is later than 1970").as_micros() as u64
}

// The server.

struct Guest {
    all: Broadcast,
    membership: Option<Membership>,
}

impl WebSocketHandler for Guest {
    #[squall::coroutine]
    fn open(&mut self, ws: &WebSocketSender) -> Result<()> {
        self.membership = Some(self.all.join(ws));
        Ok(())
    }

    #[squall::coroutine]
    fn on_message(&mut self, ws: &WebSocketSender, message: Message) -> Result<()> {
        yield_!(ws.send(message))?;
        Ok(())
    }
}

#[squall::coroutine]
fn function(ex: &mut Exchange) -> Result<()> {
    let mut ws = yield_!(ex.websocket())?;
    while let Some(message) = yield_!(ws.recv()) {
        yield_!(ws.send(message))?;
    }
    Ok(())
}

fn serve(all: &Broadcast) -> String {
    let all = all.clone();
    let app = Application::new()
        .websocket("/handler", move || Guest {
            all: all.clone(),
            membership: None,
        })
        .get("/function", function);
    let server = HttpServer::new(app);
    let listening = server.listen("127.0.0.1:0").expect("a free port");
    format!("ws://{}", listening.local_addr())
}

// The clients.

/// A process of clients. It says when all are there, and at the end what it has measured.
struct Clients {
    process: Child,
    lines: Option<BufReader<std::process::ChildStdout>>,
    _ends_with: ChildStdin,
}

impl Clients {
    fn start(url: &str, count: usize) -> Clients {
        let own = std::env::current_exe().expect("the bench knows its file");
        let mut process = Command::new(own)
            .args(["--dial", url, "--clients", &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can be started again");
        Clients {
            lines: process.stdout.take().map(BufReader::new),
            _ends_with: process.stdin.take().expect("its input is piped"),
            process,
        }
    }

    /// The next line that it prints.
    async fn line(&mut self) -> String {
        let mut lines = self.lines.take().expect("one waits at a time");
        let read = run_in_executor(move || {
            let mut line = String::new();
            lines.read_line(&mut line).expect("it prints text");
            (lines, line)
        });
        let (lines, line) = read.await.expect("there is a thread");
        self.lines = Some(lines);
        line.trim().to_owned()
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Connects, has each connection echo once, and then notes when what comes was sent.
#[squall::coroutine]
fn dial(url: String, count: usize) {
    let taken: Rc<RefCell<Vec<u64>>> = Rc::default();
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let connected = websocket_connect(&url, ConnectOptions::default());
        let mut ws = yield_!(connected).expect("the server accepts");
        yield_!(ws.send("hello")).expect("it is open");
        assert_eq!(yield_!(ws.recv()), Some(Message::from("hello")));
        all.push(watch(ws, taken.clone()));
    }
    say("ready");
    let orders: Vec<u64> = yield_!(all);
    let mut taken = taken.take();
    taken.sort_unstable();
    let at = |part: f64| taken.get(((taken.len().max(1) - 1) as f64 * part) as usize);
    let at = |part| at(part).copied().unwrap_or(0);
    say(&format!(
        "{} {} {} {}",
        orders.iter().sum::<u64>(),
        at(0.5),
        at(0.99),
        at(1.0)
    ));
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("the bench reads it");
}

/// Notes the times of what comes, which has to come in order. Gives how many there were.
#[squall::coroutine]
fn watch(mut ws: WebSocket, taken: Rc<RefCell<Vec<u64>>>) -> u64 {
    let mut count = 0;
    while let Some(message) = yield_!(ws.recv()) {
        let text = message.as_text().expect("broadcasts are text");
        let mut words = text.split(' ');
        let mut number = || words.next().and_then(|word| word.parse().ok());
        let (order, sent): (u64, u64) = number().zip(number()).expect("two numbers");
        assert_eq!(order, count, "in order");
        taken.borrow_mut().push(now_us() - sent);
        count += 1;
    }
    count
}

// The rows.

/// What a connection that idles holds, after a message.
#[squall::coroutine]
fn idle(count: usize) {
    println!("| an idle connection | heap bytes | resident bytes |");
    println!("|---|---:|---:|");
    for kind in ["function", "handler"] {
        let url = serve(&Broadcast::new());
        // So that pools are full and tables have grown.
        let mut warm = Clients::start(&format!("{url}/{kind}"), 50);
        yield_!(warm.line());
        let before = Memory::now();
        let mut clients = Clients::start(&format!("{url}/{kind}"), count);
        assert_eq!(yield_!(clients.line()), "ready");
        yield_!(moment());
        let used = Memory::now().since(before);
        let each = |bytes: i64| bytes / count as i64;
        println!(
            "| {kind} | {} | {} |",
            each(used.bytes),
            each(used.resident)
        );
    }
}

/// What a message costs both sides, on one loop: of a client that sends the next when the last is back,
/// and of one that sends a hundred at a time.
#[squall::coroutine]
fn echoes(count: usize) {
    println!("\n| an echo, both sides | CPU ns |");
    println!("|---|---:|");
    let url = serve(&Broadcast::new());
    let rounds = 10 * count as u64;
    for (size, window) in [(64, 1), (64, 100), (16 * 1024, 1)] {
        let connected = websocket_connect(format!("{url}/function"), ConnectOptions::default());
        let mut ws = yield_!(connected).expect("the server accepts");
        let lap = Lap::start();
        for _ in 0..rounds / window {
            for _ in 0..window {
                yield_!(ws.send(vec![7; size])).expect("it is open");
            }
            for _ in 0..window {
                assert_eq!(yield_!(ws.recv()).map(|message| message.len()), Some(size));
            }
        }
        let sample = lap.stop(rounds / window * window);
        println!(
            "| {size} bytes, {window} at a time | {:.0} |",
            sample.ns_each()
        );
    }
}

/// How long one message takes to all, once a second.
#[squall::coroutine]
fn broadcasts(count: usize, seconds: u64) {
    println!(
        "\n| broadcast to {count}, {seconds} times | p50 ms | p99 ms | last ms | server's CPU ms |"
    );
    println!("|---|---:|---:|---:|---:|");
    let all = Broadcast::new();
    let url = serve(&all);
    let mut clients = Clients::start(&format!("{url}/handler"), count);
    assert_eq!(yield_!(clients.line()), "ready");
    assert_eq!(all.len(), count);
    let lap = Lap::start();
    for n in 0..seconds {
        assert_eq!(all.push(format!("{n} {}", now_us())), count);
        yield_!(sleep(Duration::from_secs(1)));
    }
    let sample = lap.stop(seconds);
    close_all(&all);
    let line = yield_!(clients.line());
    let numbers: Vec<u64> = line
        .split(' ')
        .map(|word| word.parse().expect("numbers"))
        .collect();
    let [received, p50, p99, last] = numbers[..] else {
        panic!("the clients say {line:?}");
    };
    assert_eq!(received, seconds * count as u64, "all were received");
    let ms = |us: u64| us as f64 / 1e3;
    println!(
        "| one a second | {:.1} | {:.1} | {:.1} | {:.1} |",
        ms(p50),
        ms(p99),
        ms(last),
        sample.ns_each() / 1e6
    );
}

/// Ends the connections.
fn close_all(all: &Broadcast) {
    for member in all.members() {
        member.close(1000, "").expect("1000 may be sent");
    }
}
