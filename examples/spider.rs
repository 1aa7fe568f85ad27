//! A concurrent web spider: `cargo run --release --example spider`
//!
//! A hundred workers share a queue of links and follow all of a site of 10,000 pages, which the
//! program serves itself. Each page takes 10 ms, every tenth has a link that leads nowhere, and the
//! site shows its pages to whoever is logged in only, which lasts for 3,000 pages. A semaphore keeps
//! to 64 pages at a time; a lock has one worker log in again while the others wait. It prints what
//! they found:
//!
//! ```text
//! 2000 pages found, 2027 more are known
//! 4000 pages found, 4082 more are known
//! …
//! found 10000 of 10000 pages, each once, and 1000 broken links in 1.9 s
//! logged in 4 times; 64 pages at a time at most
//! one after the other, the pages alone would take 100.0 s
//! ```

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use squall::sync::{Lock, Queue, Semaphore};
use squall::{sleep, yield_};
use squall_web::{
    Application, AsyncHttpClient, Error, Exchange, HttpServer, RequestHandler, Result, StatusCode,
    request_handler,
};

const PAGES: usize = 10_000;
const WORKERS: usize = 100;
const AT_A_TIME: usize = 64;
const DELAY: Duration = Duration::from_millis(10);
/// How many pages a session is good for.
const SESSION: usize = 3000;

// The site.

/// What the site remembers. All runs on one thread, so cells do.
struct Site {
    session: Cell<usize>,
    pages_left: Cell<usize>,
    /// How often each page was served.
    served: RefCell<Vec<u32>>,
    now: Cell<usize>,
    most: Cell<usize>,
}

/// A page: a node of a tree, with a link across, and perhaps a broken one.
struct Page(Rc<Site>);

#[request_handler]
impl RequestHandler for Page {
    #[coroutine]
    fn get(&mut self, ex: &mut Exchange, n: usize) -> Result<()> {
        let site = &self.0;
        let is_current = ex.argument("session")? == site.session.get().to_string();
        if !is_current || site.pages_left.get() == 0 {
            return Err(Error::status_only(StatusCode::UNAUTHORIZED));
        }
        if n >= PAGES {
            return Err(Error::status_only(StatusCode::NOT_FOUND));
        }
        site.pages_left.set(site.pages_left.get() - 1);
        site.served.borrow_mut()[n] += 1;
        site.now.set(site.now.get() + 1);
        site.most.set(site.most.get().max(site.now.get()));
        yield_!(sleep(DELAY));
        site.now.set(site.now.get() - 1);
        let mut links: Vec<usize> = vec![2 * n + 1, 2 * n + 2, n * 7 % PAGES];
        links.retain(|&link| link < PAGES);
        if n.is_multiple_of(10) {
            links.push(PAGES + n);
        }
        for link in links {
            ex.write(format!("<a href=\"/page/{link}\">page {link}</a>\n"));
        }
        Ok(())
    }
}

/// Begins a session, which ends the one before.
struct LogIn(Rc<Site>);

#[request_handler]
impl RequestHandler for LogIn {
    #[coroutine]
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        yield_!(sleep(DELAY));
        self.0.session.set(self.0.session.get() + 1);
        self.0.pages_left.set(SESSION);
        ex.write(self.0.session.get().to_string());
        Ok(())
    }
}

// The spider.

/// What the workers share.
struct Spider {
    client: AsyncHttpClient,
    site: String,
    queue: Queue<String>,
    seen: RefCell<HashSet<String>>,
    seats: Semaphore,
    /// Held by the worker that logs in.
    logging_in: Lock,
    session: RefCell<String>,
    log_ins: Cell<usize>,
    pages: Cell<usize>,
    broken: Cell<usize>,
}

impl Spider {
    /// Queues a link, unless it was seen before.
    fn follow(&self, link: &str) -> squall::Result<()> {
        if self.seen.borrow_mut().insert(link.to_owned()) {
            self.queue.put_nowait(link.to_owned())?;
        }
        Ok(())
    }

