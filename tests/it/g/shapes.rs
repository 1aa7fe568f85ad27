//! What coroutines may look like, and how their yields may be spelt.

use std::cell::Cell;
use std::fmt::{self, Display};
use std::future::ready;
use std::rc::Rc;

use squall::{IoLoop, moment, sleep, yield_};

use crate::support::{OnDrop, SECOND, Trace, after, live_names};

use super::{answer, answer_after, fail_after};

// Shapes.

#[squall::test]
fn methods_may_take_self_by_value_by_rc_and_not_at_all() {
    #[derive(Clone)]
    struct Counter(Rc<Cell<u32>>);
    impl Counter {
        #[squall::coroutine]
        fn shared(self: Rc<Self>, step: u32) -> u32 {
            self.0.set(self.0.get() + step);
            yield_!(moment());
            self.0.get()
        }

        #[squall::coroutine]
        fn whole(self) -> u32 {
            yield_!(moment());
            self.0.get()
        }

        #[squall::coroutine]
        fn from(start: u32) -> Counter {
            yield_!(moment());
            Counter(Rc::new(Cell::new(start)))
        }
    }
    let counter = Rc::new(yield_!(Counter::from(5)));
    let both = [counter.clone().shared(1), counter.clone().shared(2)];
    assert_eq!(yield_!(both), [8, 8], "both start before either goes on");
    assert_eq!(yield_!(counter.as_ref().clone().whole()), 8);
}

#[squall::test]
fn generics_and_impl_traits_are_taken() {
    #[squall::coroutine]
    fn both<A: Display, B>(a: A, b: B, how: impl Fn(&A, &B) -> String) -> (String, B)
    where
        B: fmt::Debug,
    {
        yield_!(moment());
        (how(&a, &b), b)
    }
    #[squall::coroutine]
    fn sized<const N: usize>(values: [u8; N]) -> usize {
        yield_!(moment());
        values.len()
    }
    let (text, b) = yield_!(both(1, "two", |a, b| format!("{a} {b:?}")));
    assert_eq!((text.as_str(), b), ("1 \"two\"", "two"));
    assert_eq!(yield_!(sized([0; 7])), 7);
}

#[squall::test]
fn parameters_may_be_patterns() {
    struct Point {
        x: u32,
        y: u32,
    }
    #[squall::coroutine]
    fn sum((a, mut b): (u32, u32), Point { x, y }: Point, [first, ..]: [u32; 3], _: u32) -> u32 {
        b += 1;
        yield_!(moment());
        a + b + x + y + first
    }
    assert_eq!(
        yield_!(sum((1, 2), Point { x: 10, y: 20 }, [100, 0, 0], 1000)),
        134
    );
}

#[squall::test]
fn scoped_coroutine_starts_when_it_is_first_yielded() {
    #[squall::coroutine]
    fn borrows(trace: &Trace) {
        trace.add("starts");
        yield_!(moment());
        trace.add("ends");
    }
    let trace = Trace::new();
    let call = borrows(&trace);
    trace.add("called");
    yield_!(moment());
    trace.add("yielding");
    yield_!(call);
    assert_eq!(trace.take(), ["called", "yielding", "starts", "ends"]);
}

#[squall::test]
fn scoped_coroutines_borrow_strings_and_self_and_return_borrows() {
    struct Words {
        kept: Vec<String>,
    }
    impl Words {
        #[squall::coroutine]
        fn keep(&mut self, word: &str) -> usize {
            yield_!(moment());
            self.kept.push(word.to_owned());
            self.kept.len()
        }

        #[squall::coroutine]
        fn longest(&self) -> Option<&str> {
            yield_!(moment());
            self.kept
                .iter()
                .map(String::as_str)
                .max_by_key(|word| word.len())
        }
    }
    #[squall::coroutine]
    fn fill<'w>(words: &'w mut Words, text: &str) -> Option<&'w str> {
        for word in text.split(' ') {
            yield_!(words.keep(word));
        }
        yield_!(words.longest())
    }
    let mut words = Words { kept: Vec::new() };
    let text = String::from("to be or not");
    assert_eq!(yield_!(fill(&mut words, &text)), Some("not"));
    assert_eq!(words.kept.len(), 4);
}

#[squall::test]
fn scoped_coroutines_run_at_the_same_time_in_a_list() {
    #[squall::coroutine]
    fn measure(word: &str) -> usize {
        yield_!(sleep(SECOND));
        word.len()
    }
    let started = IoLoop::current().time();
    let words = [String::from("a"), String::from("bcd")];
    let lengths = yield_!(words.iter().map(|word| measure(word)).collect::<Vec<_>>());
    assert_eq!(lengths, [1, 3]);
    assert_eq!(IoLoop::current().time() - started, SECOND);
}

