//! Squall beside all its peers, one row an operation, with the bar that each should meet.
//!
//! `cargo bench --manifest-path benches/peers/Cargo.toml` prints this table and that of `memory.rs`;
//! see `../README.md`.

#[macro_use]
#[path = "../support/mod.rs"]
mod support;
#[macro_use]
mod all_peers;
#[path = "../rows"]
mod rows {
    pub(crate) mod children;
    pub(crate) mod lists;
    pub(crate) mod locks;
    pub(crate) mod promises;
    pub(crate) mod queues;
    pub(crate) mod starts;
    pub(crate) mod timers;
    pub(crate) mod yields;
}

use support::{Group, Options, Peer, pin_to_one_core};

fn main() {
    let mut options = Options::parse();
    options.verdicts = Some(Default::default());
    pin_to_one_core();
    if let Some(why) = all_peers::Glommio::missing() {
        eprintln!("glommio is left out: {why}");
    }
    Group::head(&options);
    rows::starts::starts(&options);
    rows::yields::yields(&options);
    rows::lists::lists(&options);
    rows::promises::promises(&options);
    rows::queues::queues(&options);
    rows::locks::locks(&options);
    rows::timers::timers(&options);
    if !options.quick && options.only.is_none() {
        options.verdicts.expect("set above").borrow().summary();
    }
}
