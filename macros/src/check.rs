//! Every message a user can get, and the checks that give them.
//!
//! A message stands at the token at fault and says what to write instead. Checks do not stop at
//! the first mistake: they push into one [`Errors`], which is emitted beside a
//! [`stub`](crate::stub). Functions come first, texts after them.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Expr, FnArg, GenericParam, Item, ItemImpl, Pat, PatType, ReturnType, Signature,
    Stmt, Type, TypeImplTrait,
};

use crate::args::Macro;
use crate::handler::Role;
use crate::input::{Function, Kind, ends_in, find_borrow};
use crate::place::source_text;
use crate::rewrite;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Adds `message`, reported at `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            none => *none = Some(error),
        }
    }

    pub(crate) fn append(&mut self, others: Errors) {
        others.0.into_iter().for_each(|error| self.push(error));
    }

    /// The mistakes, if any, and `tokens` after them.
    pub(crate) fn beside(self, tokens: TokenStream) -> TokenStream {
        let errors = self.0.map(syn::Error::into_compile_error);
        quote!(#errors #tokens)
    }

    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        let errors = self.0.iter().flatten();
        errors.map(|error| error.to_string()).collect()
    }
}

/// What holds for every coroutine. Entry points and handlers add to it.
pub(crate) fn coroutine(function: &Function, kind: Kind, errors: &mut Errors) {
    qualifiers(&function.sig, errors);
    result(function, kind, errors);
    once(&function.attrs, errors);
    if function.body.is_none() {
        errors.at(&function.sig, no_body(function, kind));
    }
}

fn qualifiers(sig: &Signature, errors: &mut Errors) {
    if let Some(token) = &sig.constness {
        errors.at(token, CONST);
    }
    if let Some(token) = &sig.asyncness {
        errors.at(token, ASYNC);
    }
    if let Some(token) = &sig.unsafety {
        errors.at(token, UNSAFE);
    }
    if let Some(token) = &sig.abi {
        errors.at(token, EXTERN);
    }
    if let Some(token) = &sig.variadic {
        errors.at(token, VARIADIC);
    }
}

fn result(function: &Function, kind: Kind, errors: &mut Errors) {
    let result = function.result();
    if let Some(token) = find_impl_trait(&result) {
        errors.at(token, IMPL_TRAIT);
    }
    if let Type::Never(token) = &result {
        errors.at(token, NEVER);
    }
    if is_deferred(&result) {
        errors.at(&result, DEFERRED);
    }
    if kind == Kind::Owned
        && let Some(token) = find_borrow(&result)
    {
        errors.at(token, RETURNS_REFERENCE);
    }
}

/// True for `Deferred<…>`, under any path.
pub(crate) fn is_deferred(ty: &Type) -> bool {
    matches!(ty, Type::Path(ty) if ends_in(&ty.path, "Deferred"))
}

fn find_impl_trait(ty: &Type) -> Option<TypeImplTrait> {
    #[derive(Default)]
    struct Find(Option<TypeImplTrait>);
    impl<'ast> Visit<'ast> for Find {
        fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
            self.0.get_or_insert_with(|| ty.clone());
        }
    }
    let mut find = Find::default();
    visit::visit_type(&mut find, ty);
    find.0.or(match ty {
        Type::ImplTrait(ty) => Some(ty.clone()),
        _ => None,
    })
}

/// `surplus` are the attributes beside the one that is being expanded.
pub(crate) fn once(surplus: &[Attribute], errors: &mut Errors) {
    for attr in surplus.iter().filter(|a| ends_in(a.path(), "coroutine")) {
        errors.at(attr, TWICE);
    }
}

/// What holds for `#[main]` and `#[test]`, besides [`coroutine`].
pub(crate) fn entry(function: &Function, of: Macro, errors: &mut Errors) {
    let sig = &function.sig;
    if !sig.inputs.is_empty() {
        errors.at(&sig.inputs, takes_no_arguments(&sig.ident, of));
    }
    if !sig.generics.params.is_empty() {
        errors.at(&sig.generics, takes_no_generics(&sig.ident));
    }
    for attr in &function.attrs {
        if ends_in(attr.path(), "test") {
            errors.at(attr, beside_test(of));
        }
    }
}

