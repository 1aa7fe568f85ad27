//! Waits for all members of a tuple.

#![allow(unsafe_code)]

use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::multi::{Child, take};
use super::policy::{FirstError, OnError, Plain, Policy};
use super::yieldable::{Fallible, Yieldable};
use crate::coro::cancel::cancelling;
use crate::coro::many_waits::ManyWaits;

/// The form of a tuple of the forms `M`.
#[derive(Debug)]
pub struct ByTuple<M>(std::marker::PhantomData<M>);

/// Waits for the members of a tuple, each a [`Child`].
#[derive(Debug)]
pub struct TupleWait<C, P> {
    children: C,
    policy: P,
    waits: ManyWaits,
    _pinned: PhantomPinned,
}

/// Polls a member; 1 while it is not done.
///
/// # Safety
///
/// `child` is inside something pinned and is only ever overwritten in place.
unsafe fn poll_member<W: Future, T>(
    child: &mut Child<W, T>,
    waits: &mut ManyWaits,
    cx: &mut Context<'_>,
    keep: impl FnOnce(W::Output) -> Option<T>,
) -> u32 {
    let Child::Waiting(wait) = child else {
        return 0;
    };
    // SAFETY: by this function's contract.
    let wait = unsafe { Pin::new_unchecked(wait) };
    let Poll::Ready(result) = wait.poll(cx) else {
        waits.add();
        return 1;
    };
    *child = keep(result).map_or(Child::Gone, Child::Done);
    0
}

macro_rules! tuples {
    ($(($($Y:ident $M:ident $W:ident $T:ident $i:tt),+))+) => {$(
        impl<$($Y: Yieldable<$M>, $M),+> Yieldable<ByTuple<($($M,)+)>> for ($($Y,)+) {
            type Output = ($($Y::Output,)+);
            type Wait = TupleWait<($(Child<$Y::Wait, $Y::Output>,)+), Plain>;

            fn wait(self) -> Self::Wait {
                TupleWait {
                    children: ($(Child::Waiting(self.$i.wait()),)+),
                    policy: Plain::default(),
                    waits: ManyWaits::default(),
                    _pinned: PhantomPinned,
                }
            }
        }

        impl<Error: fmt::Debug, $($Y: Fallible<$M, Error = Error>, $M),+>
            Fallible<ByTuple<($($M,)+)>> for ($($Y,)+)
        {
            type Ok = ($($Y::Ok,)+);
            type Error = Error;
            type TryWait = TupleWait<($(Child<$Y::TryWait, $Y::Ok>,)+), FirstError<(), Error>>;

            fn try_wait(self, on_error: OnError) -> Self::TryWait {
                TupleWait {
                    children: ($(Child::Waiting(self.$i.try_wait(on_error)),)+),
                    policy: FirstError::new(on_error),
                    waits: ManyWaits::default(),
                    _pinned: PhantomPinned,
                }
            }
        }

        impl<$($W: Future),+> Future for TupleWait<($(Child<$W, $W::Output>,)+), Plain> {
            type Output = ($($W::Output,)+);

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                // SAFETY: the members are polled in place and overwritten in place.
                let this = unsafe { self.get_unchecked_mut() };
                let mut waiting = 0;
                let waits = &mut this.waits;
                $(
                    let keep = |result| this.policy.keep($i, result);
                    // SAFETY: `this` is pinned; see above.
                    waiting += unsafe { poll_member(&mut this.children.$i, waits, cx, keep) };
                )+
                if waiting > 0 {
                    let total = [$($i),+].len() as u32;
                    this.waits.note(total - waiting, total);
                    return Poll::Pending;
                }
                let children = &mut this.children;
                Poll::Ready(Policy::<()>::finish(&mut this.policy, || {
                    ($(take(&mut children.$i),)+)
                }))
            }
        }

        impl<Error: fmt::Debug, $($T, $W: Future<Output = Result<$T, Error>>),+> Future
            for TupleWait<($(Child<$W, $T>,)+), FirstError<(), Error>>
        {
            type Output = Result<($($T,)+), Error>;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                // SAFETY: the members are polled in place and overwritten in place.
                let this = unsafe { self.get_unchecked_mut() };
                let mut waiting = 0;
                let waits = &mut this.waits;
                let policy = &mut this.policy;
                $(
                    let keep = |result: Result<$T, Error>| keep_value(policy, $i, result);
                    // SAFETY: `this` is pinned; see above.
                    waiting += unsafe { poll_member(&mut this.children.$i, waits, cx, keep) };
                )+
                if Policy::<Result<(), Error>>::is_over(policy) {
                    cancelling(|| {
                        $(this.children.$i = Child::Gone;)+
                    });
                    waiting = 0;
                }
                if waiting > 0 {
                    let total = [$($i),+].len() as u32;
                    this.waits.note(total - waiting, total);
                    return Poll::Pending;
                }
                let children = &mut this.children;
                Poll::Ready(this.policy.finish(|| ($(take(&mut children.$i),)+)))
            }
        }
    )+};
}

/// Hands a member's error to the policy, which knows errors only, and keeps its value.
fn keep_value<T, E: fmt::Debug>(
    policy: &mut FirstError<(), E>,
    index: usize,
    result: Result<T, E>,
) -> Option<T> {
    match result {
        Ok(value) => {
            policy.keep(index, Ok(()));
            Some(value)
        }
        Err(error) => {
            policy.keep(index, Err(error));
            None
        }
    }
}

tuples! {
    (A MA WA TA 0)
    (A MA WA TA 0, B MB WB TB 1)
    (A MA WA TA 0, B MB WB TB 1, C MC WC TC 2)
    (A MA WA TA 0, B MB WB TB 1, C MC WC TC 2, D MD WD TD 3)
    (A MA WA TA 0, B MB WB TB 1, C MC WC TC 2, D MD WD TD 3, E ME WE TE 4)
    (A MA WA TA 0, B MB WB TB 1, C MC WC TC 2, D MD WD TD 3, E ME WE TE 4, F MF WF TF 5)
    (A MA WA TA 0, B MB WB TB 1, C MC WC TC 2, D MD WD TD 3, E ME WE TE 4, F MF WF TF 5,
     G MG WG TG 6)
    (A MA WA TA 0, B MB WB TB 1, C MC WC TC 2, D MD WD TD 3, E ME WE TE 4, F MF WF TF 5,
     G MG WG TG 6, H MH WH TH 7)
}
