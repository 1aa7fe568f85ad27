//! The answers of `answers.txt`: each whole, in two pieces at every tenth byte, and byte by byte.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use squall_web::Method;
use squall_web::client::{AsyncHttpClient, ClientConfig, Request};

use super::{read_head, text, write_all};
use crate::support::run_real;

struct Case {
    name: String,
    method: Method,
    closes: bool,
    answer: Vec<u8>,
    want: String,
}

fn cases() -> Vec<Case> {
    let lines = include_str!("answers.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(case).collect()
}

fn case(line: &str) -> Case {
    let columns: Vec<&str> = line.split('|').collect();
    let [name, method, then, answer, want] = columns[..] else {
        panic!("five columns: {line}");
    };
    Case {
        name: name.trim().to_owned(),
        method: method.trim().parse().unwrap(),
        closes: match then.trim() {
            "closes" => true,
            "stays" => false,
            other => panic!("closes or stays, not {other}"),
        },
        answer: bytes(
            answer
                .strip_prefix(' ')
                .unwrap()
                .strip_suffix(' ')
                .unwrap_or(""),
        ),
        want: want.trim().to_owned(),
    }
}

/// The bytes that a text with marks stands for.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut used = c.len_utf8();
        match c {
            '⏎' => out.extend(b"\r\n"),
            '␊' => out.push(b'\n'),
            '␍' => out.push(b'\r'),
            '␀' => out.push(0),
            '⟨' => {
                let inner = bracketed(rest);
                out.extend(special(inner));
                used = inner.len() + '⟨'.len_utf8() + '⟩'.len_utf8();
            }
            _ => out.extend(rest[..used].bytes()),
        }
        rest = &rest[used..];
    }
    out
}

/// What stands between the first bracket and its partner.
fn bracketed(text: &str) -> &str {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '⟨' => depth += 1,
            '⟩' if depth == 1 => return &text['⟨'.len_utf8()..at],
            '⟩' => depth -= 1,
            _ => {}
        }
    }
    panic!("a bracket is not closed: {text}");
}

fn special(inner: &str) -> Vec<u8> {
    if let Some(inner) = inner.strip_prefix("chunk ") {
        let data = special(inner);
        return [format!("{:x}\r\n", data.len()).as_bytes(), &data, b"\r\n"].concat();
    }
    if let Some(plain) = inner.strip_prefix("gz ") {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&bytes(plain)).unwrap();
        return encoder.finish().unwrap();
    }
    if let Some((text, times)) = inner.rsplit_once('*') {
        return bytes(text).repeat(times.parse().unwrap());
    }
    vec![u8::from_str_radix(inner, 16).unwrap()]
}

/// Serves one answer in these pieces; the socket stays open for as long as the client's does.
fn serve_once(pieces: Vec<Vec<u8>>, closes: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        read_head(&mut stream)?;
        for piece in pieces {
            write_all(&mut stream, &piece)?;
            if !piece.is_empty() {
                thread::yield_now();
            }
        }
        if !closes {
            wait_for_end(&mut stream);
        }
        Ok(())
    });
    url
}

fn wait_for_end(stream: &mut TcpStream) {
    let _ = std::io::copy(stream, &mut std::io::sink());
}

#[track_caller]
fn check(case: &Case, pieces: Vec<Vec<u8>>) {
    let count = pieces.len();
    let url = serve_once(pieces, case.closes);
    let request = Request::new(case.method.clone(), url)
        .raise_error(false)
        .timeout(Duration::from_secs(20));
    let client = AsyncHttpClient::with_config(ClientConfig {
        max_head_bytes: 1000,
        max_body_bytes: 100,
        ..ClientConfig::default()
    });
    let got = match run_real(|| client.fetch(request)) {
        Ok(response) => {
            let body = String::from_utf8_lossy(response.body()).into_owned();
            format!("{} {body}", response.status().as_u16())
                .trim_end()
                .to_owned()
        }
        Err(error) => format!("! {}", text(&error)),
    };
    let name = &case.name;
    match case.want.strip_prefix("! ") {
        Some(end) => assert!(
            got.starts_with("! ") && got.ends_with(end),
            "{name}, {count} pieces: {got}, not {end}"
        ),
        None => assert_eq!(got, case.want, "{name}, {count} pieces"),
    }
}

#[test]
fn answers_are_what_they_are_however_they_arrive() {
    let cases = cases();
    assert!(cases.len() > 60);
    for case in &cases {
        check(case, vec![case.answer.clone()]);
        check(case, case.answer.chunks(1).map(<[u8]>::to_vec).collect());
        for cut in (0..case.answer.len()).step_by(10) {
            let (head, tail) = case.answer.split_at(cut);
            check(case, vec![head.to_vec(), tail.to_vec()]);
        }
    }
}