    /// Fetches a page, and queues what it links to.
    #[squall::coroutine]
    fn visit(&self, link: &str) -> Result<()> {
        loop {
            let session = self.session.borrow().clone();
            let url = format!("{}{link}?session={session}", self.site);
            let seat = yield_!(self.seats.acquire());
            let page = yield_!(self.client.fetch(url));
            drop(seat); // Logging in needs none.
            match page {
                Ok(page) => {
                    self.found(links(page.text()?).collect())?;
                    return Ok(());
                }
                Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => {
                    self.broken.set(self.broken.get() + 1);
                    return Ok(());
                }
                Err(error) if error.status() == Some(StatusCode::UNAUTHORIZED) => {
                    yield_!(self.log_in(&session))?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gets a new session, unless another worker has got one since `old` was refused.
    #[squall::coroutine]
    fn log_in(&self, old: &str) -> Result<()> {
        let _alone = yield_!(self.logging_in.acquire());
        if *self.session.borrow() != old {
            return Ok(());
        }
        let answer = yield_!(self.client.fetch(format!("{}/login", self.site)))?;
        self.session.replace(answer.text()?.to_owned());
        self.log_ins.set(self.log_ins.get() + 1);
        Ok(())
    }

    fn found(&self, links: Vec<&str>) -> squall::Result<()> {
        self.pages.set(self.pages.get() + 1);
        if self.pages.get().is_multiple_of(2000) {
            let (pages, more) = (self.pages.get(), self.queue.len());
            println!("{pages} pages found, {more} more are known");
        }
        links.into_iter().try_for_each(|link| self.follow(link))
    }
}

/// The links of a page.
fn links(html: &str) -> impl Iterator<Item = &str> {
    let after = html.split("href=\"").skip(1);
    after.filter_map(|rest| rest.split('"').next())
}

/// Works for ever: a worker that waits for the queue is dropped with the loop.
#[squall::coroutine]
fn worker(spider: Rc<Spider>) {
    loop {
        let link = yield_!(spider.queue.get());
        if let Err(error) = yield_!(spider.visit(&link)) {
            println!("{link}: {error}");
        }
        // Reported after its links were queued, so that the queue is not done too early.
        spider.queue.task_done();
    }
}

#[squall::main]
fn main() -> Result<()> {
    let site = Rc::new(Site {
        session: Cell::new(0),
        pages_left: Cell::new(0),
        served: RefCell::new(vec![0; PAGES]),
        now: Cell::new(0),
        most: Cell::new(0),
    });
    let (pages_of, log_in_of) = (site.clone(), site.clone());
    let app = Application::new()
        .route("/page/{n}", move || Page(pages_of.clone()))
        .route("/login", move || LogIn(log_in_of.clone()));
    let server = HttpServer::new(app).listen("127.0.0.1:0")?;
    let spider = Rc::new(Spider {
        client: AsyncHttpClient::new(),
        site: format!("http://{}", server.local_addr()),
        queue: Queue::new(),
        seen: RefCell::default(),
        seats: Semaphore::new(AT_A_TIME),
        logging_in: Lock::new(),
        session: RefCell::default(),
        log_ins: Cell::default(),
        pages: Cell::default(),
        broken: Cell::default(),
    });

    let began = Instant::now();
    spider.follow("/page/0")?;
    for _ in 0..WORKERS {
        worker(spider.clone()); // Calling it starts it.
    }
    yield_!(spider.queue.join()); // Wait until no link is left, and none is being followed.
    let took = began.elapsed().as_secs_f64();

    let (pages, broken) = (spider.pages.get(), spider.broken.get());
    let (log_ins, most) = (spider.log_ins.get(), site.most.get());
    let once = site.served.borrow().iter().all(|&times| times == 1);
    assert!(once, "the spider misses pages, or fetches some again");
    assert_eq!((pages, broken), (PAGES, PAGES / 10));
    assert_eq!(log_ins, PAGES.div_ceil(SESSION), "it logs in too often");
    assert!(most <= AT_A_TIME, "the spider asks for {most} at a time");
    println!("found {pages} of {PAGES} pages, each once, and {broken} broken links in {took:.1} s");
    println!("logged in {log_ins} times; {most} pages at a time at most");
    let alone = (DELAY * PAGES as u32).as_secs_f64();
    println!("one after the other, the pages alone would take {alone:.1} s");
    Ok(())
}