/// What holds for `#[engine]`, besides [`coroutine`].
pub(crate) fn engine(function: &Function, errors: &mut Errors) {
    if let ReturnType::Type(_, ty) = &function.sig.output
        && !matches!(&**ty, Type::Tuple(tuple) if tuple.elems.is_empty())
    {
        errors.at(ty, ENGINE_RESULT);
    }
    for arg in &function.sig.inputs {
        let ty = match arg {
            FnArg::Receiver(receiver) => &receiver.ty,
            FnArg::Typed(typed) => &typed.ty,
        };
        if find_borrow(ty).is_some() {
            errors.at(arg, ENGINE_BORROWS);
        }
    }
    for attr in &function.attrs {
        if ends_in(attr.path(), "engine") || ends_in(attr.path(), "coroutine") {
            errors.at(attr, ENGINE_TWICE);
        }
    }
}

/// What is wrong with an item that is no function; `None` if it is nothing we know.
pub(crate) fn no_function(tokens: &TokenStream, of: Macro) -> Option<syn::Error> {
    let item = syn::parse2::<Item>(tokens.clone());
    let is_code = || {
        syn::parse2::<Stmt>(tokens.clone()).is_ok() || syn::parse2::<Expr>(tokens.clone()).is_ok()
    };
    if item.is_err() && !is_code() {
        return None;
    }
    if of != Macro::Coroutine {
        return Some(syn::Error::new_spanned(tokens, entry_on_no_function(of)));
    }
    let (at, message) = match item {
        Ok(Item::Impl(item)) => (item.impl_token.to_token_stream(), ON_IMPL),
        Ok(Item::Trait(item)) => (item.trait_token.to_token_stream(), ON_TRAIT),
        Ok(Item::Mod(item)) => (item.mod_token.to_token_stream(), ON_MOD),
        Ok(Item::Struct(item)) => (item.struct_token.to_token_stream(), ON_TYPE),
        Ok(Item::Enum(item)) => (item.enum_token.to_token_stream(), ON_TYPE),
        Ok(Item::Union(item)) => (item.union_token.to_token_stream(), ON_TYPE),
        _ => (tokens.clone(), ON_OTHER),
    };
    Some(syn::Error::new_spanned(at, message))
}

/// The `impl` under `#[request_handler]`, apart from its methods.
pub(crate) fn handler_impl(item: &ItemImpl, errors: &mut Errors) {
    let me = &item.self_ty;
    match &item.trait_ {
        Some((None, path, _)) if ends_in(path, "RequestHandler") => {}
        Some((_, path, _)) => errors.at(path, wrong_trait(me)),
        None => errors.at(me, wrong_trait(me)),
    }
    if let Some(token) = &item.unsafety {
        errors.at(token, UNSAFE_IMPL);
    }
}

/// One method under `#[request_handler]`.
pub(crate) fn handler_method(
    function: &Function,
    role: Role,
    coroutine: bool,
    errors: &mut Errors,
) {
    let sig = &function.sig;
    receiver(sig, errors);
    exchange(sig, role, errors);
    arguments(sig, role, errors);
    for param in &sig.generics.params {
        if !matches!(param, GenericParam::Lifetime(_)) {
            errors.at(param, GENERIC_METHOD);
        }
    }
    if !coroutine {
        plain_qualifiers(sig, errors);
        if let Some(token) = function.body.as_ref().and_then(rewrite::find_yield) {
            errors.at(token, yield_in_plain_method(&sig.ident));
        }
    }
}

fn receiver(sig: &Signature, errors: &mut Errors) {
    match sig.inputs.first() {
        Some(FnArg::Receiver(it)) if reference(&it.ty) == Some(true) => {}
        Some(FnArg::Receiver(it)) => errors.at(it, RECEIVER),
        _ => errors.at(&sig.ident, RECEIVER),
    }
}

fn exchange(sig: &Signature, role: Role, errors: &mut Errors) {
    let mutable = !role.is_news();
    if let Some(it) = late_exchange(sig) {
        return errors.at(it, exchange_first(&sig.ident, role));
    }
    match typed(sig).next() {
        Some(it) if reference(&it.ty) == Some(mutable) => {}
        Some(it) if reference(&it.ty).is_some() => errors.at(&it.ty, exchange_type(role)),
        Some(it) => errors.at(it, no_exchange(&sig.ident, role)),
        None => errors.at(&sig.ident, no_exchange(&sig.ident, role)),
    }
}

