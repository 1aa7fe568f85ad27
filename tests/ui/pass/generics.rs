//! Generic coroutines: `where` clauses, const and lifetime parameters, `impl Trait` arguments,
//! recursion.

use squall::{Deferred, moment, yield_};
use std::fmt::{Debug, Display};
use std::ops::Add;
use std::rc::Rc;

#[squall::coroutine]
fn sum<T, const N: usize>(all: [T; N], start: T) -> T
where
    T: Add<Output = T> + Copy,
    [T; N]: Debug,
{
    let mut sum = start;
    for one in all {
        yield_!(moment());
        sum = sum + one;
    }
    sum
}

#[squall::coroutine]
fn longest<'a, 'b: 'a, T>(one: &'a [T], other: &'b [T]) -> &'a [T]
where
    T: PartialEq,
{
    yield_!(moment());
    if one.len() > other.len() { one } else { other }
}

#[squall::coroutine]
fn apply<R>(function: impl FnOnce(&str) -> R, text: impl Display) -> R {
    yield_!(moment());
    function(&text.to_string())
}

#[squall::coroutine]
fn countdown(n: u32, seen: Rc<dyn Fn(u32)>) {
    seen(n);
    if n > 0 {
        yield_!(countdown(n - 1, seen));
    }
}

struct Pair<A, B>(A, B);

impl<A: Clone + 'static, B> Pair<A, B>
where
    B: Into<A> + 'static,
{
    #[squall::coroutine]
    fn both(self) -> (A, A) {
        yield_!(moment());
        (self.0, self.1.into())
    }

    #[squall::coroutine]
    fn first(&self) -> &A {
        yield_!(moment());
        &self.0
    }
}

#[squall::main]
fn main() {
    let whole: Deferred<u32> = sum([1, 2, 3], 4);
    assert_eq!(yield_!(whole), 10);
    assert_eq!(yield_!(longest(&[1], &[2, 3])), [2, 3]);
    assert_eq!(yield_!(apply(|text| text.len(), 1234)), 4);
    assert_eq!(yield_!(apply::<usize>(str::len, "abc")), 3);
    yield_!(countdown(3, Rc::new(|n| assert!(n <= 3))));
    let pair = Pair(1u64, 2u32);
    assert_eq!(*yield_!(pair.first()), 1);
    assert_eq!(yield_!(pair.both()), (1, 2));
}
