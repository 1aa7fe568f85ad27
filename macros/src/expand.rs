//! `#[coroutine]`: from a function to a call of the runtime with an `async` block.
//!
//! The compiler's own state machine is the coroutine: the body moves into an `async move` block,
//! whose yield points are those of [`rewrite`](crate::rewrite). All parameters move with it, used
//! or not, so that they live as long as the coroutine and drop when it ends.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Block, Expr, FnArg, Lifetime, Pat, PatIdent, PatType, Path, Receiver, ReturnType, Signature,
    Type, TypeImplTrait, TypeParamBound, TypeParen, TypeReference, WherePredicate, parse_quote,
    parse_quote_spanned,
};

use crate::args::{Args, Macro};
use crate::check::{self, Errors};
use crate::input::{Function, Kind, has_argument_list};
use crate::place::{Place, relocated};
use crate::{rewrite, stub};

/// What is to become of a function.
pub(crate) struct Plan {
    /// Path of the runtime crate.
    pub(crate) squall: Path,
    /// Borrowed, whatever the signature says.
    pub(crate) scoped: bool,
    /// Started and let go: the function returns nothing.
    pub(crate) detached: bool,
    /// How traces name the coroutine.
    pub(crate) label: String,
}

/// The attribute, on a free function or a method.
pub(crate) fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, Macro::Coroutine, &mut errors);
    let tokens = match parse(item, Macro::Coroutine) {
        Ok(function) => coroutine(&function, &Plan::new(&function, &args), &mut errors),
        Err((error, item)) => {
            errors.push(error);
            item
        }
    };
    errors.beside(tokens)
}

impl Plan {
    pub(crate) fn new(function: &Function, args: &Args) -> Plan {
        Plan {
            squall: args.squall(),
            scoped: args.scoped,
            detached: false,
            label: function.sig.ident.to_string(),
        }
    }
}

/// The function, or what is wrong and what to emit beside that message.
pub(crate) fn parse(item: TokenStream, of: Macro) -> Result<Function, (syn::Error, TokenStream)> {
    syn::parse2(item.clone()).map_err(|error| match stub::unparsed(&item) {
        // It is a function, whose body has a mistake that is not ours to explain.
        Some(function) => (error, function),
        None => {
            let error = check::no_function(&item, of).unwrap_or(error);
            match syn::parse2::<Expr>(item.clone()) {
                // Beside a message it would be read as a part of it.
                Ok(_) => (error, TokenStream::new()),
                Err(_) => (error, item),
            }
        }
    })
}

/// The expanded function, or a stub if there was something to add to `errors`.
pub(crate) fn coroutine(function: &Function, plan: &Plan, errors: &mut Errors) -> TokenStream {
    let kind = Kind::of(&function.sig, plan.scoped);
    let mut found = Errors::default();
    check::coroutine(function, kind, &mut found);
    let mut body = function.body.clone();
    if let Some(body) = &mut body {
        rewrite::yield_points(body, &plan.squall, &mut found);
    }
    match body {
        Some(body) if found.is_empty() => expand(function, kind, plan, &body),
        _ => {
            errors.append(found);
            stub::coroutine(function, kind, plan)
        }
    }
}

