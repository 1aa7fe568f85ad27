//! Looking into a thread's coroutines while they live.
//!
//! `dump` is the tree of the living as text, `histogram` and `profile` are how long they ran.

mod dump;
mod histogram;
mod profile;

pub use dump::{Dump, dump};
pub use histogram::Distribution;
pub(crate) use profile::Histograms;
pub use profile::Profile;
