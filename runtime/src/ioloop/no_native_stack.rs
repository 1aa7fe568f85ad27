//! What stands in for `native_stack` where there is none: it says why.

use super::stack_frame::StackFrame;
use crate::coro::beacon::Beacon;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ThreadId;

impl ThreadId {
    pub(super) fn current() -> ThreadId {
        ThreadId
    }
}

pub(super) fn prepare() {}

pub(super) fn ask(_: ThreadId, _: &'static Beacon, _: u64) -> Result<Asked, &'static str> {
    Err(if cfg!(feature = "native-stack") {
        "it is known on Linux with glibc only, on x86_64 and aarch64"
    } else {
        "squall was built without its feature `native-stack`"
    })
}

/// Never made.
pub(super) enum Asked {}

impl Asked {
    pub(super) fn answer(self) -> Result<Vec<StackFrame>, &'static str> {
        match self {}
    }
}