// Input:
//     pub fn add<T: Add>(mut a: T, (b, _): (T, T)) -> T::Output { sleep(s).await; a + b }
//
// Output:
//     pub fn add<T: Add + 'static>(a: T, __squall_arg1: (T, T)) -> ::squall::Deferred<T::Output>
//     {
//         ::squall::private::start(
//             const { &::squall::private::CoroutineSite { name: "add", … } },
//             ::squall::private::outcome_of!(T::Output),
//             async move {
//                 if let Some(ret) = None::<T::Output> { return ret; }  // gives `?` its type
//                 let mut a = a;
//                 let __squall_arg1 = __squall_arg1;
//                 let (b, _) = __squall_arg1;
//                 ::squall::private::yield_at!(…, sleep(s));
//                 a + b
//             },
//         )
//     }
//
// A borrowed one returns `::squall::Scoped<impl Future<Output = T::Output>>` from
// `::squall::private::scoped(…)`, and its types need not be `'static`.
fn expand(function: &Function, kind: Kind, plan: &Plan, body: &Block) -> TokenStream {
    let Function {
        attrs,
        vis,
        defaultness,
        ..
    } = function;
    let result = function.result();
    let Outside { mut sig, moves } = Outside::of(function, kind, &plan.squall, &result);
    let site = site(&function.sig.ident, plan);
    let typing = typing(&result);
    let start = match kind {
        Kind::Owned => quote!(start),
        Kind::Borrowed => quote!(scoped),
    };
    let stmts = &body.stmts;
    let block = within(body, quote!(#typing #(#moves)* #(#stmts)*));
    let name = function.sig.ident.span();
    let (at, squall) = (
        Span::call_site().located_at(name),
        relocated(&plan.squall, name),
    );
    let call = quote_spanned! {at=>
        #squall::private::#start(#site, #squall::private::outcome_of!(#result), async move #block)
    };
    let call = match plan.detached {
        true => {
            sig.output = ReturnType::Default;
            quote!(::core::mem::drop(#call))
        }
        false => call,
    };
    let outer = within(body, call);
    quote!(#(#attrs)* #vis #defaultness #sig #outer)
}

/// `tokens` between the user's braces.
fn within(body: &Block, tokens: TokenStream) -> TokenStream {
    let mut out = TokenStream::new();
    let braces = &body.brace_token;
    braces.surround(&mut out, |inside| inside.extend(tokens));
    out
}

fn site(name: &Ident, plan: &Plan) -> TokenStream {
    let (squall, label) = (&plan.squall, &plan.label);
    let Place { file, line, column } = Place::of(name.span());
    quote! {
        const {
            &#squall::private::CoroutineSite {
                name: #label,
                module: ::core::module_path!(),
                file: #file,
                line: #line,
                column: #column,
            }
        }
    }
}

// Never runs. It tells the compiler the block's type before the first `?`, `return` or last
// expression, so that one which does not fit is reported where it stands.
fn typing(result: &Type) -> TokenStream {
    // Rustc notes where it learned the type: at the result, if there is one.
    let at = Span::mixed_site().located_at(result.span());
    let ret = Ident::new("__squall_ret", at);
    quote_spanned! {at=>
        if let ::core::option::Option::Some(#ret) = ::core::option::Option::None::<#result> {
            #[allow(unreachable_code)]
            return #ret;
        }
    }
}

/// What callers see of a coroutine, and how its parameters get into its body.
pub(crate) struct Outside {
    pub(crate) sig: Signature,
    /// Statements at the top of the body.
    moves: Vec<TokenStream>,
}

impl Outside {
    pub(crate) fn of(function: &Function, kind: Kind, squall: &Path, result: &Type) -> Outside {
        let mut sig = function.sig.clone();
        let inputs = sig.inputs.iter_mut().enumerate();
        let moves = inputs.map(|(index, arg)| match arg {
            FnArg::Receiver(receiver) => move_receiver(receiver, kind),
            FnArg::Typed(typed) => move_argument(index, typed),
        });
        let moves = moves.collect();
        if kind == Kind::Owned {
            show_hidden_lifetimes(&mut sig);
            outlive(&mut sig);
        }
        let place = match &function.sig.output {
            ReturnType::Default => sig.ident.span(),
            ReturnType::Type(_, ty) => ty.span(),
        };
        sig.output = output(kind, squall, result, place);
        Outside { sig, moves }
    }
}

fn output(kind: Kind, squall: &Path, result: &Type, place: Span) -> ReturnType {
    let at = Span::call_site().located_at(place);
    let squall = relocated(squall, place);
    match kind {
        Kind::Owned => parse_quote_spanned!(at=> -> #squall::Deferred<#result>),
        Kind::Borrowed => parse_quote_spanned! {at=>
            -> #squall::Scoped<impl ::core::future::Future<Output = #result>>
        },
    }
}

// Input:   self.name          Output:  let _ = &self;
//
// A block that uses one field captures that field. This makes it hold all of `self`.
fn move_receiver(receiver: &Receiver, kind: Kind) -> TokenStream {
    let this = receiver.self_token;
    match kind {
        Kind::Owned => quote!(let _ = &#this;),
        Kind::Borrowed => TokenStream::new(),
    }
}

// Input:   mut a: A           Output:  a: A                  let mut a = a;
// Input:   (b, c): (B, C)     Output:  __squall_arg1: (B, C) let __squall_arg1 = __squall_arg1;
//                                                            let (b, c) = __squall_arg1;
// Input:   _: D               Output:  __squall_arg2: D      let __squall_arg2 = __squall_arg2;
fn move_argument(index: usize, typed: &mut PatType) -> TokenStream {
    let attrs = &typed.attrs;
    if let Pat::Ident(PatIdent {
        by_ref: None,
        mutability,
        ident,
        subpat: None,
        ..
    }) = &mut *typed.pat
    {
        let mutability = mutability.take();
        let allow = ident.to_string().starts_with('_').then(|| {
            quote!(#[allow(clippy::used_underscore_binding, clippy::no_effect_underscore_binding)])
        });
        return quote!(#(#attrs)* #allow let #mutability #ident = #ident;);
    }
    let name = format_ident!("__squall_arg{index}", span = Span::mixed_site());
    let pat = std::mem::replace(&mut *typed.pat, parse_quote!(#name));
    let whole = quote!(#(#attrs)* let #name = #name;);
    match pat {
        Pat::Wild(_) => whole,
        pat => quote!(#whole #(#attrs)* let #pat = #name;),
    }
}

// Input:   fn f(text: Text)     where Text is `struct Text<'a>(&'a str);`
// Output:  fn f(#[deny(elided_lifetimes_in_paths)] text: Text)
//
// Such a coroutine borrows, though its signature does not show it, and cannot compile as an owned
// one. With the lint rustc points at the type and says to write `Text<'_>`, which makes it a
// borrowed one; else it would only say that something escapes.
fn show_hidden_lifetimes(sig: &mut Signature) {
    for arg in &mut sig.inputs {
        if let FnArg::Typed(typed) = arg
            && !has_argument_list(&typed.ty)
        {
            let lint = parse_quote!(#[deny(elided_lifetimes_in_paths)]);
            typed.attrs.push(lint);
        }
    }
}

// Input:   fn f<T: Clone, U>(t: T, u: U, d: impl Display)
// Output:  fn f<T: Clone + 'static, U>(t: T, u: U, d: impl Display + 'static) where U: 'static
//
// A parameter's bounds stay in the one place where they are, as clippy likes it.
fn outlive(sig: &mut Signature) {
    for arg in &mut sig.inputs {
        if let FnArg::Typed(typed) = arg {
            Outlive.visit_type_mut(&mut typed.ty);
        }
    }
    let mut unbounded = Vec::new();
    for param in sig.generics.type_params_mut() {
        match param.bounds.is_empty() {
            true => unbounded.push(param.ident.clone()),
            false => {
                let bound = outlives_all(param.ident.span());
                param.bounds.push(bound);
            }
        }
    }
    if unbounded.is_empty() {
        return;
    }
    let clause = sig.generics.make_where_clause();
    let predicates = unbounded.iter().map(|ty| -> WherePredicate {
        let bound = outlives_all(ty.span());
        parse_quote!(#ty: #bound)
    });
    clause.predicates.extend(predicates);
}

/// A bound that rustc shows at the parameter, when a caller does not meet it.
fn outlives_all(parameter: Span) -> TypeParamBound {
    let at = Span::call_site().located_at(parameter);
    TypeParamBound::Lifetime(Lifetime::new("'static", at))
}

/// Adds `'static` to each `impl Trait`.
struct Outlive;

impl VisitMut for Outlive {
    fn visit_type_impl_trait_mut(&mut self, ty: &mut TypeImplTrait) {
        visit_mut::visit_type_impl_trait_mut(self, ty);
        let has_lifetime = |bound: &TypeParamBound| matches!(bound, TypeParamBound::Lifetime(_));
        if !ty.bounds.iter().any(has_lifetime) {
            ty.bounds.push(outlives_all(ty.impl_token.span));
        }
    }

    // `&'static impl A + 'static` needs parentheses.
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        visit_mut::visit_type_reference_mut(self, reference);
        if matches!(*reference.elem, Type::ImplTrait(_)) {
            let elem = Box::new(reference.elem.as_ref().clone());
            let paren_token = syn::token::Paren::default();
            *reference.elem = Type::Paren(TypeParen { paren_token, elem });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(args: TokenStream, input: TokenStream, want: TokenStream) {
        let output = attribute(args, input);
        syn::parse2::<syn::File>(output.clone()).expect("the output parses");
        assert_eq!(unspaced(output), unspaced(want));
    }

    /// `> >` and `>>` are the same here.
    fn unspaced(tokens: TokenStream) -> String {
        tokens.to_string().replace(' ', "")
    }

    fn site(squall: TokenStream, name: &str) -> TokenStream {
        quote! {
            const {
                &#squall::private::CoroutineSite {
                    name: #name,
                    module: ::core::module_path!(),
                    file: ::core::file!(),
                    line: 0u32,
                    column: 0u32,
                }
            }
        }
    }

    fn typing(ty: TokenStream) -> TokenStream {
        super::typing(&syn::parse2(ty).unwrap())
    }

    #[test]
    fn owned_coroutine_starts_and_its_types_are_static() {
        let (site, typing) = (site(quote!(::squall), "add"), typing(quote!(T)));
        check(
            quote!(),
            quote! {
                /// Adds.
                pub fn add<T: Add, U>(mut a: T, (b, _): (T, U), _: impl Log) -> T { a + b }
            },
            quote! {
                /// Adds.
                pub fn add<T: Add + 'static, U>(
                    #[deny(elided_lifetimes_in_paths)] a: T,
                    #[deny(elided_lifetimes_in_paths)] __squall_arg1: (T, U),
                    #[deny(elided_lifetimes_in_paths)] __squall_arg2: impl Log + 'static
                ) -> ::squall::Deferred<T>
                where
                    U: 'static
                {
                    ::squall::private::start(
                        #site,
                        ::squall::private::outcome_of!(T),
                        async move {
                            #typing
                            let mut a = a;
                            let __squall_arg1 = __squall_arg1;
                            let (b, _) = __squall_arg1;
                            let __squall_arg2 = __squall_arg2;
                            a + b
                        }
                    )
                }
            },
        );
    }

    #[test]
    fn borrowed_coroutine_is_a_scoped_future() {
        let (site, typing) = (site(quote!(a::b), "first"), typing(quote!(Option<&T>)));
        check(
            quote!(crate = a::b),
            quote!(
                fn first<T>(all: &[T]) -> Option<&T> {
                    moment().await;
                    all.first()
                }
            ),
            quote! {
                fn first<T>(all: &[T])
                    -> a::b::Scoped<impl ::core::future::Future<Output = Option<&T> >>
                {
                    a::b::private::scoped(
                        #site,
                        a::b::private::outcome_of!(Option<&T>),
                        async move {
                            #typing
                            let all = all;
                            a::b::private::yield_at!(
                                { ::core::file!(), 0u32, 0u32, "moment ()" },
                                moment()
                            );
                            all.first()
                        }
                    )
                }
            },
        );
    }

    #[test]
    fn lifetimes_may_hide_in_argument_lists() {
        let function = quote!(
            fn f(a: Box<dyn Fn(A)>, b: Vec<fn(B)>) {}
        );
        let output = attribute(quote!(), function).to_string();
        assert!(!output.contains("elided_lifetimes_in_paths"), "{output}");
    }

    #[test]
    fn whole_self_moves_in() {
        let output = attribute(
            quote!(),
            quote!(
                fn f(self) -> u8 {
                    self.a
                }
            ),
        )
        .to_string();
        assert!(output.contains("let _ = & self ;"), "{output}");
    }

    #[test]
    fn static_reference_to_impl_trait_gets_parentheses() {
        let output = attribute(
            quote!(),
            quote!(
                fn f(d: &'static impl A) {}
            ),
        )
        .to_string();
        assert!(
            output.contains("d : & 'static (impl A + 'static)"),
            "{output}"
        );
    }

    #[test]
    fn all_mistakes_are_reported_beside_a_stub() {
        let output = attribute(
            quote!(),
            quote!(
                async unsafe fn f(a: A) -> Deferred<R> {
                    a
                }
            ),
        );
        let file: syn::File = syn::parse2(output).unwrap();
        let [errors @ .., stub] = &file.items[..] else {
            panic!("no items")
        };
        assert_eq!(errors.len(), 3);
        assert_eq!(
            quote!(#stub).to_string(),
            quote!(
                #[allow(unused_variables)]
                fn f(#[deny(elided_lifetimes_in_paths)] a: A) -> ::squall::Deferred<R> {
                    ::squall::private::stub()
                }
            )
            .to_string()
        );
    }

    #[test]
    fn other_items_are_emitted_beside_the_error() {
        for item in [
            quote!(
                struct S;
            ),
            quote!(
                enum E {}
            ),
            quote!(impl S { fn f() {} }),
            quote!(
                trait T {}
            ),
            quote!(
                mod m {}
            ),
            quote!(
                const C: u8 = 1;
            ),
        ] {
            let output = attribute(quote!(), item.clone()).to_string();
            assert!(
                output.contains("`#[coroutine]` goes on a function"),
                "{output}"
            );
            assert!(output.ends_with(&item.to_string()), "{output}");
        }
    }
}
