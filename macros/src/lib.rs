//! The macros of Squall.
//!
//! A macro here knows syntax and nothing else. It turns a function into a call of
//! `squall::private`, where the work is done and can be read, stepped and tested.
//! The words: a *coroutine* is a function that can stop at a *yield point* and go on later;
//! an *owned* coroutine borrows nothing and starts when it is called; a *borrowed* one holds
//! references and starts when it is yielded; a *stub* is what stands in for a function that
//! had a mistake in it, so that the mistake is reported once and its callers still compile.
//!
//! ```text
//!   args.rs    what stands in the parentheses     input.rs   the functions we accept
//!   test_args.rs  the same, for #[test] alone
//!   check.rs   every message a user can get       rewrite.rs yield points
//!   place.rs   file, line and text of a token     stub.rs    what is emitted beside an error
//!   expand.rs  #[coroutine]                       block.rs   coroutines! { … }
//!   entry.rs   #[main], #[test]                   handler.rs #[request_handler]
//!   engine.rs  #[engine]
//! ```
//!
//! Use them through the crates `squall` and `squall_web`, which re-export them. The examples on
//! this page are `text`, for they need those crates, which depend on this one; they run as
//! tests there.

#![forbid(unsafe_code)]

use proc_macro::TokenStream;

mod args;
mod block;
mod check;
mod engine;
mod entry;
mod expand;
mod handler;
mod input;
mod place;
mod rewrite;
mod stub;
mod test_args;

/// Turns a function into a coroutine.
///
/// Inside, `yield_!(x)` stops the function until `x` is done: a future, another coroutine, or
/// an array, a `Vec` or a map of those, which then run at the same time. `x.await` does the same
/// for one future.
///
/// # Shapes
///
/// * **Owned**: no parameter borrows. `fn f(url: String) -> T` becomes
///   `fn f(url: String) -> Deferred<T>`. Calling it runs it up to its first unfinished yield;
///   from there it goes on by itself, whether the `Deferred` is kept or not. Type parameters
///   must be `'static`, as the macro adds for you.
/// * **Borrowed**: a parameter or the receiver has a reference or a lifetime other than
///   `'static`: `&T`, `&mut self`, `Name<'_>`. The function then returns
///   `Scoped<impl Future<Output = T>>`, which runs while it is yielded, and may return references.
/// * `#[coroutine(scoped)]` asks for the borrowed shape where the macro cannot see the borrow: a
///   type whose lifetime is not written, such as `self` in `impl<'a> Parser<'a>`.
/// * `#[coroutine(crate = some::path)]` says where `squall` is re-exported.
///
/// The function may be free or a method, and generic; attributes, visibility and docs stay.
///
/// # Examples
///
/// Not run here, as the crate `squall` is not at hand:
///
/// ```text
/// use squall::{sleep, yield_};
///
/// #[squall::coroutine]
/// fn later(word: String) -> String {
///     yield_!(sleep(Duration::from_millis(10)));
///     word
/// }
///
/// #[squall::coroutine]
/// fn both() -> [String; 2] {
///     yield_!([later("a".into()), later("b".into())]) // both wait at the same time
/// }
/// ```
///
/// # Errors
///
/// It refuses, saying what to write instead: `async`, `const`, `unsafe`, `extern` and variadic
/// functions; a result that is an `impl Trait` or already a `Deferred`; a reference returned by
/// an owned coroutine; a function without a body; the keyword `yield`, which rustc reserves in
/// the body of an attributed function (see [`coroutines!`]); a second `#[coroutine]`; and
/// anything that is no function.
#[proc_macro_attribute]
pub fn coroutine(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(args.into(), item.into()).into()
}

/// Turns a function that reports to a callback into a coroutine: Tornado's `gen.engine`.
///
/// As [`macro@coroutine`], but the function returns nothing, and nobody can wait for it: calling it
/// runs it up to its first unfinished yield, and from there the loop does. What it has to say it says
/// to its callback; an error goes there as well. A panic is logged with its traceback. If the callback
/// is that of a `squall::task`, whoever waits for it is told when a panic drops it.
///
/// For interfaces that are given, such as an implementation of a trait of callbacks. In new code
/// write a coroutine, and have its result.
///
/// # Examples
///
/// Not run here, as the crate `squall` is not at hand:
///
/// ```text
/// #[squall::engine]
/// fn fetch_size(url: String, callback: impl FnOnce(Result<usize>)) {
///     let response = yield_!(AsyncHttpClient::new().fetch(url));
///     callback(response.map(|response| response.body().len()));
/// }
/// ```
///
/// # Errors
///
/// A result, which nobody could take (Tornado's `ReturnValueIgnoredError`); a parameter that
/// borrows, as the function goes on after the call; and all that [`macro@coroutine`] refuses.
#[proc_macro_attribute]
pub fn engine(args: TokenStream, item: TokenStream) -> TokenStream {
    engine::engine(args.into(), item.into()).into()
}

