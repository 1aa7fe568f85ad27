//! The cases of `tests/data/websocket_cases.txt`, whose top says what their lines mean; and those of
//! Autobahn's that are about sizes.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use squall::net::IoStream;
use squall::yield_;
use squall_web::websocket::WebSocketOptions;

use super::{close_code, frame, masked, open, serve_echo};
use crate::support::run_real;
use crate::web::table::unescape;

struct Case {
    name: String,
    steps: Vec<Step>,
}

enum Step {
    Send(Vec<Vec<u8>>),
    Expect(u8, Vec<u8>),
    End(String),
}

fn read(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut is_open = false;
    for line in text.lines().filter(|line| !line.starts_with(';')) {
        if line.is_empty() {
            is_open = false;
            continue;
        }
        if !is_open {
            is_open = true;
            let name = line.to_owned();
            cases.push(Case {
                name,
                steps: Vec::new(),
            });
            continue;
        }
        let steps = &mut cases.last_mut().expect("a case").steps;
        let (mark, rest) = line.split_once(' ').expect("a mark");
        let frame = || {
            let (first, payload) = rest.split_once(" |").expect("a first byte");
            let first = u8::from_str_radix(first, 16).expect("a byte in hex");
            (first, unescape(payload.strip_prefix(' ').unwrap_or("")))
        };
        steps.push(match mark {
            "<" => {
                let (first, payload) = frame();
                Step::Expect(first, payload)
            }
            "=" => Step::End(rest.to_owned()),
            "~" => {
                let byte = |hex| u8::from_str_radix(hex, 16).expect("bytes in hex");
                Step::Send(vec![rest.split(' ').map(byte).collect()])
            }
            _ => {
                let size = mark.strip_prefix('>').expect("a mark");
                let (first, payload) = frame();
                let wire = masked(first, &payload);
                let size = if size.is_empty() {
                    wire.len()
                } else {
                    size.parse().unwrap()
                };
                Step::Send(wire.chunks(size).map(<[u8]>::to_vec).collect())
            }
        });
    }
    let names: BTreeSet<&str> = cases.iter().map(|case| &*case.name).collect();
    assert_eq!(
        names.len(),
        cases.len(),
        "each case needs a name of its own"
    );
    cases
}

async fn run(address: SocketAddr, case: &Case) {
    let stream = open(address).await;
    for step in &case.steps {
        match step {
            Step::Send(pieces) => {
                for piece in pieces {
                    // The server may have closed before the end.
                    let _ = stream.write(piece).await;
                    squall::moment().await;
                }
            }
            Step::Expect(first, payload) => {
                let got = frame(&stream).await;
                assert!(
                    got.as_ref() == Some(&(*first, payload.clone())),
                    "{}: got {got:.200?}",
                    case.name
                );
            }
            Step::End(end) => {
                if end == "close" {
                    stream.write(&masked(0x88, b"\x03\xe8")).await.unwrap();
                }
                let code = close_code(&stream).await.to_string();
                let want = match &**end {
                    "close" => "1000",
                    "none" => "0",
                    code => code,
                };
                assert_eq!(code, want, "{}", case.name);
            }
        }
    }
}

#[squall::test]
fn frames_are_echoed_or_refused() {
    let cases = read(include_str!("../../data/websocket_cases.txt"));
    assert!(cases.len() > 110, "{}", cases.len());
    let address = serve_echo(WebSocketOptions::default());
    for case in &cases {
        assert!(
            matches!(case.steps.last(), Some(Step::End(_))),
            "{}",
            case.name
        );
        yield_!(run(address, case));
    }
}

#[squall::test]
fn ping_of_126_bytes_is_refused() {
    // H260, by its length alone.
    let stream = yield_!(open(serve_echo(WebSocketOptions::default())));
    yield_!(stream.write(b"\x89\xfe\0\x7e")).unwrap();
    assert_eq!(yield_!(close_code(&stream)), 1002);
}

/// Sends a message in fragments of `fragment` bytes, and `chop` bytes at a time; wants it back.
async fn echoes(stream: &IoStream, first: u8, size: usize, fragment: usize, chop: usize) {
    let payload: Vec<u8> = (0..size).map(|n| b'a' + (n % 23) as u8).collect();
    let mut wire = Vec::new();
    let pieces = payload.chunks(fragment).count();
    for (n, piece) in payload.chunks(fragment).enumerate() {
        let opcode = if n == 0 { first & 0x0f } else { 0 };
        let fin = u8::from(n + 1 == pieces) << 7;
        wire.extend(masked(opcode | fin, piece));
    }
    let send = async {
        for piece in wire.chunks(chop) {
            stream.write(piece).await.unwrap();
        }
    };
    let receive = async {
        let (got, echo) = frame(stream).await.unwrap();
        assert_eq!(got, first, "of {size} bytes in {fragment}s");
        assert!(
            echo == payload,
            "{size} bytes in {fragment}s, {chop} at a time"
        );
    };
    yield_!((boxed(send), boxed(receive)));
}

fn boxed<'a>(
    future: impl Future<Output = ()> + 'a,
) -> std::pin::Pin<Box<dyn Future<Output = ()> + 'a>> {
    Box::pin(future)
}

#[test]
fn large_messages_come_back_whole_however_they_come() {
    // By a real clock: a machine that is slow to pass megabytes on is no peer that takes nothing.
    run_real(large_messages);
}

/// Autobahn 9.1 to 9.8, and 10.1.1.
#[squall::coroutine]
fn large_messages() {
    let address = serve_echo(WebSocketOptions {
        max_message_bytes: 16 << 20,
        ..WebSocketOptions::default()
    });
    let stream = yield_!(open(address));
    for first in [0x81, 0x82] {
        for kib in [64, 256, 1024, 4096, 16384] {
            yield_!(echoes(&stream, first, kib << 10, kib << 10, 1 << 20));
        }
        for fragment in [64, 256, 1024, 4096, 16384, 65536, 262_144] {
            yield_!(echoes(&stream, first, 1 << 20, fragment, 1 << 20));
        }
        for chop in [64, 128, 256, 512, 1024, 2048] {
            yield_!(echoes(&stream, first, 256 << 10, 256 << 10, chop));
        }
    }
    yield_!(echoes(&stream, 0x81, 65536, 1300, 1 << 20));
}

#[squall::test]
fn many_small_messages_come_back_in_order() {
    // Autobahn 9.7, 9.8: a thousand messages of several sizes, all on their way at a time.
    let stream = yield_!(open(serve_echo(WebSocketOptions::default())));
    for size in [0, 16, 64, 256, 1024, 4096] {
        let payload = |n: u32| {
            let mut payload = vec![b'x'; size];
            let number = n.to_string();
            let len = number.len().min(size);
            payload[..len].copy_from_slice(&number.as_bytes()[..len]);
            payload
        };
        let send = async {
            for n in 0..1000 {
                stream.write(&masked(0x81, &payload(n))).await.unwrap();
            }
        };
        let receive = async {
            for n in 0..1000 {
                assert_eq!(frame(&stream).await, Some((0x81, payload(n))));
            }
        };
        yield_!((boxed(send), boxed(receive)));
    }
}
