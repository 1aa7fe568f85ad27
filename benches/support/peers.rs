//! The runtimes that Squall is compared with.
//!
//! `with_peers!` and `with_timed_peers!` add them all to a group. Which they are is up to who
//! includes this: `two_peers.rs` has those of the workspace, `peers/all_peers.rs` has more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Adds the peers in brackets to a group; see `with_peers!`.
macro_rules! with_each {
    ([$($runtime:ty),*], $group:expr, $named:literal, $peer:ident => $run:expr) => {{
        let group = $group;
        $(
            let group = {
                type $peer = $runtime;
                group.with_peer::<$peer>($named, $run)
            };
        )*
        group
    }};
}

/// A runtime that Squall is compared with: single-threaded, tasks that need not be `Send`.
pub(crate) trait Peer: 'static {
    type Task<T: 'static>: Future<Output = T>;

    const NAME: &'static str;

    /// Why it cannot run on this machine.
    fn missing() -> Option<String> {
        None
    }

    /// Runs a future on this thread's runtime.
    fn block_on<F: Future>(future: F) -> F::Output;

    fn spawn<F: Future + 'static>(future: F) -> Self::Task<F::Output>;

    /// The runtime's own way to let others run.
    fn yield_now() -> impl Future<Output = ()> + 'static {
        wake_by_ref()
    }
}

/// A [`Peer`] with timers.
pub(crate) trait TimedPeer: Peer {
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static;
}

/// tokio's current-thread runtime with a `LocalSet`; with I/O, as `#[tokio::main]` makes it.
pub(crate) struct Tokio;

/// smol's parts: `async_executor::LocalExecutor` under `async_io::block_on`.
pub(crate) struct Smol;

pub(crate) struct TokioTask<T>(tokio::task::JoinHandle<T>);

impl<T> Future for TokioTask<T> {
    type Output = T;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let joined = Pin::new(&mut self.0).poll(cx);
        joined.map(|result| result.expect("no task here panics"))
    }
}

// Neither is ever dropped: tokio's own thread-locals would be gone by then.
thread_local! {
    static TOKIO: &'static (tokio::runtime::Runtime, tokio::task::LocalSet) = {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        Box::leak(Box::new((runtime, tokio::task::LocalSet::new())))
    };
    static SMOL: &'static async_executor::LocalExecutor<'static> =
        Box::leak(Box::new(async_executor::LocalExecutor::new()));
}

impl Peer for Tokio {
    type Task<T: 'static> = TokioTask<T>;

    const NAME: &'static str = "tokio";

    fn block_on<F: Future>(future: F) -> F::Output {
        let (runtime, tasks) = TOKIO.with(|tokio| *tokio);
        tasks.block_on(runtime, future)
    }

    #[inline]
    fn spawn<F: Future + 'static>(future: F) -> TokioTask<F::Output> {
        TokioTask(tokio::task::spawn_local(future))
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        tokio::task::yield_now()
    }
}

impl TimedPeer for Tokio {
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        tokio::time::sleep(duration)
    }
}

impl Peer for Smol {
    type Task<T: 'static> = async_executor::Task<T>;

    const NAME: &'static str = "smol";

    fn block_on<F: Future>(future: F) -> F::Output {
        let executor = SMOL.with(|executor| *executor);
        async_io::block_on(executor.run(future))
    }

    #[inline]
    fn spawn<F: Future + 'static>(future: F) -> async_executor::Task<F::Output> {
        SMOL.with(|executor| executor.spawn(future))
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        futures_lite::future::yield_now()
    }
}

impl TimedPeer for Smol {
    async fn sleep(duration: Duration) {
        async_io::Timer::after(duration).await;
    }
}

/// The plainest yield: pending once, having woken itself.
pub(crate) fn wake_by_ref() -> WakeByRef {
    WakeByRef { woken: false }
}

/// See [`wake_by_ref`].
pub(crate) struct WakeByRef {
    woken: bool,
}

impl Future for WakeByRef {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.woken {
            return Poll::Ready(());
        }
        self.woken = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