/// The exchange, if it stands behind another parameter.
fn late_exchange(sig: &Signature) -> Option<&PatType> {
    let mut typed = typed(sig);
    match typed.next() {
        Some(first) if is_exchange(&first.ty) => None,
        _ => typed.find(|it| is_exchange(&it.ty)),
    }
}

fn is_exchange(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => is_exchange(&reference.elem),
        Type::Path(ty) => ends_in(&ty.path, "Exchange"),
        _ => false,
    }
}

fn arguments(sig: &Signature, role: Role, errors: &mut Errors) {
    if late_exchange(sig).is_some() {
        // What stands where is not known.
        return;
    }
    let rest = typed(sig).skip(1);
    match role {
        Role::Http(_) => rest.for_each(|it| path_argument(it, errors)),
        Role::Prepare | Role::OnConnectionClose | Role::OnFinish => {
            surplus(rest, &sig.ident, role, errors);
        }
        Role::WriteError | Role::DataReceived => {
            if typed(sig).count() < 2 {
                errors.at(&sig.ident, no_error(&sig.ident, role));
            }
            surplus(rest.skip(1), &sig.ident, role, errors);
        }
    }
}

fn path_argument(argument: &PatType, errors: &mut Errors) {
    if reference(&argument.ty).is_some() || find_impl_trait(&argument.ty).is_some() {
        errors.at(&argument.ty, PATH_ARGUMENT_TYPE);
    }
    if !matches!(*argument.pat, Pat::Ident(_)) {
        errors.at(&argument.pat, PATH_ARGUMENT_NAME);
    }
}

fn surplus<'a>(
    arguments: impl Iterator<Item = &'a PatType>,
    name: &Ident,
    role: Role,
    errors: &mut Errors,
) {
    arguments.for_each(|it| errors.at(it, hook_shape(name, role)));
}

fn plain_qualifiers(sig: &Signature, errors: &mut Errors) {
    if let Some(token) = &sig.asyncness {
        errors.at(token, ASYNC_HANDLER);
    }
    if let Some(token) = &sig.unsafety {
        errors.at(token, UNSAFE_HANDLER);
    }
}

/// The parameters besides `self`.
pub(crate) fn typed(sig: &Signature) -> impl Iterator<Item = &PatType> {
    sig.inputs.iter().filter_map(|arg| match arg {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    })
}

/// `Some(mutable)` if `ty` is a reference.
fn reference(ty: &Type) -> Option<bool> {
    match ty {
        Type::Reference(reference) => Some(reference.mutability.is_some()),
        _ => None,
    }
}

/// The method that `name` was meant to be, if it is two typing errors away.
fn suggestion(name: &Ident) -> Option<&'static str> {
    let name = name.unraw().to_string().to_lowercase();
    let near = Role::NAMES
        .iter()
        .map(|known| (distance(&name, known), *known));
    let (distance, known) = near.min()?;
    (distance <= 2).then_some(known)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

// Texts: arguments of attributes.

pub(crate) fn malformed_argument(of: Macro) -> String {
    format!("this is not an argument; write {}", of.accepts())
}

pub(crate) fn unknown_argument(name: &Ident, of: Macro) -> String {
    let (of, accepts) = (of.name(), of.accepts());
    format!("`{name}` is not an argument of `#[{of}]`; it takes {accepts}")
}

pub(crate) fn duplicate_argument(name: &Ident) -> String {
    format!("`{name}` is given twice; remove this one")
}

/// What an argument of `#[test]` is.
pub(crate) fn test_argument(name: &str) -> &'static str {
    match name {
        "seed" => "`seed` pins the test to one seed, a whole number: `seed = 17`",
        "seeds" => {
            "`seeds` says how many seeds the test is run with, a whole number from 1: `seeds = 100`"
        }
        "leaks" => {
            "`leaks` says what the test may leave behind: `leaks = \"check\"` for no timers, \
             descriptors and callbacks, `\"strict\"` for no coroutines either, `\"allow\"` for anything"
        }
        _ => {
            "`timeout_secs` is how much virtual time the test may take, in whole seconds from 1: \
             `timeout_secs = 60`"
        }
    }
}

