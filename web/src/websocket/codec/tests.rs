//! The codec as a whole: tables of frames, and what has to hold for any.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::*;

/// A frame as a client sends it, with a mask that shows.
pub(super) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, payload, Some([0x37, 0xfa, 0x21, 0x3d]))
}

fn frame(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut wire = vec![first];
    let bit = u8::from(mask.is_some()) << 7;
    match payload.len() {
        len @ ..126 => wire.push(bit | len as u8),
        len @ 126..=0xFFFF => {
            wire.push(bit | 126);
            wire.extend((len as u16).to_be_bytes());
        }
        len => {
            wire.push(bit | 127);
            wire.extend((len as u64).to_be_bytes());
        }
    }
    let mut payload = payload.to_vec();
    if let Some(mask) = mask {
        wire.extend(mask);
        for (at, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[at % 4];
        }
    }
    wire.extend(payload);
    wire
}

/// Feeds the pieces, and writes down what comes of them.
fn decode_all(decoder: &mut Decoder, pieces: &[&[u8]]) -> Vec<String> {
    let mut events = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        loop {
            match decoder.decode(rest) {
                Ok((taken, Some(event))) => {
                    events.push(format!("{event:?}"));
                    rest = &rest[taken..];
                }
                Ok((taken, None)) => {
                    assert_eq!(taken, rest.len(), "all is taken if nothing is complete");
                    break;
                }
                Err(error) => {
                    events.push(format!("{} {error}", error.close_code()));
                    return events;
                }
            }
        }
    }
    events
}

/// What a server makes of the bytes, in one piece and in any two.
#[track_caller]
fn check_with(make: impl Fn() -> Decoder, wire: &[u8], want: &[&str]) {
    let whole = decode_all(&mut make(), &[wire]);
    assert_eq!(whole, want, "{}", wire.escape_ascii());
    let step = wire.len() / 500 + 1;
    for cut in (0..=wire.len()).step_by(step) {
        let (head, tail) = wire.split_at(cut);
        assert_eq!(
            decode_all(&mut make(), &[head, tail]),
            want,
            "cut after byte {cut}"
        );
    }
    let bytes: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(decode_all(&mut make(), &bytes), want, "byte by byte");
}

#[track_caller]
fn check(wire: &[u8], want: &[&str]) {
    check_with(|| Decoder::new(Role::Server, 1000), wire, want);
}

fn text(text: &str) -> String {
    format!("{:?}", Event::Message(Message::from(text)))
}

