//! Where a token stands in the user's file, and what an expression looks like there.
//!
//! A yield point carries its file, line, column and expression, for traces and for the message
//! of a coroutine that hangs. Stable Rust tells the place of one token at a time (joining spans
//! is unstable), so the text of an expression is put together token by token: two tokens that
//! touch in the file touch in the text, others are one space apart.
//!
//! Outside a compiler, in this crate's unit tests, there are no places. Then the file is
//! `::core::file!()`, the numbers are 0, and the text is that of the token stream.

use proc_macro2::{Delimiter, Group, Literal, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};

/// A place as three fields of a struct or a macro's arguments.
pub(crate) struct Place {
    pub(crate) file: TokenStream,
    pub(crate) line: Literal,
    pub(crate) column: Literal,
}

impl Place {
    /// Where `span` begins.
    pub(crate) fn of(span: Span) -> Place {
        if !proc_macro::is_available() {
            return Place::new(quote!(::core::file!()), 0, 0);
        }
        let span = span.unwrap();
        Place::new(
            Literal::string(&span.file()).into_token_stream(),
            span.line(),
            span.column(),
        )
    }

    fn new(file: TokenStream, line: usize, column: usize) -> Place {
        let literal = |n: usize| Literal::u32_suffixed(u32::try_from(n).unwrap_or(u32::MAX));
        Place {
            file,
            line: literal(line),
            column: literal(column),
        }
    }
}

/// What the user wrote for `expression`, on one line and without comments.
pub(crate) fn source_text(expression: &impl ToTokens) -> String {
    let tokens = expression.to_token_stream();
    if !proc_macro::is_available() {
        return tokens.to_string();
    }
    let mut text = Text::default();
    text.stream(tokens);
    text.written
}

/// The same tokens with the same hygiene, but standing where `place` stands.
pub(crate) fn relocated(tokens: &impl ToTokens, place: Span) -> TokenStream {
    let relocate = |mut token: TokenTree| {
        if let TokenTree::Group(group) = &token {
            let stream = relocated(&group.stream(), place);
            token = Group::new(group.delimiter(), stream).into();
        }
        token.set_span(token.span().located_at(place));
        token
    };
    tokens.to_token_stream().into_iter().map(relocate).collect()
}

/// Line and column.
type Position = (usize, usize);

#[derive(Default)]
struct Text {
    written: String,
    /// Where the last token ended.
    end: Option<Position>,
    /// The next token belongs to the last one: `(`, or the first half of `::` or `'a`.
    glue: bool,
}

impl Text {
    fn stream(&mut self, tokens: TokenStream) {
        for token in tokens {
            let (start, end) = bounds(token.span());
            match token {
                TokenTree::Group(group) => self.group(&group, start, end),
                TokenTree::Punct(punct) => {
                    self.token(&punct.to_string(), start, end);
                    self.glue = punct.spacing() == Spacing::Joint;
                }
                other => self.token(&other.to_string(), start, end),
            }
        }
    }

    // `span_open` and `span_close` are those of the whole group after a pass through `syn`, hence
    // the counting of columns.
    fn group(&mut self, group: &Group, start: Position, end: Position) {
        let Some((open, close)) = delimiters(group.delimiter()) else {
            return self.stream(group.stream());
        };
        let inside = (start.0, start.1 + 1);
        self.token(open, start, inside);
        let first = group.stream().into_iter().next();
        self.glue = first.is_some_and(|token| bounds(token.span()).0.0 != inside.0);
        self.stream(group.stream());
        self.token(close, (end.0, end.1.saturating_sub(1)), end);
    }

    fn token(&mut self, token: &str, start: Position, end: Position) {
        if self.wants_space(token, start) {
            self.written.push(' ');
        }
        self.written.push_str(token);
        self.end = Some(end);
        self.glue = false;
    }

    fn wants_space(&self, token: &str, start: Position) -> bool {
        let Some(end) = self.end else { return false };
        let hangs = end.0 != start.0 && matches!(token, "." | "?" | ")" | "]");
        !self.glue && !hangs && end != start
    }
}

/// Where a span starts and ends.
fn bounds(span: Span) -> (Position, Position) {
    let position = |span: proc_macro::Span| (span.line(), span.column());
    let span = span.unwrap();
    (position(span.start()), position(span.end()))
}

fn delimiters(delimiter: Delimiter) -> Option<(&'static str, &'static str)> {
    match delimiter {
        Delimiter::Parenthesis => Some(("(", ")")),
        Delimiter::Brace => Some(("{", "}")),
        Delimiter::Bracket => Some(("[", "]")),
        Delimiter::None => None,
    }
}
