//! Coroutines in traits: declared, with a default body, implemented for a reference and a `Box`;
//! `self` as `Rc<Self>`, and `&mut self` through another coroutine.

use squall::{Deferred, Scoped, moment, yield_};
use std::rc::Rc;

trait Store {
    fn load(&self, id: u64) -> Scoped<impl Future<Output = String>>;

    fn shared(self: Rc<Self>, id: u64) -> Deferred<String>;

    #[squall::coroutine]
    fn twice(&self, id: u64) -> String {
        let once = yield_!(self.load(id));
        once + &yield_!(self.load(id))
    }
}

struct Names(Vec<&'static str>);

impl Store for Names {
    #[squall::coroutine]
    fn load(&self, id: u64) -> String {
        yield_!(moment());
        self.0[id as usize].to_owned()
    }

    #[squall::coroutine]
    fn shared(self: Rc<Self>, id: u64) -> String {
        yield_!(self.load(id))
    }
}

#[derive(Default)]
struct Counter {
    seen: Vec<String>,
}

impl Counter {
    #[squall::coroutine]
    fn note<S>(&mut self, store: &S, ids: &[u64]) -> usize
    where
        S: Store,
    {
        for id in ids {
            let name = yield_!(store.load(*id));
            yield_!(self.push(name));
        }
        self.seen.len()
    }

    #[squall::coroutine]
    fn push(&mut self, name: String) {
        self.seen.push(name);
    }
}

/// A trait that is used as `dyn` returns `Deferred`, which has a name.
trait Job {
    fn run(&self) -> Deferred<u32>;
}

impl Job for u32 {
    fn run(&self) -> Deferred<u32> {
        #[squall::coroutine]
        fn run(n: u32) -> u32 {
            yield_!(moment());
            n
        }
        run(*self)
    }
}

#[squall::main]
fn main() {
    let names = Rc::new(Names(vec!["a", "b"]));
    assert_eq!(yield_!(names.twice(1)), "bb");
    assert_eq!(yield_!(names.clone().shared(0)), "a");
    assert_eq!(yield_!(Counter::default().note(&*names, &[0, 1])), 2);
    let jobs: Vec<Box<dyn Job>> = vec![Box::new(1), Box::new(2)];
    let running: Vec<_> = jobs.iter().map(|job| job.run()).collect();
    assert_eq!(yield_!(running), [1, 2]);
}
