//! A server on several threads, with a loop each.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, ready};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::listen::Bound;
use super::server::{ServerHandle, TcpServer};
use super::stream::IoStream;
#[cfg(feature = "tls")]
use super::tls::TlsAcceptor;
use crate::coro::deferred::Deferred;
use crate::error::{Error, Result};
use crate::ioloop::{CallbackResult, IoLoop};
use crate::runner::callback::{CallbackDropped, SendCallback, task_send};
use crate::runner::timeout::with_timeout;

impl TcpServer {
    /// Serves on `threads` threads with a loop each; 0 takes one for each processor. Tornado's
    /// `start(n)`, which forks processes.
    ///
    /// `factory` is called on each thread, and makes what handles its connections; so handlers may
    /// share what belongs to their thread, in `Rc`s. The threads are new ones: this one stays free.
    /// If the sockets were bound with [`reuse_port`](super::ListenOptions::reuse_port), each thread
    /// has one of its own, and the system shares the connections out; otherwise the threads accept
    /// from the same one, and who is free takes the next.
    ///
    /// Each thread has the [`max_connections`](Self::max_connections) of the server.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::net::{IoStream, TcpClient, TcpServer};
    /// use squall::yield_;
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    /// use std::time::Duration;
    ///
    /// #[squall::coroutine]
    /// fn greet(stream: IoStream, number: u32) -> squall::Result<()> {
    ///     yield_!(stream.write(format!("number {number}").as_bytes()))
    /// }
    ///
    /// #[squall::main]
    /// fn main() -> squall::Result<()> {
    ///     let server = TcpServer::bind("127.0.0.1:0")?;
    ///     let threads = server.start(2, || {
    ///         let count = Rc::new(Cell::new(0)); // of this thread
    ///         move |stream, _peer| {
    ///             count.set(count.get() + 1);
    ///             greet(stream, count.get())
    ///         }
    ///     })?;
    ///     let port = threads.local_addr().port();
    ///     let stream = yield_!(TcpClient::new().connect("127.0.0.1", port))?;
    ///     assert_eq!(yield_!(stream.read_until_close(80))?, b"number 1");
    ///     threads.stop(Duration::from_secs(5));
    ///     threads.join()
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// If a thread or its loop cannot be started, if a socket cannot be bound once more, or if the
    /// server is of a simulated network, which has one thread. Those that have started are stopped.
    ///
    /// # Panics
    ///
    /// If `factory` does, on its thread.
    pub fn start<F, H, R>(self, threads: usize, factory: F) -> Result<ServerThreads>
    where
        F: Fn() -> H + Clone + Send + 'static,
        H: Fn(IoStream, SocketAddr) -> R + 'static,
        R: CallbackResult + 'static,
    {
        self.start_each(threads, move |server, told| {
            serve_until_stopped(server, factory(), told)
        })
    }

    /// As [`start`](Self::start), for servers of other protocols that end in a way of their own: `serve`
    /// is called on each thread with the thread's server, which it has to have accept before it
    /// returns, and with what tells it to stop. The thread ends when what it gives is done.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    ///
    /// # Panics
    ///
    /// If `serve` does, on its thread.
    pub fn start_each<F>(self, threads: usize, serve: F) -> Result<ServerThreads>
    where
        F: Fn(TcpServer, Told) -> Deferred<Result<()>> + Clone + Send + 'static,
    {
        let threads = match threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let addresses = self.local_addrs()?;
        let settings = self.settings();
        let bound = self.off_loop()?;
        // All are bound before the first accepts: if one fails no connection is lost.
        let mut plans = Vec::new();
        for _ in 1..threads {
            let again = bound.iter().map(Bound::duplicate);
            plans.push(again.collect::<std::io::Result<Vec<_>>>()?);
        }
        plans.push(bound);
        let mut started = ServerThreads {
            addresses,
            threads: Vec::new(),
        };
        for (number, bound) in plans.into_iter().enumerate() {
            let (ready, wait) = mpsc::channel();
            let (serve, settings) = (serve.clone(), settings.clone());
            let run = move || run_thread(bound, settings, &serve, &ready);
            let name = format!("squall-server-{number}");
            let thread = thread::Builder::new().name(name).spawn(run)?;
            let stop = wait.recv().ok();
            let failed = stop.is_none();
            started.threads.push(ServerThread {
                stop: stop.into(),
                thread,
            });
            if failed {
                started.stop(Duration::ZERO);
                return Err(started.join().err().unwrap_or_else(Error::loop_closed));
            }
        }
        Ok(started)
    }
}

