//! What a test may leave behind.

/// What a test may leave behind at its end.
///
/// First what can run does so, until nothing can without waiting. Then the coroutines that are left
/// are dropped where they stand, with all that they hold. What is still there is a leak: a timer
/// that nobody alive waits for, a descriptor or handler that is still registered, a callback that is
/// queued turn after turn, a coroutine that somebody else holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leaks {
    /// Fail the test for what is left when its coroutines are gone. Work in the background, such as
    /// a server's coroutine, goes with its loop and is none.
    #[default]
    Check,
    /// Fail it for coroutines that are not done as well.
    Strict,
    /// Do not look.
    Allow,
}