#[squall::test]
fn hidden_borrow_is_taken_with_scoped() {
    struct Parser<'a>(&'a str);
    impl<'a> Parser<'a> {
        #[squall::coroutine(scoped)]
        fn first(self) -> &'a str {
            yield_!(moment());
            self.0.split(' ').next().unwrap_or_default()
        }
    }
    let text = String::from("one two");
    assert_eq!(yield_!(Parser(&text).first()), "one");
}

#[squall::test]
fn dropped_scoped_coroutine_runs_its_destructors_and_leaves_no_frame() {
    #[squall::coroutine]
    fn borrows(trace: &Trace) {
        let _local = OnDrop(trace.clone(), "dropped");
        yield_!(std::future::pending::<()>());
    }
    let trace = Trace::new();
    {
        let mut call = Box::pin(borrows(&trace));
        yield_!(std::future::poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        }));
        assert!(live_names().contains(&"borrows"));
    }
    assert_eq!(trace.take(), ["dropped"]);
    assert!(!live_names().contains(&"borrows"));
}

// Spellings.

#[squall::test]
fn await_spells_a_yield() {
    #[squall::coroutine]
    fn awaits(n: u32) -> Result<u32, String> {
        let sum = answer().await + answer_after(SECOND).await;
        (async { moment().await }).await;
        sleep(SECOND).await;
        fail_after(SECOND, "odd").await.or(Ok(sum + n))
    }
    assert_eq!(awaits(1).await, Ok(85));
}

// tornado: gen_test.py test_async_await (G40)
#[squall::test]
fn g40_async_functions_and_coroutines_wait_for_each_other() {
    async fn native(n: u32) -> u32 {
        moment().await;
        answer_after(SECOND).await + n
    }
    #[squall::coroutine]
    fn decorated(n: u32) -> u32 {
        yield_!(native(n)) + 1
    }
    async fn outer() -> u32 {
        decorated(1).await
    }
    assert_eq!(yield_!(outer()), 44);
}

#[squall::test]
fn yields_may_stand_in_arguments_of_other_macros() {
    let text = format!(
        "{} and {}",
        yield_!(answer()),
        yield_!(answer_after(SECOND))
    );
    assert_eq!(text, "42 and 42");
    println!("{}", yield_!(answer_after(SECOND)));
    assert_eq!(yield_!(answer()), yield_!(answer_after(SECOND)));
    let list: Vec<u32> = vec![yield_!(answer()), yield_!(answer_after(SECOND))];
    assert!(list.len() == 2 && matches!(yield_!(ready(Some(1))), Some(1)));
}

#[squall::test]
fn yields_may_stand_anywhere_in_an_expression() {
    #[squall::coroutine]
    fn is_small(n: u32) -> bool {
        yield_!(moment());
        n < 3
    }
    let mut n = 0;
    while yield_!(is_small(n)) {
        n += if yield_!(is_small(n + 1)) { 1 } else { 10 };
    }
    assert_eq!(n, 12);
    let label = match yield_!(is_small(n)) {
        true => "small",
        false if yield_!(is_small(n - 10)) => "was small",
        false => "large",
    };
    assert_eq!(label, "was small");
    assert_eq!(yield_!(answer()).pow(yield_!(ready(2))), 1764);
}

squall::coroutines! {
    #[coroutine]
    fn keyword(n: u32) -> Result<u32, String> {
        let sum = yield answer_after(SECOND);
        yield;
        let failed = (yield fail_after(SECOND, "odd")).unwrap_err();
        let both = yield [answer(), answer()];
        if n == 0 {
            (yield fail_after(SECOND, "zero"))?;
        }
        Ok(sum + both[1] + failed.len() as u32 + n)
    }

    struct Holder {
        word: String,
    }

    impl Holder {
        #[coroutine]
        fn grow(&mut self, by: &str) -> usize {
            yield moment();
            self.word.push_str(by);
            self.word.len()
        }
    }

    #[squall::test]
    fn keyword_yield_works_in_the_block_macro() {
        let result = yield keyword(1);
        assert_eq!(result, Ok(42 + 42 + 3 + 1));
        let failed = yield keyword(0);
        assert_eq!(failed, Err("zero".to_owned()));
        let mut holder = Holder { word: "a".to_owned() };
        let length = yield holder.grow("bc");
        assert_eq!(length, 3);
        // In another macro's arguments the keyword is not seen; the macro is.
        assert_eq!(yield_!(holder.grow("d")), 4);
    }
}

// tornado: gen_test.py test_asyncio_gather, of 6 (G42)
#[squall::test]
fn g42_a_deferred_is_accepted_by_another_librarys_gather() {
    let all = futures_util::future::join_all([after(2, 1), after(1, 2)]);
    assert_eq!(yield_!(all), [1, 2]);
}