pub(crate) const SEED_AND_SEEDS: &str = "`seed` pins the test to one seed, and `seeds` runs it with \
    many: remove one of the two";

// Texts: coroutines.

const ASYNC: &str =
    "remove `async`: a coroutine is suspended by `yield_!`, and starts when it is called";

const CONST: &str =
    "remove `const`: a coroutine runs on an `IoLoop`, which does not exist at compile time";

const UNSAFE: &str = "remove `unsafe`: the body of a coroutine runs on after the call, and a \
    caller cannot promise for that long; write an `unsafe` block in the body";

const EXTERN: &str = "remove `extern`: the result of a coroutine is a Rust type; \
    export a plain function that calls the coroutine";

const VARIADIC: &str = "remove `...`: a coroutine takes named parameters; write `args: Vec<T>`";

const IMPL_TRAIT: &str =
    "the result of a coroutine needs a type with a name; write that type, or `Box<dyn Trait>`";

const NEVER: &str = "stable Rust allows `!` as the result of a plain function only; \
    write `-> std::convert::Infallible`, or leave the result out";

const DEFERRED: &str =
    "a coroutine returns its value; `Deferred` is added by the macro: write `-> T`";

const RETURNS_REFERENCE: &str =
    "an owned coroutine outlives its caller and cannot return a reference; return an owned value";

const TWICE: &str = "remove this `#[coroutine]`: the function is a coroutine already";

const ENGINE_RESULT: &str = "nobody can take the result of an engine function; \
    give it to a callback, or write `#[squall::coroutine]`";

const ENGINE_BORROWS: &str =
    "an engine function goes on after the call and cannot borrow; take an owned value";

const ENGINE_TWICE: &str =
    "remove this attribute: `#[engine]` makes the function a coroutine already";

fn no_body(function: &Function, kind: Kind) -> String {
    let name = &function.sig.ident;
    let inputs = source_text(&function.sig.inputs);
    let result = match &function.sig.output {
        ReturnType::Default => "()".to_owned(),
        ReturnType::Type(_, ty) => source_text(ty),
    };
    let declared = match kind {
        Kind::Owned => format!("squall::Deferred<{result}>"),
        Kind::Borrowed => format!("squall::Scoped<impl Future<Output = {result}>>"),
    };
    format!("a coroutine needs a body; in a trait declare `fn {name}({inputs}) -> {declared};`")
}

pub(crate) const YIELD_IN_ATTRIBUTE: &str = "`yield` is reserved by the compiler here; \
    write `yield_!(…)` (with `use squall::yield_;`), \
    or put the function into `squall::coroutines! { … }`";

pub(crate) const YIELD_IN_MACRO: &str = "inside another macro's arguments write `yield_!(…)`";

pub(crate) const YIELD_IN_CLOSURE: &str = "a closure or an `async` block is not part of the \
    coroutine around it; yield outside of it, or call another coroutine there";

pub(crate) const YIELD_IN_PLAIN_FUNCTION: &str =
    "only a coroutine can yield: add `#[coroutine]` to this function";

// Texts: things that are no functions.

const ON_IMPL: &str = "`#[coroutine]` goes on a function; put it on each method of this `impl`, \
    or write `#[squall_web::request_handler]` above an `impl RequestHandler`";

const ON_TRAIT: &str =
    "`#[coroutine]` goes on a function; put it on each method of this trait that has a body";

const ON_MOD: &str = "`#[coroutine]` goes on a function; put it on each function of this module";

const ON_TYPE: &str = "`#[coroutine]` goes on a function; move it to the method that yields";

const ON_OTHER: &str = "`#[coroutine]` goes on a function; write a `fn` with a name and a body";

fn entry_on_no_function(of: Macro) -> String {
    let name = of.name();
    format!("`#[{name}]` goes on a function; write `fn name() {{ … }}`")
}

// Texts: main and test.

fn takes_no_arguments(name: &Ident, of: Macro) -> String {
    match of {
        Macro::Main => format!("`{name}` takes no arguments; read them with std::env::args()"),
        _ => format!("a test takes no arguments; make what `{name}` needs in its body"),
    }
}

fn takes_no_generics(name: &Ident) -> String {
    format!("`{name}` takes no generics, for nobody calls it with types; remove them")
}

