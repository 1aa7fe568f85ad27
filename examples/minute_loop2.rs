//! A loop that works while the clock is ticking: `cargo run --example minute_loop2`
//!
//! The sleep is started before the work and waited for after it, so a round takes the period, as long
//! as the work takes less. Compare with `minute_loop`. The minute is 200 ms here, and five have to do:
//!
//! ```text
//! round 1 began at    0 ms, drift   0 ms
//! round 2 began at  200 ms, drift   0 ms
//! round 3 began at  401 ms, drift   1 ms
//! …
//! ```

use std::time::{Duration, Instant};

use squall::{sleep, yield_};

const PERIOD: Duration = Duration::from_millis(200);

/// What is to be done each minute; it takes 50 ms.
#[squall::coroutine]
fn do_something() {
    yield_!(sleep(Duration::from_millis(50)));
}

#[squall::coroutine]
fn minute_loop2(rounds: u32) {
    let began = Instant::now();
    for round in 0..rounds {
        let (at, due) = (began.elapsed(), round * PERIOD);
        let (at, drift) = (at.as_millis(), (at - due).as_millis());
        println!("round {} began at {at:4} ms, drift {drift:3} ms", round + 1);

        let next = sleep(PERIOD); // Start the clock.
        yield_!(do_something()); // Run while the clock is ticking.
        yield_!(next); // Wait for the timer to run out.
    }
}

#[squall::main]
fn main() {
    // A loop that goes on for ever is not yielded, but left to the loop:
    // `IoLoop::current().spawn_callback(minute_loop2)`.
    yield_!(minute_loop2(5));
}
