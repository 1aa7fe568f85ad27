//! The tables of cases, against one server that has all the handlers which they want.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use squall::yield_;
use squall_web::http::Limits;
use squall_web::{
    Application, BodyPlan, Compression, Error, Exchange, HttpServer, Result, StaticFiles,
    StatusCode, TrustedProxies, Verb,
};

use super::table::{BODY, HEADER, IDLE, Pieces, read, run};

/// What stands in a table, and how many of its cases are run.
#[track_caller]
fn check(counts: [usize; 3], want: [usize; 3]) {
    assert_eq!(counts, want, "cases, of these for later, and with a reason");
}

#[squall::test]
fn measured_cases_are_answered_as_the_table_says() {
    let cases = read(include_str!("../../data/http_cases.txt"));
    let later = cases.iter().filter(|case| case.later.is_some()).count();
    let reasons = cases.iter().filter(|case| case.reason).count();
    for (n, case) in cases.iter().enumerate() {
        assert_eq!(case.id, format!("H{}", n + 1), "none is left out");
    }
    check([cases.len(), later, reasons], [272, 36, 54]);
    let wrong = yield_!(run(serve(), &cases, Pieces::Whole));
    assert!(wrong.is_empty(), "\n{wrong}");
}

// U11, U15 and U22 are among them: folds, line ends, the first line.
#[squall::test]
fn the_rfcs_demands_on_a_server_are_met() {
    let cases = read(include_str!("../../data/rfc9112.txt"));
    let wrong = yield_!(run(serve(), &cases, Pieces::Whole));
    assert!(wrong.is_empty(), "\n{wrong}");
}

// How the network cuts a request changes nothing.
#[squall::test]
fn they_are_met_as_well_when_each_byte_comes_by_itself() {
    let cases = read(include_str!("../../data/rfc9112.txt"));
    let wrong = yield_!(run(serve(), &cases, Pieces::Bytes));
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn serve() -> SocketAddr {
    let limits = Limits {
        max_head_bytes: 2048,
        max_body_bytes: 4096,
        idle_timeout: IDLE,
        header_timeout: HEADER,
        body_timeout: BODY,
        ..Limits::default()
    };
    let server = HttpServer::new(app(files()))
        .limits(limits)
        .decompress_request(true)
        .trusted_proxies(TrustedProxies::new(["127.0.0.1", "5.5.5.5"]).unwrap());
    let listening = server.listen("127.0.0.1:0").expect("a free port");
    listening.local_addr()
}

fn app(folder: &Path) -> Application {
    Application::new()
        .get("/", |ex: &mut Exchange| ex.write("hello"))
        .post("/", echo)
        .put("/", echo)
        .on(Verb::Options, "/", |_: &mut Exchange| {})
        .delete("/", |_: &mut Exchange| {})
        .get("/info", info)
        .get("/big", |ex: &mut Exchange| ex.write("x".repeat(5000)))
        .get("/cookies", cookies)
        .get("/ck", |ex: &mut Exchange| ex.set_cookie(("a", "b\n")))
        .post("/xsrf", |ex: &mut Exchange| -> Result<()> {
            ex.check_xsrf()?;
            ex.write("ok");
            Ok(())
        })
        .files("/static/", StaticFiles::new(folder).no_index())
        .files("/sd/", StaticFiles::new(folder))
        .compress(Compression::new())
        .get("/st/{code}", with_status)
        .get("/err/{what}", fails)
        .get("/flush", flushes)
        .get("/cl/{length}", with_length)
        .get("/streamed/{length}/{written}", streamed)
        .on(Verb::Head, "/own-head", |ex: &mut Exchange| {
            ex.set_header("content-length", 42_u64)
        })
        .on(Verb::Head, "/bare-head", |_: &mut Exchange| {})
        .get("/arg/{a}/{b...}", arguments)
        .put("/stream", stream)
        .post("/stream", stream)
        .body("/stream", BodyPlan::stream())
        .post("/trailers", trailers)
        .get("/summed", summed)
        .get("/shout", shout)
}

/// A directory with a file and a directory with an index, made once. It stays for the next run.
fn files() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("http_cases");
        fs::create_dir_all(folder.join("dir")).expect("a directory");
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a file");
        write("robots.txt", "User-agent: *\nDisallow: /\n");
        write("dir/index.html", "this is the index\n");
        folder
    })
}

/// The cookies that came, of each name the last.
fn cookies(ex: &mut Exchange) {
    let cookies: BTreeMap<_, _> = ex.request().cookies().into_iter().collect();
    let cookies: Vec<String> = cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
    ex.write(cookies.join(" "));
}