fn beside_test(of: Macro) -> &'static str {
    match of {
        Macro::Main => "a test is no `main`; write `#[squall::test]` alone",
        _ => "remove `#[test]`: `#[squall::test]` adds it",
    }
}

// Texts: request handlers.

fn wrong_trait(me: &Type) -> String {
    let me = source_text(me);
    format!("`#[request_handler]` needs the trait's name: write `impl RequestHandler for {me}`")
}

pub(crate) const NO_IMPL: &str =
    "`#[request_handler]` goes on an `impl` block: write `impl RequestHandler for Page { … }`";

const UNSAFE_IMPL: &str = "remove `unsafe`: `RequestHandler` is a safe trait";

pub(crate) fn no_http_method(me: &Type) -> String {
    let me = source_text(me);
    format!(
        "`{me}` has no HTTP method: write `fn get(&mut self, ex: &mut Exchange) -> Result<()>`, \
        or another of head, post, put, patch, delete, options"
    )
}

pub(crate) const NO_METHOD: &str = "only methods go into this block; \
    move this into an `impl` block of its own, without a trait";

pub(crate) fn unknown_method(name: &Ident, me: &Type) -> String {
    let me = source_text(me);
    let hint = suggestion(name).map_or(String::new(), |known| format!("did you mean `{known}`? "));
    format!(
        "`{name}` is not a method of `RequestHandler`; \
        {hint}{}ove it to an `impl {me}` block of its own",
        if hint.is_empty() { "m" } else { "If not, m" },
    )
}

pub(crate) fn news_coroutine(name: &Ident) -> String {
    format!(
        "remove `#[coroutine]`: `{name}` runs when the request is over, \
        and nobody waits for it; call an owned coroutine from it"
    )
}

const RECEIVER: &str = "a handler serves one request and may change meanwhile: write `&mut self`";

fn exchange_type(role: Role) -> &'static str {
    match role {
        Role::OnConnectionClose => "nobody is there to be answered: write `&Exchange`",
        Role::OnFinish => "the answer has been sent, and can only be looked at: write `&Exchange`",
        _ => "the answer is written through the exchange: write `&mut Exchange`",
    }
}

fn no_exchange(name: &Ident, role: Role) -> String {
    format!(
        "`{name}` needs the exchange: write `fn {name}{}`",
        role.shape()
    )
}

fn exchange_first(name: &Ident, role: Role) -> String {
    let shape = role.shape();
    format!("the exchange comes first, behind `self`: write `fn {name}{shape}`")
}

fn no_error(name: &Ident, role: Role) -> String {
    let shape = role.shape();
    let what = match role {
        Role::DataReceived => "the bytes that came",
        _ => "the error that it writes",
    };
    format!("`{name}` needs {what}: write `fn {name}{shape}`")
}

fn hook_shape(name: &Ident, role: Role) -> String {
    format!(
        "`{name}` takes no path arguments: write `fn {name}{}`",
        role.shape()
    )
}

const GENERIC_METHOD: &str =
    "the router calls this method and can give it no types; put the parameter on the `impl`";

fn yield_in_plain_method(name: &Ident) -> String {
    format!("only a coroutine can yield: write `#[coroutine]` above `fn {name}`")
}

const ASYNC_HANDLER: &str =
    "remove `async`; if the method waits for something, write `#[coroutine]` above it";

const UNSAFE_HANDLER: &str = "remove `unsafe`: the router, which is safe, calls this method";

const PATH_ARGUMENT_TYPE: &str =
    "a path argument is parsed by `FromStr` into an owned value: write `String`";

const PATH_ARGUMENT_NAME: &str = "a path argument needs a name, for messages: write `id: u64`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_typing_errors() {
        for (a, b, want) in [
            ("get", "get", 0),
            ("gett", "get", 1),
            ("egt", "get", 2),
            ("foo", "put", 3),
            ("", "get", 3),
        ] {
            assert_eq!(distance(a, b), want, "{a} {b}");
        }
    }

    #[test]
    fn near_misses_are_suggested() {
        for (name, want) in [
            ("gett", Some("get")),
            ("Post", Some("post")),
            ("onfinish", Some("on_finish")),
            ("render", None),
        ] {
            let name = Ident::new(name, proc_macro2::Span::call_site());
            assert_eq!(suggestion(&name), want);
        }
    }
}
