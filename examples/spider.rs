//! A concurrent web spider over a queue: `cargo run --example spider`
//!
//! Ten workers follow all links of a site of 1,000 pages, which the program serves itself; each page
//! takes 10 ms, and every tenth has a link that leads nowhere. It prints what they found:
//!
//! ```text
//! found 1000 of 1000 pages and 100 broken links in 1.2 s
//! one after the other, the pages alone would take 10.0 s
//! ```

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use squall::sync::Queue;
use squall::{sleep, yield_};
use squall_web::{Application, AsyncHttpClient, Error, Exchange, HttpServer, Result, StatusCode};

const PAGES: usize = 1000;
const WORKERS: usize = 10;
const DELAY: Duration = Duration::from_millis(10);

/// A page of the site: a node of a tree, with a link across, and perhaps a broken one.
#[squall::coroutine]
fn page(ex: &mut Exchange) -> Result<()> {
    let n: usize = ex.path_argument("n")?;
    if n >= PAGES {
        return Err(Error::status_only(StatusCode::NOT_FOUND));
    }
    yield_!(sleep(DELAY));
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

/// What the workers share. They take turns on one thread, so cells are all the locking it needs.
struct Spider {
    client: AsyncHttpClient,
    site: String,
    queue: Queue<String>,
    seen: RefCell<HashSet<String>>,
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
        let url = format!("{}{link}", self.site);
        match yield_!(self.client.fetch(url)) {
            Ok(page) => {
                self.pages.set(self.pages.get() + 1);
                links(page.text()?).try_for_each(|link| self.follow(link))?;
            }
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => {
                self.broken.set(self.broken.get() + 1);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
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
    let app = Application::new().get("/page/{n}", page);
    let server = HttpServer::new(app).listen("127.0.0.1:0")?;
    let spider = Rc::new(Spider {
        client: AsyncHttpClient::new(),
        site: format!("http://{}", server.local_addr()),
        queue: Queue::new(),
        seen: RefCell::default(),
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
    println!("found {pages} of {PAGES} pages and {broken} broken links in {took:.1} s");
    let alone = (DELAY * PAGES as u32).as_secs_f64();
    println!("one after the other, the pages alone would take {alone:.1} s");
    assert_eq!(
        (pages, broken),
        (PAGES, PAGES / 10),
        "the spider misses some"
    );
    Ok(())
}
