//! What the page of an error shows to who develops: the error and those behind it, the coroutines
//! that it passed with their places in the source, and the request.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use http::header::CONTENT_TYPE;
use squall::Traceback;

use super::answer::escape_html;
use super::exchange::Exchange;
use crate::error::Error;

/// How many lines are shown on each side of a place.
const AROUND: usize = 3;

/// No source is longer, and what is would be no page.
const MAX_SOURCE_BYTES: u64 = 4 * 1024 * 1024;

const SECRET: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;\
color:#1b2330;background:#f6f7f9}h1{font-size:1.4rem}h2{font-size:1.05rem;margin-top:2rem}\
pre{background:#fff;border:1px solid #d8dde5;border-radius:6px;padding:.6rem 0;overflow-x:auto;\
font:13px/1.5 ui-monospace,monospace}pre span{display:block;padding:0 .8rem}\
.here{background:#ffe9e6;font-weight:600}.why{color:#a4262c;white-space:pre-wrap}\
.place{color:#5b6675}dt{float:left;clear:left;color:#5b6675;margin-right:.6rem}dd{margin:0;overflow-wrap:anywhere}";

/// What went wrong, and the way that it came.
#[derive(Debug)]
pub(super) struct Failure {
    /// A panic's message: nothing of it is in the error.
    panic: Option<String>,
    way: Option<Traceback>,
}

impl Exchange {
    /// Keeps what went wrong, if it is to be shown.
    pub(super) fn note_failure(&mut self, panic: Option<&str>, way: Option<&Traceback>) {
        if self.is_debug() {
            self.extra().failure = Some(Failure {
                panic: panic.map(str::to_owned),
                way: way.cloned(),
            });
        }
    }

    pub(super) fn is_debug(&self) -> bool {
        (self.site.as_ref()).is_some_and(|site| site.debug == Some(true))
    }

    /// Writes the page that shows what went wrong: for browsers, or as text.
    pub(super) fn write_debug_page(&mut self, error: &Error) {
        let failure = self.extra.as_mut().and_then(|extra| extra.failure.take());
        let accepts_html = (self.request().header_values("accept"))
            .any(|line| str::from_utf8(line).is_ok_and(|line| line.contains("text/html")));
        let story = Story::new(self, error, failure);
        let (content_type, page) = match accepts_html {
            true => ("text/html; charset=utf-8", story.html()),
            false => ("text/plain; charset=utf-8", story.text()),
        };
        let set = self.set_header(CONTENT_TYPE, content_type);
        debug_assert!(set.is_ok(), "the types are text");
        self.write(page);
    }
}

/// All that a page shows.
struct Story {
    title: String,
    /// The error, then those behind it.
    causes: Vec<String>,
    places: Vec<Place>,
    request: Vec<(String, String)>,
}

/// A coroutine that the error passed.
struct Place {
    name: String,
    file: &'static str,
    line: u32,
    what: String,
    /// Numbers and text of the lines around it, if the source is there.
    source: Vec<(u32, String)>,
}

impl Story {
    fn new(ex: &Exchange, error: &Error, failure: Option<Failure>) -> Story {
        let (panic, way) = failure.map_or((None, None), |failure| (failure.panic, failure.way));
        let title = format!("{}: {}", error.status().as_u16(), error.reason());
        let panic = panic.map(|message| format!("panic: {message}"));
        let message = Some(error.message()).filter(|message| !message.is_empty());
        let mut causes: Vec<String> = panic.into_iter().collect();
        causes.extend(message.map(str::to_owned));
        let mut cause = error.source();
        while let Some(source) = cause {
            causes.push(source.to_string());
            cause = source.source();
        }
        let frames = way
            .iter()
            .flat_map(|way| way.frames().iter().enumerate().rev());
        let places = frames.map(|(i, frame)| {
            let site = frame.coroutine;
            let name = format!("{}::{}", site.module, site.name);
            let (file, line, what) = match frame.at {
                Some(at) if i == 0 => (
                    at.file,
                    at.line,
                    format!("after the yield of {}", at.expression),
                ),
                Some(at) => (
                    at.file,
                    at.line,
                    format!("at the yield of {}", at.expression),
                ),
                None => (site.file, site.line, "before its first yield".to_owned()),
            };
            Place {
                name,
                file,
                line,
                what,
                source: source(file, line),
            }
        });
        Story {
            title,
            causes,
            places: places.collect(),
            request: request(ex),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.title);
        for cause in &self.causes {
            text += &format!("  {cause}\n");
        }
        if !self.places.is_empty() {
            text += "\nThe coroutines that it passed, the innermost last:\n";
        }
        for place in &self.places {
            text += &format!(
                "\n{} ({}:{}), {}\n",
                place.name, place.file, place.line, place.what
            );
            for (number, line) in &place.source {
                let mark = if *number == place.line { '>' } else { ' ' };
                text += &format!("{mark} {number:>5} | {line}\n");
            }
        }
        text += "\nThe request:\n";
        for (name, value) in &self.request {
            text += &format!("  {name}: {value}\n");
        }
        text
    }

    fn html(&self) -> String {
        let title = escape_html(&self.title);
        let mut page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
             <style>{STYLE}</style><body><h1>{title}</h1>"
        );
        for cause in &self.causes {
            push(
                &mut page,
                format_args!("<p class=\"why\">{}</p>", escape_html(cause)),
            );
        }
        if !self.places.is_empty() {
            page.push_str("<h2>The coroutines that it passed, the innermost last</h2>");
        }
        for place in &self.places {
            let [name, file, what] = [&*place.name, place.file, &*place.what].map(escape_html);
            let line = place.line;
            push(
                &mut page,
                format_args!(
                    "<p><b>{name}</b> {what}<br><span class=\"place\">{file}:{line}</span></p>"
                ),
            );
            if !place.source.is_empty() {
                page.push_str("<pre>");
                for (number, text) in &place.source {
                    let class = if *number == line {
                        " class=\"here\""
                    } else {
                        ""
                    };
                    let text = escape_html(text);
                    push(
                        &mut page,
                        format_args!("<span{class}>{number:>5}  {text}</span>"),
                    );
                }
                page.push_str("</pre>");
            }
        }
        page.push_str("<h2>The request</h2><dl>");
        for (name, value) in &self.request {
            let [name, value] = [name, value].map(|text| escape_html(text));
            push(&mut page, format_args!("<dt>{name}</dt><dd>{value}</dd>"));
        }
        page.push_str("</dl><p class=\"place\">This page is shown as the application has <code>debug(true)</code>.</p></body></html>");
        page
    }
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a string takes everything");
}

/// The request, as it may be shown.
fn request(ex: &Exchange) -> Vec<(String, String)> {
    let request = ex.request();
    let line = format!("{} {}", request.method(), request.target());
    let mut lines = vec![("request".to_owned(), line)];
    lines.extend(request.headers().map(|(name, value)| {
        let is_secret = SECRET
            .iter()
            .any(|secret| name.eq_ignore_ascii_case(secret));
        let value = match is_secret {
            true => "(not shown)".into(),
            false => String::from_utf8_lossy(value),
        };
        (name.to_owned(), value.into_owned())
    }));
    lines
}

/// The lines around one of a source, if that is on this machine.
fn source(file: &str, line: u32) -> Vec<(u32, String)> {
    let Some(text) = find(file).and_then(|path| fs::read_to_string(path).ok()) else {
        return Vec::new();
    };
    let first = (line as usize).saturating_sub(AROUND + 1);
    let last = line as usize + AROUND;
    let lines = text.lines().enumerate().take(last).skip(first);
    lines
        .map(|(at, text)| (at as u32 + 1, text.to_owned()))
        .collect()
}

/// Sources are named from where the compiler ran, which is here or a folder above.
fn find(file: &str) -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let candidates = here
        .ancestors()
        .take(6)
        .map(|folder| folder.join(Path::new(file)));
    let is_source = |path: &PathBuf| {
        let meta = fs::metadata(path);
        meta.is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_SOURCE_BYTES)
    };
    candidates.into_iter().find(is_source)
}
