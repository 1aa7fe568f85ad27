//! Variables that follow a coroutine through its resumes.

use std::cell::RefCell;
use std::time::Duration;

use squall::{Deferred, IoLoop, Promise, catch_panic, moment, sleep, yield_};

use crate::support::{Trace, allocations, run};

squall::context_var! {
    static ID: u32 = 0;
    static NAME: String = String::from("nobody");
}

// tornado: gen_test.py ContextVarsTest.test_propagate, of 6 (G37)
#[squall::test]
fn g37_a_coroutine_sees_its_callers_values_at_every_resume_and_keeps_its_own() {
    #[squall::coroutine]
    fn child(own: u32) -> [u32; 3] {
        let inherited = ID.get();
        yield_!(moment());
        let still = ID.get();
        ID.set(own);
        yield_!(sleep(Duration::from_secs(1)));
        [inherited, still, ID.get()]
    }
    ID.set(7);
    let (first, second) = (child(1), child(2));
    ID.set(8);
    let third = child(3);
    assert_eq!(
        yield_!([first, second, third]),
        [[7, 7, 1], [7, 7, 2], [8, 8, 3]]
    );
    assert_eq!(ID.get(), 8, "what the children set is theirs");
}

#[squall::test]
fn g37_grandchildren_get_what_their_parent_had_when_it_called() {
    #[squall::coroutine]
    fn grandchild() -> (u32, String) {
        yield_!(moment());
        (ID.get(), NAME.get())
    }
    #[squall::coroutine]
    fn child() -> (u32, String) {
        ID.set(2);
        let started = grandchild();
        ID.set(3);
        NAME.set("late".to_owned());
        yield_!(started)
    }
    ID.set(1);
    NAME.set("root".to_owned());
    assert_eq!(yield_!(child()), (2, "root".to_owned()));
    assert_eq!((ID.get(), NAME.get()), (1, "root".to_owned()));
}

// tornado: gen_test.py test_reset, of 6 (G38)
#[squall::test]
fn g38_a_value_is_reset_after_a_yield() {
    let first = ID.set(1);
    let second = ID.set(2);
    yield_!(moment());
    assert_eq!(ID.get(), 2);
    ID.reset(second);
    yield_!(moment());
    assert_eq!(ID.get(), 1);
    ID.reset(first);
    assert_eq!(ID.get(), 0);
}

// tornado: gen_test.py test_propagate_to_first_yield_with_native_async_function, of 6 (G39)
#[squall::test]
fn g39_what_is_set_before_the_first_yield_of_an_async_function_is_seen_in_it() {
    async fn native() -> u32 {
        moment().await;
        ID.get()
    }
    #[squall::coroutine]
    fn scoped(word: &str) -> (u32, usize) {
        yield_!(moment());
        ID.set(ID.get() + 1);
        (ID.get(), word.len())
    }
    ID.set(5);
    assert_eq!(yield_!(native()), 5);
    // A scoped coroutine runs inside its caller, and has the same values.
    assert_eq!(yield_!(scoped("word")), (6, 4));
    assert_eq!(ID.get(), 6);
}

#[squall::test]
fn coroutines_that_alternate_do_not_mix_their_values() {
    #[squall::coroutine]
    fn spins(own: u32) -> bool {
        ID.set(own);
        for _ in 0..100 {
            yield_!(moment());
            if ID.get() != own {
                return false;
            }
        }
        true
    }
    #[squall::coroutine]
    fn without() -> bool {
        for _ in 0..100 {
            yield_!(moment());
            if ID.get() != 0 {
                return false;
            }
        }
        true
    }
    let all = vec![spins(1), without(), spins(2), without(), spins(3)];
    assert_eq!(yield_!(all), [true; 5]);
}

#[squall::test]
fn value_is_not_seen_by_whoever_resumes_or_starts_a_coroutine() {
    #[squall::coroutine]
    fn sets_and_settles(promise: Promise<()>) {
        ID.set(1);
        yield_!(moment());
        promise.set_result(());
        ID.set(2);
    }
    #[squall::coroutine]
    fn panics() {
        ID.set(9);
        panic!("oh");
    }
    let (promise, settled) = Promise::new();
    let call = sets_and_settles(promise);
    assert_eq!(ID.get(), 0);
    yield_!(settled);
    assert_eq!(ID.get(), 0);
    yield_!(call);
    assert!(yield_!(catch_panic(panics())).is_err());
    assert_eq!(ID.get(), 0);
}

#[squall::test]
fn scope_holds_while_its_future_runs_and_never_outside() {
    #[squall::coroutine]
    fn child() -> u32 {
        yield_!(moment());
        ID.get()
    }
    let trace = Trace::new();
    let inside = ID.scope(4, async {
        trace.add(ID.get().to_string());
        moment().await;
        ID.set(5);
        moment().await;
        trace.add(ID.get().to_string());
        child().await
    });
    let outside = async {
        for _ in 0..5 {
            trace.add(format!("outside {}", ID.get()));
            moment().await;
        }
    };
    let (id, ()) = yield_!((inside, outside));
    assert_eq!(id, 5);
    assert_eq!(ID.get(), 0);
    let trace = trace.take();
    assert_eq!(trace.iter().filter(|step| *step == "outside 0").count(), 5);
    assert_eq!(
        trace
            .iter()
            .filter(|step| ["4", "5"].contains(&step.as_str()))
            .count(),
        2
    );
    let caught = yield_!(catch_panic(ID.scope(1, async { panic!("oh") })));
    assert!(caught.is_err());
    assert_eq!(ID.get(), 0);
}

#[test]
fn callbacks_and_coroutines_have_what_the_thread_had_outside() {
    thread_local! { static SEEN: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) } }
    #[squall::coroutine]
    fn main() {
        SEEN.with_borrow_mut(|seen| seen.push(ID.get()));
        ID.set(2);
        IoLoop::current().add_callback(|| SEEN.with_borrow_mut(|seen| seen.push(ID.get())));
        yield_!(moment());
    }
    let before = ID.set(1);
    run(main);
    assert_eq!(ID.get(), 1);
    ID.reset(before);
    assert_eq!(SEEN.take(), [1, 1]);
}

#[squall::test]
fn values_are_dropped_with_the_last_coroutine_that_has_them() {
    squall::context_var! { static SHARED: std::rc::Rc<()> = std::rc::Rc::new(()); }
    #[squall::coroutine]
    fn child() {
        yield_!(moment());
    }
    let value = std::rc::Rc::new(());
    let before = SHARED.set(value.clone());
    let call: Deferred<()> = child();
    SHARED.reset(before);
    assert_eq!(std::rc::Rc::strong_count(&value), 2);
    while !call.done() {
        yield_!(moment());
    }
    assert_eq!(
        std::rc::Rc::strong_count(&value),
        1,
        "though the deferred is kept"
    );
}

#[squall::test]
fn start_and_resume_with_values_take_no_memory_for_them() {
    #[squall::coroutine]
    fn child() -> u32 {
        yield_!(moment());
        ID.get()
    }
    ID.set(1);
    for _ in 0..500 {
        yield_!(child());
    }
    let before = allocations();
    for _ in 0..100 {
        assert_eq!(yield_!(child()), 1);
    }
    assert_eq!(allocations() - before, 100);
}
