//! `coroutines! { … }`: a block of items in which coroutines may use the keyword `yield`.
//!
//! The tokens of a function-like macro reach us unparsed, so rustc has not refused the keyword
//! yet. Each coroutine's yields are lowered here, and the rest is as for the attribute. Where the
//! item has an attribute that expands it later (`#[squall::test]`, `#[request_handler]`), only
//! the yields are lowered.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Block, ImplItem, Item, ItemImpl, Path, Token, TraitItem};

use crate::args::Args;
use crate::check::{self, Errors};
use crate::expand::{self, Plan};
use crate::input::{Function, ends_in};
use crate::rewrite;

// Input:   crate = a::b; #[coroutine] fn f() -> T { yield x } struct S;
// Output:  fn f() -> a::b::Deferred<T> { …yield_at!(…, x)… } struct S;
pub(crate) fn coroutines(tokens: TokenStream) -> TokenStream {
    let Input { krate, mut items } = match syn::parse2(tokens) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut coroutines = Coroutines::new(krate);
    items
        .iter_mut()
        .for_each(|item| coroutines.visit_item_mut(item));
    coroutines.errors.beside(quote!(#(#items)*))
}

struct Input {
    krate: Option<Path>,
    items: Vec<Item>,
}

impl Parse for Input {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let mut krate = None;
        if input.peek(Token![crate]) && input.peek2(Token![=]) {
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            krate = Some(input.call(Path::parse_mod_style)?);
            input.parse::<Token![;]>()?;
        }
        let mut items = Vec::new();
        while !input.is_empty() {
            items.push(input.parse()?);
        }
        Ok(Input { krate, items })
    }
}

/// Expands the coroutines of a block, innermost first.
struct Coroutines {
    krate: Option<Path>,
    squall: Path,
    /// We are in an `impl` that `#[request_handler]` will expand.
    in_handler: bool,
    errors: Errors,
}

impl Coroutines {
    fn new(krate: Option<Path>) -> Coroutines {
        let args = Args {
            krate,
            ..Args::default()
        };
        Coroutines {
            squall: args.squall(),
            krate: args.krate,
            in_handler: false,
            errors: Errors::default(),
        }
    }

    fn yields(&mut self, attrs: &[Attribute], body: &mut Block) {
        if is_coroutine(attrs) || is_entry(attrs) {
            rewrite::keyword_yield_points(body, &self.squall, &mut self.errors);
        } else {
            rewrite::refuse_yields(body, &mut self.errors);
        }
    }

    fn expand(&mut self, function: impl Into<Function>) -> TokenStream {
        let mut function = function.into();
        let attrs = function.take_attributes("coroutine");
        let mut args = Args::default();
        if let Some((attr, surplus)) = attrs.split_first() {
            args = Args::of_attribute(attr, &mut self.errors);
            check::once(surplus, &mut self.errors);
        }
        args.krate = args.krate.or_else(|| self.krate.clone());
        let plan = Plan::new(&function, &args);
        expand::coroutine(&function, &plan, &mut self.errors)
    }
}

impl VisitMut for Coroutines {
    fn visit_item_mut(&mut self, item: &mut Item) {
        visit_mut::visit_item_mut(self, item);
        if let Item::Fn(f) = item {
            self.yields(&f.attrs, &mut f.block);
            if is_coroutine(&f.attrs) {
                *item = Item::Verbatim(self.expand(f.clone()));
            }
        }
    }

    fn visit_item_impl_mut(&mut self, item: &mut ItemImpl) {
        let is_handler = item
            .attrs
            .iter()
            .any(|a| ends_in(a.path(), "request_handler"));
        let outside = std::mem::replace(&mut self.in_handler, is_handler);
        visit_mut::visit_item_impl_mut(self, item);
        self.in_handler = outside;
    }

    fn visit_impl_item_mut(&mut self, item: &mut ImplItem) {
        visit_mut::visit_impl_item_mut(self, item);
        if let ImplItem::Fn(f) = item {
            self.yields(&f.attrs, &mut f.block);
            if is_coroutine(&f.attrs) && !self.in_handler {
                *item = ImplItem::Verbatim(self.expand(f.clone()));
            }
        }
    }

    fn visit_trait_item_mut(&mut self, item: &mut TraitItem) {
        visit_mut::visit_trait_item_mut(self, item);
        if let TraitItem::Fn(f) = item {
            if let Some(body) = &mut f.default {
                self.yields(&f.attrs, body);
            }
            if is_coroutine(&f.attrs) {
                *item = TraitItem::Verbatim(self.expand(f.clone()));
            }
        }
    }
}

fn is_coroutine(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|a| ends_in(a.path(), "coroutine"))
}

/// True under `#[squall::main]`, `#[squall::test]` and `#[squall::engine]`, but not under rustc's
/// `#[test]`.
fn is_entry(attrs: &[Attribute]) -> bool {
    let qualified = |path: &Path| path.segments.len() > 1;
    let entry = |path: &Path| {
        ["main", "test", "engine"]
            .iter()
            .any(|name| ends_in(path, name))
    };
    attrs
        .iter()
        .map(Attribute::path)
        .any(|path| qualified(path) && entry(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(items: TokenStream) -> String {
        let output = coroutines(items);
        syn::parse2::<syn::File>(output.clone()).expect("the output parses");
        output.to_string()
    }

    #[test]
    fn coroutines_are_found_wherever_they_stand() {
        let output = expand(quote! {
            crate = a::b;
            #[coroutine] fn f() -> u8 { #[x::coroutine] fn g() { yield 1 } yield 2 }
            mod m { impl S { #[coroutine(scoped)] fn h() { yield 3 } } }
            trait T { #[coroutine] fn i() { yield 4 } }
            struct S;
        });
        for found in [
            "\"f\"", "\"g\"", "\"h\"", "\"i\"", "\"1\"", "\"2\"", "\"3\"", "\"4\"",
        ] {
            assert!(output.contains(found), "{found} in {output}");
        }
        assert_eq!(output.matches("a :: b :: private :: start").count(), 3);
        assert_eq!(output.matches("a :: b :: private :: scoped").count(), 1);
        assert!(!output.contains("yield "));
        assert!(output.ends_with("struct S ;"));
    }

    #[test]
    fn other_macros_get_lowered_yields() {
        let output = expand(quote! {
            #[squall::test] fn f() { yield 1 }
            #[request_handler] impl RequestHandler for P { #[coroutine] fn get(&mut self) { yield 2 } }
        });
        assert_eq!(output.matches("yield_at !").count(), 2);
        assert!(output.contains("# [squall :: test] fn f ()"));
        assert!(output.contains("# [coroutine] fn get (& mut self)"));
    }

    #[test]
    fn plain_function_cannot_yield() {
        let output = expand(quote!(
            fn f() -> u8 {
                yield 1
            }
            #[test]
            fn g() {
                yield
            }
        ));
        assert_eq!(output.matches(check::YIELD_IN_PLAIN_FUNCTION).count(), 2);
        assert!(output.ends_with("fn g () { :: core :: unreachable ! () }"));
    }
}
