//! `#[engine]`: a coroutine that nobody waits for.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Visibility;

use crate::args::{Args, Macro};
use crate::check::{self, Errors};
use crate::expand::{self, Plan};
use crate::input::Function;
use crate::stub;

// Input:   pub fn f<T>(a: A, (b, c): (B, C), done: impl FnOnce(T)) { body }
// Output:  pub fn f<T>(a: A, __squall_arg1: (B, C), done: impl FnOnce(T) + 'static) where T: 'static
//          {
//              ::core::mem::drop(::squall::private::start(…, async move { … body … }))
//          }
pub(crate) fn engine(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, Macro::Engine, &mut errors);
    let tokens = match expand::parse(item, Macro::Engine) {
        Ok(function) => expand(function, &args, &mut errors),
        Err((error, item)) => {
            errors.push(error);
            item
        }
    };
    errors.beside(tokens)
}

fn expand(mut function: Function, args: &Args, errors: &mut Errors) -> TokenStream {
    let mut found = Errors::default();
    check::engine(&function, &mut found);
    let stub = stub::engine(&function);
    if found.is_empty() {
        let plan = Plan {
            detached: true,
            ..Plan::new(&function, args)
        };
        let tokens = expand::coroutine(&function, &plan, &mut found);
        if found.is_empty() {
            return tokens;
        }
    } else {
        // What else is wrong with it, apart from what was found.
        function.vis = Visibility::Inherited;
        function.sig.output = syn::ReturnType::Default;
        function
            .attrs
            .retain(|attr| !crate::input::ends_in(attr.path(), "coroutine"));
        expand::coroutine(&function, &Plan::new(&function, args), &mut found);
    }
    errors.append(found);
    quote!(#stub)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_starts_a_coroutine_and_lets_it_go() {
        let output = engine(
            quote!(crate = a),
            quote!(
                pub fn f(mut n: u8, done: impl FnOnce(u8)) {
                    done(n)
                }
            ),
        );
        syn::parse2::<syn::File>(output.clone()).expect("the output parses");
        let output = output.to_string();
        for part in [
            "done : impl FnOnce (u8) + 'static) { :: core :: mem :: drop (a :: private :: start (",
            "outcome_of ! (())",
            "let mut n = n ;",
        ] {
            assert!(output.contains(part), "{part} in {output}");
        }
    }

    #[test]
    fn every_mistake_is_a_message_beside_a_stub() {
        let output = engine(
            quote!(),
            quote!(
                #[coroutine]
                async fn f(a: &str) -> u8 {
                    1
                }
            ),
        )
        .to_string();
        for part in [
            "nobody can take the result",
            "cannot borrow",
            "remove this attribute",
            "remove `async`",
            "fn f (a : & str) { }",
        ] {
            assert!(output.contains(part), "{part} in {output}");
        }
    }
}
