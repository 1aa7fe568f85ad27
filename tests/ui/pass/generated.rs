//! Coroutines that `macro_rules!` writes, and yields inside the arguments of macros.

use squall::{moment, yield_};

macro_rules! constant {
    ($(#[$attr:meta])* $vis:vis $name:ident: $type:ty = $value:expr) => {
        $(#[$attr])*
        #[squall::coroutine]
        $vis fn $name() -> $type {
            yield_!(moment());
            $value
        }
    };
}

constant!(
    /// One.
    #[inline]
    pub(crate) one: u32 = 1
);
constant!(two: u32 = yield_!(one()) + 1);

macro_rules! with_body {
    ($name:ident($($arg:ident: $type:ty),*) -> $result:ty $body:block) => {
        #[squall::coroutine]
        fn $name($($arg: $type),*) -> $result $body
    };
}

with_body!(add(a: u32, b: u32) -> u32 {
    yield_!(moment());
    a + b
});

/// The yield is the macro's, the value its user's.
macro_rules! or_zero {
    ($value:expr) => {
        match yield_!($value) {
            Ok(value) => value,
            Err(_) => 0,
        }
    };
}

#[squall::coroutine]
fn number(text: String) -> Result<u32, std::num::ParseIntError> {
    text.parse()
}

macro_rules! block {
    ($($name:ident)*) => {
        squall::coroutines! {
            $(
                #[coroutine]
                fn $name() -> &'static str {
                    yield moment();
                    stringify!($name)
                }
            )*
        }
    };
}

block!(red green);

#[squall::main]
fn main() {
    assert_eq!(yield_!([one(), two(), add(1, 2)]), [1, 2, 3]);
    assert_eq!(or_zero!(number("x".into())), 0);
    let text = format!("{} {:?}", yield_!(one()), yield_!(vec![red(), green()]));
    assert_eq!(text, r#"1 ["red", "green"]"#);
    assert!(matches!(yield_!(number("7".into())), Ok(7)));
}
