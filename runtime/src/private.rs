//! Names that the macros' output uses. No promise is made about them.

use std::future::Future;

pub use crate::coro::outcome::{
    CancelProbe, DebugProbe, DisplayProbe, ErrorProbe, NoCancelProbe, NoReturnProbe, OpaqueProbe,
    OutcomeView, PlainProbe, Probe, ReturnProbe, Views,
};
pub use crate::coro::scoped::Framed;
pub use crate::coro::site::{CoroutineSite, YieldSite};
pub use crate::runner::convert::{FutureForm, MaybeTag, ValueForm};
pub use crate::runner::entry::run_main;
pub use crate::runner::yieldable::{CancelKind, FallibleKind, PlainKind, Tag, UnyieldableKind};
pub use crate::testing::Leaks;
pub use crate::testing::entry::{TestPlan, run_test};
pub use crate::{__outcome_of as outcome_of, __yield_at as yield_at};

use crate::coro::deferred::Deferred;
use crate::coro::scoped::Scoped;

/// Starts a coroutine that owns its parameters.
#[inline]
pub fn start<F, V>(site: &'static CoroutineSite, view: V, body: F) -> Deferred<F::Output>
where
    F: Future + 'static,
    V: OutcomeView<F::Output> + 'static,
{
    crate::runner::start(site, view, body)
}

/// Makes a coroutine that borrows.
#[inline]
pub fn scoped<F, V>(site: &'static CoroutineSite, view: V, body: F) -> Scoped<Framed<F, V>>
where
    F: Future,
    V: OutcomeView<F::Output>,
{
    Scoped::new(Framed::new(site, view, body))
}

/// The body of a coroutine that did not compile.
pub fn stub<T>() -> Deferred<T> {
    unreachable!("stands beside a compile error")
}

/// The body of a borrowing coroutine that did not compile.
pub fn scoped_stub<T>() -> Scoped<std::future::Pending<T>> {
    unreachable!("stands beside a compile error")
}

/// The view of a return type: whether its values are failures.
#[doc(hidden)]
#[macro_export]
macro_rules! __outcome_of {
    ($type:ty) => {{
        #[allow(unused_imports)]
        use $crate::private::{
            CancelProbe, DebugProbe, DisplayProbe, ErrorProbe, NoCancelProbe, NoReturnProbe,
            OpaqueProbe, PlainProbe, ReturnProbe,
        };
        let probe = $crate::private::Probe::<$type>::NEW;
        $crate::private::Views(
            (&&&&&probe).view(),
            (&&probe).cancel_view(),
            (&&probe).return_view(),
        )
    }};
}

/// One yield at a place that is given.
#[doc(hidden)]
#[macro_export]
macro_rules! __yield_at {
    ({ $file:expr, $line:expr, $column:expr, $expression:expr }, $value:expr) => {
        match $value {
            yielded => {
                #[allow(unused_imports)]
                use $crate::private::{CancelKind, FallibleKind, PlainKind, UnyieldableKind};
                let kind = (&&&&$crate::private::Tag::of(&yielded)).kind();
                kind.wait(
                    const {
                        &$crate::private::YieldSite {
                            file: $file,
                            line: $line,
                            column: $column,
                            expression: $expression,
                        }
                    },
                    yielded,
                )
            }
        }
        .await
    };
}
