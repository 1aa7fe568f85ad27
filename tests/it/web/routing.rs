//! Routes: types and names of arguments, names of routes, hosts, applications in applications,
//! redirects, defaults, and what they all share.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use squall::yield_;
use squall_web::{
    Application, BodyPlan, CookieSecret, Exchange, HttpServer, RequestHandler, Result, StaticFiles,
    StatusCode, Xsrf, request_handler,
};

use crate::support::Trace;

use super::{ask, body, get, header, hello, status};

pub(super) fn serve(app: Application) -> SocketAddr {
    let listening = HttpServer::new(app).listen("127.0.0.1:0");
    listening.expect("a free port").local_addr()
}

fn says(name: &'static str) -> impl Fn(&mut Exchange) + 'static {
    move |ex| ex.write(name)
}

fn ask_for(host: &str, target: &str, more: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n")
}

pub(super) fn send(method: &str, target: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

fn id(ex: &mut Exchange) -> Result<()> {
    let id: i64 = ex.path_argument("id")?;
    ex.write(format!("number {id}"));
    Ok(())
}

fn word(ex: &mut Exchange) -> Result<()> {
    let word: String = ex.path_argument("word")?;
    ex.write(format!("word {word}"));
    Ok(())
}

#[squall::test]
fn a_typed_argument_leaves_what_does_not_parse_to_the_next_route() {
    let app = Application::new()
        .get("/x/{id:i64}", id)
        .get("/x/{word}", word);
    let address = serve(app);
    for (target, want) in [
        ("/x/7", "number 7"),
        ("/x/-7", "number -7"),
        ("/x/%2D7", "number -7"),
        ("/x/seven", "word seven"),
        ("/x/99999999999999999999", "word 99999999999999999999"),
    ] {
        assert_eq!(body(&yield_!(ask(address, get(target)))), want);
    }
    assert_eq!(status(&yield_!(ask(address, get("/x/")))), "404");
}

// X21, X5
#[squall::test]
fn arguments_of_paths_are_decoded_and_a_double_slash_is_a_path() {
    fn both(ex: &mut Exchange) -> Result<()> {
        let word: String = ex.path_argument("word")?;
        let all = ex.all_arguments()?;
        let all: Vec<String> = all.iter().map(|(n, v)| format!("{n}={v}")).collect();
        ex.write(format!("{word} {}", all.join("&")));
        Ok(())
    }
    let app = Application::new()
        .get("/group/{word}", both)
        .get("//doubleslash", says("two slashes"));
    let address = serve(app);
    for (target, want) in [
        ("/group/%3F?%3F=%3F", "? ?=?"),
        ("/group/a%2Fb", "a/b "),
        ("/group/a+b", "a+b "),
        ("/group/%C3%A9", "é "),
        ("//doubleslash", "two slashes"),
    ] {
        assert_eq!(body(&yield_!(ask(address, get(target)))), want, "{target}");
    }
    assert_eq!(status(&yield_!(ask(address, get("/group/%FF")))), "400");
}

#[squall::test]
fn named_routes_give_their_urls_and_say_what_is_wrong_with_arguments() {
    let told = Trace::new();
    let log = told.clone();
    let app = Application::new()
        .get("/", move |ex: &mut Exchange| {
            log.add(ex.reverse_url("user", &[&"a/b", &7]).unwrap());
            let by_name = ex.reverse_url_with("user", &[("page", &7), ("name", &"é")]);
            log.add(by_name.unwrap());
            log.add(ex.reverse_url("files", &[&"a/b c"]).unwrap());
            for wrong in [
                ex.reverse_url("nobody", &[]),
                ex.reverse_url("user", &[&1]),
                ex.reverse_url("user", &[&"", &1]),
                ex.reverse_url("user", &[&"a", &"b"]),
                ex.reverse_url_with("user", &[("name", &1)]),
                ex.reverse_url_with("user", &[("name", &1), ("page", &1), ("pag", &1)]),
                ex.reverse_url_with("user", &[("name", &1), ("page", &1), ("page", &1)]),
            ] {
                let error = wrong.unwrap_err();
                assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
                log.add(error.message());
            }
        })
        .get("/u/{name}/{page:u32}", hello)
        .name("/u/{name}/{page:u32}", "user")
        .get("/f/{path...}", hello)
        .name("/f/{path...}", "files");
    let url = app.reverse_url("user", &[&"x", &1]).unwrap();
    assert_eq!(url, "/u/x/1");
    let address = serve(app);
    assert_eq!(status(&yield_!(ask(address, get("/")))), "200");
    let user = "no URL for \"user\" (/u/{name}/{page:u32})";
    assert_eq!(
        told.take(),
        [
            "/u/a%2Fb/7".to_owned(),
            "/u/%C3%A9/7".to_owned(),
            "/f/a/b%20c".to_owned(),
            "no route has the name \"nobody\": give it one with `Application::name`".to_owned(),
            format!("{user}: it wants 2 arguments (name, page), 1 are given"),
            format!("{user}: \"name\" is empty"),
            format!("{user}: \"page\" is no u32: \"b\""),
            format!("{user}: the argument \"page\" is missing"),
            format!("{user}: it has no argument \"pag\" (name, page)"),
            format!("{user}: the argument \"page\" is given twice"),
        ]
    );
    let answer = yield_!(ask(address, get("/u/a%2Fb/7")));
    assert_eq!(body(&answer), "hello");
}

// X35. tornado: HostMatchingTest, DefaultHostMatchingTest
#[squall::test]
fn hosts_come_first_in_their_order_and_fall_through() {
    let app = Application::new()
        .get("/", says("anybody"))
        .get("/own", says("anybody's own"))
        .host("www.example.com", Application::new().get("/", says("www")))
        .host(
            "*.example.com",
            Application::new()
                .get("/", says("family"))
                .get("/in", says("in")),
        )
        .host(
            "www.example.com",
            Application::new().get("/two", says("www two")),
        )
        .default_host("www.example.com");
    let address = serve(app);
    for (host, target, want) in [
        ("www.example.com", "/", "www"),
        ("WWW.Example.com:8080", "/", "www"),
        ("a.b.example.com", "/", "family"),
        ("www.example.com", "/in", "in"),
        ("www.example.com", "/two", "www two"),
        ("www.example.com", "/own", "anybody's own"),
        ("example.com", "/", "anybody"),
        ("other", "/", "anybody"),
        // The default host's, after what there is for anybody.
        ("other", "/two", "www two"),
        ("other", "/in", "in"),
    ] {
        let answer = yield_!(ask(address, ask_for(host, target, "")));
        assert_eq!(body(&answer), want, "{host}{target}");
    }
    // Not behind a proxy.
    let behind = "X-Real-Ip: 192.0.2.1\r\n";
    let answer = yield_!(ask(address, ask_for("other", "/two", behind)));
    assert_eq!(status(&answer), "404");
    let answer = yield_!(ask(address, ask_for("www.example.com", "/two", behind)));
    assert_eq!(body(&answer), "www two");
    // HTTP/1.0 needs no host.
    let answer = yield_!(ask(address, "GET /two HTTP/1.0\r\n\r\n"));
    assert_eq!(body(&answer), "www two");
}

#[squall::test]
fn nested_applications_are_routes_under_a_prefix_that_fall_through() {
    let posts = Application::new()
        .get("/{word}", word)
        .get("/", says("all posts"))
        .name("/{word}", "post");
    let api = Application::new()
        .get("/users/{id:i64}", id)
        .nest("/users/{id}/posts", posts)
        .get("/late", says("inner"));
    let app = Application::new()
        .get("/early", says("before"))
        .nest("/api", api)
        .get("/api/late", says("outer"))
        .get("/api/rest/{word}", word)
        .nest("/", Application::new().get("/flat", says("flat")));
    let url = app.reverse_url("post", &[&3, &"x y"]).unwrap();
    assert_eq!(url, "/api/users/3/posts/x%20y");
    let address = serve(app);
    for (target, want) in [
        ("/early", "before"),
        ("/api/users/7", "number 7"),
        ("/api/users/7/posts/", "all posts"),
        (&*url, "word x y"),
        // The first of both, and what the inner one does not have.
        ("/api/late", "inner"),
        ("/api/rest/x", "word x"),
        ("/flat", "flat"),
    ] {
        assert_eq!(body(&yield_!(ask(address, get(target)))), want, "{target}");
    }
    for target in ["/api", "/api/", "/api/users/x", "/users/7"] {
        assert_eq!(
            status(&yield_!(ask(address, get(target)))),
            "404",
            "{target}"
        );
    }
}

#[squall::test]
fn files_of_a_nested_application_are_found_under_its_prefix() {
    let dir = std::env::temp_dir().join(format!("squall-nested-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("sub")).unwrap();
    std::fs::write(dir.join("sub/a b.txt"), "found").unwrap();
    std::fs::write(dir.join("i.txt"), "top").unwrap();
    let with_files = || Application::new().files("/static/", StaticFiles::new(&dir));
    let app = with_files()
        .nest("/in/{who}", with_files())
        .host("h", with_files());
    let address = serve(app);
    for (host, target, want) in [
        ("a", "/static/sub/a%20b.txt", "found"),
        ("a", "/in/me/static/sub/a%20b.txt", "found"),
        ("a", "/in/me%2Fyou/static/i.txt", "top"),
        ("h", "/static/i.txt", "top"),
    ] {
        let answer = yield_!(ask(address, ask_for(host, target, "")));
        assert_eq!(body(&answer), want, "{host}{target}");
    }
    for target in [
        "/in/me/static/..%2Fi.txt",
        "/in/static/i.txt",
        "/in/me/static/none",
    ] {
        assert_ne!(
            status(&yield_!(ask(address, get(target)))),
            "200",
            "{target}"
        );
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[squall::test]
fn hosts_of_a_nested_application_are_under_its_prefix() {
    let inner = Application::new()
        .get("/", says("inner"))
        .host("a.example", Application::new().get("/", says("inner a")));
    let outer = Application::new()
        .get("/", says("outer"))
        .nest("/in", inner)
        .host(
            "*.example",
            Application::new().host("b.example", Application::new().get("/", says("outer b"))),
        );
    let address = serve(outer);
    for (host, target, want) in [
        ("a.example", "/in/", "inner a"),
        ("c", "/in/", "inner"),
        ("a.example", "/", "outer"),
        ("b.example", "/", "outer b"),
        ("b.example", "/in/", "inner"),
    ] {
        let answer = yield_!(ask(address, ask_for(host, target, "")));
        assert_eq!(body(&answer), want, "{host}{target}");
    }
}

#[squall::test]
fn settings_are_those_of_the_application_that_answers_or_else_of_the_one_around_it() {
    fn signed(ex: &mut Exchange) -> Result<()> {
        let is_same = ex.signed_cookie("c")?.is_some();
        ex.set_signed_cookie(("c", "x"))?;
        ex.write(format!("{is_same}"));
        Ok(())
    }
    let with_own = Application::new()
        .get("/sign", signed)
        .post("/", says("posted"))
        .cookie_secret(CookieSecret::new("inner"))
        .default_header("x-both", "inner");
    let with_none = Application::new()
        .get("/sign", signed)
        .post("/", says("posted"));
    let app = Application::new()
        .nest(
            "/own",
            with_own.nest("/deep", Application::new().get("/sign", signed)),
        )
        .nest("/none", with_none)
        .get("/sign", signed)
        .post("/free", says("posted"))
        .xsrf_exempt("/free")
        // Said after the others were put in: it holds for them all the same.
        .cookie_secret(CookieSecret::new("outer"))
        .default_header("x-both", "outer")
        .default_header("x-outer", "yes")
        .xsrf_cookies(Xsrf::new());
    let address = serve(app);
    let cookie_of = |answer: &str| {
        let cookie = header(answer, "set-cookie").unwrap().to_owned();
        format!("Cookie: {}\r\n", cookie.split(';').next().unwrap())
    };
    let outer = yield_!(ask(address, get("/sign")));
    let inner = yield_!(ask(address, get("/own/sign")));
    let (outer_cookie, inner_cookie) = (cookie_of(&outer), cookie_of(&inner));
    for (target, cookie, want) in [
        ("/sign", &outer_cookie, "true"),
        ("/none/sign", &outer_cookie, "true"),
        ("/own/sign", &outer_cookie, "false"),
        ("/own/sign", &inner_cookie, "true"),
        ("/own/deep/sign", &inner_cookie, "true"),
        ("/none/sign", &inner_cookie, "false"),
    ] {
        let answer = yield_!(ask(address, ask_for("a", target, cookie)));
        assert_eq!(body(&answer), want, "{target} {cookie}");
    }
    let headers =
        |answer: &str| ["x-both", "x-outer"].map(|name| header(answer, name).map(str::to_owned));
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(headers(&outer), [named("outer"), named("yes")]);
    assert_eq!(headers(&inner), [named("inner"), named("yes")]);
    // Answers without a route, and errors, have them too.
    let lost = yield_!(ask(address, get("/lost")));
    assert_eq!(
        (status(&lost), headers(&lost)),
        ("404", [named("outer"), named("yes")])
    );
    for (target, want) in [("/own/", "403"), ("/none/", "403"), ("/free", "200")] {
        let answer = yield_!(ask(address, send("POST", target, "", "")));
        assert_eq!(status(&answer), want, "{target}");
    }
}

// X38. tornado: ErrorHandlerXSRFTest
#[squall::test]
fn what_has_no_route_is_404_before_it_is_forbidden() {
    let app = Application::new().xsrf_cookies(Xsrf::new()).get("/", hello);
    let address = serve(app);
    assert_eq!(
        status(&yield_!(ask(address, send("POST", "/lost", "", "")))),
        "404"
    );
    assert_eq!(
        status(&yield_!(ask(address, send("POST", "/", "", "")))),
        "405"
    );
}

struct Lost;

#[request_handler]
impl RequestHandler for Lost {
    fn get(&mut self, ex: &mut Exchange) {
        let path = ex.request().path().to_owned();
        ex.write(format!("no {path} in here"));
    }
}

#[squall::test]
fn a_default_answers_what_has_no_route() {
    fn lost(ex: &mut Exchange) -> Result<()> {
        let method = ex.request().method().to_string();
        let body = ex.request().body().len();
        if ex.argument_opt("fine")?.is_some() {
            ex.set_status(StatusCode::OK);
        }
        ex.write(format!("{method} finds nothing, with {body}"));
        Ok(())
    }
    let api = Application::new()
        .get("/", says("api"))
        .default_handler(|| Lost);
    let app = Application::new()
        .default_function(lost)
        .nest("/api", api)
        .host("h", Application::new().get("/", says("h")))
        .get("/api/never", says("never"))
        .get("/", says("root"));
    let address = serve(app);
    for (wire, code, want) in [
        (get("/"), "200", "root"),
        (get("/lost"), "404", "GET finds nothing, with 0"),
        (get("/lost?fine=1"), "200", "GET finds nothing, with 0"),
        (
            send("POST", "/lost", "", "four"),
            "404",
            "POST finds nothing, with 4",
        ),
        (get("/api/"), "200", "api"),
        (get("/api/lost"), "404", "no /api/lost in here"),
        (get("/api/never"), "404", "no /api/never in here"),
        (
            ask_for("h", "/lost", ""),
            "404",
            "GET finds nothing, with 0",
        ),
    ] {
        let answer = yield_!(ask(address, wire.clone()));
        assert_eq!((status(&answer), body(&answer)), (code, want), "{wire}");
    }
    for (wire, code) in [
        (
            "BREW /lost HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "404",
        ),
        (
            "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "204",
        ),
        (
            "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nConnection: close\r\n\r\n",
            "501",
        ),
    ] {
        assert_eq!(status(&yield_!(ask(address, wire))), code, "{wire}");
    }
    let wire = send("POST", "/api/lost", "", "");
    assert_eq!(status(&yield_!(ask(address, wire))), "405");
}

// X50. tornado: RedirectHandlerTest
#[squall::test]
fn redirects_take_arguments_and_query_along_and_nobody_elsewhere() {
    let app = Application::new()
        .redirect("/old/{id}", "/new/{id}")
        .redirect("/fixed", "/new?x=1#part")
        .redirect("/swap/{a}/{b}", "/{b}/{a}")
        .redirect_with(
            StatusCode::TEMPORARY_REDIRECT,
            "/now",
            "https://example.com",
        )
        .redirect("/all/{rest...}", "/{rest...}")
        .redirect("/away/{rest...}", "https://example.com/{rest...}");
    let address = serve(app);
    for (target, code, want) in [
        ("/old/7", "301", Some("/new/7")),
        ("/old/7?a=b&c", "301", Some("/new/7?a=b&c")),
        ("/fixed?y=2", "301", Some("/new?x=1&y=2#part")),
        ("/fixed", "301", Some("/new?x=1#part")),
        ("/swap/1/2", "301", Some("/2/1")),
        ("/now", "307", Some("https://example.com/")),
        ("/old/%C3%A9%20%3F", "301", Some("/new/%C3%A9%20%3F")),
        ("/all/a/b", "301", Some("/a/b")),
        ("/away/a/b?q", "301", Some("https://example.com/a/b?q")),
        ("/away//a", "400", None),
        // Whoever asks does not say where to.
        ("/all//evil.example", "400", None),
        ("/all/%2Fevil.example", "400", None),
        ("/all/%5Cevil.example", "301", Some("/%5Cevil.example")),
        ("/all/%09/evil.example", "400", None),
        ("/all/%0A/evil.example", "400", None),
        ("/all/%00", "400", None),
        ("/old/..", "400", None),
    ] {
        let answer = yield_!(ask(address, get(target)));
        assert_eq!(
            (status(&answer), header(&answer, "location")),
            (code, want),
            "{target}"
        );
    }
    let answer = yield_!(ask(address, send("POST", "/fixed", "", "")));
    assert_eq!(status(&answer), "405");
}

#[squall::test]
fn a_function_can_answer_every_method() {
    let method = |ex: &mut Exchange| ex.write(ex.request().method().to_string());
    let app = Application::new().any("/any", method);
    let address = serve(app);
    for verb in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        assert_eq!(
            body(&yield_!(ask(address, send(verb, "/any", "", "")))),
            verb
        );
    }
    let answer = yield_!(ask(address, send("BREW", "/any", "", "")));
    assert_eq!(status(&answer), "405");
}

// What handlers share needs no lock and is no `Send`; it is the loop's own.
#[squall::test]
fn state_is_shared_without_locks() {
    struct Count(Rc<RefCell<Vec<String>>>);

    #[request_handler]
    impl RequestHandler for Count {
        #[coroutine]
        fn post(&mut self, ex: &mut Exchange) -> Result<()> {
            yield_!(squall::sleep(Duration::from_millis(1)));
            let name = ex.argument("name")?;
            self.0.borrow_mut().push(name);
            Ok(())
        }
    }

    let names = Rc::new(RefCell::new(Vec::new()));
    let (seen, shown) = (names.clone(), names.clone());
    let app = Application::new()
        .route("/add", move || Count(seen.clone()))
        .get("/all", move |ex: &mut Exchange| {
            ex.write(shown.borrow().join(","))
        });
    let address = serve(app);
    let adds =
        ["a", "b"].map(|name| ask(address, send("POST", &format!("/add?name={name}"), "", "")));
    yield_!(adds);
    let mut all: Vec<String> = names.borrow().clone();
    all.sort();
    assert_eq!(all, ["a", "b"]);
    assert_eq!(body(&yield_!(ask(address, get("/all")))).len(), 3);
}

#[test]
fn each_thread_makes_an_application_of_its_own_once() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let io_loop = squall::IoLoop::new().unwrap();
    io_loop.make_current();
    let factory = move || {
        count.fetch_add(1, Ordering::SeqCst);
        let visits = Rc::new(RefCell::new(0));
        HttpServer::new(Application::new().get("/", move |ex: &mut Exchange| {
            *visits.borrow_mut() += 1;
            ex.write(visits.borrow().to_string());
        }))
    };
    let threads = HttpServer::start("127.0.0.1:0", 2, factory).unwrap();
    let address = threads.local_addr();
    let visits: usize = io_loop.run_sync(|| async move {
        let mut visits = 0;
        for _ in 0..10 {
            let answer = ask(address, get("/")).await;
            visits += usize::from(body(&answer).parse::<u32>().is_ok());
        }
        visits
    });
    io_loop
        .run_sync(|| threads.drain(Duration::from_secs(5)))
        .unwrap();
    io_loop.close();
    squall::IoLoop::clear_current();
    assert_eq!((visits, made.load(Ordering::SeqCst)), (10, 2));
}

#[squall::test]
fn a_function_is_told_of_each_request_in_place_of_the_log() {
    let trace = Trace::new();
    let (outer, inner) = (trace.clone(), trace.clone());
    let line = |ex: &Exchange| format!("{} {}", ex.status().as_u16(), ex.request().target());
    let app = Application::new()
        .get("/", hello)
        .nest(
            "/in",
            Application::new()
                .get("/", hello)
                .log_request(move |ex| inner.add(format!("inner {}", line(ex)))),
        )
        .nest("/as-outer", Application::new().get("/", hello))
        .log_request(move |ex| outer.add(line(ex)));
    let address = serve(app);
    let ((), log) = crate::support::capture_logs(|| ());
    assert!(log.is_empty());
    for wire in [
        get("/"),
        get("/in/"),
        get("/as-outer/"),
        get("/lost"),
        "x\r\n\r\n".into(),
    ] {
        yield_!(ask(address, wire));
    }
    let want = [
        "200 /",
        "inner 200 /in/",
        "200 /as-outer/",
        "404 /lost",
        "400 ",
    ];
    assert_eq!(trace.take(), want);
}

#[track_caller]
fn panics(make: impl FnOnce() -> Application, want: &str) {
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(make));
    let message = made.expect_err("it is a mistake");
    let text = message.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| message.downcast_ref::<&str>().copied());
    let text = text.expect("a message");
    assert!(text.contains(want), "{text}");
}

#[test]
fn bad_routes_are_found_when_the_program_starts() {
    let new = Application::new;
    panics(|| new().get("/{id:float}", hello), "write one of u8");
    panics(|| new().name("/a", "a"), "no route has the pattern");
    panics(
        || {
            new()
                .get("/a", hello)
                .get("/b", hello)
                .name("/a", "x")
                .name("/b", "x")
        },
        "is that of \"/a\" already",
    );
    panics(|| new().host("a:80", new()), "leave out its port");
    panics(|| new().nest("api", new()), "slash in front");
    panics(|| new().nest("/{x...}", new()), "leaves nothing to match");
    panics(
        || new().nest("/{x}", new().get("/{x}", hello)),
        "a name of its own",
    );
    panics(
        || new().nest("/a", new().default_host("b")),
        "set it for the outermost",
    );
    panics(
        || new().default_function(hello).default_function(hello),
        "a default already",
    );
    panics(
        || new().redirect("/a", "/{b}"),
        "which the redirected pattern has not",
    );
    panics(
        || new().redirect_with(StatusCode::OK, "/a", "/b"),
        "does not redirect",
    );
    panics(|| new().default_header("a b", "x"), "malformed");
    panics(
        || new().default_header("content-length", "1"),
        "the server's own",
    );
    panics(
        || new().body("/a", BodyPlan::whole()),
        "no route has the pattern",
    );
}
