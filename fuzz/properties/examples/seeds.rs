//! Writes the seeds of the corpus: the cases of the integration tests, and what they do not have.
//!
//! ```sh
//! cargo run -p squall-properties --example seeds && tests/fuzz.sh minimise
//! ```

use std::fs;
use std::path::Path;

const HTTP_CASES: &str = include_str!("../../../tests/data/http_cases.txt");
const ANSWERS: &str = include_str!("../../../tests/it/client/answers.txt");

/// Texts for what stands in targets and forms.
const TEXTS: [&str; 24] = [
    "/",
    "/u/7",
    "/u/me",
    "/u/7/p/8?a=b&c",
    "/a/b/",
    "/s/a//b/%2F?x=%41",
    "/x%FF/y/",
    "//a/",
    "http://h.example:80/u/1?q",
    "HTTPS://[::1]?x",
    "a=b&c=d",
    "q=a+b%2Bc&q=%C3%A9",
    "a=%zz&b=%4&%",
    "=&&a==",
    "h.example:8080",
    "[::1]:80",
    "[::ffff:1.2.3.4]",
    "u@h",
    "a,b",
    "a:b",
    "a:123456",
    "127.0.0.1:",
    "h%41_~!",
    "/u/%C3/p/%ED%A0%80",
];

/// Redirects, cookies, and a body in gzip.
const MORE_ANSWERS: [&[u8]; 6] = [
    b"HTTP/1.1 302 Found\r\nLocation: /b?c=d\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 307 Temporary Redirect\r\nLocation: //10.0.0.1/%zz\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 303 See Other\r\nLocation: http://10.0.0.1:80/\xc3\xa9 a#b\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 301 Moved\r\nSet-Cookie: a=b; Path=/; Max-Age=9\r\nSet-Cookie: c=\"d\"; Expires=Wed, 09 Jun 2121 10:18:14 GMT; Domain=10.0.0.1; Secure\r\nLocation: c\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 22\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\xcf\x06\0\x47\xdd\xdc\x79\x02\0\0\0",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n\xcb\xcf\x06\0\r\n0\r\n\r\n",
];

fn main() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let mut seeds: Vec<(&str, Vec<u8>)> = Vec::new();
    for line in HTTP_CASES.lines() {
        if let Some(sent) = line.strip_prefix("> ") {
            request(&mut seeds, &unescape(sent));
        }
    }
    // Those with repetitions and compressed bodies are left out.
    for line in ANSWERS.lines().filter(|line| !line.contains(['#', '⟨'])) {
        let columns: Vec<&str> = line.split('|').collect();
        if let [_, method, _, answer, _] = columns[..] {
            let head = method.trim() == "HEAD";
            let answer = answer.trim().replace('⏎', "\r\n").replace('␊', "\n");
            let answer = answer.replace('␍', "\r").replace('␀', "\0").into_bytes();
            fetch(&mut seeds, u8::from(head), &answer);
        }
    }
    for answer in MORE_ANSWERS {
        fetch(&mut seeds, 0, answer);
    }
    let upgrade =
        b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nand more";
    request(&mut seeds, upgrade);
    for text in TEXTS {
        seeds.push(("url_and_form", text.into()));
    }
    let mut random = 1_u64;
    for _ in 0..60 {
        let bytes = (0..200).map(|_| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) as u8
        });
        let bytes: Vec<u8> = bytes.collect();
        // Half as letters, for what is read as text.
        let text = bytes.iter().map(|byte| {
            if byte % 2 == 0 {
                b' ' + byte % 95
            } else {
                *byte
            }
        });
        seeds.push(("client_request", text.collect()));
        seeds.push(("conversation", bytes));
    }
    for (n, (target, bytes)) in seeds.iter().enumerate() {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(format!("seed-{n:04}")), bytes).expect("a file");
    }
    println!("{} seeds", seeds.len());
}

fn fetch(seeds: &mut Vec<(&str, Vec<u8>)>, method: u8, answer: &[u8]) {
    seeds.push(("client_response", [&[method, 0x10], answer].concat()));
    let slowly = [&[2, 0x1b, 20, 0x42, 1], answer].concat();
    seeds.push(("client_response", slowly));
}

fn request(seeds: &mut Vec<(&str, Vec<u8>)>, wire: &[u8]) {
    seeds.push(("request_head", wire.to_vec()));
    seeds.push(("connection", [&[0], wire].concat()));
    seeds.push(("connection", [&[0x0b, 30, 0x45, 3], wire].concat()));
    if let Some(end) = wire.windows(4).position(|four| four == b"\r\n\r\n") {
        let head = wire[..end].to_ascii_lowercase();
        let is_chunked = head.windows(7).any(|part| part == b"chunked");
        if is_chunked {
            seeds.push(("chunked", wire[end + 4..].to_vec()));
        }
    }
    if let Some(target) = wire.split(|byte| *byte == b' ').nth(1) {
        seeds.push(("url_and_form", target.to_vec()));
    }
}

/// Bytes of a text with escapes and repetitions, as the head of the file of cases says.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        if first == '{' && rest.as_bytes().get(1) == Some(&b'*') {
            let (inside, after) = rest.split_once('}').expect("a closing brace");
            // A few will do.
            let count = inside[2..].parse::<usize>().expect("a count").min(3000);
            bytes.extend(std::iter::repeat_n(inside.as_bytes()[0], count));
            rest = after;
        } else if first == '\\' {
            let (escape, after) = rest.split_at(1);
            rest = after;
            match escape {
                "r" => bytes.push(b'\r'),
                "n" => bytes.push(b'\n'),
                "t" => bytes.push(b'\t'),
                "x" => {
                    let (digits, after) = rest.split_at(2);
                    bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
                    rest = after;
                }
                other => bytes.extend(other.bytes()),
            }
        } else {
            bytes.extend(first.to_string().bytes());
        }
    }
    bytes
}
