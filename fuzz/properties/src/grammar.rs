//! Requests that are made by a grammar, and may then be broken.
//!
//! Whole, they are all well, and the grammar knows what they mean. [`Break`]s are the small things
//! that go wrong on the way from one program to another, or are put there to deceive.

use arbitrary::Arbitrary;

use crate::serving::{Handled, Kind};

/// What a client sends over one connection.
#[derive(Arbitrary, Clone, Debug)]
pub struct Conversation {
    first: Ask,
    others: Vec<Ask>,
    breaks: Vec<Break>,
}

/// How many requests of a conversation are sent.
const MOST: usize = 5;

#[derive(Arbitrary, Clone, Debug)]
struct Ask {
    verb: Verb,
    target: Target,
    is_1_0: bool,
    fields: Vec<Field>,
    body: Body,
    connection: Connection,
    blank_line_first: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Own,
}

#[derive(Arbitrary, Clone, Debug)]
enum Target {
    Root,
    Kind(u8),
    Path(Word),
    Query(Word, Word),
    Absolute(bool, Word),
    Star,
}

#[derive(Arbitrary, Clone, Debug)]
enum Field {
    Own(Word, Word),
    Cookie(Word),
    Form,
    Expect,
    Empty,
    Spaces(u8),
    Latin(u8),
    Accept,
}

#[derive(Arbitrary, Clone, Debug)]
enum Body {
    None,
    Length(Data),
    LengthTwice(Data),
    Chunks(Vec<Chunk>, Vec<Word>),
}

/// Up to twelve letters, of a kind that whoever writes it chooses.
#[derive(Arbitrary, Clone, Debug)]
struct Word(u8, [u8; 12]);

/// Up to 255 bytes: a few, again and again.
#[derive(Arbitrary, Clone, Debug)]
struct Data(u8, [u8; 6]);

#[derive(Arbitrary, Clone, Debug)]
struct Chunk {
    data: Data,
    zeros: u8,
    is_upper: bool,
    extension: Option<u8>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Connection {
    Unsaid,
    Keep,
    Close,
    List,
    Other,
}

/// One thing that goes wrong.
#[derive(Arbitrary, Clone, Debug)]
pub enum Break {
    Insert(u16, Piece),
    /// In front of a line of a head.
    InsertLine(u8, Piece),
    Delete(u16, u8),
    Replace(u16, u8),
    Swap(u16, u16),
    Repeat(u16, u8),
    Cut(u16),
}

/// What is put in.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Piece {
    Cr,
    Lf,
    CrLf,
    Nul,
    Blank,
    Tab,
    Colon,
    Comma,
    Semicolon,
    Zero,
    High,
    Del,
    Length3,
    LengthList,
    LengthPlus,
    LengthHuge,
    Chunked,
    ChunkedTwice,
    Gzip,
    Host,
    HostBad,
    Folded,
    NoColon,
    BlankBeforeColon,
    Close,
    Upgrade,
    Expect,
    Fragment,
    Old,
    Next,
}

impl Piece {
    fn bytes(self) -> &'static [u8] {
        match self {
            Piece::Cr => b"\r",
            Piece::Lf => b"\n",
            Piece::CrLf => b"\r\n",
            Piece::Nul => b"\0",
            Piece::Blank => b" ",
            Piece::Tab => b"\t",
            Piece::Colon => b":",
            Piece::Comma => b",",
            Piece::Semicolon => b";",
            Piece::Zero => b"0",
            Piece::High => b"\xe9",
            Piece::Del => b"\x7f",
            Piece::Length3 => b"Content-Length: 3\r\n",
            Piece::LengthList => b"Content-Length: 3, 3\r\n",
            Piece::LengthPlus => b"Content-Length: +3\r\n",
            Piece::LengthHuge => b"Content-Length: 18446744073709551616\r\n",
            Piece::Chunked => b"Transfer-Encoding: chunked\r\n",
            Piece::ChunkedTwice => b"Transfer-Encoding: chunked, chunked\r\n",
            Piece::Gzip => b"Transfer-Encoding: gzip, chunked\r\n",
            Piece::Host => b"Host: b.example:8080\r\n",
            Piece::HostBad => b"Host: a b\r\n",
            Piece::Folded => b" folded\r\n",
            Piece::NoColon => b"no colon\r\n",
            Piece::BlankBeforeColon => b"X-Blank : x\r\n",
            Piece::Close => b"Connection: close\r\n",
            Piece::Upgrade => b"Connection: upgrade\r\nUpgrade: x\r\n",
            Piece::Expect => b"Expect: 100-continue\r\n",
            Piece::Fragment => b"#",
            Piece::Old => b"HTTP/1.0",
            Piece::Next => b"GET /next HTTP/1.1\r\nHost: n.example\r\n\r\n",
        }
    }
}

