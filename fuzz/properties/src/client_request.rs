//! What a fetch sends.
//!
//! Whatever it is told to, by strings that others may have made: it fails before anything is sent, or
//! sends one request that every server reads alike, with the fields, the query and the form that it
//! was given, and nothing besides.

use arbitrary::{Arbitrary, Unstructured};
use squall::yield_;
use squall_web::Method;
use squall_web::client::{AsyncHttpClient, Request};
use squall_web::http::{parse_form, parse_query};

use crate::origin::{self, Log};
use crate::script::Script;
use crate::strict;

/// What the fetch is told.
#[derive(Arbitrary, Clone, Debug)]
struct Told {
    method: String,
    url: String,
    name: String,
    value: Vec<u8>,
    query: Option<Vec<(String, String)>>,
    content: Content,
    user: Option<(String, String)>,
    agent: Option<String>,
}

#[derive(Arbitrary, Clone, Debug)]
enum Content {
    None,
    Body(Vec<u8>),
    Form(Vec<(String, String)>),
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Fields that are the client's own, or are made of several.
const OWN: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "user-agent",
    "accept-encoding",
    "authorization",
    "content-type",
    "expect",
];

/// Fails if a fetch that is told what `data` says sends anything but that.
pub fn check(data: &[u8]) {
    let Ok(told) = Told::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let method = match told.method.parse::<Method>() {
        Ok(method) => method,
        Err(_) if told.method.len() % 2 == 0 => Method::GET,
        Err(_) => Method::PUT,
    };
    let script = Script::whole(ANSWER.to_vec());
    let log = Log::default();
    let run = script.simulation().run(|| {
        script.network().install();
        fetch(method.clone(), told.clone(), script.clone(), log.clone())
    });
    let fetched = run.into_value();
    let requests = log.take();
    assert!(requests.len() <= 1, "{} requests", requests.len());
    match requests.first() {
        Some(request) => judge(request, &method, &told),
        None => assert!(fetched.is_err(), "nothing was sent: {told:?}"),
    }
}

#[squall::coroutine]
fn fetch(method: Method, told: Told, script: Script, log: Log) -> Result<(), String> {
    origin::serve(script.pieces.clone(), log);
    let mut request = Request::new(method, format!("http://10.0.0.1/{}", told.url))
        .allow_nonstandard_methods(true)
        .raise_error(false)
        .header(&told.name, &told.value);
    if let Some(query) = told.query {
        request = request.query(query);
    }
    match told.content {
        Content::None => {}
        Content::Body(body) => request = request.body(body),
        Content::Form(fields) => request = request.form(fields),
    }
    if let Some((user, password)) = told.user {
        request = request.auth(&user, &password);
    }
    if let Some(agent) = told.agent {
        request = request.user_agent(agent);
    }
    let fetched = yield_!(AsyncHttpClient::new().fetch(request));
    fetched.map(|_| ()).map_err(|error| error.to_string())
}

fn judge(request: &[u8], method: &Method, told: &Told) {
    let shown = || request.escape_ascii().to_string();
    let head = strict::head(request).unwrap_or_else(|why| panic!("{why}: {}", shown()));
    let head = head.expect("it was read to its end");
    assert_eq!(head.method, method.as_str());
    assert_eq!(head.host.as_deref(), Some("10.0.0.1"));
    assert!(head.target.starts_with('/'), "{}", shown());
    let named = |name: &str| {
        let named = head.fields.iter();
        named.filter(|(n, _)| n.eq_ignore_ascii_case(name)).count()
    };
    for one in ["host", "content-length", "user-agent", "authorization"] {
        assert!(named(one) <= 1, "{one} twice: {}", shown());
    }
    // Nothing that it was not told, and that is none of its own.
    for (name, value) in &head.fields {
        let is_own = OWN.contains(&&*name.to_ascii_lowercase());
        let is_told = name.eq_ignore_ascii_case(&told.name);
        assert!(is_own || is_told, "{name} was put in: {}", shown());
        if is_told && !is_own {
            assert_eq!(value, strict::trimmed(&told.value));
        }
    }
    if let Some(query) = &told.query {
        let sent = parse_query(head.query.as_deref().unwrap_or_default());
        if let Ok(sent) = sent {
            assert!(sent.ends_with(query), "{sent:?} has not {query:?}");
        }
    }
    let body = &request[head.len..];
    match (&told.content, &head.body) {
        (_, strict::Body::Chunked) => panic!("in chunks: {}", shown()),
        (Content::None, _) => assert_eq!(body, b""),
        (Content::Body(want), _) => assert_eq!(body, want),
        (Content::Form(fields), _) => match parse_form(body) {
            Ok(sent) => assert_eq!(&sent, fields),
            Err(error) => panic!("{error}: {}", shown()),
        },
    }
}
