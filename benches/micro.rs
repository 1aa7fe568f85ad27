//! What coroutines cost, beside tokio's and smol's tasks: start, yield, lists, promises, timers.
//!
//! `cargo bench --bench micro [GROUP]` prints a table; see `README.md`. Squall's side of each group
//! is written with its own means, the peers' once for all. Every contender asserts its result.

#[macro_use]
mod support;
#[macro_use]
#[path = "support/two_peers.rs"]
mod two_peers;
mod rows {
    pub(crate) mod children;
    pub(crate) mod lists;
    pub(crate) mod promises;
    pub(crate) mod starts;
    pub(crate) mod timers;
    pub(crate) mod yields;
}

use support::{Group, Options};

fn main() {
    let options = Options::parse();
    Group::head(&options);
    rows::starts::starts(&options);
    rows::yields::yields(&options);
    rows::lists::lists(&options);
    rows::promises::promises(&options);
    rows::timers::timers(&options);
}
