//! A scoped coroutine may have any result; those that borrow, also hidden, are not asked for more.

use squall::{Return, yield_};

struct Text<'a>(&'a str);

#[derive(Debug, PartialEq)]
struct Odd;

impl squall::Returnable for Odd {}

#[squall::coroutine]
fn hidden<'a>(text: &'a str) -> Result<Text<'a>, Box<dyn std::error::Error + 'a>> {
    yield_!(());
    Ok(Text(text))
}

#[squall::coroutine]
fn generic<T: Clone>(value: &T) -> Option<T> {
    yield_!(());
    Some(value.clone())
}

#[squall::coroutine]
fn own(text: &str) -> Result<usize, Odd> {
    if text.len() % 2 == 1 {
        Return(Err::<usize, _>(Odd)).raise();
    }
    Ok(text.len())
}

#[squall::main]
fn main() {
    let text = String::from("text");
    assert_eq!(yield_!(hidden(&text)).map_err(|_| ()).unwrap().0, "text");
    assert_eq!(yield_!(generic(&&text[..])), Some("text"));
    assert_eq!(yield_!(own("odd")), Err(Odd));
}
