use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use squall::net::{IoStream, TcpClient, TcpServer};
use squall::testing::{Network, Simulation};
use squall::{IoLoop, Result, sleep, yield_};
use squall_web::{Application, AsyncHttpClient, Exchange, HttpServer};

use crate::support::SECOND;

const MS: Duration = Duration::from_millis(1);

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

#[squall::coroutine]
fn echo(stream: IoStream) -> Result<()> {
    loop {
        let line = match yield_!(stream.read_until(b"\n", 1000)) {
            Err(error) if error.is_closed() => return Ok(()),
            line => line?,
        };
        yield_!(stream.write(&line))?;
    }
}

/// Asks ten questions of a server with the network's faults.
#[squall::coroutine]
fn questions(network: Network) -> Result<u32> {
    let server = network.listen(address(7))?;
    drop(server.serve(|stream, _| echo(stream)));
    let stream = yield_!(network.connect(address(7)))?;
    let mut right = 0;
    for n in 0..10 {
        let line = format!("question number {n}\n");
        yield_!(stream.write(line.as_bytes()))?;
        let answer = yield_!(stream.read_until(b"\n", 1000))?;
        right += u32::from(answer == line.as_bytes());
    }
    Ok(right)
}

fn bad() -> Network {
    Network::new()
        .latency(MS..=80 * MS)
        .short_transfers()
        .buffer(16)
}

#[test]
fn what_is_sent_comes_whole_and_in_order_over_a_bad_network() {
    let mut times = BTreeSet::new();
    for seed in 0..50 {
        let run = Simulation::new().seed(seed).run(|| questions(bad()));
        times.insert(run.elapsed());
        assert_eq!(run.into_value().unwrap(), 10, "seed {seed}");
    }
    assert!(times.len() > 40, "{times:?}");
}

#[test]
fn the_same_seed_is_the_same_network_to_the_byte() {
    let run = |seed| {
        let faults = || questions(bad().resets(0.01));
        let run = Simulation::new().seed(seed).run(faults);
        let log = run.log().to_owned();
        (log, run.into_value().map_err(|error| error.to_string()))
    };
    let mut failed = 0;
    for seed in 0..20 {
        let first = run(seed);
        failed += u32::from(first.1.is_err());
        assert_eq!(first, run(seed));
    }
    assert!((1..20).contains(&failed), "{failed}");
    assert_ne!(run(0).0, run(1).0);
}

#[test]
fn the_log_has_the_events_of_streams() {
    let run = Simulation::new().seed(1).run(|| questions(bad()));
    let log = run.log();
    let stream = "stream 1: 10.255.255.254:49152 → 10.0.0.1:7: ";
    for part in [
        stream.to_owned(),
        "bytes written, ".to_owned(),
        "ms away".to_owned(),
        " bytes arrive\n".to_owned(),
        " bytes read, ".to_owned(),
        "stream 1: 10.0.0.1:7 → 10.255.255.254:49152: ".to_owned(),
    ] {
        assert!(log.contains(&part), "{part} in {log}");
    }
}

#[test]
fn latency_is_the_clocks_and_without_a_seed_the_shortest() {
    let calm = || {
        questions(
            Network::new()
                .latency(10 * MS..=90 * MS)
                .short_transfers()
                .resets(1.0),
        )
    };
    let run = Simulation::new().run(calm);
    // To connect, and ten questions: each there and back.
    assert_eq!(run.elapsed(), 220 * MS);
    assert_eq!(run.into_value().unwrap(), 10);
}

#[test]
fn a_reset_is_an_error_at_both_ends() {
    #[squall::coroutine]
    fn program() -> [Option<ErrorKind>; 2] {
        let (near, far) = Network::new().latency(MS..=MS).resets(1.0).pair();
        yield_!(near.write(b"lost")).unwrap();
        let errors = [yield_!(far.read_bytes(1)), yield_!(near.read_bytes(1))];
        errors.map(|error| error.unwrap_err().io().map(std::io::Error::kind))
    }
    let kinds = Simulation::new().seed(1).run(program).into_value();
    assert_eq!(kinds, [Some(ErrorKind::ConnectionReset); 2]);
}

