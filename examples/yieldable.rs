//! Yielding types of your own: `cargo run --example yieldable`
//!
//! A type becomes yieldable by `IntoFuture`, alone and inside lists, maps and tuples; a collection of
//! your own by `Yieldable`, with a form of your own to name it. It prints:
//!
//! ```text
//! one: row 1
//! list: ["row 2", "row 3"]
//! pair: left is row 4, right is row 5
//! no row 0
//! ```

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use squall::{Deferred, Yieldable, convert_yielded, sleep, yield_};

/// A question to a database that speaks of rows.
struct Query(u32);

/// What makes it yieldable: it says what is waited for. Here a coroutine of its own is started; it
/// could as well be any other future.
impl IntoFuture for Query {
    type Output = Result<String, String>;
    type IntoFuture = Deferred<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        ask(self.0)
    }
}

#[squall::coroutine]
fn ask(row: u32) -> Result<String, String> {
    yield_!(sleep(Duration::from_millis(10)));
    match row {
        0 => Err("no row 0".to_owned()),
        n => Ok(format!("row {n}")),
    }
}

/// A collection of our own: two things of one type.
struct Pair<T> {
    left: T,
    right: T,
}

impl<T: fmt::Display> fmt::Display for Pair<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "left is {}, right is {}", self.left, self.right)
    }
}

/// Names the form of a pair of things of the form `M`; no value of it is ever made.
struct ByPair<M>(PhantomData<M>);

/// What makes it a tree of yieldables: it says how to wait for all of it. A pair of results gives a
/// pair of results; `Fallible` beside this would make it one result.
impl<Y: Yieldable<M>, M> Yieldable<ByPair<M>> for Pair<Y>
where
    Y::Wait: 'static,
    Y::Output: 'static,
{
    type Output = Pair<Y::Output>;
    type Wait = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn wait(self) -> Self::Wait {
        let both = convert_yielded((self.left, self.right));
        Box::pin(async {
            let (left, right) = both.await;
            Pair { left, right }
        })
    }
}

#[squall::main]
fn main() -> Result<(), String> {
    println!("one: {}", yield_!(Query(1))?);

    let list = yield_!(vec![Query(2), Query(3)])?; // both at the same time
    println!("list: {list:?}");

    let pair = yield_!(Pair {
        left: Query(4),
        right: Query(5),
    });
    let (left, right) = (pair.left?, pair.right?);
    println!("pair: {}", Pair { left, right });

    if let Err(error) = yield_!(Query(0)) {
        println!("{error}");
    }
    Ok(())
}
