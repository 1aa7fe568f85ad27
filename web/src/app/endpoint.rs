//! What a route leads to: a handler type or a function, behind one face.

use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::Poll;

use http::StatusCode;

use super::handler::RequestHandler;
use crate::conn::{BodyPlan, Call, Exchange, HandlerResult, Verb, log_error};
use crate::error::Error;

/// Answers the requests of one route.
pub(super) trait Endpoint {
    /// Answers a request of a method that it has; 405 to one that it lacks.
    fn serve<'a>(&'a self, verb: Verb, ex: &'a mut Exchange) -> Call<'a>;

    /// The methods that it has, for `Allow`.
    fn methods(&self) -> Vec<Verb>;

    /// True if it has a method, or answers it by another.
    fn answers(&self, verb: Verb) -> bool;

    /// How bodies are taken, if the route does not say.
    fn body_plan(&self) -> BodyPlan {
        BodyPlan::whole()
    }
}

/// Makes a handler for each request.
pub(super) struct Factory<F> {
    make: F,
}

impl<F> Factory<F> {
    pub(super) fn new(make: F) -> Self {
        Factory { make }
    }
}

impl<H: RequestHandler, F: Fn() -> H + 'static> Endpoint for Factory<F> {
    fn serve<'a>(&'a self, verb: Verb, ex: &'a mut Exchange) -> Call<'a> {
        match pick(verb, H::METHODS) {
            Some(verb) => Call::coroutine(execute((self.make)(), verb, ex)),
            None => method_not_allowed(ex, H::METHODS),
        }
    }

    fn methods(&self) -> Vec<Verb> {
        H::METHODS.to_vec()
    }

    fn answers(&self, verb: Verb) -> bool {
        pick(verb, H::METHODS).is_some()
    }

    fn body_plan(&self) -> BodyPlan {
        match H::STREAMS_BODY {
            true => BodyPlan::stream(),
            false => BodyPlan::whole(),
        }
    }
}

/// The life of a request in a handler.
async fn execute<H: RequestHandler>(
    mut handler: H,
    verb: Verb,
    ex: &mut Exchange,
) -> crate::Result<()> {
    // What few requests need is in a box, or all would have room for it.
    let mut result = match H::HEARS_OF_CLOSE {
        true => Box::pin(run_while_connected(&mut handler, verb, ex)).await,
        false => run(&mut handler, verb, ex).await,
    };
    if let Err(error) = result {
        result = Box::pin(answer_error(&mut handler, ex, error)).await;
    }
    if result.is_ok() {
        ex.finish();
    }
    handler.on_finish(ex);
    result
}

/// Answers an error, if that is what it is and it can be.
async fn answer_error<H: RequestHandler>(
    handler: &mut H,
    ex: &mut Exchange,
    error: Error,
) -> crate::Result<()> {
    if error.is_finish() {
        return Ok(());
    }
    if ex.headers_sent() {
        return Err(error);
    }
    ex.clear();
    ex.begin_error(&error);
    log_error(ex, &error);
    match handler.call_write_error(ex, &error).await {
        Err(second) if ex.headers_sent() => return Err(second),
        Err(second) => {
            log_error(ex, &second);
            ex.write_error_page(&error);
        }
        Ok(()) => {}
    }
    Ok(())
}

/// The part of that which answers.
async fn run<H: RequestHandler>(
    handler: &mut H,
    verb: Verb,
    ex: &mut Exchange,
) -> crate::Result<()> {
    handler.call_prepare(ex).await?;
    if H::STREAMS_BODY {
        Box::pin(stream_body(handler, ex)).await?;
    }
    match ex.is_finished() {
        true => Ok(()),
        false => handler.call(verb, ex).await,
    }
}

/// Gives a handler its request's body as it comes.
async fn stream_body<H: RequestHandler>(handler: &mut H, ex: &mut Exchange) -> crate::Result<()> {
    while !ex.is_finished()
        && let Some(chunk) = ex.body_chunk().await?
    {
        handler.call_data_received(ex, &chunk).await?;
    }
    Ok(())
}

/// Ends it where it stands if the client leaves.
async fn run_while_connected<H: RequestHandler>(
    handler: &mut H,
    verb: Verb,
    ex: &mut Exchange,
) -> crate::Result<()> {
    let mut gone = ex.client_gone();
    let ended = {
        let mut running = pin!(run(handler, verb, ex));
        poll_fn(|cx| match running.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => Pin::new(&mut gone).poll(cx).map(|()| None),
        })
        .await
    };
    // While the body was read that is how it is noticed.
    let left = match &ended {
        None => true,
        Some(Err(error)) => error.is_client_gone(),
        Some(Ok(())) => false,
    };
    if left {
        handler.on_connection_close(ex);
    }
    ended.unwrap_or_else(|| Err(client_left()))
}

/// nginx's status for what nobody waits for any more; it is for the log alone.
fn client_left() -> Error {
    let status = StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST);
    Error::new(status, "the client has left")
}