/// Lets coroutines say `yield x` instead of `yield_!(x)`.
///
/// Functions that carry `#[coroutine]` (the bare name is enough here) become coroutines as under
/// [`macro@coroutine`], wherever they stand: free, in an `impl`, in a `mod`, in another function.
/// The yields of functions under `#[squall::main]` and `#[squall::test]`, and of the coroutines
/// of a `#[request_handler]`, are understood too. Everything else is left as it is.
///
/// `yield` takes all that follows: `yield x?` is `yield (x?)`. Write `(yield x)?` to look at the
/// result. A lone `yield` yields `()`.
///
/// # Examples
///
/// Not run here, as the crate `squall` is not at hand:
///
/// ```text
/// squall::coroutines! {
///     #[coroutine]
///     fn page(client: Client, url: String) -> Result<usize> {
///         let body = (yield client.fetch(&url))?;
///         Ok(body.len())
///     }
/// }
/// ```
///
/// Where `squall` is re-exported, begin with its path: `coroutines! { crate = some::path; … }`.
///
/// # Errors
///
/// Those of [`macro@coroutine`]; and a `yield` in a function that is no coroutine, in a closure
/// or an `async` block, or in another macro's arguments, where only `yield_!(x)` can be seen.
#[proc_macro]
pub fn coroutines(items: TokenStream) -> TokenStream {
    block::coroutines(items.into()).into()
}

/// Makes a coroutine the program's `main`: starts a loop, runs it, returns its result.
///
/// The function takes no arguments and may return whatever `main` may: nothing, a `Result`, an
/// `ExitCode`. `#[main(crate = some::path)]` says where `squall` is re-exported.
///
/// # Examples
///
/// Not run here, as the crate `squall` is not at hand:
///
/// ```text
/// #[squall::main]
/// fn main() -> squall::Result<()> {
///     yield_!(squall::sleep(Duration::from_secs(1)));
///     Ok(())
/// }
/// ```
///
/// # Errors
///
/// Parameters and generics, and all that [`macro@coroutine`] refuses.
#[proc_macro_attribute]
pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::main(args.into(), item.into()).into()
}

/// Makes a coroutine a test, run on a loop of its own.
///
/// The loop's clock is virtual: it jumps to the next timer when nothing can run. At the end the test
/// fails for what it leaves behind.
///
/// `#[should_panic]`, `#[ignore]` and other attributes stay. The result may be whatever a test
/// may return.
///
/// # Arguments
///
/// * `seeds = 100`: runs the test with each seed from 0 to 99, on a fresh loop each. A seed shuffles
///   what runs first among coroutines that can run, and is where the faults of a
///   `squall::testing::Network` come from.
/// * `seed = 17`: runs it with that seed. Without either it runs once, and in the order in which
///   things came.
/// * `leaks = "allow"` or `"strict"`: what it may leave behind; see `squall::testing::Leaks`.
/// * `timeout_secs = 60`: fails it when so much virtual time has passed.
/// * `crate = some::path`: where `squall` is re-exported.
///
/// `SQUALL_SEED=17` in the environment runs any test once, with that seed; a failure under a seed
/// says so, and shows the last events. With `SQUALL_LOG_EVENTS=<folder>` each run writes its event
/// log there.
///
/// # Examples
///
/// Not run here, as the crate `squall` is not at hand:
///
/// ```text
/// #[squall::test(seeds = 100)]
/// fn time_passes() {
///     let before = IoLoop::current().time();
///     yield_!(squall::sleep(Duration::from_secs(3600))); // in no time
///     assert_eq!(IoLoop::current().time() - before, Duration::from_secs(3600));
/// }
/// ```
///
/// # Errors
///
/// As for [`macro@main`]; and a `#[test]` beside it, which it adds by itself.
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::test(args.into(), item.into()).into()
}

/// Makes a type answer HTTP requests: one method for each HTTP method.
///
/// # Shapes
///
/// It goes on `impl RequestHandler for Page`, which holds any of
///
/// ```text
/// get head post put patch delete options
///             (&mut self, ex: &mut Exchange, id: u64, …) -> Result<()>   plain or #[coroutine]
/// prepare     (&mut self, ex: &mut Exchange) -> Result<()>               plain or #[coroutine]
/// write_error (&mut self, ex: &mut Exchange, error: &Error) -> Result<()> plain or #[coroutine]
/// on_finish   (&mut self, ex: &Exchange)                                 plain
/// ```
///
/// and at least one of the first line. What follows `ex` are the groups of the route's pattern,
/// in order, each parsed by `FromStr`. Methods that do not yield need no `#[coroutine]`.
/// They are also inherent methods, so that `post` can call `self.get(ex)`.
/// `#[request_handler(crate = some::path)]` says where `squall_web` is re-exported.
///
/// # Examples
///
/// Not run here, as the crate `squall_web` is not at hand:
///
/// ```text
/// struct Page;
///
/// #[squall_web::request_handler]
/// impl RequestHandler for Page {
///     #[coroutine]
///     fn get(&mut self, ex: &mut Exchange, id: u64) -> Result<()> {
///         let row = yield_!(load(id))?;
///         ex.write(row)
///     }
/// }
/// ```
///
/// # Errors
///
/// A method that is none of these (helpers go into an `impl Page` of their own); a receiver other
/// than `&mut self`; a missing exchange or result; path arguments that are references; constants
/// and types; an `impl` of something else; no HTTP method at all.
#[proc_macro_attribute]
pub fn request_handler(args: TokenStream, item: TokenStream) -> TokenStream {
    handler::request_handler(args.into(), item.into()).into()
}