impl Conversation {
    /// True if it is sent as the grammar made it.
    pub fn is_whole(&self) -> bool {
        self.breaks.is_empty()
    }

    fn asks(&self) -> impl Iterator<Item = &Ask> {
        std::iter::once(&self.first).chain(&self.others).take(MOST)
    }

    /// What is sent.
    pub fn wire(&self) -> Vec<u8> {
        let mut wire = Vec::new();
        for ask in self.asks() {
            ask.write(&mut wire);
        }
        for broken in self.breaks.iter().take(3) {
            broken.apply(&mut wire);
        }
        wire
    }

    /// What a server sees of it, if it is whole: up to the request that ends the connection.
    pub fn meant(&self) -> Vec<Handled> {
        let mut meant = Vec::new();
        for ask in self.asks() {
            let (one, closes) = ask.meant();
            meant.push(one);
            if closes {
                break;
            }
        }
        meant
    }
}

impl Word {
    fn of(&self, letters: &[u8]) -> String {
        let letter = |byte: &u8| char::from(letters[usize::from(*byte) % letters.len()]);
        let count = usize::from(self.0) % (self.1.len() + 1);
        self.1.iter().take(count).map(letter).collect()
    }
}

impl Data {
    fn bytes(&self) -> Vec<u8> {
        // Most are short, so that breaks meet more than these.
        let len = usize::from(if self.0 < 200 { self.0 % 10 } else { self.0 });
        self.1.iter().copied().cycle().take(len).collect()
    }
}

const PATH: &[u8] = b"abcsunfgwt0123456789-._~!$&'()*+,;=:@/%/%|";
const QUERY: &[u8] = b"abcxyz019&=+%?/.;[]0123456789ABCDEFGH{<";
const TOKEN: &[u8] = b"abcXYZ019-_.!#$%&'*+^`|~";
const TEXT: &[u8] = b"abcXYZ 019\t,;=\"()/\\:<>@[]{}?";

impl Ask {
    fn verb(&self) -> &'static str {
        match (self.verb, &self.target) {
            (_, Target::Star) => "OPTIONS",
            (Verb::Get, _) => "GET",
            (Verb::Head, _) => "HEAD",
            (Verb::Post, _) => "POST",
            (Verb::Put, _) => "PUT",
            (Verb::Delete, _) => "DELETE",
            (Verb::Options, _) => "OPTIONS",
            (Verb::Own, _) => "M-SEARCH",
        }
    }

    fn target(&self) -> String {
        match &self.target {
            Target::Root => "/".into(),
            Target::Kind(byte) => format!("/{}", char::from(b"snfcwgtux"[usize::from(byte % 9)])),
            Target::Path(path) => format!("/{}", path.of(PATH)),
            Target::Query(path, query) => {
                format!("/{}?{}", path.of(PATH), query.of(QUERY))
            }
            Target::Absolute(is_tls, path) => {
                let scheme = if *is_tls { "https" } else { "HTTP" };
                format!("{scheme}://t.example:81/{}", path.of(PATH))
            }
            Target::Star => "*".into(),
        }
    }

    /// Chunks are of 1.1 alone.
    fn is_1_0(&self) -> bool {
        self.is_1_0 && !matches!(self.body, Body::Chunks(..))
    }

    fn body(&self) -> Vec<u8> {
        match &self.body {
            Body::None => Vec::new(),
            Body::Length(body) | Body::LengthTwice(body) => body.bytes(),
            Body::Chunks(chunks, _) => {
                let chunks = chunks.iter().take(6);
                chunks.flat_map(Chunk::data).collect()
            }
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        if self.blank_line_first {
            out.extend(b"\r\n");
        }
        let version = if self.is_1_0() { "1.0" } else { "1.1" };
        out.extend(format!("{} {} HTTP/{version}\r\n", self.verb(), self.target()).bytes());
        out.extend(b"Host: h.example\r\n");
        for field in self.fields.iter().take(6) {
            field.write(out);
        }
        out.extend(match self.connection {
            Connection::Unsaid => &b""[..],
            Connection::Keep => b"connection: Keep-Alive\r\n",
            Connection::Close => b"Connection: close\r\n",
            Connection::List => b"Connection: x-own ,\tCLOSE, keep-alive\r\n",
            Connection::Other => b"Connection: x-own, closed\r\n",
        });
        let body = self.body();
        match &self.body {
            Body::None => out.extend(b"\r\n"),
            Body::LengthTwice(Data(n, _)) if n % 4 > 0 => {
                out.extend(format!("content-LENGTH:{}\r\n\r\n", body.len()).bytes());
                out.extend(body);
            }
            Body::Length(_) => {
                out.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
                out.extend(body);
            }
            Body::LengthTwice(_) => {
                let length = body.len();
                let twice = format!(
                    "content-length:{length} ,{length}\r\nContent-Length:\t0{length}\r\n\r\n"
                );
                out.extend(twice.bytes());
                out.extend(body);
            }
            Body::Chunks(chunks, trailers) => {
                out.extend(b"Transfer-Encoding: Chunked\r\n\r\n");
                for chunk in chunks.iter().take(6) {
                    chunk.write(out);
                }
                out.extend(b"0\r\n");
                for trailer in trailers.iter().take(3) {
                    out.extend(format!("x-{}: 1\r\n", trailer.of(TOKEN)).bytes());
                }
                out.extend(b"\r\n");
            }
        }
    }

    /// What it means to the handlers of [`serving`](crate::serving), and whether it is the last.
    fn meant(&self) -> (Handled, bool) {
        let (method, target) = (self.verb().to_owned(), self.target());
        let parts = crate::strict::target_parts(&method, &target);
        let (_, path, _) = parts.expect("the grammar makes good targets");
        let kind = Kind::of(&method, &path);
        let keeps = match self.connection {
            Connection::Close | Connection::List => false,
            Connection::Keep => true,
            Connection::Unsaid | Connection::Other => !self.is_1_0(),
        };
        let has_body = !matches!(self.body, Body::None);
        let runs_until_close =
            kind == Kind::Stream && self.is_1_0() && !self.body().is_empty() && method != "HEAD";
        let handled = Handled {
            method,
            target,
            body: kind.takes_whole().then(|| self.body()),
        };
        // What is left unread may end it, or not.
        let is_open = kind == Kind::Unread && has_body;
        let closes = !keeps || kind == Kind::Close || is_open || runs_until_close;
        (handled, closes)
    }
}

