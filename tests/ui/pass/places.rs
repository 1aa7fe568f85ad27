//! Coroutines and yields at unusual places: patterns for parameters, nested modules and functions,
//! conditions, `match`, loops with labels, a coroutine named by a keyword.

use squall::{Deferred, yield_};
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;

struct Point {
    x: u32,
    y: u32,
}

#[squall::coroutine]
fn area(Point { x, y }: Point, (mut scale, _): (u32, bool), [a, ..]: [u32; 3], _: String) -> u32 {
    yield_!(());
    scale *= a;
    x * y * scale
}

mod outer {
    pub(super) mod inner {
        #[squall::coroutine]
        pub(in crate::outer) fn hidden() -> &'static str {
            squall::yield_!(());
            "hidden"
        }

        #[squall::coroutine]
        pub fn shown() -> &'static str {
            use squall::yield_ as wait_for;
            wait_for!(super::through())
        }
    }

    #[squall::coroutine]
    fn through() -> &'static str {
        squall::yield_!(inner::hidden())
    }
}

#[squall::coroutine]
fn r#match(n: u32) -> Result<u32, String> {
    #[squall::coroutine]
    fn nested(n: u32) -> Result<u32, String> {
        if n > 2 {
            Err(format!("{n} is too much"))
        } else {
            Ok(n)
        }
    }
    let mut sum = 0;
    'all: for i in 0.. {
        while yield_!(nested(i)).is_ok() {
            sum += match yield_!(nested(i))? {
                0 => 0,
                n if n % 2 == 0 => continue 'all,
                n => yield_!(nested(n))? * 10,
            };
            if i == n {
                break 'all;
            }
            continue 'all;
        }
        let Err(text) = yield_!(nested(i)) else {
            return Ok(0);
        };
        return Err(text + &format!(" after {sum}"));
    }
    Ok(sum)
}

#[squall::coroutine]
fn never() -> Infallible {
    loop {
        yield_!(());
    }
}

#[squall::main]
fn main() -> Result<(), String> {
    let area = area(Point { x: 2, y: 3 }, (4, true), [5, 0, 0], String::new());
    assert_eq!(yield_!(area), 120);
    assert_eq!(yield_!(outer::inner::shown()), "hidden");
    let mut tree = BTreeMap::new();
    tree.insert("a", vec![r#match(0), r#match(1)]);
    let tree = yield_!(HashMap::from([(1, tree)]))?;
    assert_eq!(tree[&1]["a"], [0, 10]);
    assert_eq!(yield_!(r#match(9)), Err("3 is too much after 10".into()));
    let (a, (b, c)) = yield_!((r#match(1), (r#match(0), r#match(0))))?;
    assert_eq!((a, b, c), (10, 0, 0));
    let _: Deferred<Infallible> = never();
    Ok(())
}
