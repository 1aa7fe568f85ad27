//! Answers that take more than one question: cookies, files, forms, messages.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::thread;

use sha2::{Digest, Sha256};

use super::{Probe, big, hex, ms, sha256};

/// What a browser sends back of a `Set-Cookie`.
fn pair(set_cookie: &str) -> String {
    set_cookie.split(';').next().unwrap_or_default().to_owned()
}

fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn cookies_come_back_as_they_were_set() {
    let probe = Probe::patient();
    for value in [
        "plain",
        "",
        "a=b",
        "a b",
        "a;b",
        "a,b",
        "a\"b",
        "a\\b",
        "é",
        "\"quoted\"",
        "日本",
    ] {
        let set = probe.get(&format!("/cookie/set?name=n&value={}", encode(value)));
        assert_eq!((set.status, &*set.text()), (200, "ok"), "{value}");
        let cookie = pair(set.header("set-cookie").expect("a cookie"));
        let got = probe.get_with("/cookie/get", &format!("Cookie: {cookie}\r\n"));
        assert_eq!(got.json()["cookies"]["n"], value, "{cookie}");
    }
}

#[test]
fn signed_cookies_are_believed_as_they_were_given() {
    let probe = Probe::patient();
    let get = |name: &str, cookie: &str| {
        let answer = probe.get_with(
            &format!("/secure/get?name={name}"),
            &format!("Cookie: {cookie}\r\n"),
        );
        assert_eq!(answer.status, 200);
        answer.json()["value"].clone()
    };
    for value in ["v", "", "a;b|c", "é\u{1}", &"x".repeat(2000)] {
        let set = probe.get(&format!("/secure/set?name=n&value={}", encode(value)));
        let cookie = pair(set.header("set-cookie").expect("a cookie"));
        assert_eq!(get("n", &cookie), value);
        let (_, signed) = cookie.split_once('=').expect("a value");
        assert!(get("m", &format!("m={signed}")).is_null(), "it is n's");
        for at in (0..signed.len()).step_by(1 + signed.len() / 40) {
            let mut changed = signed.as_bytes().to_vec();
            changed[at] = if changed[at] == b'7' { b'8' } else { b'7' };
            let changed = String::from_utf8(changed).expect("text");
            assert!(get("n", &format!("n={changed}")).is_null(), "{changed}");
        }
        assert!(get("n", &format!("n={}", &signed[..signed.len() - 1])).is_null());
    }
}

#[test]
fn tokens_differ_and_all_are_believed() {
    let probe = Probe::patient();
    let first = probe.get("/xsrf");
    let cookie = pair(first.header("set-cookie").expect("a cookie"));
    let cookie = format!("Cookie: {cookie}\r\n");
    let mut tokens = BTreeSet::from([first.json()["token"].as_str().expect("text").to_owned()]);
    for _ in 0..9 {
        let again = probe.get_with("/xsrf", &cookie);
        tokens.insert(again.json()["token"].as_str().expect("text").to_owned());
    }
    assert_eq!(tokens.len(), 10, "each is masked anew");
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    for token in &tokens {
        let header = format!("{cookie}X-XSRFToken: {token}\r\n");
        assert_eq!(probe.post("/xsrf", &header, "").status, 200);
        let body = format!("_xsrf={}", encode(token));
        assert_eq!(
            probe
                .post("/xsrf", &format!("{cookie}{form}"), &body)
                .status,
            200
        );
        assert_eq!(
            probe.post("/xsrf", form, &body).status,
            403,
            "without the cookie"
        );
        let header = format!("X-XSRFToken: {token}\r\n");
        assert_eq!(
            probe.post("/xsrf", &header, "").status,
            403,
            "without the cookie"
        );
    }
    // Somebody else's.
    let other = probe.get("/xsrf").json()["token"]
        .as_str()
        .expect("text")
        .to_owned();
    let header = format!("{cookie}X-XSRFToken: {other}\r\n");
    assert_eq!(probe.post("/xsrf", &header, "").status, 403);
}

#[test]
fn compressed_text_is_the_text() {
    let probe = Probe::patient();
    let plain = probe.get("/gzip");
    let text = "The quick brown fox jumps over the lazy dog.\n".repeat(1500);
    assert!(plain.text() == text);
    let packed = probe.get_with("/gzip", "Accept-Encoding: gzip\r\n");
    let mut unpacked = String::new();
    let mut decoder = flate2::read::GzDecoder::new(&packed.body[..]);
    decoder.read_to_string(&mut unpacked).expect("it is gzip");
    assert!(unpacked == text && packed.body.len() < 5000);
    let head = "HEAD /gzip HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n";
    assert_eq!(
        probe.ask(head).header("content-length"),
        packed.header("content-length")
    );
}

