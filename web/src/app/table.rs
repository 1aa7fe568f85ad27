//! Which route a path has: one look in a table for those that match one path only, then patterns in
//! their order.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::endpoint::{Endpoint, Functions};
use super::pattern::Pattern;
use crate::conn::{BodyPlan, Exchange};

pub(super) struct Route {
    pub(super) text: Box<str>,
    pub(super) pattern: Pattern,
    pub(super) target: Target,
    /// How its requests' bodies are taken, if that was said.
    pub(super) body: Option<BodyPlan>,
    /// True if its requests need no XSRF token.
    pub(super) xsrf_exempt: bool,
    /// Whose settings its answers have: see [`Scopes`](super::scope::Scopes).
    pub(super) scope: usize,
    /// True if it is there for what has no route: its answers begin as 404.
    pub(super) is_default: bool,
}

pub(super) enum Target {
    Handler(Box<dyn Endpoint>),
    Functions(Functions),
}

impl Target {
    pub(super) fn endpoint(&self) -> &dyn Endpoint {
        match self {
            Target::Handler(handler) => &**handler,
            Target::Functions(functions) => functions,
        }
    }
}

/// Routes by their place in the application's list, in the order in which they are tried.
#[derive(Default)]
pub(super) struct Table {
    /// The routes that match one path only, by that path: the first of each.
    literals: HashMap<Box<[u8]>, usize, BuildHasherDefault<Fnv>>,
    /// The routes that match several paths, in order.
    patterns: Vec<usize>,
    /// All of them, in order.
    pub(super) all: Vec<usize>,
}

impl Table {
    pub(super) fn add(&mut self, index: usize, pattern: &Pattern) {
        self.all.push(index);
        match pattern.literal() {
            Some(path) => {
                self.literals.entry(path.as_bytes().into()).or_insert(index);
            }
            None => self.patterns.push(index),
        }
    }

    /// The first route that matches, its arguments being noted in the exchange.
    pub(super) fn find(&self, routes: &[Route], ex: &mut Exchange) -> Option<usize> {
        let literal = self.literals.get(ex.path_bytes()).copied();
        for &index in &self.patterns {
            if literal.is_some_and(|literal| literal < index) {
                break;
            }
            let pattern = &routes[index].pattern;
            if ex.set_path_arguments(&pattern.names, |path, spans| pattern.matches(path, spans)) {
                return Some(index);
            }
        }
        ex.clear_path_arguments();
        literal
    }
}

/// FNV-1a: short keys hash in a few cycles. The keys are the program's own, so that no client can
/// make them collide.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The length of the bytes that follow, which tell it themselves.
    fn write_usize(&mut self, _: usize) {}
}
