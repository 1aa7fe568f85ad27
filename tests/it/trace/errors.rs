use std::error::Error;
use std::fmt;

use super::*;

#[squall::coroutine]
fn middle(error: &'static str) -> Result<u32, String> {
    let value = yield_!(deep(error))?;
    Ok(value + 1)
}

#[squall::coroutine]
fn outer() -> Result<u32, String> {
    yield_!(moment());
    let value = yield_!(middle("bad"))?;
    Ok(value)
}

#[test]
fn trace_of_an_error_before_the_first_yield() {
    #[squall::coroutine]
    fn parses() -> Result<u8, std::num::ParseIntError> {
        "x".parse()
    }
    golden("error_before_a_yield", &log_of(parses));
}

#[test]
fn trace_of_an_error_after_a_yield() {
    golden("error", &log_of(|| deep("bad")));
}

#[test]
fn trace_of_an_error_through_three_coroutines() {
    golden("error_through_three", &log_of(outer));
}

#[test]
fn trace_of_an_error_that_was_changed_on_its_way() {
    #[squall::coroutine]
    fn changes() -> Result<u32, String> {
        yield_!(middle("bad")).map_err(|error| format!("it was {error}"))
    }
    golden("error_changed", &log_of(changes));
}

#[test]
fn trace_of_an_error_in_place_of_another() {
    #[squall::coroutine]
    fn tries_again() -> Result<u32, String> {
        if let Ok(value) = yield_!(middle("first")) {
            return Ok(value);
        }
        yield_!(deep("second"))
    }
    golden("error_replaced", &log_of(tries_again));
}

#[test]
fn trace_of_an_error_after_one_that_was_swallowed() {
    #[squall::coroutine]
    fn swallows() -> Result<u32, String> {
        let _ = yield_!(outer());
        yield_!(());
        Err("another".to_owned())
    }
    golden("error_swallowed", &log_of(swallows));
}

#[derive(Debug)]
struct Layer {
    what: &'static str,
    source: Option<Box<Layer>>,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl Error for Layer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_deref();
        source.map(|source| source as &(dyn Error + 'static))
    }
}

fn layer(what: &'static str, source: Option<Layer>) -> Layer {
    let source = source.map(Box::new);
    Layer { what, source }
}

#[test]
fn trace_of_an_error_with_sources() {
    #[squall::coroutine]
    fn reads() -> Result<u32, Layer> {
        yield_!(moment());
        Err(layer("the file is empty", None))
    }
    #[squall::coroutine]
    fn loads() -> Result<u32, Layer> {
        yield_!(reads()).map_err(|error| layer("no settings", Some(error)))
    }
    #[squall::coroutine]
    fn begins() -> Result<u32, Layer> {
        yield_!(loads()).map_err(|error| layer("the server cannot start", Some(error)))
    }
    golden("error_with_sources", &log_of(begins));
}

#[test]
fn trace_of_an_error_that_shows_its_source_itself() {
    #[squall::coroutine]
    fn loads() -> Result<u32, Layer> {
        yield_!(moment());
        let source = layer("no such file", None);
        Err(layer("settings: no such file", Some(source)))
    }
    golden("error_that_shows_its_source", &log_of(loads));
}

#[test]
fn trace_of_a_recursion_counts_what_repeats() {
    #[squall::coroutine]
    fn descends(depth: u32) -> Result<u32, String> {
        if depth == 0 {
            return yield_!(deep("the bottom"));
        }
        yield_!(descends(depth - 1))
    }
    golden("recursion", &log_of(|| descends(1000)));
    // Three are shown, and nothing is saved by counting none.
    golden("recursion_shallow", &log_of(|| descends(2)));
}

#[test]
fn trace_of_a_coroutine_with_the_keyword_yield() {
    squall::coroutines! {
        #[coroutine]
        fn keyword() -> Result<u32, String> {
            yield moment();
            let value = (yield deep("bad"))?;
            Ok(value)
        }
    }
    golden("keyword", &log_of(keyword));
}

#[test]
fn trace_of_an_awaiting_coroutine_and_of_a_yield_inside_a_macro() {
    #[squall::coroutine]
    fn awaits() -> Result<u32, String> {
        moment().await;
        let value = deep("bad").await?;
        Ok(value)
    }
    #[squall::coroutine]
    fn prints() -> Result<(), String> {
        println!("the value is {}", yield_!(awaits())?);
        Ok(())
    }
    golden("await_and_macro", &log_of(prints));
}
