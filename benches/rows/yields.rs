//! Yields that only let others run, of one coroutine and of a hundred in turn.

use std::future::Future;

use squall::{Deferred, yield_};

use crate::support::{Group, Lap, Options, Peer, Sample, Smol, Tokio, run, wake_by_ref};

pub(crate) fn yields(options: &Options) {
    for tasks in [1, 100] {
        let plural = if tasks == 1 { "" } else { "s" };
        let group = Group::new(format!("yield, {tasks} coroutine{plural}"))
            .with("squall", move |n| run(|| yield_in_turn(n, tasks)))
            .with("tokio yield_now", move |n| {
                peer_yields::<Tokio, _>(n, tasks, Tokio::yield_now)
            })
            .with("smol yield_now", move |n| {
                peer_yields::<Smol, _>(n, tasks, Smol::yield_now)
            });
        with_peers!(group, "wake_by_ref", P => move |n| {
            peer_yields::<P, _>(n, tasks, wake_by_ref)
        })
        .run(options);
    }
}

#[squall::coroutine]
fn yield_moments(n: u64) -> u64 {
    let mut passed = 0;
    for _ in 0..n {
        yield_!(squall::moment());
        passed += 1;
    }
    passed
}

#[squall::coroutine]
pub(crate) fn yield_in_turn(n: u64, tasks: u64) -> Sample {
    let (each, lap) = (n.div_ceil(tasks), Lap::start());
    let coroutines: Vec<Deferred<u64>> = (0..tasks).map(|_| yield_moments(each)).collect();
    let passed: Vec<u64> = yield_!(coroutines);
    let sample = lap.stop(each * tasks);
    assert_eq!(passed.iter().sum::<u64>(), each * tasks);
    sample
}

fn peer_yields<R, F>(n: u64, tasks: u64, one: fn() -> F) -> Sample
where
    R: Peer,
    F: Future<Output = ()> + 'static,
{
    R::block_on(async move {
        let (each, lap, mut passed) = (n.div_ceil(tasks), Lap::start(), 0);
        let coroutine = |_| {
            R::spawn(async move {
                let mut passed = 0;
                for _ in 0..each {
                    one().await;
                    passed += 1;
                }
                passed
            })
        };
        let coroutines: Vec<_> = (0..tasks).map(coroutine).collect();
        for coroutine in coroutines {
            passed += coroutine.await;
        }
        let sample = lap.stop(each * tasks);
        assert_eq!(passed, each * tasks);
        sample
    })
}
