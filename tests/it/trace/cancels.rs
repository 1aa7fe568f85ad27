use squall::{Promise, shield};

use super::*;

#[squall::coroutine]
fn patient() -> squall::Result<u32> {
    yield_!(sleep(Duration::from_secs(3600)));
    Ok(1)
}

/// Waits for what is cancelled, and fails by it.
#[squall::coroutine]
fn waits(inner: Deferred<squall::Result<u32>>) -> squall::Result<u32> {
    yield_!(inner)
}

fn cancelled_after(call: Deferred<squall::Result<u32>>) -> Deferred<squall::Result<u32>> {
    call.cancel();
    waits(call)
}

#[test]
fn trace_of_a_cancellation_as_an_unwind() {
    #[squall::coroutine]
    fn plain() -> u32 {
        yield_!(sleep(Duration::from_secs(3600)));
        1
    }
    #[squall::coroutine]
    fn waits_for_plain(inner: Deferred<u32>) -> squall::Result<u32> {
        Ok(yield_!(inner))
    }
    #[squall::coroutine]
    fn outer(inner: Deferred<u32>) -> squall::Result<u32> {
        yield_!(waits_for_plain(inner))
    }
    let log = log_of(|| {
        let call = plain();
        call.cancel();
        outer(call)
    });
    golden("cancel_unwind", &log);
}

#[test]
fn trace_of_a_cancellation_as_an_error() {
    #[squall::coroutine]
    fn told(never: Deferred<squall::Result<u32>>) -> squall::Result<u32> {
        let value = yield_!(never)?;
        Ok(value)
    }
    let log = log_of(|| {
        let (promise, never) = Promise::new();
        std::mem::forget(promise);
        cancelled_after(told(never))
    });
    golden("cancel_error", &log);
}

#[test]
fn trace_of_a_cancellation_of_a_result_by_an_unwind() {
    golden(
        "cancel_unwind_to_error",
        &log_of(|| cancelled_after(patient())),
    );
}

#[test]
fn trace_of_a_cancellation_behind_a_shield() {
    #[squall::coroutine]
    fn saves() -> squall::Result<u32> {
        yield_!(shield(sleep(Duration::from_secs(1))));
        yield_!(patient())
    }
    golden("cancel_shielded", &log_of(|| cancelled_after(saves())));
}

#[test]
fn trace_of_a_coroutine_that_does_not_end_in_its_grace() {
    #[squall::coroutine]
    fn stubborn() -> squall::Result<u32> {
        yield_!(shield(sleep(Duration::from_secs(3600))));
        Ok(1)
    }
    let log = log_of(|| {
        let call = stubborn();
        call.cancel_within(Duration::from_secs(5));
        waits(call)
    });
    golden("cancel_within", &log);
}
