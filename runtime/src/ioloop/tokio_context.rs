//! tokio's reactor and timers, on a thread of their own.
//!
//! The thread drives one current-thread runtime for the whole process. A loop enters its context
//! while it runs, so that futures which look for tokio find it; what they wait for is watched on
//! tokio's thread, and their wakers wake the loop like any from another thread.

//!
//! Without the feature `tokio` there is nothing to enter.

pub(super) use imp::{Entered, enter};

#[cfg(not(feature = "tokio"))]
mod imp {
    pub(in crate::ioloop) struct Entered;

    pub(in crate::ioloop) fn enter() -> Entered {
        Entered
    }
}

#[cfg(feature = "tokio")]
mod imp {
    use std::sync::OnceLock;

    use tokio::runtime::{Builder, EnterGuard, Handle};

    /// The context of tokio on this thread, until it is dropped. `None` if tokio could not be started.
    pub(in crate::ioloop) struct Entered {
        _guard: Option<EnterGuard<'static>>,
    }

    /// Enters tokio's context; starts its thread at the first call.
    pub(in crate::ioloop) fn enter() -> Entered {
        Entered {
            _guard: handle().map(Handle::enter),
        }
    }

    fn handle() -> Option<&'static Handle> {
        static HANDLE: OnceLock<Option<Handle>> = OnceLock::new();
        HANDLE.get_or_init(start).as_ref()
    }

    fn start() -> Option<Handle> {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(target: "squall", "tokio's reactor could not be made: {error}");
                return None;
            }
        };
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new().name("squall-tokio".to_owned());
        let spawned = thread.spawn(move || runtime.block_on(std::future::pending::<()>()));
        if let Err(error) = spawned {
            tracing::error!(target: "squall", "tokio's thread could not be started: {error}");
            return None;
        }
        Some(handle)
    }
}
