use std::future::{Future, poll_fn};
use std::task::Poll;

use squall::{Return, run_in_executor};

use super::*;

/// A future that is nobody's coroutine: it waits once, and fails.
fn foreign() -> impl Future<Output = Result<u32, String>> {
    let mut waited = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(Err("of a foreign future".to_owned()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

// It is one entry, that of the yield which waited for it: nothing is known of what is inside.
#[test]
fn trace_of_a_foreign_future() {
    #[squall::coroutine]
    fn waits() -> Result<u32, String> {
        yield_!(moment());
        yield_!(foreign())
    }
    #[squall::coroutine]
    fn outer() -> Result<u32, String> {
        yield_!(waits())
    }
    golden("foreign", &log_of(outer));
}

#[test]
fn trace_through_an_async_function() {
    async fn native() -> Result<u32, String> {
        moment().await;
        let value = deep("bad").await?;
        Ok(value)
    }
    #[squall::coroutine]
    fn waits() -> Result<u32, String> {
        yield_!(native())
    }
    golden("async_function", &log_of(waits));
}

#[test]
fn trace_through_coroutines_that_borrow() {
    struct Page(&'static str);
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
    #[squall::coroutine]
    fn serve() -> Result<u32, String> {
        let mut page = Page("bad");
        yield_!(page.get("x"))
    }
    golden("scoped", &log_of(serve));
}

#[test]
fn trace_of_a_panic_on_a_thread_of_the_executor() {
    #[squall::coroutine]
    fn computes() -> squall::Result<u32> {
        let call = run_in_executor(|| -> u32 { panic!("on a thread") });
        yield_!(call)
    }
    golden("executor", &log_of(computes));
}

#[test]
fn trace_of_an_error_that_a_plain_function_returned_for_the_coroutine() {
    fn refuse() -> ! {
        Return(Err::<u32, String>("refused".to_owned())).raise()
    }
    #[squall::coroutine]
    fn asks() -> Result<u32, String> {
        yield_!(moment());
        refuse()
    }
    #[squall::coroutine]
    fn outer() -> Result<u32, String> {
        yield_!(asks())
    }
    golden("returned", &log_of(outer));
}

#[test]
fn trace_of_a_spawned_callback() {
    let log = log_of(|| squall::IoLoop::current().spawn_callback(|| deep("in a callback")));
    golden("spawned_callback", &log);
}