/// The one of `methods` that answers `verb`: `HEAD` is answered by `GET`.
fn pick(verb: Verb, methods: &[Verb]) -> Option<Verb> {
    first_of(verb, |verb| methods.contains(&verb).then_some(verb))
}

/// What `of` has for a verb, or for the one that answers it.
fn first_of<T>(verb: Verb, of: impl Fn(Verb) -> Option<T>) -> Option<T> {
    match verb {
        Verb::Head => of(Verb::Head).or_else(|| of(Verb::Get)),
        verb => of(verb),
    }
}

/// A function that answers requests; `M` is the compiler's business.
///
/// A coroutine that borrows the exchange (`#[squall::coroutine] fn(ex: &mut Exchange) ->
/// Result<()>`), an `async fn` of that form, or a plain function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not answer requests",
    label = "not a handler function",
    note = "write `#[squall::coroutine] fn name(ex: &mut Exchange) -> squall_web::Result<()>`, or the same as a plain function",
    note = "the path's arguments are in the exchange: `let id: u64 = ex.path_argument(\"id\")?`",
    note = "a type that implements `RequestHandler` goes to `.route(path, || Type)`"
)]
pub trait HandlerFunction<M>: 'static {
    /// Calls it.
    fn call<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a>;
}

/// The form of functions that wait.
#[derive(Debug)]
pub struct AsyncFunction<R>(PhantomData<R>);

/// The form of plain functions.
#[derive(Debug)]
pub struct SyncFunction<R>(PhantomData<R>);

impl<F, R> HandlerFunction<AsyncFunction<R>> for F
where
    F: AsyncFn(&mut Exchange) -> R + 'static,
    R: HandlerResult,
{
    fn call<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a> {
        Call::coroutine(async move { self(ex).await })
    }
}

impl<F, R> HandlerFunction<SyncFunction<R>> for F
where
    F: Fn(&mut Exchange) -> R + 'static,
    R: HandlerResult,
{
    fn call<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a> {
        Call::done(self(ex))
    }
}

/// The functions of one path, by method.
#[derive(Default)]
pub(super) struct Functions {
    by_verb: Vec<(Verb, Box<dyn ErasedFunction>)>,
}

trait ErasedFunction {
    fn call<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a>;
}

struct Erased<F, M> {
    function: F,
    form: PhantomData<M>,
}

impl<F: HandlerFunction<M>, M> ErasedFunction for Erased<F, M> {
    fn call<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a> {
        self.function.call(ex)
    }
}

/// A function for all methods.
pub(super) struct AnyMethod(Box<dyn ErasedFunction>);

impl AnyMethod {
    pub(super) fn new<M: 'static>(function: impl HandlerFunction<M>) -> AnyMethod {
        let form = PhantomData;
        AnyMethod(Box::new(Erased { function, form }))
    }
}

impl Endpoint for AnyMethod {
    fn serve<'a>(&'a self, _: Verb, ex: &'a mut Exchange) -> Call<'a> {
        self.0.call(ex)
    }

    fn methods(&self) -> Vec<Verb> {
        Verb::ALL.to_vec()
    }

    fn answers(&self, _: Verb) -> bool {
        true
    }
}

impl Functions {
    /// Adds a function; false if the method has one.
    pub(super) fn add<M: 'static>(
        &mut self,
        verb: Verb,
        function: impl HandlerFunction<M>,
    ) -> bool {
        if self.by_verb.iter().any(|(v, _)| *v == verb) {
            return false;
        }
        let erased = Erased {
            function,
            form: PhantomData,
        };
        self.by_verb.push((verb, Box::new(erased)));
        true
    }

    fn find(&self, verb: Verb) -> Option<&dyn ErasedFunction> {
        let of = |verb| self.by_verb.iter().find(|(v, _)| *v == verb);
        first_of(verb, of).map(|(_, function)| &**function)
    }
}

impl Endpoint for Functions {
    fn serve<'a>(&'a self, verb: Verb, ex: &'a mut Exchange) -> Call<'a> {
        match self.find(verb) {
            Some(function) => function.call(ex),
            None => method_not_allowed(ex, &self.methods()),
        }
    }

    fn methods(&self) -> Vec<Verb> {
        self.by_verb.iter().map(|(verb, _)| *verb).collect()
    }

    fn answers(&self, verb: Verb) -> bool {
        self.find(verb).is_some()
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Functions").field(&self.methods()).finish()
    }
}

/// The answer to a method that a route lacks: 405 with `Allow` (RFC 9110 §15.5.6).
pub(super) fn method_not_allowed<'a>(ex: &mut Exchange, methods: &[Verb]) -> Call<'a> {
    let mut names: Vec<&str> = methods.iter().map(|verb| verb.as_str()).collect();
    if methods.contains(&Verb::Get) && !methods.contains(&Verb::Head) {
        names.push(Verb::Head.as_str());
    }
    let error = Error::status_only(StatusCode::METHOD_NOT_ALLOWED);
    ex.write_error_page(&error);
    Call::done(ex.set_header(http::header::ALLOW, names.join(", ")))
}
