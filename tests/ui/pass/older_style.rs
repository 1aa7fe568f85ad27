//! Code as it was written before edition 2024: `extern crate`, `gen` as a name, `ref` patterns,
//! boxed futures, `async` blocks, `.await`.

#[macro_use(yield_)]
extern crate squall;

use std::future::Future;
use std::pin::Pin;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

fn boxed<'a>(text: &'a str) -> BoxFuture<'a, usize> {
    Box::pin(async move {
        squall::moment().await;
        text.len()
    })
}

async fn plain(n: u32) -> u32 {
    squall::moment().await;
    n
}

#[squall::coroutine]
fn mixed(r#gen: u32) -> u32 {
    let text = String::from("four");
    let ref borrowed = text;
    let length = boxed(borrowed).await as u32;
    let block = async { plain(r#gen).await + 1 };
    (async { 1 }).await + yield_!(block) + length
}

#[squall::coroutine]
fn fails() -> Result<(), Box<dyn std::error::Error>> {
    yield_!(plain(1));
    return Err("failed".into());
}

#[squall::main]
fn main() -> std::process::ExitCode {
    assert_eq!(yield_!(mixed(2)), 8);
    match yield_!(fails()) {
        Ok(()) => return std::process::ExitCode::FAILURE,
        Err(ref error) => assert_eq!(error.to_string(), "failed"),
    }
    std::process::ExitCode::SUCCESS
}
