//! Yield points: `base.await` and `yield base` become calls of the runtime.
//!
//! Only the coroutine's own code is rewritten. A nested `async` block or closure is a body of its
//! own, and a nested item a function of its own. `yield_!(…)` is a macro of the runtime, which
//! ends in the same call, so it is left alone, as are the arguments of all macros: they are
//! tokens, in which `await` may be anything.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Block, Expr, ExprYield, Item, Macro, Path, parse_quote};

use crate::check::{self, Errors};
use crate::input::ends_in;
use crate::place::{Place, relocated, source_text};

/// Rewrites the body of an attributed function, where rustc refuses the keyword `yield`.
pub(crate) fn yield_points(body: &mut Block, squall: &Path, errors: &mut Errors) {
    let keyword = Keyword::Refused;
    YieldPoints {
        squall,
        keyword,
        errors,
    }
    .visit_block_mut(body);
}

/// Rewrites a body inside `coroutines! { … }`, where the keyword `yield` can be read.
pub(crate) fn keyword_yield_points(body: &mut Block, squall: &Path, errors: &mut Errors) {
    let keyword = Keyword::Lowered;
    YieldPoints {
        squall,
        keyword,
        errors,
    }
    .visit_block_mut(body);
}

/// Reports every `yield` in a function that is no coroutine.
pub(crate) fn refuse_yields(body: &mut Block, errors: &mut Errors) {
    let message = check::YIELD_IN_PLAIN_FUNCTION;
    Strays { message, errors }.visit_block_mut(body);
}

#[derive(Clone, Copy, PartialEq)]
enum Keyword {
    Refused,
    Lowered,
}

struct YieldPoints<'a> {
    squall: &'a Path,
    keyword: Keyword,
    errors: &'a mut Errors,
}

impl YieldPoints<'_> {
    // Input:   fetch(url).await
    // Output:  $squall::private::yield_at!({ "src/a.rs", 7u32, 20u32, "fetch(url)" }, fetch(url))
    //
    // The call is located at the keyword, so that an error in it points there; `base` keeps the
    // user's spans, so that an error in what is yielded points at that.
    fn lower(&self, attrs: &[Attribute], keyword: Span, text: &str, base: &impl ToTokens) -> Expr {
        let Place { file, line, column } = Place::of(keyword);
        let squall = relocated(self.squall, keyword);
        let at = Span::call_site().located_at(keyword);
        let call = quote_spanned! {at=>
            #squall::private::yield_at!({ #file, #line, #column, #text }, #base)
        };
        Expr::Verbatim(quote!(#(#attrs)* #call))
    }

    // Input:   yield          Output: as for `yield ()`
    fn lower_keyword(&mut self, expr: &mut ExprYield) -> Expr {
        let keyword = expr.yield_token.span;
        let Some(base) = &mut expr.expr else {
            return self.lower(&expr.attrs, keyword, "()", &quote!(()));
        };
        let text = source_text(base);
        self.visit_expr_mut(base);
        self.lower(&expr.attrs, keyword, &text, without_parens(base))
    }

    fn refuse(&mut self, expr: &ExprYield) -> Expr {
        self.errors.at(expr.yield_token, check::YIELD_IN_ATTRIBUTE);
        any_value()
    }
}

impl VisitMut for YieldPoints<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Await(it) => {
                let text = source_text(&it.base);
                self.visit_expr_mut(&mut it.base);
                *expr = self.lower(
                    &it.attrs,
                    it.await_token.span,
                    &text,
                    without_parens(&it.base),
                );
            }
            Expr::Yield(it) if self.keyword == Keyword::Refused => *expr = self.refuse(it),
            Expr::Yield(it) => *expr = self.lower_keyword(it),
            Expr::Async(_) | Expr::Closure(_) if self.keyword == Keyword::Lowered => {
                let message = check::YIELD_IN_CLOSURE;
                let errors = &mut *self.errors;
                Strays { message, errors }.visit_expr_mut(expr);
            }
            Expr::Async(_) | Expr::Closure(_) => {}
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        let keywords = match self.keyword {
            Keyword::Refused => vec![],
            Keyword::Lowered => keywords_in(mac.tokens.clone()),
        };
        if !keywords.is_empty() {
            *mac = parse_quote!(::core::unreachable!());
        }
        for keyword in keywords {
            self.errors.at(keyword, check::YIELD_IN_MACRO);
        }
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// Yields that belong to no coroutine.
struct Strays<'a> {
    message: &'static str,
    errors: &'a mut Errors,
}

impl VisitMut for Strays<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        visit_mut::visit_expr_mut(self, expr);
        if let Expr::Yield(it) = expr {
            self.errors.at(it.yield_token, self.message);
            *expr = any_value();
        }
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// The first yield of any spelling in a body that is no coroutine's.
pub(crate) fn find_yield(body: &Block) -> Option<TokenStream> {
    let mut find = FindYield::default();
    find.visit_block(body);
    find.found
}

#[derive(Default)]
struct FindYield {
    found: Option<TokenStream>,
}

impl FindYield {
    fn here(&mut self, token: &impl ToTokens) {
        self.found.get_or_insert_with(|| token.to_token_stream());
    }
}

