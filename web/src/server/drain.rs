//! The end of a server: no new connections, the requests in flight to their end, and who was not
//! done in time.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use squall::{
    IoLoop, LiveCoroutine, Signals, live, on_signal, signal, sleep, sleep_until, with_timeout,
};

use super::Running;
use crate::conn::{Activity, Shared, after};
use crate::error::Result;

/// How long a connection that has just been made may take to send the first byte of its request.
const FRESH: Duration = Duration::from_millis(250);

/// How long those that are cancelled may take to end.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// What came of [draining](crate::HttpServer::drain) a server.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Drained {
    /// The requests that were cancelled, as they did not finish in time.
    pub unfinished: Vec<Unfinished>,
}

impl Drained {
    /// True if every request came to its end.
    pub fn is_clean(&self) -> bool {
        self.unfinished.is_empty()
    }

    pub(super) fn log(&self) {
        for unfinished in &self.unfinished {
            tracing::warn!(target: "squall::web", "cut at the shutdown: {unfinished}");
        }
    }
}

/// A request that did not finish in time: the coroutines that answered it, from the connection's own
/// to the innermost, and where each stood.
#[derive(Clone, Debug)]
pub struct Unfinished {
    coroutines: Vec<LiveCoroutine>,
    now: Instant,
}

impl Unfinished {
    /// Returns the coroutines from the outermost inwards; the last is the one that waited.
    pub fn coroutines(&self) -> &[LiveCoroutine] {
        &self.coroutines
    }
}

impl fmt::Display for Unfinished {
    /// Writes the innermost coroutine first, each with its yield.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, coroutine) in self.coroutines.iter().rev().enumerate() {
            if n > 0 {
                f.write_str(" < ")?;
            }
            let site = coroutine.coroutine();
            write!(f, "{}", site.name)?;
            match coroutine.at() {
                Some(at) => write!(f, " ({}:{} `{}`)", at.file, at.line, at.expression)?,
                None => write!(f, " ({}:{})", site.file, site.line)?,
            }
            if n == 0
                && let Some(since) = coroutine.since()
            {
                let waited = self.now.saturating_duration_since(since);
                write!(f, " since {:.1} s", waited.as_secs_f64())?;
            }
        }
        Ok(())
    }
}

/// Lets the requests in flight finish; see [`HttpServer::drain`](crate::HttpServer::drain).
pub(super) async fn drain(running: Running, limit: Duration) -> Drained {
    let Running { shared, accepting } = running;
    let deadline = after(limit);
    shared.settings.draining.set();
    accepting.stop();
    shared.settings.guests.tell_all();
    // Those that the system has taken in already are accepted first: their clients count as served.
    while accepting.loops.get() > 0 {
        accepting.ended_one.clear();
        accepting.ended_one.wait().await;
    }
    // A look at all sockets, so that whoever has sent a request is busy with it from here on.
    sleep(Duration::from_millis(1)).await;
    shared.close_all(Activity::Idle);
    let is_empty = async {
        while shared.len() > 0 {
            shared.closed_one.clear();
            shared.closed_one.wait().await;
        }
    };
    let mut is_empty = pin!(is_empty);
    if is_done_by(deadline.min(after(FRESH)), is_empty.as_mut()).await {
        return Drained::default();
    }
    shared.close_all(Activity::Fresh);
    #[cfg(feature = "tls")]
    accepting.handshakes.cancel();
    if is_done_by(deadline, is_empty.as_mut()).await {
        return Drained::default();
    }
    let drained = Drained {
        unfinished: unfinished(&shared),
    };
    shared.cancel_all();
    // What a cancelled handler has to say still goes out, if it is quick.
    let _ = with_timeout(LAST_WORDS, is_empty).await;
    shared.abort_all();
    drained
}

async fn is_done_by(deadline: Instant, future: Pin<&mut impl Future<Output = ()>>) -> bool {
    let mut future = future;
    let mut timer = sleep_until(deadline);
    poll_fn(|cx| {
        if future.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        Pin::new(&mut timer).poll(cx).map(|()| false)
    })
    .await
}

/// The connections that are busy, with what runs in each.
fn unfinished(shared: &Shared) -> Vec<Unfinished> {
    let (all, busy) = (live(), shared.busy());
    let now = IoLoop::current().time();
    let mut children: HashMap<u64, Vec<&LiveCoroutine>> = HashMap::new();
    for one in &all {
        if let Some(parent) = one.parent_id() {
            children.entry(parent).or_default().push(one);
        }
    }
    let connections = all.iter().filter(|one| busy.contains(&one.id()));
    connections
        .map(|connection| {
            let mut coroutines = vec![connection.clone()];
            let mut at = connection.id();
            // What a handler has started beside is not the request's way; its first child is.
            while let Some(child) = children.get(&at).and_then(|all| all.first()) {
                coroutines.push((*child).clone());
                at = child.id();
            }
            Unfinished { coroutines, now }
        })
        .collect()
}

/// The signals that ask for the end.
pub(super) struct Asked {
    terminate: Signals,
    interrupt: Signals,
}

impl Asked {
    /// Hears of them from now on.
    pub(super) fn new() -> squall::Result<Asked> {
        Ok(Asked {
            terminate: on_signal(signal::SIGTERM)?,
            interrupt: on_signal(signal::SIGINT)?,
        })
    }
}

/// Waits for one of the signals, or for `future`: gives none or what the future gave.
pub(super) async fn first_signal<F: Future>(
    asked: &Asked,
    mut future: Pin<&mut F>,
) -> Result<Option<F::Output>> {
    let mut terminate = pin!(asked.terminate.next());
    let mut interrupt = pin!(asked.interrupt.next());
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(Some(output)));
        }
        if let Poll::Ready(signal) = terminate.as_mut().poll(cx) {
            return Poll::Ready(signal.map(|_| None).map_err(Into::into));
        }
        interrupt
            .as_mut()
            .poll(cx)
            .map(|signal| signal.map(|_| None).map_err(Into::into))
    })
    .await
}
