//! Compression on the wire: Autobahn 12 and 13, W12, W13.

use std::time::Duration;

use squall::{sleep, yield_};
use squall_web::websocket::codec::{Deflater, Inflater};
use squall_web::websocket::{
    Broadcast, Compression, ConnectOptions, Message, WebSocketOptions, websocket_connect,
};
use squall_web::{Application, Exchange, Result};

use super::{close_code, dial, frame, handshake, masked, open, serve, serve_echo, text};
use crate::support::held_bytes;
use crate::web::{connect, header, read_answer};

fn compressed(compression: Compression) -> WebSocketOptions {
    WebSocketOptions {
        compression: Some(compression),
        max_message_bytes: 16 << 20,
        ..WebSocketOptions::default()
    }
}

/// Text that compresses, and is never the same.
fn sample(size: usize, seed: usize) -> String {
    let words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"];
    let mut text = String::with_capacity(size + 8);
    let mut at = seed;
    while text.len() < size {
        at = at
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text += words[(at >> 33) % words.len()];
        text.push(' ');
    }
    text.truncate(size);
    text
}

#[squall::test]
fn messages_of_all_sizes_come_back_with_all_parameters() {
    // 13.1 to 13.7 are combinations of these, 12.x sizes from 16 bytes to 128 KiB.
    for (server_no_context, client_no_context, server_bits, client_bits) in [
        (false, false, 15, 15),
        (true, true, 15, 15),
        (true, false, 15, 15),
        (false, true, 15, 15),
        (false, false, 9, 15),
        (false, false, 15, 9),
        (true, true, 8, 8),
        (false, false, 8, 8),
        (false, false, 12, 11),
    ] {
        let compression = Compression {
            server_no_context_takeover: server_no_context,
            client_no_context_takeover: client_no_context,
            server_max_window_bits: server_bits,
            client_max_window_bits: client_bits,
            threshold: 0,
            level: 1,
        };
        let address = serve_echo(compressed(Compression {
            threshold: 0,
            ..Compression::default()
        }));
        let mut ws = yield_!(dial(address, compressed(compression)));
        assert!(ws.is_compressed());
        for size in [
            0, 1, 16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131_072,
        ] {
            for turn in 0..4 {
                let text = sample(size, turn);
                yield_!(ws.send(text.clone())).unwrap();
                assert!(
                    yield_!(ws.recv()) == Some(Message::from(text)),
                    "{size} bytes"
                );
            }
            let bytes = sample(size, 7).into_bytes();
            yield_!(ws.send(bytes.clone())).unwrap();
            assert!(
                yield_!(ws.recv()) == Some(Message::from(bytes)),
                "{size} bytes"
            );
        }
        yield_!(ws.close(1000, "")).unwrap();
    }
}

/// Connects by hand, with an offer; gives the stream and the answer's extensions.
async fn open_with(
    address: std::net::SocketAddr,
    offer: &str,
) -> (squall::net::IoStream, Option<String>) {
    let stream = connect(address).await;
    let request = handshake(&format!("Sec-WebSocket-Extensions: {offer}\r\n"));
    stream.write(request.as_bytes()).await.unwrap();
    let answer = read_answer(&stream).await;
    let extensions = header(&answer, "sec-websocket-extensions").map(str::to_owned);
    (stream, extensions)
}

#[squall::test]
fn what_was_agreed_on_is_on_the_wire() {
    let address = serve_echo(compressed(Compression::default()));
    let (stream, agreed) = yield_!(open_with(
        address,
        "permessage-deflate; client_max_window_bits"
    ));
    assert_eq!(agreed.as_deref(), Some("permessage-deflate"));
    let (mut deflater, mut inflater) = (Deflater::new(6, true, 15), Inflater::new(true));
    let text = sample(1000, 1);
    let mut sizes = Vec::new();
    for _ in 0..3 {
        yield_!(stream.write(&masked(0xc1, &deflater.deflate(text.as_bytes())))).unwrap();
        let (first, payload) = yield_!(frame(&stream)).unwrap();
        assert_eq!(first, 0xc1);
        sizes.push(payload.len());
        assert_eq!(
            inflater.inflate(&payload, 1 << 20).unwrap(),
            text.as_bytes()
        );
    }
    // The second time it is a repetition of the first.
    assert!(sizes[0] > 100 && sizes[1] < 30, "{sizes:?}");
    // Short ones are not worth it, and may come as they are.
    yield_!(stream.write(&masked(0x81, b"short"))).unwrap();
    assert_eq!(yield_!(frame(&stream)), Some((0x81, b"short".to_vec())));
    // In fragments, with a ping between them.
    let small = deflater.deflate(text.as_bytes());
    let (one, two) = small.split_at(3);
    let wire = [masked(0x41, one), masked(0x89, b"p"), masked(0x80, two)].concat();
    yield_!(stream.write(&wire)).unwrap();
    assert_eq!(yield_!(frame(&stream)), Some((0x8a, b"p".to_vec())));
    let (first, payload) = yield_!(frame(&stream)).unwrap();
    assert_eq!(first, 0xc1);
    assert_eq!(
        inflater.inflate(&payload, 1 << 20).unwrap(),
        text.as_bytes()
    );

    let (stream, agreed) = yield_!(open_with(
        address,
        "permessage-deflate; server_no_context_takeover"
    ));
    assert_eq!(
        agreed.as_deref(),
        Some("permessage-deflate; server_no_context_takeover")
    );
    let mut sizes = Vec::new();
    for _ in 0..2 {
        yield_!(stream.write(&masked(0x81, text.as_bytes()))).unwrap();
        let (_, payload) = yield_!(frame(&stream)).unwrap();
        assert_eq!(
            Inflater::new(false).inflate(&payload, 1 << 20).unwrap(),
            text.as_bytes()
        );
        sizes.push(payload.len());
    }
    assert_eq!(sizes[0], sizes[1]);

    // Nothing is agreed on, and nothing may be compressed.
    let (stream, agreed) = yield_!(open_with(
        address,
        "permessage-deflate; server_max_window_bits=7"
    ));
    assert_eq!(agreed, None);
    yield_!(stream.write(&masked(0xc1, &deflater.deflate(b"x")))).unwrap();
    assert_eq!(yield_!(close_code(&stream)), 1002);
}

