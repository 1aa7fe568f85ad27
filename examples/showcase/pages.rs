//! The handlers.
//!
//! What stands between `// show: name` and `// end` is what the page shows as the source of its
//! cards: the lines that are running, not a copy.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::Serialize;
use squall::{Deferred, sleep, yield_};
use squall_web::client::FetchError;
use squall_web::{
    Application, AsyncHttpClient, Error, Exchange, RequestHandler, Result, StatusCode,
    request_handler,
};

use crate::live;

/// All routes.
pub(crate) fn application(address: SocketAddr) -> Application {
    let site = Site::new(address);
    let index = index();
    Application::new()
        .get("/", move |ex: &mut Exchange| file(ex, "text/html", &index))
        .get("/style.css", |ex: &mut Exchange| {
            file(ex, "text/css", include_str!("style.css"))
        })
        .get("/app.js", |ex: &mut Exchange| {
            file(ex, "text/javascript", include_str!("app.js"))
        })
        .get("/slow/{ms}", slow)
        .get("/ping", ping)
        .get("/live", live::live)
        .route("/run/list", site.handler(List))
        .route("/run/map", site.handler(Map))
        .route("/run/interleave", site.handler(Interleave))
        .route("/run/clock", || Clock)
        .route("/run/fail", || Fail)
        .route("/run/panic", || Panic)
}

// The cards.

struct List(Site);

#[request_handler]
impl RequestHandler for List {
    // show: list
    #[coroutine]
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        let run = self.0.begin();
        let delays = [700, 1500, 1000, 1800, 1200];
        // Each call starts its fetch…
        let fetches = delays.map(|ms| run.fetch(ms));
        // … and one yield waits for the whole list.
        let bars = yield_!(fetches)?;
        ex.write_json(&run.report(bars))
    }
    // end
}

struct Map(Site);

#[request_handler]
impl RequestHandler for Map {
    // show: map
    #[coroutine]
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        let run = self.0.begin();
        // A map of futures gives a map of results.
        let bars = yield_!(HashMap::from([
            ("user", run.fetch(600)),
            ("news", run.fetch(1500)),
            ("mail", run.fetch(1100)),
        ]))?;
        ex.write_json(&run.report(bars))
    }
    // end
}

struct Interleave(Site);

#[request_handler]
impl RequestHandler for Interleave {
    // show: interleave
    #[coroutine]
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        let run = self.0.begin();
        let mut bars = Vec::new();
        let mut load = run.fetch(500);
        for _ in 1..4 {
            bars.push(yield_!(load)?);
            load = run.fetch(500); // Starts now, and goes on
            bars.push(yield_!(run.fetch(400))?); // meanwhile.
        }
        bars.push(yield_!(load)?);
        ex.write_json(&run.report(bars))
    }
    // end
}

struct Clock;

#[request_handler]
impl RequestHandler for Clock {
    // show: clock
    #[coroutine]
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        let began = Instant::now();
        ex.set_header("content-type", "text/plain")?;
        for tick in 1..=10 {
            let next = sleep(Duration::from_millis(500));
            let ms = began.elapsed().as_millis();
            ex.write(format!("tick {tick} at {ms} ms\n"));
            yield_!(ex.flush())?; // Sent now, as a chunk.
            yield_!(next);
        }
        Ok(())
    }
    // end
}

struct Fail;

// show: fail
#[request_handler]
impl RequestHandler for Fail {
    #[coroutine]
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        let total = yield_!(total(vec!["12", "seven"]))?;
        ex.write(total.to_string());
        Ok(())
    }
}

#[squall::coroutine]
fn total(amounts: Vec<&'static str>) -> Result<u32> {
    let parsed = amounts.into_iter().map(parse);
    let numbers = yield_!(parsed.collect::<Vec<_>>())?;
    Ok(numbers.iter().sum())
}

#[squall::coroutine]
fn parse(amount: &'static str) -> Result<u32> {
    yield_!(sleep(Duration::from_millis(300)));
    Ok(amount.parse()?) // "seven" is no number.
}
// end

struct Panic;

// show: panic
#[request_handler]
impl RequestHandler for Panic {
    #[coroutine]
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        ex.write(yield_!(word(7)));
        Ok(())
    }
}

