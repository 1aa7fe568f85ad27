//! The tree of the coroutines that are alive.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use squall::{IoLoop, LiveCoroutine};
use squall_web::{Exchange, Result};

#[derive(Serialize)]
struct Live {
    count: usize,
    roots: Vec<Node>,
}

/// A coroutine, and those that it started or runs.
#[derive(Serialize)]
struct Node {
    name: &'static str,
    /// File and line of the yield that it stands at, or of its own if it has not come to one.
    place: String,
    /// What it waits for, as it was written.
    expression: Option<&'static str>,
    since_ms: u64,
    resumes: u32,
    children: Vec<Node>,
}

/// Answers with the tree. Looking at it wakes no coroutine, and none notices.
pub(crate) fn live(ex: &mut Exchange) -> Result<()> {
    let all = squall::live();
    let count = all.len();
    let ids: HashSet<u64> = all.iter().map(LiveCoroutine::id).collect();
    let mut families: HashMap<Option<u64>, Vec<&LiveCoroutine>> = HashMap::new();
    for one in &all {
        let parent = one.parent_id().filter(|id| ids.contains(id));
        families.entry(parent).or_default().push(one);
    }
    let roots = children_of(None, &families);
    ex.set_header("cache-control", "no-store")?;
    ex.write_json(&Live { count, roots })
}

fn children_of(
    parent: Option<u64>,
    families: &HashMap<Option<u64>, Vec<&LiveCoroutine>>,
) -> Vec<Node> {
    let children = families.get(&parent).into_iter().flatten();
    children.map(|child| node(child, families)).collect()
}

fn node(one: &LiveCoroutine, families: &HashMap<Option<u64>, Vec<&LiveCoroutine>>) -> Node {
    let (coroutine, at) = (one.coroutine(), one.at());
    let (file, line) = at.map_or((coroutine.file, coroutine.line), |at| (at.file, at.line));
    let file = file.rsplit('/').next().unwrap_or(file);
    let waited = |since| IoLoop::current().time().duration_since(since);
    Node {
        name: coroutine.name,
        place: format!("{file}:{line}"),
        expression: at.map(|at| at.expression),
        since_ms: one
            .since()
            .map_or(0, |since| waited(since).as_millis() as u64),
        resumes: one.resumes(),
        children: children_of(Some(one.id()), families),
    }
}
