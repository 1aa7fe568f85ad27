//! The end of a child process, as something to wait for.
//!
//! Linux has descriptors of processes, which are readable when the process has ended: one for each
//! child, and no signal. Elsewhere every `SIGCHLD` makes each child be looked at.

use std::io;
use std::process::Child;

use super::signals::{Signals, on_signal};
use crate::error::Result;

/// Wakes when a child may have ended.
pub(crate) enum ChildExit {
    #[cfg(target_os = "linux")]
    Descriptor(pidfd::Pidfd),
    Signal(Signals),
}

impl ChildExit {
    /// Watches a child from the current loop.
    #[cfg(target_os = "linux")]
    pub(crate) fn new(child: &Child) -> Result<ChildExit> {
        match pidfd::Pidfd::new(child) {
            Ok(pidfd) => Ok(ChildExit::Descriptor(pidfd)),
            // A kernel before 5.3, or a sandbox that does not know the call.
            Err(error) if is_unsupported(&error) => Self::by_signal(),
            Err(error) => Err(error.into()),
        }
    }

    /// Watches a child from the current loop.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn new(_: &Child) -> Result<ChildExit> {
        Self::by_signal()
    }

    fn by_signal() -> Result<ChildExit> {
        Ok(ChildExit::Signal(on_signal(crate::signal::SIGCHLD)?))
    }

    /// Waits until the child may have ended; ask it before the first wait, too.
    pub(crate) async fn changed(&self) -> Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            ChildExit::Descriptor(pidfd) => pidfd.readable().await,
            ChildExit::Signal(signals) => signals.next().await,
        }
    }
}

#[cfg(target_os = "linux")]
fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
    )
}

#[cfg(target_os = "linux")]
mod pidfd {
    use std::future::poll_fn;
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::process::Child;

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::super::IoLoop;
    use super::super::sources::{Direction, Registration};
    use crate::error::Result;

    pub(crate) struct Pidfd {
        // Before the descriptor, which it is undone before.
        registration: Registration,
        _descriptor: OwnedFd,
    }

    impl Pidfd {
        pub(super) fn new(child: &Child) -> io::Result<Pidfd> {
            let descriptor = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
            let registration = Registration::of_fd(&IoLoop::current(), descriptor.as_raw_fd())?;
            Ok(Pidfd {
                registration,
                _descriptor: descriptor,
            })
        }

        pub(super) async fn readable(&self) -> Result<()> {
            Ok(poll_fn(|cx| self.registration.poll_ready(Direction::Read, cx)).await?)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::ioloop::IoLoop;

    #[test]
    fn end_of_a_child_is_noticed_by_the_signal_too() {
        let io_loop = IoLoop::new().expect("the system has descriptors for a loop");
        let status = io_loop.run_sync(|| async {
            let exit = ChildExit::by_signal()?;
            let mut child = Command::new("true").spawn()?;
            loop {
                if let Some(status) = child.try_wait()? {
                    return Ok::<_, crate::Error>(status);
                }
                exit.changed().await?;
            }
        });
        assert!(status.is_ok_and(|status| status.success()));
    }
}
