//! Looping over a cursor: `cargo run --example cursor_loop`
//!
//! The cursor of a database loads its documents in batches, so that most of them are there already
//! and only now and then one has to be waited for. It prints each document and when it came:
//!
//! ```text
//!  50 ms: document 1
//!  50 ms: document 2
//!  50 ms: document 3
//! 101 ms: document 4
//! …
//! 8 documents
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use squall::{sleep, yield_};

/// A database's answer, of which a batch is in memory.
struct Cursor {
    /// The numbers of the documents that the database still has.
    stored: std::ops::RangeInclusive<u32>,
    batch: VecDeque<String>,
}

impl Cursor {
    const BATCH: usize = 3;

    /// Finds the documents 1 to `count`.
    fn find(count: u32) -> Cursor {
        Cursor {
            stored: 1..=count,
            batch: VecDeque::new(),
        }
    }

    /// Loads the next batch if this one is used up; false at the end.
    ///
    /// It borrows the cursor, so it runs as a part of the coroutine that yields it. While there is
    /// something in the batch that yield goes on at once, without a turn of the loop.
    #[squall::coroutine]
    fn fetch_next(&mut self) -> bool {
        if self.batch.is_empty() && !self.stored.is_empty() {
            yield_!(sleep(Duration::from_millis(50))); // the way to the database and back
            let loaded = self.stored.by_ref().take(Self::BATCH);
            self.batch.extend(loaded.map(|n| format!("document {n}")));
        }
        !self.batch.is_empty()
    }

    /// Takes the next document of the batch.
    fn next_object(&mut self) -> String {
        let next = self.batch.pop_front();
        next.expect("next_object is called after fetch_next gave true")
    }
}

#[squall::main]
fn main() {
    let began = Instant::now();
    let mut cursor = Cursor::find(8);
    let mut count = 0;
    // A yield is an expression like any other: here it is the condition of the loop.
    while yield_!(cursor.fetch_next()) {
        let document = cursor.next_object();
        println!("{:3} ms: {document}", began.elapsed().as_millis());
        count += 1;
    }
    println!("{count} documents");
}
