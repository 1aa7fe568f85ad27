//! What coroutines share, beside the peers' channels and locks: queues, locks, rounds of two.
//!
//! `cargo bench --bench sync [GROUP]` prints a table; see `README.md`.

#[macro_use]
mod support;
#[macro_use]
#[path = "support/two_peers.rs"]
mod two_peers;
mod rows {
    pub(crate) mod locks;
    pub(crate) mod queues;
}

use support::{Group, Options};

fn main() {
    let options = Options::parse();
    Group::head(&options);
    rows::queues::queues(&options);
    rows::locks::locks(&options);
}
