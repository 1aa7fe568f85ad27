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
        now: context::with(|context| context.now.get()).map(|now| now.tick),
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
        let index = Index::of(&self.coroutines);
        // What is left to show, the next one last: a chain of coroutines may be deeper than the stack.
        let mut open = Vec::new();
        index.open_family(None, 1, &mut open);
        while let Some(entry) = open.pop() {
            self.fmt_one(&entry, &index, f)?;
            index.open_family(Some(entry.one.id()), entry.depth + 1, &mut open);
        }
        Ok(())
    }
}

/// One line of a dump.
struct Entry<'a> {
    one: &'a LiveCoroutine,
    /// How many there are like it.
    count: usize,
    /// How many it is under, and itself.
    depth: usize,
}

impl<'a> Index<'a> {
    /// Adds the children of a coroutine, the first one last.
    fn open_family(&self, parent: Option<u64>, depth: usize, open: &mut Vec<Entry<'a>>) {
        let Some(members) = self.families.get(&parent) else {
            return;
        };
        // Those without children are counted by what they have in common, and come after the others.
        let mut alike: BTreeMap<Alike<'_>, (&LiveCoroutine, usize)> = BTreeMap::new();
        let mut trees = Vec::new();
        for one in members {
            if self.families.contains_key(&Some(one.id())) {
                trees.push(*one);
            } else {
                alike.entry(Alike::of(one)).or_insert((one, 0)).1 += 1;
            }
        }
        let trees = trees.into_iter().map(|one| (one, 1));
        let all: Vec<_> = trees.chain(alike.into_values()).collect();
        open.extend(
            all.into_iter()
                .rev()
                .map(|(one, count)| Entry { one, count, depth }),
        );
    }
}

/// From how deep on lines are not indented any more, but say how deep they are.
const DEEPEST: usize = 32;

impl Dump {
    fn fmt_one(
        &self,
        entry: &Entry<'_>,
        index: &Index<'_>,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let &Entry { one, count, depth } = entry;
        let coroutine = one.coroutine();
        write!(f, "\n{:indent$}", "", indent = 2 * depth.min(DEEPEST))?;
        if depth > DEEPEST {
            write!(f, "({depth} deep) ")?;
        }
        f.write_str(coroutine.name)?;
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
            WaitsFor::Bytes => 14,
            WaitsFor::Room => 15,
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
