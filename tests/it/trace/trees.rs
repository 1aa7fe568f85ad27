use std::collections::{BTreeMap, HashMap};

use squall::WaitIterator;

use super::*;

#[test]
fn trace_of_a_child_of_a_list() {
    #[squall::coroutine]
    fn list() -> Result<u32, String> {
        let values = yield_!(vec![fine(1), deep("bad"), fine(3)])?;
        Ok(values[0])
    }
    golden("list", &log_of(list));
}

#[test]
fn trace_of_a_child_of_a_map() {
    #[squall::coroutine]
    fn map() -> Result<u32, String> {
        let map = BTreeMap::from([("a", fine(1)), ("b", deep("bad"))]);
        Ok(yield_!(map)?["a"])
    }
    golden("map", &log_of(map));
}

#[test]
fn trace_of_a_member_of_a_tuple() {
    #[squall::coroutine]
    fn tuple() -> Result<u32, String> {
        Ok(yield_!((fine(1), deep("bad"), [fine(3)]))?.0)
    }
    golden("tuple", &log_of(tuple));
}

#[test]
fn trace_through_a_nested_tree_of_coroutines_that_yield_trees() {
    #[squall::coroutine]
    fn leaves() -> Result<u32, String> {
        Ok(yield_!([fine(1), deep("bad")])?[0])
    }
    #[squall::coroutine]
    fn tree() -> Result<u32, String> {
        let tree = HashMap::from([("x", vec![leaves()])]);
        let results = yield_!((tree, fine(1)))?;
        Ok(results.1)
    }
    golden("nested_tree", &log_of(tree));
}

#[test]
fn trace_of_two_children_that_fail() {
    #[squall::coroutine]
    fn slow(error: &'static str) -> Result<u32, String> {
        yield_!(sleep(Duration::from_secs(1)));
        yield_!(deep(error))
    }
    #[squall::coroutine]
    fn list() -> Result<[u32; 2], String> {
        yield_!([slow("late"), deep("early")])
    }
    golden("two_in_a_list", &log_of(list));
}

#[test]
fn trace_of_a_step_of_a_wait_iterator() {
    #[squall::coroutine]
    fn steps() -> Result<u32, String> {
        let mut iterator = WaitIterator::new([deep("bad"), fine(1)]);
        let mut sum = 0;
        while let Some((_, result)) = yield_!(iterator.next()) {
            sum += result?;
        }
        Ok(sum)
    }
    golden("wait_iterator", &log_of(steps));
}