impl<'ast> Visit<'ast> for FindYield {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        match expr {
            Expr::Async(_) | Expr::Closure(_) => return,
            Expr::Yield(it) => self.here(&it.yield_token),
            _ => visit::visit_expr(self, expr),
        }
        if let Expr::Await(it) = expr {
            self.here(&it.await_token);
        }
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        if ends_in(&mac.path, "yield_") {
            self.here(&mac.path);
        } else if let Some(name) = macro_yield_in(mac.tokens.clone()) {
            self.here(&name);
        }
    }

    fn visit_item(&mut self, _: &'ast Item) {}
}

/// The first `yield_!` in the arguments of a macro, unless there are bodies in them.
fn macro_yield_in(tokens: TokenStream) -> Option<Ident> {
    let mut tokens = tokens.into_iter().peekable();
    let mut found = None;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) if ident == "async" || ident == "fn" => return None,
            TokenTree::Ident(ident) if ident == "yield_" => {
                let called =
                    matches!(tokens.peek(), Some(TokenTree::Punct(p)) if p.as_char() == '!');
                found = found.or(called.then_some(ident));
            }
            TokenTree::Group(group) => found = found.or(macro_yield_in(group.stream())),
            _ => {}
        }
    }
    found
}

// Input:   (async { 1 }).await    Output:  yield_at!({ … }, async { 1 })
//
// Rustc finds the parentheses unnecessary, once they are an argument.
fn without_parens(base: &Expr) -> &Expr {
    match base {
        Expr::Paren(it) if it.attrs.is_empty() => without_parens(&it.expr),
        other => other,
    }
}

/// Stands where a refused `yield` stood, lest rustc report it once more.
fn any_value() -> Expr {
    Expr::Verbatim(quote!(::core::unreachable!()))
}

/// Every `yield` in the arguments of a macro.
fn keywords_in(tokens: TokenStream) -> Vec<Ident> {
    let keywords = |token| match token {
        TokenTree::Group(group) => keywords_in(group.stream()),
        TokenTree::Ident(ident) if ident == "yield" => vec![ident],
        _ => vec![],
    };
    tokens.into_iter().flat_map(keywords).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        rewrite: fn(&mut Block, &Path, &mut Errors),
        body: TokenStream,
        want: TokenStream,
        messages: &[&str],
    ) {
        let mut body: Block = syn::parse2(body).unwrap();
        let mut errors = Errors::default();
        rewrite(&mut body, &syn::parse_quote!(::squall), &mut errors);
        assert_eq!(errors.messages(), messages);
        assert_eq!(body.to_token_stream().to_string(), want.to_string());
        syn::parse2::<Block>(body.into_token_stream()).unwrap();
    }

    #[test]
    fn awaits_are_rewritten_inside_out() {
        check(
            yield_points,
            quote!({ a().await.b().await? }),
            quote!({
                ::squall::private::yield_at!(
                    { ::core::file!(), 0u32, 0u32, "a () . await . b ()" },
                    ::squall::private::yield_at!({ ::core::file!(), 0u32, 0u32, "a ()" }, a()).b()
                )?
            }),
            &[],
        );
    }

    #[test]
    fn other_bodies_are_left_alone() {
        let body = quote!({
            let a = async { x.await };
            let b = |x| async move { x.await };
            fn c() {
                async { x.await };
            }
            yield_!(a);
            println!("{}", x.await);
        });
        check(yield_points, body.clone(), body.clone(), &[]);
        check(keyword_yield_points, body.clone(), body, &[]);
    }

    #[test]
    fn keyword_is_lowered_inside_the_block_macro() {
        check(
            keyword_yield_points,
            quote!({
                let a = yield f(x);
                yield;
                (yield a.await)?
            }),
            quote!({
                let a =
                    ::squall::private::yield_at!({ ::core::file!(), 0u32, 0u32, "f (x)" }, f(x));
                ::squall::private::yield_at!({ ::core::file!(), 0u32, 0u32, "()" }, ());
                (::squall::private::yield_at!(
                    { ::core::file!(), 0u32, 0u32, "a . await" },
                    ::squall::private::yield_at!({ ::core::file!(), 0u32, 0u32, "a" }, a)
                ))?
            }),
            &[],
        );
    }

    #[test]
    fn keyword_is_refused_under_an_attribute() {
        check(
            yield_points,
            quote!({
                yield a;
                b
            }),
            quote!({
                ::core::unreachable!();
                b
            }),
            &[check::YIELD_IN_ATTRIBUTE],
        );
    }

    #[test]
    fn yields_of_plain_functions_are_found_in_any_spelling() {
        for body in [
            "yield 1",
            "a.await",
            "yield_!(a)",
            "f(squall::yield_!(a))",
            "p!(yield_!(a))",
        ] {
            let body: Block = syn::parse_str(&format!("{{ {body} }}")).unwrap();
            assert!(find_yield(&body).is_some(), "{}", quote!(#body));
        }
        for body in [
            "|| yield 1",
            "async { a.await }",
            "p!(async { yield_!(a) })",
            "fn f() { yield_!(a) }",
        ] {
            let body: Block = syn::parse_str(&format!("{{ {body} }}")).unwrap();
            assert!(find_yield(&body).is_none(), "{}", quote!(#body));
        }
    }

    #[test]
    fn keyword_is_found_where_it_cannot_be_lowered() {
        check(
            keyword_yield_points,
            quote!({
                println!("{}", f(yield x));
                let f = |x| yield 1;
            }),
            quote!({
                ::core::unreachable!();
                let f = |x| ::core::unreachable!();
            }),
            &[check::YIELD_IN_MACRO, check::YIELD_IN_CLOSURE],
        );
    }
}
