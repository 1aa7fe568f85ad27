//! The way of an error or panic through coroutines, what is logged of it, and the living coroutines.
//!
//! The texts are compared whole. Lines are counted from a `line!()` above each coroutine.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use squall::sync::{Lock, Queue};
use squall::{
    Deferred, IoLoop, LiveCoroutine, Promise, Traceback, catch_panic, live, moment,
    run_in_executor, sleep, take_traceback, with_timeout, yield_,
};

use crate::support::{Trace, capture_logs, live_names, run};

const FILE: &str = file!();

/// Where a coroutine stood: line, column and expression of the yield.
enum Stood {
    At(u32, u32, &'static str),
    After(u32, u32, &'static str),
    BeforeAny,
}
use Stood::{After, At, BeforeAny};

/// The text of a traceback with these coroutines, given by name and line, outermost first.
fn traceback(entries: &[(&str, u32, Stood)]) -> String {
    let mut text = String::from("coroutine traceback (most recent last):");
    for (name, line, stood) in entries {
        text += &format!("\n  it::traceback::{name} ({FILE}:{line})");
        text += &match stood {
            At(line, column, expression) => {
                format!("\n    yield at {FILE}:{line}:{column}: {expression}")
            }
            After(line, column, expression) => {
                format!("\n    after yield at {FILE}:{line}:{column}: {expression}")
            }
            BeforeAny => "\n    before its first yield".to_owned(),
        };
    }
    text
}

fn untaken_error(name: &str, error: &str, entries: &[(&str, u32, Stood)]) -> String {
    let entries = traceback(entries);
    format!("ERROR squall: error in coroutine `{name}` was never retrieved: {error}\n{entries}")
}

fn untaken_panic(name: &str, message: &str, entries: &[(&str, u32, Stood)]) -> String {
    let entries = traceback(entries);
    format!("ERROR squall: panic in coroutine `{name}` was never retrieved: {message}\n{entries}")
}

/// What is logged while `f` runs in a loop and everything that it started comes to an end.
fn log_of<R>(f: impl FnOnce() -> R) -> Vec<String> {
    let ((), log) = capture_logs(|| {
        run(|| async {
            f();
            sleep(Duration::from_secs(60)).await;
        });
    });
    assert!(live_names().is_empty());
    log
}

/// The text of the traceback of the error that `call` gives.
fn traceback_of<T: 'static>(call: impl FnOnce() -> Deferred<Result<T, String>>) -> String {
    run(|| async {
        assert!(call().await.is_err());
        take_traceback().expect("the error came through a coroutine")
    })
    .to_string()
}

const DEEP: u32 = line!() + 2;
#[squall::coroutine]
fn deep(error: &'static str) -> Result<u32, String> {
    yield_!(moment());
    Err(error.to_owned())
}

fn deep_entry() -> (&'static str, u32, Stood) {
    ("deep", DEEP, After(DEEP + 1, 5, "moment()"))
}

const MIDDLE: u32 = line!() + 2;
#[squall::coroutine]
fn middle(error: &'static str) -> Result<u32, String> {
    let value = yield_!(deep(error))?;
    Ok(value + 1)
}

const OUTER: u32 = line!() + 2;
#[squall::coroutine]
fn outer() -> Result<u32, String> {
    yield_!(moment());
    let value = yield_!(middle("bad"))?;
    yield_!(moment());
    Ok(value)
}

fn outer_entries() -> [(&'static str, u32, Stood); 3] {
    [
        ("outer", OUTER, At(OUTER + 2, 17, "middle(\"bad\")")),
        ("middle", MIDDLE, At(MIDDLE + 1, 17, "deep(error)")),
        deep_entry(),
    ]
}

const PANICS: u32 = line!() + 2;
#[squall::coroutine]
fn panics(wait: bool) -> u32 {
    if wait {
        yield_!(());
    }
    panic!("oh {}", u8::from(wait));
}

// Untaken failures.

// tornado: gen_test.py ReturnFutureTest.test_uncaught_exception_log (G30), test_future_traceback (C22)
#[test]
fn g30_c22_untaken_error_is_logged_once_with_each_yield_that_it_passed() {
    let log = log_of(outer);
    assert_eq!(log, [untaken_error("outer", "bad", &outer_entries())]);
    // The same by hand, for those who want to know what it looks like.
    assert_eq!(
        log[0],
        format!(
            "ERROR squall: error in coroutine `outer` was never retrieved: bad
coroutine traceback (most recent last):
  it::traceback::outer (tests/it/traceback.rs:{})
    yield at tests/it/traceback.rs:{}:17: middle(\"bad\")
  it::traceback::middle (tests/it/traceback.rs:{})
    yield at tests/it/traceback.rs:{}:17: deep(error)
  it::traceback::deep (tests/it/traceback.rs:{})
    after yield at tests/it/traceback.rs:{}:5: moment()",
            OUTER,
            OUTER + 2,
            MIDDLE,
            MIDDLE + 1,
            DEEP,
            DEEP + 1
        )
    );
}

// tornado: as above (G30), for a future that is dropped after it has failed
#[test]
fn g30_untaken_error_is_logged_when_the_finished_deferred_is_dropped() {
    let ((), log) = capture_logs(|| {
        run(|| async {
            let call = deep("bad");
            sleep(Duration::from_secs(1)).await;
            assert!(call.done());
            let (_, before) = capture_logs(|| drop(call));
            assert_eq!(before, [untaken_error("deep", "bad", &[deep_entry()])]);
        });
    });
    assert_eq!(log, [""; 0]);
}

#[test]
fn untaken_error_of_a_coroutine_that_never_waited_is_logged() {
    const LINE: u32 = line!() + 2;
    #[squall::coroutine]
    fn fails() -> Result<(), std::num::ParseIntError> {
        "x".parse::<u8>()?;
        Ok(())
    }
    let text = "invalid digit found in string";
    let want = untaken_error("fails", text, &[("fails", LINE, BeforeAny)]);
    assert_eq!(log_of(fails), [want]);
}

#[test]
fn untaken_panic_is_logged_once_with_each_yield_that_it_passed() {
    const LINE: u32 = line!() + 2;
    #[squall::coroutine]
    fn waits() -> u32 {
        yield_!(panics(true)) + 1
    }
    assert_eq!(
        log_of(waits),
        [untaken_panic(
            "waits",
            "oh 1",
            &[
                ("waits", LINE, At(LINE + 1, 9, "panics(true)")),
                ("panics", PANICS, After(PANICS + 2, 9, "()")),
            ]
        )]
    );
    assert_eq!(
        log_of(|| panics(false)),
        [untaken_panic(
            "panics",
            "oh 0",
            &[("panics", PANICS, BeforeAny)]
        )]
    );
}

#[test]
fn untaken_panic_is_logged_when_the_finished_deferred_is_dropped() {
    let log = log_of(|| {
        let call = panics(false);
        assert!(call.done());
        drop(call);
    });
    assert_eq!(log.len(), 1, "{log:?}");
}

#[test]
fn deferred_that_is_dropped_with_its_loop_is_reported() {
    #[squall::coroutine]
    fn holds() {
        let _never_taken = deep("bad");
        yield_!(std::future::pending::<()>());
    }
    let log = log_of(holds);
    assert_eq!(log, [untaken_error("deep", "bad", &[deep_entry()])]);
}

// tornado: src, Future (G31)
#[test]
fn g31_taken_failure_is_not_logged() {
    #[squall::coroutine]
    fn takes() -> u32 {
        let error = yield_!(outer()).unwrap_err();
        let panic = yield_!(catch_panic(panics(true))).unwrap_err();
        let list = yield_!([deep("only"), Deferred::ready(Ok(1))]);
        (error.len() + panic.message().len() + list.unwrap_err().len()) as u32
    }
    assert_eq!(log_of(takes), [""; 0]);
}

#[test]
fn result_that_is_no_failure_is_not_logged() {
    #[squall::coroutine]
    fn fine() -> Result<u32, String> {
        yield_!(moment());
        Ok(1)
    }
    #[squall::coroutine]
    fn nothing() -> Option<u32> {
        yield_!(moment());
        None
    }
    assert_eq!(log_of(|| (fine(), nothing())), [""; 0]);
}

#[test]
fn errors_are_shown_as_well_as_their_type_allows() {
    #[derive(Debug)]
    struct Debugged;
    struct Opaque;
    #[squall::coroutine]
    fn debugged() -> Result<(), Debugged> {
        Err(Debugged)
    }
    #[squall::coroutine]
    fn opaque() -> Result<(), Opaque> {
        Err(Opaque)
    }
    #[squall::coroutine]
    fn unnamed() {
        std::panic::panic_any(1_u8);
    }
    let log = log_of(|| (debugged(), opaque(), unnamed()));
    let firsts: Vec<_> = log.iter().map(|l| l.lines().next().unwrap()).collect();
    let opaque = std::any::type_name::<Opaque>();
    assert_eq!(
        firsts,
        [
            "ERROR squall: error in coroutine `debugged` was never retrieved: Debugged".to_owned(),
            format!(
                "ERROR squall: error in coroutine `opaque` was never retrieved: \
                an error of type {opaque}"
            ),
            "ERROR squall: panic in coroutine `unnamed` was never retrieved: \
            a panic without a message"
                .to_owned(),
        ]
    );
}

#[test]
fn failure_of_a_spawned_callback_is_logged() {
    let log = log_of(|| {
        let io_loop = IoLoop::current();
        io_loop.spawn_callback(|| middle("bad"));
        io_loop.spawn_callback(|| drop(panics(false)));
    });
    assert_eq!(
        log,
        [
            untaken_panic("panics", "oh 0", &[("panics", PANICS, BeforeAny)]),
            untaken_error(
                "middle",
                "bad",
                &[
                    ("middle", MIDDLE, At(MIDDLE + 1, 17, "deep(error)")),
                    deep_entry(),
                ]
            ),
        ]
    );
}

// Ways through other shapes.

#[test]
fn scoped_coroutines_have_entries() {
    struct Page(&'static str);
    const GET: u32 = line!() + 3;
    impl Page {
        #[squall::coroutine]
        fn get(&mut self, suffix: &str) -> Result<u32, String> {
            assert_eq!(suffix, "x");
            let value = yield_!(self.load())?;
            Ok(value)
        }

        #[squall::coroutine]
        fn load(&self) -> Result<u32, String> {
            yield_!(moment());
            yield_!(deep(self.0))
        }
    }
    const SERVE: u32 = line!() + 2;
    #[squall::coroutine]
    fn serve() -> Result<u32, String> {
        let mut page = Page("bad");
        yield_!(page.get("x"))
    }
    assert_eq!(
        traceback_of(serve),
        traceback(&[
            ("serve", SERVE, At(SERVE + 2, 9, "page.get(\"x\")")),
            ("get", GET, At(GET + 2, 25, "self.load()")),
            ("load", GET + 7, At(GET + 9, 13, "deep(self.0)")),
            deep_entry(),
        ])
    );
}

#[test]
fn scoped_coroutine_that_panics_has_an_entry() {
    const FALLS: u32 = line!() + 2;
    #[squall::coroutine]
    fn falls(word: &str) -> usize {
        yield_!(moment());
        panic!("no {word}");
    }
    const SERVE: u32 = line!() + 2;
    #[squall::coroutine]
    fn serve() -> usize {
        let word = String::from("luck");
        yield_!(falls(&word))
    }
    assert_eq!(
        log_of(serve),
        [untaken_panic(
            "serve",
            "no luck",
            &[
                ("serve", SERVE, At(SERVE + 2, 9, "falls(&word)")),
                ("falls", FALLS, After(FALLS + 1, 9, "moment()")),
            ]
        )]
    );
}

#[test]
fn children_of_lists_maps_and_tuples_have_entries() {
    fn fine() -> Deferred<Result<u32, String>> {
        Deferred::ready(Ok(1))
    }
    const LIST: u32 = line!() + 2;
    #[squall::coroutine]
    fn list() -> Result<u32, String> {
        Ok(yield_!(vec![fine(), middle("bad")])?[0])
    }
    const MAP: u32 = line!() + 2;
    #[squall::coroutine]
    fn map() -> Result<u32, String> {
        let map = BTreeMap::from([("a", fine()), ("b", middle("bad"))]);
        Ok(yield_!(map)?["a"])
    }
    const HASH: u32 = line!() + 2;
    #[squall::coroutine]
    fn hash() -> Result<u32, String> {
        Ok(yield_!(HashMap::from([(1, middle("bad"))]))?[&1])
    }
    const TUPLE: u32 = line!() + 2;
    #[squall::coroutine]
    fn tuple() -> Result<u32, String> {
        Ok(yield_!((async { Ok(()) }, middle("bad"), [fine()]))?.1)
    }
    let inner = || {
        let entry = ("middle", MIDDLE, At(MIDDLE + 1, 17, "deep(error)"));
        [entry, deep_entry()]
    };
    let with_inner = |entry| {
        let [middle, deep] = inner();
        traceback(&[entry, middle, deep])
    };
    assert_eq!(
        traceback_of(list),
        with_inner((
            "list",
            LIST,
            At(LIST + 1, 12, "vec![fine(), middle(\"bad\")]")
        ))
    );
    assert_eq!(
        traceback_of(map),
        with_inner(("map", MAP, At(MAP + 2, 12, "map")))
    );
    assert_eq!(
        traceback_of(hash),
        with_inner((
            "hash",
            HASH,
            At(HASH + 1, 12, "HashMap::from([(1, middle(\"bad\"))])")
        ))
    );
    assert_eq!(
        traceback_of(tuple),
        with_inner((
            "tuple",
            TUPLE,
            At(
                TUPLE + 1,
                12,
                "(async { Ok(()) }, middle(\"bad\"), [fine()])"
            )
        ))
    );
}

#[test]
fn error_of_a_list_comes_with_its_own_entries_and_the_loser_with_its_own() {
    #[squall::coroutine]
    fn slow(error: &'static str) -> Result<u32, String> {
        yield_!(sleep(Duration::from_secs(1)));
        yield_!(middle(error))
    }
    #[squall::coroutine]
    fn list() -> Result<[u32; 2], String> {
        yield_!([slow("late"), deep("early")])
    }
    let (text, log) = capture_logs(|| traceback_of(list));
    let names: Vec<_> = (text.lines())
        .filter_map(|line| line.strip_prefix("  it::traceback::")?.split(' ').next())
        .collect();
    assert_eq!(names, ["list", "slow", "middle", "deep"]);
    let loser = traceback(&[deep_entry()]);
    assert_eq!(
        log,
        [format!(
            "ERROR squall: multiple errors in one yield; \
            this one is not given to the coroutine: \"early\"\n{loser}"
        )]
    );
}

#[test]
fn error_passes_async_functions_on_its_way() {
    async fn native() -> Result<u32, String> {
        moment().await;
        let value = middle("bad").await?;
        Ok(value)
    }
    const LINE: u32 = line!() + 2;
    #[squall::coroutine]
    fn waits() -> Result<u32, String> {
        yield_!(native())
    }
    assert_eq!(
        traceback_of(waits),
        traceback(&[
            ("waits", LINE, At(LINE + 1, 9, "native()")),
            ("middle", MIDDLE, At(MIDDLE + 1, 17, "deep(error)")),
            deep_entry(),
        ])
    );
}

#[test]
fn changed_error_keeps_its_entries() {
    const LINE: u32 = line!() + 2;
    #[squall::coroutine]
    fn changes() -> Result<u32, String> {
        yield_!(deep("bad")).map_err(|error| format!("it was {error}"))
    }
    let entries = [
        ("changes", LINE, At(LINE + 1, 9, "deep(\"bad\")")),
        deep_entry(),
    ];
    assert_eq!(
        log_of(changes),
        [untaken_error("changes", "it was bad", &entries)]
    );
}

#[test]
fn every_spelling_of_a_yield_has_its_place_and_text() {
    squall::coroutines! {
        #[coroutine]
        fn keyword() -> Result<u32, String> { yield moment(); Err("bad".to_owned()) }
    }
    const KEYWORD: u32 = line!() - 2;
    const AWAIT: u32 = line!() + 2;
    #[squall::coroutine]
    fn awaits() -> Result<u32, String> {
        moment().await;
        let value = keyword().await?;
        Ok(value)
    }
    const PRINT: u32 = line!() + 2;
    #[squall::coroutine]
    fn prints() -> Result<(), String> {
        println!(
            "a text that is too long to have its argument on the same line: {}",
            yield_!(awaits())?
        );
        Ok(())
    }
    assert_eq!(
        traceback_of(prints),
        traceback(&[
            ("prints", PRINT, At(PRINT + 3, 13, "awaits()")),
            ("awaits", AWAIT, At(AWAIT + 2, 31, "keyword()")),
            ("keyword", KEYWORD, After(KEYWORD, 47, "moment()")),
        ])
    );
}

// What the way begins with: each source of a failure, in a coroutine that waits for it.

#[test]
fn trace_of_a_panic_in_the_executor_shows_the_yield_that_waited() {
    const LINE: u32 = line!() + 2;
    #[squall::coroutine]
    fn computes() -> Result<u32, String> {
        let call = run_in_executor(|| -> u32 { panic!("in a thread") });
        yield_!(call).map_err(|error| error.to_string())
    }
    let log = log_of(computes);
    assert_eq!(log.len(), 1, "{log:?}");
    let begin = "ERROR squall: panic in coroutine `computes` was never retrieved: in a thread\n";
    let text = log[0]
        .strip_prefix(begin)
        .unwrap_or_else(|| panic!("{log:?}"));
    let own = traceback(&[("computes", LINE, At(LINE + 2, 9, "call"))]);
    assert!(text.starts_with(&own), "{text}");
    assert!(
        text[own.len()..].starts_with("\n  squall::executor::"),
        "{text}"
    );
}

#[test]
fn trace_of_an_error_that_came_through_a_promise_begins_where_it_was_taken() {
    const LINE: u32 = line!() + 2;
    #[squall::coroutine]
    fn takes(promised: Deferred<Result<u32, String>>) -> Result<u32, String> {
        yield_!(promised)
    }
    let text = traceback_of(|| {
        let (promise, promised) = Promise::new();
        IoLoop::current().add_callback(move || promise.set_result(Err("bad".to_owned())));
        takes(promised)
    });
    assert_eq!(
        text,
        traceback(&[("takes", LINE, After(LINE + 1, 9, "promised"))])
    );
}

#[test]
fn trace_of_a_dropped_promise_shows_the_yield_that_waited() {
    const LINE: u32 = line!() + 2;
    #[squall::coroutine]
    fn takes(promised: Deferred<u32>) -> u32 {
        yield_!(promised)
    }
    let made = line!() + 2;
    let log = log_of(|| {
        let (promise, promised) = Promise::new();
        IoLoop::current().add_callback(move || drop(promise));
        takes(promised)
    });
    let message =
        format!("a Promise was dropped without a result; it was made at {FILE}:{made}:35");
    let entries = [("takes", LINE, After(LINE + 1, 9, "promised"))];
    assert_eq!(log, [untaken_panic("takes", &message, &entries)]);
}

#[test]
fn trace_of_an_error_out_of_a_queue_begins_where_it_was_got() {
    const LINE: u32 = line!() + 2;
    #[squall::coroutine]
    fn gets(queue: Queue<Result<u32, String>>) -> Result<u32, String> {
        yield_!(queue.get())
    }
    let text = traceback_of(|| {
        let queue = Queue::new();
        let putter = queue.clone();
        IoLoop::current().add_callback(move || drop(putter.put(Err("bad".to_owned()))));
        gets(queue)
    });
    assert_eq!(
        text,
        traceback(&[("gets", LINE, After(LINE + 1, 9, "queue.get()"))])
    );
}

#[test]
fn trace_of_a_time_out_shows_the_yield_that_was_late() {
    const LINE: u32 = line!() + 2;
    #[squall::coroutine]
    fn waits() -> Result<u32, String> {
        let (_promise, late) = Promise::new();
        let limited = with_timeout(Duration::from_secs(1), late);
        yield_!(limited).map_err(|error| error.to_string())
    }
    assert_eq!(
        traceback_of(waits),
        traceback(&[("waits", LINE, After(LINE + 3, 9, "limited"))])
    );
}

#[test]
fn trace_of_a_failure_with_a_lock_held_shows_the_way_and_frees_the_lock() {
    const LINE: u32 = line!() + 2;
    #[squall::coroutine]
    fn holds(lock: Lock) -> Result<u32, String> {
        let _held = yield_!(lock.acquire());
        yield_!(deep("bad"))
    }
    let lock = Lock::new();
    let text = traceback_of(|| holds(lock.clone()));
    let entries = [
        ("holds", LINE, At(LINE + 2, 9, "deep(\"bad\")")),
        deep_entry(),
    ];
    assert_eq!(text, traceback(&entries));
    run(|| async { drop(lock.acquire().await) });
}

// What does not belong to the way.

// tornado: gen_test.py test_py3_leak_exception_context (G23)
#[test]
fn g23_swallowed_error_leaves_no_entries_in_a_later_one() {
    const LINE: u32 = line!() + 2;
    #[squall::coroutine]
    fn swallows() -> Result<u32, String> {
        let _ = yield_!(outer());
        yield_!(());
        Err("another".to_owned())
    }
    const DONE: u32 = line!() + 2;
    #[squall::coroutine]
    fn swallows_and_passes_a_done_yield() -> Result<u32, String> {
        let _ = yield_!(outer());
        yield_!(Deferred::ready(1));
        Err("another".to_owned())
    }
    const TWICE: u32 = line!() + 2;
    #[squall::coroutine]
    fn swallows_and_fails_by_another() -> Result<u32, String> {
        let _ = yield_!(outer());
        yield_!(deep("second"))
    }
    assert_eq!(
        traceback_of(swallows),
        traceback(&[("swallows", LINE, After(LINE + 2, 9, "()"))])
    );
    assert_eq!(
        traceback_of(swallows_and_passes_a_done_yield),
        traceback(&[(
            "swallows_and_passes_a_done_yield",
            DONE,
            After(DONE + 2, 9, "Deferred::ready(1)")
        )])
    );
    assert_eq!(
        traceback_of(swallows_and_fails_by_another),
        traceback(&[
            (
                "swallows_and_fails_by_another",
                TWICE,
                At(TWICE + 2, 9, "deep(\"second\")")
            ),
            deep_entry(),
        ])
    );
}

#[test]
fn error_that_a_child_swallowed_leaves_no_entries_in_its_callers_error() {
    #[squall::coroutine]
    fn swallows() -> u32 {
        u32::from(yield_!(deep("bad")).is_err())
    }
    #[squall::coroutine]
    fn swallows_scoped(word: &str) -> usize {
        yield_!(deep("bad")).map_or(word.len(), |_| 0)
    }
    const OWNED: u32 = line!() + 2;
    #[squall::coroutine]
    fn calls_owned() -> Result<u32, String> {
        let value = yield_!(swallows());
        Err(format!("fails by itself {value}"))
    }
    const SCOPED: u32 = line!() + 2;
    #[squall::coroutine]
    fn calls_scoped() -> Result<u32, String> {
        let value = yield_!(swallows_scoped("x"));
        Err(format!("fails by itself {value}"))
    }
    assert_eq!(
        traceback_of(calls_owned),
        traceback(&[("calls_owned", OWNED, After(OWNED + 1, 21, "swallows()"))])
    );
    assert_eq!(
        traceback_of(calls_scoped),
        traceback(&[(
            "calls_scoped",
            SCOPED,
            After(SCOPED + 1, 21, "swallows_scoped(\"x\")")
        )])
    );
}

#[test]
fn coroutine_that_starts_while_an_error_passes_does_not_take_its_entries() {
    const LINE: u32 = line!() + 2;
    #[squall::coroutine]
    fn cleans_up() -> Result<u32, String> {
        let result = yield_!(deep("bad"));
        drop(panics(false));
        drop(panics(true));
        result
    }
    let log = log_of(cleans_up);
    assert_eq!(
        log,
        [
            untaken_panic("panics", "oh 0", &[("panics", PANICS, BeforeAny)]),
            untaken_error(
                "cleans_up",
                "bad",
                &[
                    ("cleans_up", LINE, At(LINE + 1, 22, "deep(\"bad\")")),
                    deep_entry(),
                ]
            ),
            untaken_panic(
                "panics",
                "oh 1",
                &[("panics", PANICS, After(PANICS + 2, 9, "()"))]
            ),
        ]
    );
}

#[test]
fn panic_that_a_destructor_reports_does_not_mix_with_the_one_that_unwinds() {
    struct StartsAnother;
    impl Drop for StartsAnother {
        fn drop(&mut self) {
            drop(middle("other"));
        }
    }
    const LINE: u32 = line!() + 2;
    #[squall::coroutine]
    fn unwinds() -> u32 {
        let _starts_another = StartsAnother;
        yield_!(panics(true))
    }
    let entries = [
        ("unwinds", LINE, At(LINE + 2, 9, "panics(true)")),
        ("panics", PANICS, After(PANICS + 2, 9, "()")),
    ];
    assert_eq!(
        log_of(unwinds),
        [
            untaken_panic("unwinds", "oh 1", &entries),
            untaken_error(
                "middle",
                "other",
                &[
                    ("middle", MIDDLE, At(MIDDLE + 1, 17, "deep(error)")),
                    deep_entry(),
                ]
            ),
        ]
    );
}

#[test]
fn errors_on_their_way_at_the_same_time_do_not_mix() {
    const LEFT: u32 = line!() + 2;
    #[squall::coroutine]
    fn left() -> Result<u32, String> {
        yield_!(deep("left"))
    }
    const RIGHT: u32 = line!() + 2;
    #[squall::coroutine]
    fn right() -> Result<u32, String> {
        yield_!(deep("right"))
    }
    assert_eq!(
        log_of(|| (left(), right())),
        [
            untaken_error(
                "left",
                "left",
                &[
                    ("left", LEFT, At(LEFT + 1, 9, "deep(\"left\")")),
                    deep_entry(),
                ]
            ),
            untaken_error(
                "right",
                "right",
                &[
                    ("right", RIGHT, At(RIGHT + 1, 9, "deep(\"right\")")),
                    deep_entry(),
                ]
            ),
        ]
    );
}

// A tree of different errors gives its results apart, so one error must not show the other's way.
#[test]
fn error_of_a_mixed_tuple_does_not_show_the_entries_of_its_sibling() {
    #[squall::coroutine]
    fn parses() -> Result<u32, std::num::ParseIntError> {
        yield_!(moment());
        "x".parse()
    }
    #[squall::coroutine]
    fn first_of_two() -> Result<u32, String> {
        let (first, second) = yield_!((deep("bad"), parses()));
        assert!(second.is_err());
        first
    }
    let text = traceback_of(first_of_two);
    assert!(!text.contains("parses ("), "{text}");
}

// The same, where the other one is fine but is waited for longer.
#[test]
fn error_of_a_mixed_tuple_keeps_its_entries_until_all_are_done() {
    const LINE: u32 = line!() + 2;
    #[squall::coroutine]
    fn waits_for_both() -> Result<u32, String> {
        yield_!((deep("bad"), sleep(Duration::from_secs(1)))).0
    }
    assert_eq!(
        traceback_of(waits_for_both),
        traceback(&[
            (
                "waits_for_both",
                LINE,
                At(
                    LINE + 1,
                    9,
                    "(deep(\"bad\"), sleep(Duration::from_secs(1)))"
                )
            ),
            deep_entry(),
        ])
    );
}

#[test]
fn error_that_is_kept_over_a_yield_has_only_the_entry_of_who_gives_it() {
    const LINE: u32 = line!() + 2;
    #[squall::coroutine]
    fn keeps() -> Result<u32, String> {
        let kept = yield_!(deep("bad"));
        yield_!(());
        kept
    }
    assert_eq!(
        traceback_of(keeps),
        traceback(&[("keeps", LINE, After(LINE + 2, 9, "()"))])
    );
}

// Readers of tracebacks.

#[squall::test]
fn traceback_can_be_taken_by_who_caught_the_error() {
    assert!(take_traceback().is_none());
    let error = yield_!(outer()).unwrap_err();
    assert_eq!(error, "bad");
    let taken: Box<Traceback> = take_traceback().unwrap();
    let names: Vec<_> = taken.frames().iter().map(|f| f.coroutine.name).collect();
    assert_eq!(names, ["deep", "middle", "outer"]);
    let lines: Vec<_> = taken.frames().iter().map(|f| f.at.unwrap().line).collect();
    assert_eq!(lines, [DEEP + 1, MIDDLE + 1, OUTER + 2]);
    assert_eq!(taken.to_string(), traceback(&outer_entries()));
    assert!(take_traceback().is_none(), "taken once");
}

#[squall::test]
fn no_traceback_is_there_after_the_next_yield_and_for_errors_of_plain_futures() {
    assert!(yield_!(outer()).is_err());
    yield_!(moment());
    assert!(take_traceback().is_none());
    assert!(yield_!(async { Err::<(), _>("plain") }).is_err());
    assert!(take_traceback().is_none());
    let (promise, value) = Promise::new();
    promise.set_result(Err::<(), _>("by hand"));
    assert!(yield_!(value).is_err());
    assert!(take_traceback().is_none());
}

#[squall::test]
fn caught_panic_has_its_traceback() {
    const LINE: u32 = line!() + 2;
    #[squall::coroutine]
    fn waits() -> u32 {
        yield_!(panics(true))
    }
    let caught = yield_!(catch_panic(waits())).unwrap_err();
    assert_eq!(
        caught.traceback().unwrap().to_string(),
        traceback(&[
            ("waits", LINE, At(LINE + 1, 9, "panics(true)")),
            ("panics", PANICS, After(PANICS + 2, 9, "()")),
        ])
    );
    assert!(take_traceback().is_none());
    let plain = yield_!(catch_panic(async { panic!("plain") })).unwrap_err();
    assert!(plain.traceback().is_none());
}

// Living coroutines.

#[track_caller]
fn one<'a>(all: &'a [LiveCoroutine], name: &str) -> &'a LiveCoroutine {
    let mut named = all.iter().filter(|c| c.coroutine().name == name);
    match (named.next(), named.next()) {
        (Some(found), None) => found,
        _ => panic!("not one `{name}` in {all:#?}"),
    }
}

#[squall::test]
fn living_coroutines_show_their_yield_their_parent_and_their_time() {
    const CHILD: u32 = line!() + 2;
    #[squall::coroutine]
    fn child(trace: &Trace) {
        yield_!(sleep(Duration::from_secs(10)));
        trace.add("child is done");
    }
    const PARENT: u32 = line!() + 2;
    #[squall::coroutine]
    fn parent(other: Deferred<()>) {
        yield_!(moment());
        let trace = Trace::new();
        yield_!((child(&trace), other));
    }
    #[squall::coroutine]
    fn started() {
        yield_!(moment());
        yield_!(sleep(Duration::from_secs(20)));
    }
    #[squall::coroutine]
    fn grandparent() {
        let other = started();
        yield_!(parent(other));
    }
    let begin = IoLoop::current().time();
    let call = grandparent();
    yield_!(sleep(Duration::from_secs(5)));

    let all = live();
    let [me, child, parent, started, grandparent] = [
        "living_coroutines_show_their_yield_their_parent_and_their_time",
        "child",
        "parent",
        "started",
        "grandparent",
    ]
    .map(|name| one(&all, name));
    assert_eq!(all.len(), 5);

    assert!(child.is_child_of(parent), "a scoped one of who yields it");
    assert!(parent.is_child_of(grandparent));
    assert!(
        started.is_child_of(grandparent),
        "a started one of who called it"
    );
    assert!(grandparent.is_child_of(me));
    assert!(!started.is_child_of(parent) && !parent.is_child_of(parent));
    let roots: Vec<_> = (all.iter().filter(|c| c.is_root(&all)))
        .map(|c| c.coroutine().name)
        .collect();
    assert_eq!(roots, [me.coroutine().name]);

    let at = child.at().unwrap();
    let place = (at.file, at.line, at.column, at.expression);
    let sleeping = "sleep(Duration::from_secs(10))";
    assert_eq!(place, (FILE, CHILD + 1, 9, sleeping));
    assert_eq!(
        child.to_string(),
        format!("child at {FILE}:{}:9: {sleeping}", CHILD + 1)
    );
    assert_eq!(parent.at().unwrap().expression, "(child(&trace), other)");
    let site = parent.coroutine();
    assert_eq!((site.module, site.file), ("it::traceback", FILE));
    assert_eq!((site.name, site.line, site.column), ("parent", PARENT, 8));

    assert_eq!(child.since(), Some(begin));
    assert_eq!((child.resumes(), parent.resumes()), (1, 2));

    yield_!(call);
    assert_eq!(
        live_names(),
        [one(&live(), live_names()[0]).coroutine().name]
    );
}

#[squall::test]
fn running_coroutine_is_alive_and_a_finished_one_is_not() {
    #[squall::coroutine]
    fn sees_itself() -> (bool, String) {
        let all = live();
        let me = one(&all, "sees_itself");
        (me.at().is_none(), me.to_string())
    }
    const LINE: u32 = line!() - 5;
    let call = sees_itself();
    assert!(!live_names().contains(&"sees_itself"));
    assert_eq!(
        yield_!(call),
        (true, format!("sees_itself ({FILE}:{LINE})"))
    );
}

#[squall::test]
fn child_of_a_coroutine_that_is_gone_is_a_root() {
    #[squall::coroutine]
    fn orphan() {
        yield_!(sleep(Duration::from_secs(10)));
    }
    #[squall::coroutine]
    fn parent() {
        drop(orphan());
    }
    #[squall::coroutine]
    fn stranger() {
        yield_!(sleep(Duration::from_secs(10)));
    }
    drop(parent());
    // Takes the slot that the parent had.
    drop(stranger());
    let all = live();
    let (orphan, stranger) = (one(&all, "orphan"), one(&all, "stranger"));
    assert!(!orphan.is_child_of(stranger));
    assert!(orphan.is_root(&all));
}

#[squall::test]
fn scoped_coroutine_is_alive_from_its_first_yield_to_its_end() {
    #[squall::coroutine]
    fn borrows(word: &str) -> usize {
        yield_!(moment());
        word.len()
    }
    let word = String::from("word");
    let call = borrows(&word);
    assert!(!live_names().contains(&"borrows"), "not begun");
    let seen = std::rc::Rc::new(std::cell::Cell::new(false));
    let sees = seen.clone();
    IoLoop::current().add_callback(move || sees.set(live_names().contains(&"borrows")));
    yield_!(call);
    assert!(seen.get(), "suspended");
    assert!(!live_names().contains(&"borrows"), "done");
}

#[test]
fn an_error_whose_display_panics_does_not_end_the_loop() {
    struct Bad;
    impl std::fmt::Display for Bad {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("no words for it");
        }
    }
    #[squall::coroutine]
    fn unspeakable() -> Result<(), Bad> {
        yield_!(());
        Err(Bad)
    }
    let ((), logs) = capture_logs(|| {
        run(|| async {
            unspeakable();
            yield_!(sleep(Duration::from_secs(1)));
        });
    });
    assert!(
        logs.iter()
            .any(|log| log.contains("`unspeakable` was never retrieved")),
        "{logs:?}"
    );
}
