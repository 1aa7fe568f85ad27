//! Futures of tokio and smol yielded by coroutines, and coroutines awaited from tokio.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use squall::{IoLoop, sleep, yield_};
use squall_web::{Application, Exchange, HttpServer};

/// Runs a coroutine on a loop with the real clock, as others' timers are real.
fn run<F: IntoFuture>(f: impl FnOnce() -> F) -> F::Output {
    let io_loop = IoLoop::new().expect("the system has descriptors for a loop");
    let result = io_loop.run_sync(f);
    io_loop.close();
    result
}

#[squall::coroutine]
fn double(n: u32) -> u32 {
    yield_!(sleep(Duration::from_millis(5)));
    2 * n
}

#[test]
fn timers_and_tasks_of_tokio_are_yielded() {
    #[squall::coroutine]
    fn mixed() -> (u32, u32, u32) {
        yield_!(tokio::time::sleep(Duration::from_millis(5)));
        let task = async { yield_!(tokio::spawn(async { 7_u32 })).expect("the task ends") };
        let late = async {
            let never = std::future::pending::<()>();
            let limit = tokio::time::timeout(Duration::from_millis(5), never).await;
            u32::from(limit.is_err())
        };
        yield_!((task, double(21), late))
    }
    assert_eq!(run(mixed), (7, 42, 1));
}

#[test]
fn sockets_of_tokio_are_yielded() {
    #[squall::coroutine]
    fn echo() -> std::io::Result<Vec<u8>> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = yield_!(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let connecting = tokio::net::TcpStream::connect(listener.local_addr()?);
        let (client, accepted) = yield_!((connecting, listener.accept()))?;
        let (mut client, (mut server, _)) = (client, accepted);
        yield_!(client.write_all(b"over tokio"))?;
        drop(client);
        let mut got = Vec::new();
        yield_!(server.read_to_end(&mut got))?;
        Ok(got)
    }
    assert_eq!(run(echo).unwrap(), b"over tokio");
}

#[test]
fn timers_of_smol_are_yielded() {
    #[squall::coroutine]
    fn waits() -> u32 {
        yield_!(async_io::Timer::after(Duration::from_millis(5)));
        yield_!(double(4))
    }
    assert_eq!(run(waits), 8);
}

#[test]
fn reqwest_fetches_from_a_server_of_the_same_loop() {
    #[squall::coroutine]
    fn fetch() -> Result<String, Box<dyn std::error::Error>> {
        fn hello(ex: &mut Exchange) {
            ex.write("hello, reqwest");
        }
        let server = HttpServer::new(Application::new().get("/", hello));
        let address = server
            .listen("127.0.0.1:0")
            .map_err(|e| e.to_string())?
            .local_addr();
        let pages = [1, 2, 3].map(|_| async move {
            let response = reqwest::get(format!("http://{address}/")).await?;
            response.text().await
        });
        Ok(yield_!(pages)?.join(" "))
    }
    let text = run(fetch).unwrap();
    assert_eq!(text, "hello, reqwest hello, reqwest hello, reqwest");
}

#[test]
fn a_coroutine_is_awaited_from_tokio() {
    let io_loop = IoLoop::new().unwrap();
    let (handle, stop) = (io_loop.handle(), io_loop.handle());
    let tokio = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let result = runtime.block_on(async {
            // On a task that may move: the future is `Send`.
            tokio::spawn(async move {
                let (a, b) = (handle.run(|| double(1)), handle.run(|| double(2)));
                (a.await.unwrap(), b.await.unwrap())
            })
            .await
            .unwrap()
        });
        stop.add_callback(|| IoLoop::current().stop()).unwrap();
        result
    });
    io_loop.start().unwrap();
    assert_eq!(tokio.join().unwrap(), (2, 4));
}

#[test]
fn a_coroutine_of_a_loop_that_is_closed_is_an_error_elsewhere() {
    let io_loop = IoLoop::new().unwrap();
    let remote = io_loop.handle().run(|| double(1));
    io_loop.close();
    let error = async_io::block_on(remote).unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
    let error = async_io::block_on(io_loop.handle().run(|| double(1))).unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
}

/// A Redis of the test's own.
struct Redis {
    process: Child,
    socket: std::path::PathBuf,
}

impl Redis {
    /// `None`, with a word about it, if Redis is not installed; in CI that is a failure.
    fn start() -> Option<Redis> {
        let socket = std::env::temp_dir().join(format!("squall-redis-{}", std::process::id()));
        let started = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn();
        match started {
            Ok(process) => Some(Redis { process, socket }),
            Err(error) => {
                let note = format!("skipped: redis-server: {error} (tests/install.sh installs it)");
                assert!(std::env::var_os("CI").is_none(), "{note}");
                eprintln!("{note}");
                None
            }
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

#[test]
fn redis_is_asked_in_parallel() {
    #[squall::coroutine]
    fn count(url: String) -> redis::RedisResult<i64> {
        let client = redis::Client::open(url)?;
        let connection = yield_!(connect(client))?;
        let adds = (0..50).map(|_| {
            let mut connection = connection.clone();
            async move {
                let add = redis::cmd("INCR").arg("squall").to_owned();
                add.query_async::<i64>(&mut connection).await
            }
        });
        let sums = yield_!(adds.collect::<Vec<_>>())?;
        Ok(sums.into_iter().max().unwrap_or(0))
    }
    #[squall::coroutine]
    fn connect(client: redis::Client) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
        // The server may still be starting.
        let mut tries = 0;
        loop {
            match yield_!(client.get_multiplexed_async_connection()) {
                Err(_) if tries < 100 => yield_!(sleep(Duration::from_millis(50))),
                result => return result,
            }
            tries += 1;
        }
    }
    let Some(redis) = Redis::start() else { return };
    let url = format!("redis+unix://{}", redis.socket.display());
    assert_eq!(run(|| count(url)).unwrap(), 50);
}
