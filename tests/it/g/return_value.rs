//! A `Return` that a plain function raises.

use std::cell::Cell;
use std::rc::Rc;

use squall::{Callback, Return, catch_panic, moment, sleep, task, yield_};

use crate::support::{OnDrop, SECOND, Trace, capture_logs, run};

/// A plain function that may end the coroutine which calls it.
fn positive(n: i32) -> i32 {
    if n < 0 {
        Return(format!("{n} is negative")).raise();
    }
    n
}

// tornado: gen_test.py test_sync_gen_return (G1), test_async_gen_return (G2)
#[squall::test]
fn g1_g2_return_raised_from_a_plain_function_ends_the_coroutine() {
    #[squall::coroutine]
    fn double(n: i32, wait: bool, trace: Trace) -> String {
        let _local = OnDrop(trace, "dropped");
        if wait {
            yield_!(moment());
        }
        (2 * positive(n)).to_string()
    }
    let trace = Trace::new();
    for wait in [false, true] {
        let call = double(-1, wait, trace.clone());
        assert_eq!(call.done(), !wait);
        assert_eq!(yield_!(call), "-1 is negative");
        assert_eq!(yield_!(double(2, wait, trace.clone())), "4");
    }
    assert_eq!(trace.take(), ["dropped"; 4]);
}

#[squall::test]
fn return_takes_any_type_of_a_started_coroutine() {
    #[squall::coroutine]
    fn shared() -> Rc<Cell<u32>> {
        Return(Rc::new(Cell::new(7_u32))).raise()
    }
    #[squall::coroutine]
    fn nothing() {
        yield_!(async {
            if true {
                Return(()).raise()
            }
        })
    }
    #[squall::coroutine]
    fn word() -> &'static str {
        Return("word").raise()
    }
    assert_eq!(yield_!(shared()).get(), 7);
    yield_!(nothing());
    assert_eq!(yield_!(word()), "word");
}

#[squall::test]
fn return_ends_only_the_coroutine_that_runs() {
    #[squall::coroutine]
    fn inner() -> u32 {
        yield_!(moment());
        Return(1_u32).raise()
    }
    #[squall::coroutine]
    fn outer() -> u32 {
        yield_!(inner()) + 1
    }
    assert_eq!(yield_!(outer()), 2);
}

#[squall::test]
fn return_passes_catch_panic_and_the_function_of_a_task() {
    #[squall::coroutine]
    fn caught() -> u32 {
        let result = yield_!(catch_panic(async { Return(1_u32).raise() }));
        let _: Result<(), _> = result;
        2
    }
    #[squall::coroutine]
    fn in_task() -> u32 {
        let _ = yield_!(task(|_: Callback<()>| Return(1_u32).raise()));
        2
    }
    assert_eq!(yield_!([caught(), in_task()]), [1, 1]);
}

#[test]
fn return_of_an_error_is_an_error_with_a_traceback_and_of_a_value_is_not_logged() {
    #[squall::coroutine]
    fn fails() -> Result<u32, String> {
        yield_!(moment());
        Return(Err::<u32, _>("odd".to_owned())).raise()
    }
    #[squall::coroutine]
    fn succeeds() -> Result<u32, String> {
        yield_!(moment());
        Return(Ok::<u32, String>(1)).raise()
    }
    let ((), log) = capture_logs(|| {
        run(|| async {
            drop((fails(), succeeds()));
            sleep(SECOND).await;
        })
    });
    assert_eq!(log.len(), 1, "{log:?}");
    let start = "ERROR squall: error in coroutine `fails` was never retrieved: odd\n";
    assert!(log[0].starts_with(start), "{log:?}");
    assert!(log[0].contains("after yield at"), "{log:?}");
}

#[squall::test]
fn return_of_another_type_is_a_panic_that_names_both() {
    #[squall::coroutine]
    fn wrong() -> u32 {
        yield_!(moment());
        Return("text").raise()
    }
    let caught = yield_!(catch_panic(wrong())).unwrap_err();
    let message = caught.message();
    for part in [
        "Return of a `&str` was raised at ",
        file!(),
        "in coroutine `wrong`, which returns `u32`",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn return_outside_of_a_coroutine_is_a_panic() {
    let panic = std::panic::catch_unwind(|| Return(1).raise()).unwrap_err();
    let message = panic.downcast_ref::<&str>().expect("it has a message");
    assert!(message.contains("outside of a coroutine"), "{message}");
}

#[squall::test]
fn return_ends_a_scoped_coroutine_of_a_type_that_cannot_borrow() {
    #[squall::coroutine]
    fn length(word: &str, trace: &Trace) -> Result<usize, String> {
        let _local = OnDrop(trace.clone(), "dropped");
        yield_!(moment());
        if word.is_empty() {
            Return(Err::<usize, _>("empty".to_owned())).raise();
        }
        Ok(word.len())
    }
    #[squall::coroutine]
    fn both(trace: &Trace) -> Result<usize, String> {
        let first = yield_!(length("abc", trace))?;
        let second = yield_!(length("", trace));
        assert_eq!(second, Err("empty".to_owned()));
        Ok(first)
    }
    let trace = Trace::new();
    assert_eq!(yield_!(both(&trace)), Ok(3));
    assert_eq!(trace.take(), ["dropped"; 2]);
}

// It must not end the next coroutine outwards, whose result may happen to be of its type.
#[squall::test]
fn return_in_a_scoped_coroutine_that_may_borrow_is_a_panic() {
    struct Text<'a>(#[allow(dead_code)] &'a str);
    #[squall::coroutine]
    fn borrows(word: &str) -> Text<'_> {
        yield_!(moment());
        if word.len() == 1 {
            Return(1_u32).raise();
        }
        Text(word)
    }
    #[squall::coroutine]
    fn outer(catches: bool) -> u32 {
        if catches {
            let caught = yield_!(catch_panic(borrows("x"))).err().expect("a panic");
            assert!(caught.message().contains("`borrows`, which cannot take it"));
            return 2;
        }
        yield_!(borrows("x"));
        3
    }
    assert_eq!(yield_!(outer(true)), 2);
    let caught = yield_!(catch_panic(outer(false))).unwrap_err();
    let message = caught.message();
    assert!(message.contains("scoped coroutine `borrows`"), "{message}");
    assert!(message.contains("squall::Returnable"), "{message}");
}

#[squall::test]
fn return_that_is_thrown_away_drops_its_value() {
    let trace = Trace::new();
    let value = OnDrop(trace.clone(), "dropped");
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Return(value).raise()));
    assert!(trace.take().is_empty());
    drop(caught);
    assert_eq!(trace.take(), ["dropped"]);
}
