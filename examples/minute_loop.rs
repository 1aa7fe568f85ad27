//! A loop that works, then sleeps: `cargo run --example minute_loop`
//!
//! Each round takes the period *and* the time of the work, so the rounds fall behind the clock.
//! `minute_loop2` shows how they do not. The minute is 200 ms here, and five have to do:
//!
//! ```text
//! round 1 began at    0 ms, drift   0 ms
//! round 2 began at  251 ms, drift  51 ms
//! round 3 began at  503 ms, drift 103 ms
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
fn minute_loop(rounds: u32) {
    let began = Instant::now();
    for round in 0..rounds {
        let (at, due) = (began.elapsed(), round * PERIOD);
        let (at, drift) = (at.as_millis(), (at - due).as_millis());
        println!("round {} began at {at:4} ms, drift {drift:3} ms", round + 1);

        yield_!(do_something());
        yield_!(sleep(PERIOD)); // The clock starts only now.
    }
}

#[squall::main]
fn main() {
    // A loop that goes on for ever is not yielded, but left to the loop:
    // `IoLoop::current().spawn_callback(minute_loop)`.
    yield_!(minute_loop(5));
}