#[test]
fn examples_of_the_rfc_are_read() {
    // §5.7
    let client = || Decoder::new(Role::Client, 1 << 20);
    let hello = text("Hello");
    check_with(client, b"\x81\x05\x48\x65\x6c\x6c\x6f", &[&hello]);
    let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    check(masked, &[&hello]);
    check_with(client, b"\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f", &[&hello]);
    let ping = format!("{:?}", Event::Ping(b"Hello".to_vec()));
    check_with(client, b"\x89\x05\x48\x65\x6c\x6c\x6f", &[&ping]);
    let pong = format!("{:?}", Event::Pong(b"Hello".to_vec()));
    check(b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", &[&pong]);
    for len in [256, 65536] {
        let data = vec![7; len];
        let want = format!("{:?}", Event::Message(Message::from(data.clone())));
        check_with(client, &frame(0x82, &data, None), &[&want]);
    }
}

#[test]
fn frames_that_break_the_protocol_are_named() {
    let long = frame(0x89, &[0; 126], Some([0; 4]));
    let cases: [(&[u8], &str); 24] = [
        // Reserved bits and op codes.
        (b"\xc1\x80\0\0\0\0", "1002 a reserved bit is set"),
        (b"\xa1\x80\0\0\0\0", "1002 a reserved bit is set"),
        (b"\x91\x80\0\0\0\0", "1002 a reserved bit is set"),
        (b"\xc9\x80\0\0\0\0", "1002 a reserved bit is set"),
        (b"\x83\x80\0\0\0\0", "1002 op code 0x3 is reserved"),
        (b"\x87\x80\0\0\0\0", "1002 op code 0x7 is reserved"),
        (b"\x8b\x80\0\0\0\0", "1002 op code 0xb is reserved"),
        (b"\x8f\x80\0\0\0\0", "1002 op code 0xf is reserved"),
        // Masks.
        (b"\x81\x05hello", "1002 a client's frame is not masked"),
        // Control frames.
        (b"\x09\x80\0\0\0\0", "1002 a control frame in fragments"),
        (b"\x08\x80\0\0\0\0", "1002 a control frame in fragments"),
        (&long, "1002 a control frame of more than 125 bytes"),
        // Lengths.
        (
            b"\x82\xfe\0\x7d\0\0\0\0",
            "1002 malformed length of a frame",
        ),
        (
            b"\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0",
            "1002 malformed length of a frame",
        ),
        (
            b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0",
            "1002 malformed length of a frame",
        ),
        (
            b"\x82\xff\0\0\0\0\0\xa0\0\x01\0\0\0\0",
            "1009 message over 1000 bytes",
        ),
        (b"\x82\xfe\x03\xe9\0\0\0\0", "1009 message over 1000 bytes"),
        // Fragments.
        (
            b"\x80\x81\0\0\0\0x",
            "1002 a continuation without a message",
        ),
        (b"\x00\x80\0\0\0\0", "1002 a continuation without a message"),
        (
            b"\x01\x81\0\0\0\0a\x81\x81\0\0\0\0b",
            "1002 a new message before the end of the last one",
        ),
        (
            b"\x01\x80\0\0\0\0\x02\x80\0\0\0\0",
            "1002 a new message before the end of the last one",
        ),
        // Closes.
        (b"\x88\x81\0\0\0\0x", "1002 malformed close frame"),
        (
            b"\x88\x82\0\0\0\0\x03\xed",
            "1002 close code 1005 is not allowed",
        ),
        (b"\x88\x83\0\0\0\0\x03\xe8\xff", "1007 text is not UTF-8"),
    ];
    for (wire, want) in cases {
        check(wire, &[want]);
    }
    let client = || Decoder::new(Role::Client, 1000);
    check_with(
        client,
        b"\x81\x80\0\0\0\0",
        &["1002 a server's frame is masked"],
    );
}

#[test]
fn messages_together_are_limited() {
    let half = [b'a'; 500];
    let mut wire = masked(0x01, &half);
    wire.extend(masked(0x80, &half));
    check(&wire, &[&text(&"a".repeat(1000))]);
    let mut wire = masked(0x01, &half);
    wire.extend(masked(0x00, &half));
    wire.extend(masked(0x00, b""));
    wire.extend(masked(0x80, b"b"));
    check(&wire, &["1009 message over 1000 bytes"]);
}

#[test]
fn control_frames_stand_between_fragments() {
    let mut wire = masked(0x01, b"hel");
    wire.extend(masked(0x89, b"p"));
    wire.extend(masked(0x00, b""));
    wire.extend(masked(0x8a, b"q"));
    wire.extend(masked(0x80, b"lo"));
    wire.extend(masked(0x88, b"\x03\xe9bye"));
    let want = [
        "Ping([112])".to_owned(),
        "Pong([113])".to_owned(),
        text("hello"),
        "Close(Some(CloseFrame { code: 1001, reason: \"bye\" }))".to_owned(),
    ];
    check(&wire, &want.each_ref().map(String::as_str));
    check(&masked(0x88, b""), &["Close(None)"]);
}

#[test]
fn close_codes_are_those_that_may_be_sent() {
    // Autobahn 7.7 and 7.9.
    let refused = [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ];
    for code in refused {
        let want = format!("1002 close code {code} is not allowed");
        check(&masked(0x88, &u16::to_be_bytes(code)), &[&want]);
    }
    let allowed = (1000..=1003)
        .chain(1007..=1014)
        .chain([3000, 3999, 4000, 4999]);
    for code in allowed {
        let want = format!("Close(Some(CloseFrame {{ code: {code}, reason: \"\" }}))");
        check(&masked(0x88, &u16::to_be_bytes(code)), &[&want]);
    }
}

/// Bytes, and how many of them show that they are no UTF-8; none if they are.
const TEXTS: [(&[u8], Option<usize>); 20] = [
    ("κόσμε".as_bytes(), None),
    ("\0".as_bytes(), None),
    (
        "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}".as_bytes(),
        None,
    ),
    ("\u{d7ff}\u{e000}\u{fffd}\u{fdd0}".as_bytes(), None),
    (b"\xff", Some(1)),
    (b"\xfe", Some(1)),
    (b"\x80", Some(1)),
    (b"a\xbfb", Some(2)),
    // Too long for what they say.
    (b"\xc0\x80", Some(1)),
    (b"\xc1\xbf", Some(1)),
    (b"\xe0\x80\x80", Some(2)),
    (b"\xe0\x9f\xbf", Some(2)),
    (b"\xf0\x80\x80\x80", Some(2)),
    // Halves of a pair.
    (b"\xed\xa0\x80", Some(2)),
    (b"\xed\xbf\xbf", Some(2)),
    // Beyond the last.
    (b"\xf4\x90\x80\x80", Some(2)),
    (b"\xf5\x80\x80\x80", Some(1)),
    // Cut, or followed by something else.
    (b"\xce\xba\xe1\xbd", Some(4)),
    (b"\xe1\xbdz", Some(3)),
    (b"\xf0\x90\x8d", Some(3)),
];

#[test]
fn text_is_checked_over_fragments_as_it_comes() {
    for (bytes, wrong) in TEXTS {
        let want = match wrong {
            None => text(std::str::from_utf8(bytes).unwrap()),
            Some(_) => "1007 text is not UTF-8".to_owned(),
        };
        check(&masked(0x81, bytes), &[&want]);
        for cut in 0..=bytes.len() {
            let (first, second) = bytes.split_at(cut);
            let mut wire = masked(0x01, first);
            wire.extend(masked(0x00, b""));
            wire.extend(masked(0x80, second));
            check(&wire, &[&want]);
        }
        // In one frame that never ends, it is noticed with the byte that shows it.
        let mut wire = masked(0x01, &[bytes, b"and so on"].concat());
        wire.truncate(6 + wrong.unwrap_or(bytes.len()));
        let events = decode_all(&mut Decoder::new(Role::Server, 1000), &[&wire]);
        // At the end of all a cut character is wrong; here it may go on.
        let is_cut = wrong == Some(bytes.len())
            && std::str::from_utf8(bytes)
                .unwrap_err()
                .error_len()
                .is_none();
        assert_eq!(
            events.is_empty(),
            wrong.is_none() || is_cut,
            "{}",
            bytes.escape_ascii()
        );
    }
}

#[test]
fn masks_turn() {
    // W14, and any offset and length against a byte at a time.
    let mut data = *b"b";
    apply_mask(&mut data, *b"abcd", 0);
    assert_eq!(data, *b"\x03");
    let mut data = *b"98765432";
    apply_mask(&mut data, *b"ZXCV", 0);
    assert_eq!(&data, b"c`t`olpd");
    let plain: Vec<u8> = (0..100).collect();
    for len in 0..plain.len() {
        for offset in 0..8 {
            let mut masked = plain[..len].to_vec();
            apply_mask(&mut masked, [1, 2, 4, 8], offset);
            let want = plain[..len].iter().enumerate();
            let want: Vec<u8> = want
                .map(|(at, byte)| byte ^ [1, 2, 4, 8][(at + offset) % 4])
                .collect();
            assert_eq!(masked, want, "{len} bytes from {offset}");
        }
    }
}

#[test]
fn headers_come_back_as_they_were() {
    for len in [0, 1, 125, 126, 127, 65535, 65536, 1 << 40] {
        for mask in [None, Some([1, 2, 3, 4])] {
            for (opcode, compressed) in [
                (OpCode::Text, true),
                (OpCode::Binary, false),
                (OpCode::Continuation, false),
            ] {
                let header = FrameHeader {
                    opcode,
                    fin: len % 2 == 0,
                    compressed,
                    mask,
                    len,
                };
                let mut out = [0; MAX_HEADER];
                let size = header.encode(&mut out);
                assert_eq!(FrameHeader::parse(&out), Ok(Some((header, size))));
                for cut in 0..size {
                    assert_eq!(FrameHeader::parse(&out[..cut]), Ok(None), "{cut} of {size}");
                }
            }
        }
    }
}

/// Numbers for texts that differ each time; the failing ones are in the message.
struct Numbers(RandomState, u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.1 += 1;
        (self.0.hash_one(self.1) % bound as u64) as usize
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.below(most);
        // Of few different bytes, so that it compresses.
        (0..len).map(|_| self.below(7) as u8).collect()
    }
}