#[test]
fn large_file_comes_whole_and_in_parts() {
    let probe = Probe::patient();
    let big = big();
    let whole = probe.get("/static/big.bin");
    assert!(whole.body == big);
    let etag = whole.header("etag").expect("a tag").to_owned();
    for (from, to) in [
        (0, 0),
        (100, 65_700),
        (8_000_000, 8_388_607),
        (65_536, 200_000),
    ] {
        let range = format!("Range: bytes={from}-{to}\r\nIf-Range: {etag}\r\n");
        let part = probe.get_with("/static/big.bin", &range);
        assert_eq!(part.status, 206);
        let want = format!("bytes {from}-{to}/8388608");
        assert_eq!(part.header("content-range"), Some(&*want));
        assert!(part.body == big[from..=to], "{from} to {to}");
    }
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let probe = Probe::patient();
    for file in ["hello.txt", "big.bin", "sub/", "empty.txt"] {
        let target = format!("/static/{file}");
        let first = probe.get(&target);
        let etag = first.header("etag").expect("a tag").to_owned();
        let date = first.header("last-modified").expect("a date").to_owned();
        for condition in [
            format!("If-None-Match: {etag}\r\n"),
            format!("If-None-Match: W/{etag}\r\n"),
            format!("If-None-Match: \"x\", {etag}\r\n"),
            format!("If-None-Match: \"x\"\r\nIf-None-Match: {etag}\r\n"),
            format!("If-Modified-Since: {date}\r\n"),
            format!(
                "If-None-Match: {etag}\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            ),
            format!("If-None-Match: {etag}\r\nRange: bytes=0-0\r\n"),
        ] {
            let again = probe.get_with(&target, &condition);
            assert_eq!(again.status, 304, "{file}: {condition}");
            assert_eq!(again.header("etag"), Some(&*etag));
            assert_eq!(again.header("content-length"), None);
        }
    }
}

#[test]
fn changed_file_is_another() {
    let probe = Probe::patient();
    let path = probe.folder.join("static/changing.txt");
    assert_eq!(probe.get("/static/changing.txt").status, 404);
    let mut tags = BTreeSet::new();
    // As fast as the system's clock may not see, and all of one length.
    for n in 0..20 {
        fs::write(&path, format!("version {n:02}")).expect("a file");
        let answer = probe.get("/static/changing.txt");
        assert_eq!(answer.text(), format!("version {n:02}"));
        tags.insert(answer.header("etag").expect("a tag").to_owned());
    }
    assert_eq!(tags.len(), 20);
    fs::remove_file(&path).expect("it is there");
    assert_eq!(probe.get("/static/changing.txt").status, 404);
    fs::create_dir(&path).expect("a directory");
    assert_eq!(probe.get("/static/changing.txt").status, 301);
}

#[test]
fn file_that_shrinks_while_it_is_sent_is_cut() {
    let probe = Probe::patient();
    let path = probe.folder.join("static/shrinking.bin");
    // More than the sockets between hold.
    let long = vec![b'x'; 64 * 1024 * 1024];
    fs::write(&path, &long).expect("a file");
    let mut wire = probe.connect();
    wire.send("GET /static/shrinking.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    while wire.read.len() < 1000 {
        assert!(wire.more());
    }
    fs::write(&path, "short").expect("a file");
    assert!(
        wire.answer(false).is_none(),
        "an answer that is not whole is cut"
    );
    probe.lives();
}

#[test]
fn files_are_read_under_writes_and_never_mixed() {
    let probe = Probe::patient();
    let path = probe.folder.join("static/mixed.txt");
    fs::write(&path, "a".repeat(30_000)).expect("a file");
    let writer = {
        let path = path.clone();
        thread::spawn(move || {
            for n in 0..300_u32 {
                let letter = char::from(b'a' + (n % 26) as u8).to_string();
                // By a rename, as programs do that care.
                let fresh = path.with_extension("new");
                let len = 10_000 + (n as usize % 7) * 4000;
                fs::write(&fresh, letter.repeat(len)).expect("a file");
                fs::rename(&fresh, &path).expect("a file");
            }
        })
    };
    while !writer.is_finished() {
        let answer = probe.get("/static/mixed.txt");
        assert_eq!(answer.status, 200);
        let first = answer.body[0];
        assert!(answer.body.iter().all(|byte| *byte == first));
    }
    writer.join().expect("it writes");
}

#[test]
fn form_with_a_thousand_parts_is_the_most() {
    let probe = Probe::patient();
    let part = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n";
    let kind = "Content-Type: multipart/form-data; boundary=x\r\n";
    let form = format!("{}--x--\r\n", part.repeat(1000));
    let answer = probe.post("/form", kind, &form);
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json()["args"]["a"].as_array().map(Vec::len),
        Some(1000)
    );
    let form = format!("{}--x--\r\n", part.repeat(1001));
    assert!(matches!(probe.post("/form", kind, &form).status, 400 | 413));
}

