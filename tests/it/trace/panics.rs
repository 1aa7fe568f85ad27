use super::*;

#[test]
fn trace_of_a_panic() {
    golden("panic", &log_of(|| falls("oh")));
}

#[test]
fn trace_of_a_panic_before_the_first_yield() {
    #[squall::coroutine]
    fn falls_at_once(wait: bool) -> u32 {
        if wait {
            yield_!(());
        }
        panic!("at once");
    }
    golden("panic_before_a_yield", &log_of(|| falls_at_once(false)));
}

#[test]
fn trace_of_a_panic_through_coroutines() {
    #[squall::coroutine]
    fn inner() -> u32 {
        yield_!(falls("oh")).unwrap_or(0)
    }
    #[squall::coroutine]
    fn outer() -> u32 {
        yield_!(inner()) + 1
    }
    golden("panic_through_three", &log_of(outer));
}

#[test]
fn trace_of_a_panic_in_a_child_of_a_list() {
    #[squall::coroutine]
    fn list() -> Result<u32, String> {
        Ok(yield_!(vec![fine(1), falls("in a list")])?[0])
    }
    golden("panic_in_a_list", &log_of(list));
}

#[test]
fn trace_of_a_panic_in_a_coroutine_that_borrows() {
    #[squall::coroutine]
    fn borrows(word: &str) -> usize {
        yield_!(moment());
        panic!("no {word}");
    }
    #[squall::coroutine]
    fn lends() -> usize {
        let word = String::from("luck");
        yield_!(borrows(&word))
    }
    golden("panic_scoped", &log_of(lends));
}
