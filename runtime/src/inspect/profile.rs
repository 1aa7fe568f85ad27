//! What was measured of a loop.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::histogram::{Distribution, Histogram};
use crate::coro::site::CoroutineSite;

/// The histograms that are being filled.
#[derive(Debug, Default)]
pub(crate) struct Histograms {
    turns: Histogram,
    /// By module and name.
    runs: BTreeMap<(&'static str, &'static str), Histogram>,
}

impl Histograms {
    pub(crate) fn record_turn(&mut self, time: Duration) {
        self.turns.record(time);
    }

    pub(crate) fn record_run(&mut self, coroutine: &CoroutineSite, time: Duration) {
        let name = (coroutine.module, coroutine.name);
        self.runs.entry(name).or_default().record(time);
    }

    pub(crate) fn profile(&self) -> Profile {
        let runs = self.runs.iter();
        Profile {
            turns: self.turns.summary(),
            runs: runs
                .map(|((module, name), runs)| (format!("{module}::{name}"), runs.summary()))
                .collect(),
        }
    }
}

/// How long turns and coroutines ran; see [`IoLoop::profile`](crate::IoLoop::profile). Prints itself.
#[derive(Clone, Debug)]
pub struct Profile {
    turns: Distribution,
    runs: BTreeMap<String, Distribution>,
}

impl Profile {
    /// Returns how long turns took from one poll to the next: by so much what is ready may be late.
    pub fn turns(&self) -> Distribution {
        self.turns
    }

    /// Returns how long each run of a coroutine took, from a resume to the next unfinished yield, by
    /// the coroutine's module and name.
    pub fn runs(&self) -> &BTreeMap<String, Distribution> {
        &self.runs
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "turns: {}", self.turns)?;
        for (name, runs) in &self.runs {
            write!(f, "\nruns of {name}: {runs}")?;
        }
        Ok(())
    }
}