#[test]
fn who_writes_to_one_that_is_gone_is_told_later() {
    #[squall::coroutine]
    fn program() {
        let (near, far) = Network::new().latency(10 * MS..=10 * MS).pair();
        drop(far);
        yield_!(near.write(b"into the void")).unwrap();
        yield_!(sleep(11 * MS));
        let error = yield_!(near.write(b"again")).unwrap_err();
        assert_eq!(
            error.io().map(std::io::Error::kind),
            Some(ErrorKind::ConnectionReset)
        );
        assert!(yield_!(near.read_bytes(1)).unwrap_err().is_closed());
    }
    Simulation::new().run(program).into_value();
}

#[squall::test]
fn addresses_are_those_of_the_network() -> Result<()> {
    let network = Network::new();
    let server = network.listen(address(0))?;
    let bound = server.local_addr()?;
    assert_eq!(bound.ip(), address(0).ip());
    assert_ne!(bound.port(), 0);
    let client = yield_!(network.connect(bound))?;
    let (stream, peer) = yield_!(server.accept())?;
    assert_eq!(client.peer_addr(), Some(bound));
    assert_eq!(stream.local_addr(), Some(bound));
    assert_eq!(
        (client.local_addr(), stream.peer_addr()),
        (Some(peer), Some(peer))
    );

    let taken = network.listen(bound).unwrap_err();
    assert_eq!(
        taken.io().map(std::io::Error::kind),
        Some(ErrorKind::AddrInUse)
    );
    drop(server);
    let refused = yield_!(network.connect(bound)).unwrap_err();
    assert_eq!(
        refused.io().map(std::io::Error::kind),
        Some(ErrorKind::ConnectionRefused)
    );
    network.listen(bound).map(|_| ())
}

#[squall::test]
fn a_loop_in_a_network_binds_and_connects_there() -> Result<()> {
    Network::new().name("db.example", address(0).ip()).install();
    let server = TcpServer::bind(address(5432))?;
    drop(server.serve(|stream, _| echo(stream)));
    for host in ["db.example", "10.0.0.1"] {
        let stream = yield_!(TcpClient::new().connect(host, 5432))?;
        yield_!(stream.write(b"hello\n"))?;
        assert_eq!(yield_!(stream.read_until(b"\n", 80))?, b"hello\n");
        assert_eq!(stream.peer_addr(), Some(address(5432)));
    }
    let unknown = yield_!(TcpClient::new().connect("elsewhere.example", 80)).unwrap_err();
    assert!(unknown.is_resolve());
    Ok(())
}

#[squall::coroutine]
fn hello(ex: &mut Exchange) -> squall_web::Result<()> {
    yield_!(sleep(SECOND));
    let name = ex.argument("name").unwrap_or_default().to_string();
    ex.write(format!("Hello, {name}"));
    Ok(())
}

