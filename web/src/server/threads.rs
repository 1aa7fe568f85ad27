//! A server on several threads, with a loop and an application each.

use std::future::Future;
use std::mem;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall::net::{ListenOptions, ServerThreads, TcpServer, Told};
use squall::{run_in_executor, yield_};

use super::HttpServer;
use super::drain::{Asked, Drained, Unfinished, first_signal};
use crate::error::Result;

/// What did not finish, on all threads.
type Found = Arc<Mutex<Vec<Unfinished>>>;

impl HttpServer {
    /// Listens where the words say, on `threads` threads with a loop each; 0 takes one for each
    /// processor. Tornado's `start(n)`, which forks processes.
    ///
    /// `factory` is called on each thread, and makes the server with its application; so handlers may
    /// share what belongs to their thread, in `Rc`s. The threads are new ones: this one stays free. TCP
    /// ports are shared by `SO_REUSEPORT`: each thread has a socket of its own, and the system shares
    /// the connections out. Limits such as [`max_connections`](crate::http::Limits::max_connections)
    /// are each thread's.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use squall::yield_;
    /// use squall_web::{Application, Exchange, HttpServer, Result};
    ///
    /// fn hello(ex: &mut Exchange) {
    ///     ex.write("Hello, world");
    /// }
    ///
    /// #[squall::main]
    /// fn main() -> Result<()> {
    ///     let server = || HttpServer::new(Application::new().get("/", hello));
    ///     let threads = HttpServer::start("127.0.0.1:8888", 4, server)?;
    ///     yield_!(threads.shutdown_on_signal(Duration::from_secs(30)))?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As those of [`listen`](Self::listen); if a thread or its loop cannot be started.
    ///
    /// # Panics
    ///
    /// If `factory` does, on its thread.
    pub fn start<F>(words: &str, threads: usize, factory: F) -> Result<HttpThreads>
    where
        F: Fn() -> HttpServer + Clone + Send + 'static,
    {
        let options = ListenOptions {
            reuse_port: threads != 1,
            ..ListenOptions::default()
        };
        Self::start_on(TcpServer::listen(words, &options)?, threads, factory)
    }

    /// As [`start`](Self::start), on sockets that listen already; see [`TcpServer::start`].
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    pub fn start_on<F>(server: TcpServer, threads: usize, factory: F) -> Result<HttpThreads>
    where
        F: Fn() -> HttpServer + Clone + Send + 'static,
    {
        let found = Found::default();
        let on_each = found.clone();
        let threads = server.start_each(threads, move |server, told| {
            serve_until_told(server, factory(), told, on_each.clone())
        })?;
        Ok(HttpThreads { threads, found })
    }
}

/// Serves on one thread, until it is told how long the requests in flight have.
#[squall::coroutine(crate = squall)]
fn serve_until_told(
    server: TcpServer,
    http: HttpServer,
    told: Told,
    found: Found,
) -> squall::Result<()> {
    let mut listening = http.begin(server)?;
    let Some(limit) = yield_!(listening.ended_or(told))? else {
        return Ok(());
    };
    let drained = yield_!(listening.drain(limit));
    let mut found = found.lock().unwrap_or_else(|e| e.into_inner());
    found.extend(drained.unfinished);
    Ok(())
}

/// The threads of a server; see [`HttpServer::start`].
///
/// If it is dropped they go on until the process ends.
#[derive(Debug)]
pub struct HttpThreads {
    threads: ServerThreads,
    found: Found,
}

impl HttpThreads {
    /// Returns the address that they listen on; the first, if there are several.
    pub fn local_addr(&self) -> SocketAddr {
        self.threads.local_addr()
    }

    /// Returns all addresses that they listen on.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        self.threads.local_addrs()
    }

    /// Returns how many threads there are.
    pub fn len(&self) -> usize {
        self.threads.len()
    }

    /// False: there is one at least.
    pub fn is_empty(&self) -> bool {
        self.threads.is_empty()
    }

    /// Has each thread [drain](HttpServer::drain) its server, waits for their ends, and tells which
    /// requests did not finish within `limit`.
    ///
    /// # Errors
    ///
    /// If the listening socket of one has failed.
    ///
    /// # Panics
    ///
    /// If a thread did.
    pub async fn drain(self, limit: Duration) -> Result<Drained> {
        let HttpThreads { threads, found } = self;
        threads.stop(limit);
        run_in_executor(move || threads.join()).await??;
        Ok(take(&found))
    }

    /// Serves until the process gets `SIGTERM` or `SIGINT`, then [drains](Self::drain).
    ///
    /// A second signal ends the wait for what is in flight. What did not finish is logged as well, as
    /// a warning each.
    ///
    /// # Errors
    ///
    /// If the signals cannot be handled, or a listening socket has failed.
    pub fn shutdown_on_signal(
        self,
        limit: Duration,
    ) -> impl Future<Output = Result<Drained>> + 'static {
        // From this call on, not from when it is waited for: a signal before would end the process.
        let asked = Asked::new();
        async move {
            let asked = asked?;
            let never = pin!(std::future::pending::<()>());
            first_signal(&asked, never).await?;
            let found = self.found.clone();
            let draining = pin!(self.drain(limit));
            let drained = match first_signal(&asked, draining).await? {
                Some(drained) => drained?,
                // Asked for a second time: the threads end with the process.
                None => take(&found),
            };
            drained.log();
            Ok(drained)
        }
    }
}

fn take(found: &Found) -> Drained {
    let mut found = found.lock().unwrap_or_else(|e| e.into_inner());
    Drained {
        unfinished: mem::take(&mut found),
    }
}
