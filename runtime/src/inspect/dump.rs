//! The tree of the living, as text.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::coro::context;
use crate::coro::frames::{LiveCoroutine, live};
use crate::coro::tick::Tick;
use crate::coro::waits::WaitsFor;

/// Returns the tree of all coroutines of this thread that are alive.
///
/// Each stands under the one that started it, with the yield where it stands, what it waits for (and
/// who holds it, if that is a lock), for how long, and how often it was resumed. Siblings that are alike in name, place and kind of wait are
/// counted rather than repeated. Nothing is polled, and no coroutine notices.
///
/// A program under [`#[squall::main]`](macro@crate::main) prints it when it gets `SIGUSR2`.
///
/// # Examples
///
/// ```
/// use squall::{IoLoop, yield_};
///
/// #[squall::coroutine]
/// fn patient() {
///     yield_!(squall::sleep(std::time::Duration::from_secs(3600)));
/// }
///
/// let _waiting = [patient(), patient()];
/// let dump = squall::dump().to_string();
/// assert!(dump.contains("patient × 2"), "{dump}");
/// # IoLoop::clear_current();
/// ```
pub fn dump() -> Dump {
    Dump {
        coroutines: live(),
        now: context::with(|context| context.now.get()),
    }
}

/// A tree of living coroutines; see [`dump`]. Prints itself.
#[derive(Clone, Debug)]
pub struct Dump {
    coroutines: Vec<LiveCoroutine>,
    /// The time of the loop's turn; ages are counted to it.
    now: Option<Tick>,
}

impl Dump {
    /// Returns how many coroutines are in it.
    pub fn len(&self) -> usize {
        self.coroutines.len()
    }

    /// What each waits for.
    pub(crate) fn waits(&self) -> impl Iterator<Item = WaitsFor> {
        self.coroutines.iter().map(LiveCoroutine::waits_for)
    }

    /// True if no coroutine is alive.
    pub fn is_empty(&self) -> bool {
        self.coroutines.is_empty()
    }
}

/// The coroutines of a dump by their numbers.
struct Index<'a> {
    by_id: HashMap<u64, &'a LiveCoroutine>,
    /// By the one that started them.
    families: HashMap<Option<u64>, Vec<&'a LiveCoroutine>>,
}

impl<'a> Index<'a> {
    fn of(coroutines: &'a [LiveCoroutine]) -> Self {
        let by_id: HashMap<u64, _> = coroutines.iter().map(|one| (one.id(), one)).collect();
        let mut families: HashMap<_, Vec<_>> = HashMap::new();
        for one in coroutines {
            let parent = one.parent_id().filter(|id| by_id.contains_key(id));
            families.entry(parent).or_default().push(one);
        }
        Index { by_id, families }
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len() {
            0 => return f.write_str("no coroutine is alive"),
            1 => f.write_str("1 coroutine is alive")?,
            n => write!(f, "{n} coroutines are alive")?,
        }
        self.fmt_family(None, &Index::of(&self.coroutines), 1, f)
    }
}

impl Dump {
    fn fmt_family(
        &self,
        parent: Option<u64>,
        index: &Index<'_>,
        depth: usize,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let members = index.families.get(&parent).map_or(&[][..], Vec::as_slice);
        // Those without children are counted by what they have in common.
        let mut alike: BTreeMap<Alike<'_>, Vec<&LiveCoroutine>> = BTreeMap::new();
        let (leaves, trees): (Vec<&LiveCoroutine>, Vec<_>) =
            (members.iter()).partition(|one| !index.families.contains_key(&Some(one.id())));
        for leaf in leaves {
            alike.entry(Alike::of(leaf)).or_default().push(leaf);
        }
        for one in trees {
            self.fmt_one(one, 1, index, depth, f)?;
            self.fmt_family(Some(one.id()), index, depth + 1, f)?;
        }
        for group in alike.values() {
            self.fmt_one(group[0], group.len(), index, depth, f)?;
        }
        Ok(())
    }

    fn fmt_one(
        &self,
        one: &LiveCoroutine,
        count: usize,
        index: &Index<'_>,
        depth: usize,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let coroutine = one.coroutine();
        write!(f, "\n{:indent$}{}", "", coroutine.name, indent = 2 * depth)?;
        if count > 1 {
            write!(f, " × {count}")?;
        }
        let Some(at) = one.at() else {
            return write!(f, " ({}:{}) runs", coroutine.file, coroutine.line);
        };
        write!(f, " at {at}: {}", at.expression)?;
        write!(f, "; waits for {}", one.waits_for())?;
        if let Some(holder) = one.holder_id() {
            match index.by_id.get(&holder) {
                Some(holder) => write!(f, ", held by {holder}")?,
                None => f.write_str(", taken by a coroutine that has ended")?,
            }
        }
        if let (WaitsFor::Time(deadline), Some(now), 1) = (one.waits_for(), self.now, count) {
            write!(f, " in {:.1?}", deadline.saturating_duration_since(now))?;
        }
        if let (Some(since), Some(now), 1) = (one.since(), self.now, count) {
            write!(
                f,
                "; for {:.1?}",
                now.saturating_duration_since(since.into())
            )?;
        }
        match (count, one.resumes()) {
            (1, 1) => f.write_str("; suspended once")?,
            (1, n) => write!(f, "; suspended {n} times")?,
            _ => {}
        }
        if let (Some(total), Some(worst), 1) = (one.run_time(), one.worst_run_time(), count) {
            write!(f, "; ran for {total:.1?}, {worst:.1?} at a time at most")?;
        }
        Ok(())
    }
}

/// What makes coroutines alike: name, yield and kind of wait.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Alike<'a> {
    name: &'a str,
    at: Option<(&'a str, u32, u32)>,
    kind: u8,
    /// The lock, if it is one.
    lock: u32,
}

impl Alike<'_> {
    fn of(one: &LiveCoroutine) -> Self {
        let kind = match one.waits_for() {
            WaitsFor::Unknown => 0,
            WaitsFor::Turn => 1,
            WaitsFor::Time(_) => 2,
            WaitsFor::Readable(_) => 3,
            WaitsFor::Writable(_) => 4,
            WaitsFor::Children { .. } | WaitsFor::MixedChildren { .. } => 5,
            WaitsFor::Coroutine(_) => 6,
            WaitsFor::Promise => 7,
            WaitsFor::QueueItem { .. } => 8,
            WaitsFor::QueuePlace { .. } => 9,
            WaitsFor::QueueWork => 10,
            WaitsFor::Lock(_) => 11,
            WaitsFor::Permit => 12,
            WaitsFor::Event => 13,
        };
        Alike {
            name: one.coroutine().name,
            at: one.at().map(|at| (at.file, at.line, at.column)),
            kind,
            lock: match one.waits_for() {
                WaitsFor::Lock(number) => number,
                _ => 0,
            },
        }
    }
}