/// How long the body is, and what stands in the form.
fn echo(ex: &mut Exchange) -> Result<()> {
    let length = ex.request().body().len();
    let arguments = ex.all_arguments()?.iter();
    let arguments: Vec<String> = arguments
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    ex.write(format!("body={length} args={}", arguments.join("&")));
    Ok(())
}

fn info(ex: &mut Exchange) {
    let request = ex.request();
    let mut values = request
        .headers()
        .filter(|(name, _)| name.eq_ignore_ascii_case("x-t"));
    let latin1 = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| char::from(*byte))
            .collect::<String>()
    };
    let values: Option<String> = values.next().map(|(_, first)| {
        let rest = values.map(|(_, value)| format!(",{}", latin1(value)));
        latin1(first) + &rest.collect::<String>()
    });
    let text = format!(
        "{} {} host={} path={} query={} x-t={}",
        request.remote_ip().map_or("-".into(), |ip| ip.to_string()),
        request.scheme(),
        request.host().unwrap_or("-"),
        request.path(),
        request.query().unwrap_or(""),
        values.as_deref().unwrap_or("-"),
    );
    ex.write(text);
}

fn with_status(ex: &mut Exchange) -> Result<()> {
    let code: u16 = ex.path_argument("code")?;
    ex.set_status(StatusCode::from_u16(code)?);
    if ex.argument_opt("b")?.is_some() {
        ex.write("never sent");
    }
    Ok(())
}

#[squall::coroutine]
fn fails(ex: &mut Exchange) -> Result<()> {
    let what: String = ex.path_argument("what")?;
    match &*what {
        "exc" => Err("x".parse::<u8>().unwrap_err().into()),
        "finish" => squall::Return(Ok::<(), Error>(())).raise(),
        "partial" => {
            ex.write("a");
            yield_!(ex.flush())?;
            Err(Error::status_only(StatusCode::BAD_GATEWAY))
        }
        "missing" => ex.argument("missing").map(drop),
        code => Err(Error::status_only(StatusCode::from_u16(code.parse()?)?)),
    }
}

#[squall::coroutine]
fn flushes(ex: &mut Exchange) -> Result<()> {
    for text in ["a", "b", "c"] {
        ex.write(text);
        yield_!(ex.flush())?;
    }
    Ok(())
}

fn with_length(ex: &mut Exchange) -> Result<()> {
    let length: u64 = ex.path_argument("length")?;
    ex.set_header("content-length", length)?;
    ex.write("hello");
    Ok(())
}

/// A stream that says its length, and one that lies.
#[squall::coroutine]
fn streamed(ex: &mut Exchange) -> Result<()> {
    let length: u64 = ex.path_argument("length")?;
    let written: u64 = ex.path_argument("written")?;
    ex.set_header("content-length", length)?;
    for _ in 0..written {
        ex.write("x");
        yield_!(ex.flush())?;
    }
    Ok(())
}

fn arguments(ex: &mut Exchange) -> Result<()> {
    let (a, b) = (
        ex.path_argument::<String>("a")?,
        ex.path_argument::<String>("b")?,
    );
    let (q, r) = (ex.arguments("q")?, ex.arguments("r")?);
    ex.write(format!(
        "a={a} b={b} q=[{}] r=[{}]",
        q.join(","),
        r.join(",")
    ));
    Ok(())
}

#[squall::coroutine]
fn stream(ex: &mut Exchange) -> Result<()> {
    if ex.argument_opt("fail")?.is_some() {
        return Err(Error::status_only(StatusCode::UNAUTHORIZED));
    }
    let mut length = 0;
    while let Some(chunk) = yield_!(ex.body_chunk())? {
        length += chunk.len();
        yield_!(squall::sleep(Duration::from_millis(1)));
    }
    ex.write(format!("n={length}"));
    Ok(())
}

/// The trailers of the request, and what became of its headers.
fn trailers(ex: &mut Exchange) {
    let sum = ex.trailers().and_then(|trailers| trailers.get("x-sum"));
    let sum = sum.and_then(|sum| sum.to_str().ok()).unwrap_or("-");
    let is_header = ex.request().header("x-sum").is_some();
    let text = format!(
        "{} trailer={sum} header={is_header}",
        ex.request().body().len()
    );
    ex.write(text);
}

fn summed(ex: &mut Exchange) -> Result<()> {
    ex.write("abc");
    ex.add_trailer("x-sum", "3")
}

#[squall::coroutine]
fn shout(ex: &mut Exchange) -> Result<()> {
    let shout = yield_!(ex.upgrade("shout"))?;
    yield_!(shout.stream.write(&shout.read.to_ascii_uppercase()))?;
    Ok(())
}
