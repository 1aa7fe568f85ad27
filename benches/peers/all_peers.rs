//! All peers: those of `support/peers.rs`, futures' own executor, monoio and glommio.

// Not every bench has rows.
#![allow(unused_macros)]

use std::cell::RefCell;
use std::future::Future;
use std::panic::catch_unwind;
use std::sync::OnceLock;
use std::time::Duration;

use futures_executor::{LocalPool, LocalSpawner};
use futures_util::future::RemoteHandle;
use futures_util::task::LocalSpawnExt;

use crate::support::{Peer, TimedPeer};

/// Adds each peer to a group, as `NAME named`: `with_peers!(group, "spawn", P => |n| …::<P>(n))`.
macro_rules! with_peers {
    ($($rest:tt)*) => {
        with_each!(
            [
                $crate::support::Tokio,
                $crate::support::Smol,
                $crate::all_peers::Futures,
                $crate::all_peers::Monoio,
                $crate::all_peers::Glommio
            ],
            $($rest)*
        )
    };
}

/// The same of those with timers.
macro_rules! with_timed_peers {
    ($($rest:tt)*) => {
        with_each!(
            [
                $crate::support::Tokio,
                $crate::support::Smol,
                $crate::all_peers::Monoio,
                $crate::all_peers::Glommio
            ],
            $($rest)*
        )
    };
}

/// futures' `LocalPool`, which has no timers.
pub(crate) struct Futures;

/// monoio on its epoll driver, which runs on any Linux, and here costs less than io_uring.
pub(crate) struct Monoio;

/// glommio, which has io_uring only.
pub(crate) struct Glommio;

thread_local! {
    static POOL: RefCell<LocalPool> = RefCell::default();
    static SPAWNER: LocalSpawner = POOL.with_borrow(LocalPool::spawner);
}

impl Peer for Futures {
    type Task<T: 'static> = RemoteHandle<T>;

    const NAME: &'static str = "futures";

    fn block_on<F: Future>(future: F) -> F::Output {
        SPAWNER.with(|_| ()); // It is made while the pool is not borrowed.
        POOL.with_borrow_mut(|pool| pool.run_until(future))
    }

    #[inline]
    fn spawn<F: Future + 'static>(future: F) -> RemoteHandle<F::Output> {
        let task = SPAWNER.with(|spawner| spawner.spawn_local_with_handle(future));
        task.expect("the pool is there")
    }
}

impl Peer for Monoio {
    type Task<T: 'static> = monoio::task::JoinHandle<T>;

    const NAME: &'static str = "monoio";

    fn block_on<F: Future>(future: F) -> F::Output {
        let runtime = monoio::RuntimeBuilder::<monoio::LegacyDriver>::new()
            .enable_timer()
            .build();
        runtime.expect("a runtime can be made").block_on(future)
    }

    #[inline]
    fn spawn<F: Future + 'static>(future: F) -> monoio::task::JoinHandle<F::Output> {
        monoio::spawn(future)
    }
}

impl TimedPeer for Monoio {
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        monoio::time::sleep(duration)
    }
}

impl Glommio {
    fn executor() -> glommio::Result<glommio::LocalExecutor, ()> {
        glommio::LocalExecutorBuilder::new(glommio::Placement::Unbound).make()
    }
}

impl Peer for Glommio {
    type Task<T: 'static> = glommio::Task<T>;

    const NAME: &'static str = "glommio";

    fn missing() -> Option<String> {
        static MISSING: OnceLock<Option<String>> = OnceLock::new();
        // Without io_uring it panics, and says so.
        let missing = || match catch_unwind(Glommio::executor) {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(format!("it makes no executor here: {error}")),
            Err(_) => Some("it panics here, see above; it needs io_uring".to_owned()),
        };
        MISSING.get_or_init(missing).clone()
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        let executor = Glommio::executor().expect("one could be made before");
        executor.run(future)
    }

    #[inline]
    fn spawn<F: Future + 'static>(future: F) -> glommio::Task<F::Output> {
        glommio::spawn_local(future)
    }
}

impl TimedPeer for Glommio {
    async fn sleep(duration: Duration) {
        glommio::timer::sleep(duration).await;
    }
}
