//! Two streams that are joined in memory.

use super::conditions::Conditions;
use super::wire::{Addresses, wire};
use crate::ioloop::IoLoop;
use crate::ioloop::sources::Registration;
use crate::net::stream::IoStream;

impl IoStream {
    /// Makes two streams that are joined in memory: what is written to one is read from the other.
    ///
    /// Both behave as the ends of a connection do, and are of its type: a write waits while 64 KiB
    /// are unread, dropping or closing one ends the other, and one that is dropped with bytes unread
    /// resets it. There is no descriptor, and nothing is asked of the system. Both belong to the
    /// current loop.
    ///
    /// For what speaks a protocol to another part of the same program, and for tests; with latency,
    /// short reads and resets, by [`testing::Network`](crate::testing::Network).
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::net::IoStream;
    /// use squall::yield_;
    ///
    /// #[squall::main]
    /// fn main() -> squall::Result<()> {
    ///     let (client, server) = IoStream::pair();
    ///     yield_!(client.write(b"hello\n"))?;
    ///     assert_eq!(yield_!(server.read_until(b"\n", 80))?, b"hello\n");
    ///     drop(server);
    ///     assert_eq!(yield_!(client.read_until_close(80))?, b"");
    ///     Ok(())
    /// }
    /// ```
    pub fn pair() -> (IoStream, IoStream) {
        let [left, right] = Self::joined(&Conditions::default(), None);
        (left, right)
    }

    /// Two ends of a wire in memory; the first is the side that connected.
    pub(in crate::net) fn joined(
        conditions: &Conditions,
        addresses: Option<Addresses>,
    ) -> [IoStream; 2] {
        let io_loop = IoLoop::current();
        let [left, right] = [(); 2].map(|()| Registration::in_memory(&io_loop));
        let [near, far] = wire(&io_loop, conditions, [&left, &right], addresses);
        [Self::from_memory(left, near), Self::from_memory(right, far)]
    }
}