impl Field {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Field::Own(name, value) => {
                let (name, value) = (name.of(TOKEN), value.of(TEXT));
                out.extend(format!("x-{name}: {value}\r\n").bytes());
            }
            Field::Cookie(value) => {
                out.extend(format!("Cookie: a={}\r\n", value.of(TEXT)).bytes());
            }
            Field::Form => out.extend(b"Content-Type: application/x-www-form-urlencoded\r\n"),
            Field::Expect => out.extend(b"Expect: 100-Continue\r\n"),
            Field::Empty => out.extend(b"X-Empty:\r\n"),
            Field::Spaces(count) => {
                out.extend(b"X-Spaces:");
                out.extend(std::iter::repeat_n(b' ', usize::from(*count % 20)));
                out.extend(b"x\t \r\n");
            }
            Field::Latin(byte) => out.extend([b'X', b'-', b'L', b':', byte | 0x80, b'\r', b'\n']),
            Field::Accept => out.extend(b"Accept: */*;q=0.1, text/html\r\n"),
        }
    }
}

impl Chunk {
    fn data(&self) -> Vec<u8> {
        match self.data.bytes() {
            // An empty chunk would be the last.
            data if data.is_empty() => b"\r".to_vec(),
            data => data,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let zeros = "0".repeat(usize::from(self.zeros % 8));
        let data = self.data();
        let size = data.len();
        out.extend(zeros.bytes());
        match self.is_upper {
            true => out.extend(format!("{size:X}").bytes()),
            false => out.extend(format!("{size:x}").bytes()),
        }
        match self.extension {
            Some(n) => out.extend(format!(";ext{n}=\"a;b\"\r\n").bytes()),
            None => out.extend(b"\r\n"),
        }
        out.extend(data);
        out.extend(b"\r\n");
    }
}

impl Break {
    fn apply(&self, wire: &mut Vec<u8>) {
        let len = wire.len();
        let place = |at: u16| usize::from(at) % (len + 1);
        match self {
            Break::Insert(at, piece) => {
                let at = place(*at);
                wire.splice(at..at, piece.bytes().iter().copied());
            }
            Break::InsertLine(line, piece) => {
                let ends = wire.windows(2).enumerate();
                let ends: Vec<usize> = ends
                    .filter(|(_, two)| *two == b"\r\n")
                    .map(|(at, _)| at + 2)
                    .collect();
                if let Some(at) = ends.get(usize::from(*line) % ends.len().max(1)).copied() {
                    wire.splice(at..at, piece.bytes().iter().copied());
                }
            }
            Break::Delete(at, count) => {
                let at = place(*at);
                let end = (at + usize::from(count % 8)).min(len);
                wire.drain(at..end);
            }
            Break::Replace(at, byte) => {
                if let Some(old) = wire.get_mut(place(*at)) {
                    *old = *byte;
                }
            }
            Break::Swap(one, other) => {
                let (one, other) = (place(*one), place(*other));
                if one < len && other < len {
                    wire.swap(one, other);
                }
            }
            Break::Repeat(at, count) => {
                let at = place(*at);
                let end = (at + usize::from(*count)).min(len);
                let copy = wire[at..end].to_vec();
                wire.splice(at..at, copy);
            }
            Break::Cut(at) => wire.truncate(place(*at)),
        }
    }
}