/// What the server of each thread is set to.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) max_connections: usize,
    pub(super) max_buffer_size: Option<usize>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsAcceptor>,
}

type Stop = SendCallback<Duration>;

/// Serves until it is told to stop; sends what tells it, once it accepts.
fn run_thread<F>(
    bound: Vec<Bound>,
    settings: Settings,
    serve: &F,
    ready: &mpsc::Sender<Stop>,
) -> Result<()>
where
    F: Fn(TcpServer, Told) -> Deferred<Result<()>>,
{
    let io_loop = IoLoop::new()?;
    io_loop.make_current();
    let result = io_loop.run_sync(|| {
        let server = TcpServer::on_loop(bound).map(|server| server.with_settings(settings));
        let serving = server.map(|server| {
            let mut stop = None;
            let told = task_send(|told| stop = Some(told));
            let serving = serve(server, Told(Some(told)));
            if let Some(stop) = stop {
                // Whoever started the threads waits for it.
                let _ = ready.send(stop);
            }
            serving
        });
        async { serving?.await }
    });
    io_loop.close();
    result
}

/// Tells the server of a thread that it is to stop, and gives how long its connections have; never, if
/// nobody can tell it any more. See [`TcpServer::start_each`].
#[must_use = "it tells when it is yielded"]
#[derive(Debug)]
pub struct Told(Option<Deferred<Result<Duration, CallbackDropped>>>);

impl Future for Told {
    type Output = Duration;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Duration> {
        let Some(told) = &mut self.0 else {
            return Poll::Pending;
        };
        let told = ready!(Pin::new(told).poll(cx));
        self.0 = None;
        match told {
            Ok(grace) => Poll::Ready(grace),
            Err(_) => Poll::Pending,
        }
    }
}

#[crate::coroutine]
fn serve_until_stopped<H, R>(server: TcpServer, handler: H, told: Told) -> Result<()>
where
    H: Fn(IoStream, SocketAddr) -> R,
    R: CallbackResult,
{
    let handle = server.handle();
    let serving = server.serve(handler);
    let grace = stop_when_told(told, handle.clone());
    crate::yield_!(serving)?;
    let grace = crate::yield_!(grace);
    // Those that are left are cut off, with the loop.
    let _ = crate::yield_!(with_timeout(grace, handle.idle()));
    Ok(())
}

/// Stops the server, and gives how long its connections have.
#[crate::coroutine]
fn stop_when_told(told: Told, handle: ServerHandle) -> Duration {
    let grace = crate::yield_!(told);
    handle.stop();
    grace
}

/// The threads of a server; see [`TcpServer::start`].
///
/// If it is dropped they go on until the process ends.
pub struct ServerThreads {
    addresses: Vec<SocketAddr>,
    threads: Vec<ServerThread>,
}

struct ServerThread {
    /// `None` once it was told.
    stop: std::sync::Mutex<Option<Stop>>,
    thread: JoinHandle<Result<()>>,
}

impl ServerThreads {
    /// Returns the address that they listen on; the first, if there are several.
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Returns all addresses that they listen on.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns how many threads there are.
    pub fn len(&self) -> usize {
        self.threads.len()
    }

    /// False: there is one at least.
    pub fn is_empty(&self) -> bool {
        self.threads.is_empty()
    }

    /// Has all accept no more; a thread ends when its connections have, and after `grace` at the
    /// latest: then those that are left are cut off. Does not wait for it; a second call does nothing.
    pub fn stop(&self, grace: Duration) {
        for thread in &self.threads {
            let stop = thread.stop.lock().unwrap_or_else(|e| e.into_inner()).take();
            if let Some(stop) = stop {
                stop.call(grace);
            }
        }
    }

    /// Waits until all threads have ended; blocks this one. In a coroutine, yield
    /// [`run_in_executor`](crate::run_in_executor)`(move || threads.join())`.
    ///
    /// # Errors
    ///
    /// If the server of one failed: the first that did.
    ///
    /// # Panics
    ///
    /// If a thread did: its handlers' factory, for a handler's panic ends its connection only.
    pub fn join(self) -> Result<()> {
        let mut result = Ok(());
        for thread in self.threads {
            // Told to stop or not: it is not told later.
            match thread.thread.join() {
                Ok(ended) => result = result.and(ended),
                Err(panic) => resume_unwind(panic),
            }
        }
        result
    }
}

impl fmt::Debug for ServerThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerThreads")
            .field("addresses", &self.addresses)
            .field("threads", &self.threads.len())
            .finish()
    }
}
