use squall::{TimeoutError, task, with_timeout};

use super::*;

#[test]
fn trace_of_a_task_whose_callback_is_dropped() {
    #[squall::coroutine]
    fn asks() -> squall::Result<u32> {
        let answer = yield_!(task(|callback: squall::Callback<u32>| drop(callback)))?;
        Ok(answer)
    }
    golden("task_dropped", &log_of(asks));
}

#[test]
fn trace_of_an_engine() {
    #[squall::engine]
    fn answers(callback: impl FnOnce(u32) + 'static) {
        let value = yield_!(deep("bad")).expect("a value");
        callback(value);
    }
    golden("engine", &log_of(|| answers(|_| ())));
}

#[squall::coroutine]
fn slow() -> Result<u32, TimeoutError> {
    yield_!(sleep(Duration::from_secs(10)));
    Ok(1)
}

#[test]
fn trace_of_a_timeout() {
    #[squall::coroutine]
    fn limited() -> squall::Result<u32> {
        let value = yield_!(with_timeout(Duration::from_secs(1), slow()))?;
        Ok(value?)
    }
    #[squall::coroutine]
    fn outer() -> squall::Result<u32> {
        yield_!(limited())
    }
    golden("timeout", &log_of(outer));
}

#[test]
fn trace_of_a_timeout_that_is_the_own_error() {
    #[squall::coroutine]
    fn limited() -> Result<u32, TimeoutError> {
        yield_!(with_timeout(Duration::from_secs(1), slow()).or_fail())
    }
    golden("timeout_or_fail", &log_of(limited));
}

#[test]
fn trace_of_an_error_within_a_timeout() {
    #[squall::coroutine]
    fn limited() -> Result<u32, String> {
        let limit = Duration::from_secs(1);
        yield_!(with_timeout(limit, deep("in time"))).map_err(|error| error.to_string())?
    }
    golden("within_a_timeout", &log_of(limited));
}

#[test]
fn trace_of_a_shared_result() {
    #[squall::coroutine]
    fn takes(shared: squall::Shared<Result<u32, String>>) -> Result<u32, String> {
        yield_!(shared)
    }
    golden("shared", &log_of(|| takes(deep("bad").shared())));
    // Each who waits has the way that it came, and its own entry.
    let log = log_of(|| {
        let shared = falls("oh").shared();
        (takes(shared.clone()), takes(shared))
    });
    golden("shared_panic", &log);
}