#[squall::coroutine]
fn word(n: usize) -> &'static str {
    let words = ["one", "two", "three"];
    yield_!(sleep(Duration::from_millis(300)));
    words[n] // There is no such word.
}
// end

// What the cards use.

/// Takes as long as its path says.
#[squall::coroutine]
fn slow(ex: &mut Exchange) -> Result<()> {
    let ms: u64 = ex.path_argument("ms")?;
    if ms > 10_000 {
        return Err(Error::new(StatusCode::BAD_REQUEST, "10 seconds at most"));
    }
    yield_!(sleep(Duration::from_millis(ms)));
    ex.write_json(&ms)
}

/// Tells that the server lives.
fn ping(ex: &mut Exchange) -> Result<()> {
    ex.set_header("cache-control", "no-store")?;
    ex.write_json("pong")
}

/// The server as its own client.
#[derive(Clone)]
struct Site {
    client: AsyncHttpClient,
    address: SocketAddr,
}

impl Site {
    fn new(address: SocketAddr) -> Site {
        let client = AsyncHttpClient::new();
        Site { client, address }
    }

    /// Makes handlers of one type, each with this site.
    fn handler<H: 'static>(&self, make: fn(Site) -> H) -> impl Fn() -> H + use<H> {
        let site = self.clone();
        move || make(site.clone())
    }

    /// Starts the clock of a card.
    fn begin(&self) -> Run {
        let (site, began) = (self.clone(), Instant::now());
        Run { site, began }
    }
}

/// One run of a card: its fetches, and when each began and ended.
#[derive(Clone)]
struct Run {
    site: Site,
    began: Instant,
}

/// A bar of the card's timeline.
#[derive(Serialize)]
struct Bar {
    page: String,
    from_ms: u64,
    to_ms: u64,
}

/// What a card is told: the bars in the shape in which they were yielded.
#[derive(Serialize)]
struct Report<T> {
    took_ms: u64,
    bars: T,
}

impl Run {
    /// Starts to fetch a slow page.
    fn fetch(&self, ms: u64) -> Deferred<Result<Bar, FetchError>> {
        fetch_timed(self.clone(), format!("/slow/{ms}"))
    }

    fn report<T>(&self, bars: T) -> Report<T> {
        let took_ms = self.elapsed_ms();
        Report { took_ms, bars }
    }

    fn elapsed_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

#[squall::coroutine]
fn fetch_timed(run: Run, page: String) -> Result<Bar, FetchError> {
    let from_ms = run.elapsed_ms();
    let url = format!("http://{}{page}", run.site.address);
    yield_!(run.site.client.fetch(url))?;
    let to_ms = run.elapsed_ms();
    Ok(Bar {
        page,
        from_ms,
        to_ms,
    })
}

// The page itself.

/// Answers with a file of the page. Nothing else may be loaded into it.
fn file(ex: &mut Exchange, content_type: &str, content: &str) -> Result<()> {
    const ONLY_OURS: &str = "default-src 'none'; connect-src 'self'; img-src data:; \
        script-src 'self'; style-src 'self'";
    ex.set_header("content-security-policy", ONLY_OURS)?;
    ex.set_header("content-type", format!("{content_type}; charset=utf-8"))?;
    ex.write(content);
    Ok(())
}

/// The page with the sources of its cards.
fn index() -> String {
    let mut page = include_str!("index.html").to_owned();
    for name in ["list", "map", "interleave", "clock", "fail", "panic"] {
        let source = escape(&excerpt(include_str!("pages.rs"), name));
        page = page.replace(&format!("{{{{source: {name}}}}}"), &source);
    }
    page
}

/// Returns what stands between the markers, without the indentation that all of it has.
fn excerpt(source: &str, name: &str) -> String {
    let marker = format!("// show: {name}");
    let lines = (source.lines())
        .skip_while(|line| line.trim() != marker)
        .skip(1)
        .take_while(|line| line.trim() != "// end");
    let lines: Vec<&str> = lines.collect();
    let indents = (lines.iter())
        .filter(|line| !line.is_empty())
        .map(|line| line.len() - line.trim_start().len());
    let indent = indents.min().unwrap_or(0);
    let lines = lines.iter().map(|line| line.get(indent..).unwrap_or(""));
    lines.collect::<Vec<_>>().join("\n")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