#[squall::test]
fn both_sides_have_to_want_it() {
    // W12
    let plain = serve_echo(WebSocketOptions::default());
    let zipped = serve_echo(compressed(Compression::default()));
    let wants = compressed(Compression::default());
    for (address, options, want) in [
        (plain, WebSocketOptions::default(), false),
        (plain, wants.clone(), false),
        (zipped, WebSocketOptions::default(), false),
        (zipped, wants, true),
    ] {
        let mut ws = yield_!(dial(address, options));
        assert_eq!(ws.is_compressed(), want);
        let long = sample(500, 3);
        yield_!(ws.send(long.clone())).unwrap();
        assert_eq!(text(yield_!(ws.recv())), Some(long));
    }
}

#[squall::test]
fn malformed_compression_closes_with_1007() {
    let address = serve_echo(compressed(Compression::default()));
    for (payload, code) in [
        (&b"\xff\xff\xff\xff"[..], 1007),
        // Text that is no UTF-8 once it is inflated: one byte, stored.
        (b"\x00\x01\x00\xfe\xff\xff\x00", 1007),
    ] {
        let (stream, _) = yield_!(open_with(address, "permessage-deflate"));
        yield_!(stream.write(&masked(0xc1, payload))).unwrap();
        assert_eq!(yield_!(close_code(&stream)), code);
    }
}

#[squall::test]
fn bomb_is_closed_with_1009_and_takes_little_memory() {
    // W13: 64 MiB in 64 KiB, of which a tenth of a mebibyte is allowed.
    let limit = 100 << 10;
    let address = serve_echo(WebSocketOptions {
        max_message_bytes: limit,
        ..compressed(Compression::default())
    });
    let bomb = Deflater::new(9, false, 15).deflate(&vec![0; 64 << 20]);
    let wire = masked(0xc2, &bomb);
    let (stream, _) = yield_!(open_with(address, "permessage-deflate"));
    let before = held_bytes();
    yield_!(stream.write(&wire)).unwrap();
    assert_eq!(yield_!(close_code(&stream)), 1009);
    let held = held_bytes() - before;
    assert!(held < 3 * limit as i64, "{held}");
    // And the limit of what comes, as it is.
    let stream = yield_!(open(address));
    yield_!(stream.write(&masked(0x82, &vec![0; limit + 1])[..14])).unwrap();
    assert_eq!(yield_!(close_code(&stream)), 1009);
}

#[squall::test]
fn broadcast_is_compressed_once_and_mixes_with_what_is_sent() {
    let guests = Broadcast::new();
    let all = guests.clone();
    let options = compressed(Compression::default());
    let app = Application::new().get("/ws", async move |ex: &mut Exchange| -> Result<()> {
        let mut ws = yield_!(ex.websocket_with(&options))?;
        let _membership = all.join(&ws.sender());
        while let Some(message) = yield_!(ws.recv()) {
            yield_!(ws.send(message))?;
        }
        Ok(())
    });
    let address = serve(app);
    let plain = WebSocketOptions::default();
    let narrow = Compression {
        server_max_window_bits: 9,
        ..Compression::default()
    };
    let no_context = Compression {
        server_no_context_takeover: true,
        ..Compression::default()
    };
    let mut all = Vec::new();
    for options in [
        plain,
        compressed(Compression::default()),
        compressed(narrow),
        compressed(no_context),
    ] {
        all.push(yield_!(dial(address, options)));
    }
    yield_!(sleep(Duration::from_millis(10)));
    for n in 0..20 {
        let news = sample(if n % 2 == 0 { 300 } else { 3000 }, n);
        assert_eq!(guests.push(news.clone()), 4);
        for ws in &mut all {
            // One's own between them: the compressor has to know what it does not know.
            let own = sample(400, n / 3);
            yield_!(ws.send(own.clone())).unwrap();
            assert_eq!(text(yield_!(ws.recv())), Some(news.clone()), "{n}");
            assert_eq!(text(yield_!(ws.recv())), Some(own), "{n}");
        }
    }
}

#[squall::test]
fn client_offers_what_it_wants() {
    let address = serve_echo(compressed(Compression::default()));
    let options = ConnectOptions {
        websocket: compressed(Compression {
            server_max_window_bits: 10,
            client_max_window_bits: 10,
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            ..Compression::default()
        }),
        ..ConnectOptions::default()
    };
    let mut ws = yield_!(websocket_connect(format!("ws://{address}/ws"), options)).unwrap();
    for turn in 0..3 {
        let long = sample(50_000, turn);
        yield_!(ws.send(long.clone())).unwrap();
        assert_eq!(text(yield_!(ws.recv())), Some(long));
    }
}