#[squall::test(seeds = 20)]
fn an_http_server_answers_over_a_pair_in_memory() -> Result<()> {
    let server = HttpServer::new(Application::new().get("/", hello));
    let network = Network::new().latency(MS..=30 * MS).short_transfers();
    let (client, stream) = network.pair();
    let serving = server.serve_stream(stream);
    let start = IoLoop::current().time();
    yield_!(client.write(b"GET /?name=you HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))?;
    let answer = String::from_utf8(yield_!(client.read_until_close(10_000))?).expect("it is text");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nHello, you"), "{answer}");
    assert!(IoLoop::current().time() - start >= SECOND);
    yield_!(serving);
    Ok(())
}

#[squall::test(seeds = 20)]
fn an_http_server_and_client_talk_in_memory() {
    yield_!(three_fetches());
}

#[test]
fn http_in_memory_is_the_same_to_the_byte() {
    for seed in 0..5 {
        let logs = [(); 2].map(|()| {
            let run = Simulation::new().seed(seed).run(three_fetches);
            assert!(run.outcome().is_ok());
            run.log().to_owned()
        });
        assert!(logs[0].lines().count() > 100, "{}", logs[0]);
        assert_eq!(logs[0], logs[1]);
    }
}

#[squall::coroutine]
fn three_fetches() {
    Network::new()
        .latency(MS..=30 * MS)
        .short_transfers()
        .name("hello.example", address(0).ip())
        .install();
    let server = HttpServer::new(Application::new().get("/", hello));
    drop(server.bind(address(80)).expect("nobody listens there"));
    let client = AsyncHttpClient::new();
    let fetches =
        ["a", "b", "c"].map(|name| client.fetch(format!("http://hello.example/?name={name}")));
    let answers = yield_!(fetches).expect("all are answered");
    let bodies = answers.map(|answer| String::from_utf8_lossy(answer.body()).into_owned());
    assert_eq!(bodies, ["Hello, a", "Hello, b", "Hello, c"]);
}

#[test]
fn impossible_conditions_are_refused() {
    type Make = fn() -> Network;
    let refused: [(Make, &str); 3] = [
        (|| Network::new().latency(2 * MS..=MS), "swap them"),
        (|| Network::new().resets(1.5), "from 0 to 1, and not 1.5"),
        (|| Network::new().buffer(0), "lets nothing through"),
    ];
    for (make, mend) in refused {
        let panic = std::panic::catch_unwind(make).unwrap_err();
        let message = panic.downcast_ref::<String>().cloned();
        let message = message.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        assert!(message.expect("it is a text").contains(mend), "{mend}");
    }
}

#[test]
fn a_writer_whose_reader_closes_is_told_however_full_the_network_is() {
    #[squall::coroutine]
    fn writes(stream: IoStream) -> Result<()> {
        yield_!(stream.write(&[0; 1000]))?;
        yield_!(sleep(SECOND));
        yield_!(stream.write(b"more"))
    }
    #[squall::coroutine]
    fn program() -> bool {
        let (near, far) = bad().pair();
        let writing = writes(near);
        yield_!(sleep(200 * MS));
        far.close();
        yield_!(writing).is_err_and(|error| error.is_closed())
    }
    for seed in 0..50 {
        let run = Simulation::new()
            .timeout(60 * SECOND)
            .seed(seed)
            .run(program);
        assert!(run.into_value(), "seed {seed}");
    }
}

#[test]
fn much_data_goes_both_ways_at_a_time_up_to_its_end() {
    #[squall::coroutine]
    fn send(stream: std::rc::Rc<IoStream>, data: Vec<u8>) -> Result<()> {
        yield_!(stream.write(&data))?;
        stream.shutdown_write()
    }
    #[squall::coroutine]
    fn program() -> Result<bool> {
        let network = Network::new()
            .latency(MS..=9 * MS)
            .short_transfers()
            .buffer(500);
        let (near, far) = network.pair();
        let (near, far) = (std::rc::Rc::new(near), std::rc::Rc::new(far));
        let there: Vec<u8> = (0..20_000).map(|n| (n % 251) as u8).collect();
        let back: Vec<u8> = there.iter().rev().copied().collect();
        let sending = [
            send(near.clone(), there.clone()),
            send(far.clone(), back.clone()),
        ];
        let read = [far.read_until_close(30_000), near.read_until_close(30_000)];
        let ([got_there, got_back], _) = yield_!((read, sending))?;
        Ok(got_there == there && got_back == back)
    }
    for seed in 0..20 {
        let run = Simulation::new().seed(seed).run(program);
        assert!(matches!(run.into_value(), Ok(true)), "seed {seed}");
    }
}