#[test]
fn file_of_a_form_is_taken_byte_by_byte() {
    let probe = Probe::patient();
    let content: Vec<u8> = (0..900_000_u32)
        .map(|i| (i.wrapping_mul(i) >> 3) as u8)
        .collect();
    let mut form =
        b"--B\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\n\r\n--B-\r\n".to_vec();
    form.extend(
        b"\r\n--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"\xc3\xa9.bin\"\r\n",
    );
    form.extend(b"Content-Type: application/x\r\n\r\n");
    form.extend(&content);
    form.extend(b"\r\n--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"\"\r\n\r\n\r\n--B--\r\n");
    let answer = probe.post(
        "/form",
        "Content-Type: multipart/form-data; boundary=B\r\n",
        form,
    );
    let want = serde_json::json!({
        "args": {"t": ["\r\n--B-\r\n"]},
        "files": {"f": [
            {"filename": "é.bin", "content_type": "application/x", "size": 900_000, "sha256": sha256(&content)},
            {"filename": "", "content_type": "text/plain", "size": 0, "sha256": sha256(b"")},
        ]},
    });
    assert_eq!(answer.json(), want);
}

#[test]
fn messages_reach_those_who_wait() {
    let probe = Probe::patient();
    let nobody = probe.post("/poll/publish?topic=t", "", "lost");
    assert_eq!(nobody.json()["delivered"], 0);
    let mut waiters: Vec<_> = (0..3).map(|_| probe.connect()).collect();
    for waiter in &mut waiters {
        waiter.send("GET /poll/wait?topic=t&timeout=60000 HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let mut other = probe.connect();
    other.send("GET /poll/wait?topic=u&timeout=300 HTTP/1.1\r\nHost: a\r\n\r\n");
    thread::sleep(ms(150));
    let published = probe.post("/poll/publish?topic=t", "", "héllo");
    assert_eq!(published.json()["delivered"], 3);
    for waiter in &mut waiters {
        let answer = waiter.answer(false).expect("an answer");
        assert_eq!(answer.json(), serde_json::json!({"messages": ["héllo"]}));
        waiter.is_kept();
    }
    let timed_out = other.answer(false).expect("an answer");
    assert_eq!(timed_out.json(), serde_json::json!({"messages": []}));
    assert_eq!(
        probe.post("/poll/publish?topic=t", "", "late").json()["delivered"],
        0
    );
}

#[test]
fn those_who_have_gone_do_not_wait() {
    let probe = Probe::patient();
    let waiters: Vec<_> = (0..5)
        .map(|_| {
            let mut waiter = probe.connect();
            waiter.send("GET /poll/wait?topic=t&timeout=60000 HTTP/1.1\r\nHost: a\r\n\r\n");
            waiter
        })
        .collect();
    let mut stays = probe.connect();
    stays.send("GET /poll/wait?topic=t&timeout=60000 HTTP/1.1\r\nHost: a\r\n\r\n");
    thread::sleep(ms(150));
    drop(waiters);
    thread::sleep(ms(150));
    let published = probe.post("/poll/publish?topic=t", "", "x");
    assert_eq!(published.json()["delivered"], 1);
    assert_eq!(stays.answer(false).expect("an answer").status, 200);
}

#[test]
fn upload_of_many_megabytes_takes_no_more_memory() {
    let probe = Probe::patient();
    probe.post("/upload", "", vec![b'x'; 1024 * 1024]);
    let before = probe.memory();
    let mut wire = probe.connect();
    let (piece, count) = (vec![b'x'; 1024 * 1024], 100);
    wire.send("POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut sum = Sha256::new();
    for _ in 0..count {
        wire.send("100000\r\n");
        wire.send(&piece);
        wire.send("\r\n");
        sum.update(&piece);
    }
    wire.send("0\r\n\r\n");
    let answer = wire.answer(false).expect("an answer").json();
    assert_eq!(answer["bytes"], count * 1024 * 1024);
    assert_eq!(answer["sha256"], hex(&sum.finalize()));
    let grown = probe.memory().saturating_sub(before);
    assert!(grown < 8 * 1024, "grown by {grown} KiB");
}