#[test]
fn any_fragments_in_any_pieces_are_the_same_messages() {
    let mut numbers = Numbers(RandomState::new(), 0);
    for _ in 0..300 {
        let (mut wire, mut want) = (Vec::new(), Vec::new());
        for _ in 0..numbers.below(5) {
            let data = numbers.bytes(400);
            let mut rest = &data[..];
            let mut first = 0x02;
            loop {
                let now = numbers.below(rest.len() + 1);
                let is_last = numbers.below(3) == 0;
                let (now, later) = rest.split_at(if is_last { rest.len() } else { now });
                wire.extend(masked(first | u8::from(is_last) << 7, now));
                if numbers.below(4) == 0 {
                    wire.extend(masked(0x89, &data[..data.len().min(3)]));
                    want.push(format!(
                        "{:?}",
                        Event::Ping(data[..data.len().min(3)].to_vec())
                    ));
                }
                if is_last {
                    // The ping, if there is one, came behind it.
                    let message = format!("{:?}", Event::Message(Message::from(data.clone())));
                    let at = want.len()
                        - usize::from(wire.ends_with(&masked(0x89, &data[..data.len().min(3)])));
                    want.insert(at, message);
                    break;
                }
                (rest, first) = (later, 0x00);
            }
        }
        let mut pieces = Vec::new();
        let mut rest = &wire[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(1 + numbers.below(rest.len()));
            pieces.push(now);
            rest = later;
        }
        let mut decoder = Decoder::new(Role::Server, 1000);
        assert_eq!(
            decode_all(&mut decoder, &pieces),
            want,
            "{}",
            wire.escape_ascii()
        );
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let mut numbers = Numbers(RandomState::new(), 0);
    for _ in 0..2000 {
        let junk: Vec<u8> = (0..40).map(|_| numbers.below(256) as u8).collect();
        let agreement = Agreement {
            server_no_context_takeover: false,
            client_no_context_takeover: junk[0] & 1 == 0,
            server_max_window_bits: 15,
            client_max_window_bits: 15,
        };
        let inflater = agreement.inflater(Role::Server);
        let mut decoder = Decoder::new(Role::Server, 100).inflate(inflater);
        let events = decode_all(&mut decoder, &[&junk]);
        assert!(events.len() <= 20, "{events:?}");
    }
}

// Compression.

#[test]
fn examples_of_rfc_7692_are_read() {
    let make = || Decoder::new(Role::Client, 1000).inflate(Inflater::new(true));
    let hello = text("Hello");
    // §7.2.3.1 and 2: one block, in one frame and in two; then a second that repeats the first.
    let first = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00";
    check_with(make, first, &[&hello]);
    check_with(
        make,
        b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00",
        &[&hello],
    );
    let again = [&first[..], b"\xc1\x05\xf2\x00\x11\x00\x00"].concat();
    check_with(make, &again, &[&hello, &hello]);
    // §7.2.3.3: without compression. 4: a block that says it is the last. 5: two blocks.
    check_with(
        make,
        b"\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
        &[&hello],
    );
    check_with(make, b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00", &[&hello]);
    check_with(
        make,
        b"\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
        &[&hello],
    );
    // 6: nothing.
    check_with(make, b"\xc1\x01\x00", &[&text("")]);
    // A message that is not compressed stands between two that are.
    let mixed = [&first[..], b"\x81\x02hi", b"\xc1\x05\xf2\x00\x11\x00\x00"].concat();
    check_with(make, &mixed, &[&hello, &text("hi"), &hello]);
    // Only the first frame says so.
    check_with(
        make,
        b"\x41\x03\xf2\x48\xcd\xc0\x04\xc9\xc9\x07\x00",
        &["1002 a reserved bit is set"],
    );
    check_with(
        make,
        b"\xc1\x03\xff\xff\xff",
        &["1007 malformed compressed message"],
    );
}

#[test]
fn what_is_deflated_is_inflated_with_any_parameters() {
    let mut numbers = Numbers(RandomState::new(), 0);
    for bits in 8..=15 {
        for keeps in [false, true] {
            for level in [1, 6, 9] {
                let mut deflater = Deflater::new(level, keeps, bits);
                let mut inflater = Inflater::new(keeps);
                let mut window = Window::new(bits);
                for turn in 0..30 {
                    let data = match turn {
                        0 => Vec::new(),
                        1 => vec![b'x'; 1 << bits],
                        2 => vec![b'y'; (1 << bits) + 1],
                        _ => numbers.bytes(3000),
                    };
                    let small = deflater.deflate(&data);
                    assert!(!small.is_empty());
                    assert_eq!(
                        inflater.inflate(&small, 1 << 20).as_ref(),
                        Ok(&data),
                        "{bits} {keeps} {level}"
                    );
                    assert_eq!(window.inflate(&small, keeps), data, "within {bits} bits");
                    if turn % 7 == 6 {
                        deflater.forget();
                    }
                }
            }
        }
    }
}

/// A decompressor that remembers no more than its window: what is farther back is an error.
struct Window {
    size: usize,
    history: Vec<u8>,
}

impl Window {
    fn new(bits: u8) -> Window {
        Window {
            size: 1 << bits,
            history: Vec::new(),
        }
    }

    /// Takes the blocks apart by hand (RFC 1951), checking each distance.
    fn inflate(&mut self, payload: &[u8], keeps: bool) -> Vec<u8> {
        if !keeps {
            self.history.clear();
        }
        let from = self.history.len();
        let data = [payload, &[0, 0, 0xff, 0xff]].concat();
        let mut bits = Bits { data: &data, at: 0 };
        while bits.at / 8 < data.len() {
            let _is_last = bits.take(1);
            match bits.take(2) {
                0 => {
                    bits.at = bits.at.next_multiple_of(8);
                    let len = bits.take(16);
                    assert_eq!(bits.take(16), !len & 0xffff);
                    for _ in 0..len {
                        let byte = bits.take(8) as u8;
                        self.history.push(byte);
                    }
                }
                1 => {
                    let lens: Vec<u8> = (0..288)
                        .map(|n| match n {
                            ..144 => 8,
                            144..256 => 9,
                            256..280 => 7,
                            _ => 8,
                        })
                        .collect();
                    self.block(&mut bits, &Code::new(&lens), &Code::new(&[5; 30]));
                }
                2 => {
                    let (literals, distances) = dynamic(&mut bits);
                    self.block(&mut bits, &literals, &distances);
                }
                _ => panic!("a block of no kind"),
            }
        }
        self.history[from..].to_vec()
    }

    fn block(&mut self, bits: &mut Bits<'_>, literals: &Code, distances: &Code) {
        const LENGTHS: [usize; 29] = [
            3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99,
            115, 131, 163, 195, 227, 258,
        ];
        loop {
            match literals.read(bits) {
                byte @ ..256 => self.history.push(byte as u8),
                256 => return,
                symbol => {
                    let extra = match symbol {
                        ..265 | 285 => 0,
                        _ => (symbol - 261) / 4,
                    };
                    let len = LENGTHS[symbol - 257] + bits.take(extra);
                    let symbol = distances.read(bits);
                    let extra = (symbol / 2).saturating_sub(1);
                    let base = match symbol {
                        ..4 => symbol + 1,
                        _ => ((2 + symbol % 2) << extra) + 1,
                    };
                    let distance = base + bits.take(extra);
                    assert!(
                        distance <= self.size,
                        "{distance} is farther back than {}",
                        self.size
                    );
                    for _ in 0..len {
                        self.history
                            .push(self.history[self.history.len() - distance]);
                    }
                }
            }
        }
    }
}

struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> usize {
        (0..count).fold(0, |number, n| {
            let bit = self.data[self.at / 8] >> (self.at % 8) & 1;
            self.at += 1;
            number | usize::from(bit) << n
        })
    }
}

/// A Huffman code, by the lengths of its words.
struct Code(Vec<(u8, usize, usize)>);

impl Code {
    fn new(lens: &[u8]) -> Code {
        let (mut words, mut word) = (Vec::new(), 0);
        for len in 1..=15 {
            word <<= 1;
            for (symbol, _) in lens.iter().enumerate().filter(|(_, l)| **l == len) {
                words.push((len, word, symbol));
                word += 1;
            }
        }
        Code(words)
    }

    fn read(&self, bits: &mut Bits<'_>) -> usize {
        let (mut word, mut len) = (0, 0);
        loop {
            word = word << 1 | bits.take(1);
            len += 1;
            let found = self.0.iter().find(|(l, w, _)| (*l, *w) == (len, word));
            if let Some((_, _, symbol)) = found {
                return *symbol;
            }
            assert!(len < 15, "a word that is in no code");
        }
    }
}

fn dynamic(bits: &mut Bits<'_>) -> (Code, Code) {
    const ORDER: [usize; 19] = [
        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
    ];
    let (literals, distances, lens) = (bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4);
    let mut of_lens = [0; 19];
    for at in &ORDER[..lens] {
        of_lens[*at] = bits.take(3) as u8;
    }
    let code = Code::new(&of_lens);
    let mut all: Vec<u8> = Vec::new();
    while all.len() < literals + distances {
        let (len, times) = match code.read(bits) {
            16 => (all[all.len() - 1], bits.take(2) + 3),
            17 => (0, bits.take(3) + 3),
            18 => (0, bits.take(7) + 11),
            len => (len as u8, 1),
        };
        all.extend(std::iter::repeat_n(len, times));
    }
    (Code::new(&all[..literals]), Code::new(&all[literals..]))
}

#[test]
fn bombs_are_noticed_at_the_limit() {
    // W13: 16 MiB of nothing, in 16 KiB.
    let mut deflater = Deflater::new(9, true, 15);
    let bomb = deflater.deflate(&vec![0; 16 << 20]);
    assert!(bomb.len() < 32 << 10);
    let limit = 64 << 10;
    let error = Inflater::new(true).inflate(&bomb, limit).unwrap_err();
    assert_eq!(error, ProtocolError::MessageTooBig(limit));
    assert_eq!(error.close_code(), CloseCode::TOO_BIG);
    // Exactly as much as is allowed.
    let fits = deflater.deflate(&[]);
    assert_eq!(Inflater::new(false).inflate(&fits, 0), Ok(vec![]));
    let mut deflater = Deflater::new(1, false, 15);
    let just = deflater.deflate(&vec![7; limit]);
    assert_eq!(
        Inflater::new(false)
            .inflate(&just, limit)
            .map(|data| data.len()),
        Ok(limit)
    );
    assert!(Inflater::new(false).inflate(&just, limit - 1).is_err());
}
