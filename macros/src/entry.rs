//! `#[main]` and `#[test]`: a plain function that runs a coroutine on a loop of its own.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Visibility;

use crate::args::{Args, Macro};
use crate::check::{self, Errors};
use crate::expand::{self, Plan};
use crate::input::Function;
use crate::stub;

// Input:   fn main() -> R { body }
// Output:  fn main() -> R {
//              fn main() -> ::squall::Deferred<R> { … body … }
//              ::squall::private::run_main(main)
//          }
pub(crate) fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    entry(args, item, Macro::Main)
}

// Input:   #[should_panic] fn name() -> R { body }
// Output:  #[::core::prelude::v1::test]
//          #[should_panic]
//          fn name() -> R {
//              fn name() -> ::squall::Deferred<R> { … body … }
//              ::squall::private::run_test(&TestPlan { … }, ::squall::private::outcome_of!(R), name)
//          }
pub(crate) fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    entry(args, item, Macro::Test)
}

fn entry(args: TokenStream, item: TokenStream, of: Macro) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, of, &mut errors);
    let tokens = match expand::parse(item, of) {
        Ok(function) => expand(function, &args, of, &mut errors),
        Err((error, item)) => {
            errors.push(error);
            item
        }
    };
    errors.beside(tokens)
}

fn expand(mut function: Function, args: &Args, of: Macro, errors: &mut Errors) -> TokenStream {
    let mut found = Errors::default();
    check::entry(&function, of, &mut found);
    check::once(&function.attrs, &mut found);
    let whole = stub::entry(&function);
    let attrs = std::mem::take(&mut function.attrs);
    let vis = std::mem::replace(&mut function.vis, Visibility::Inherited);
    let coroutine = expand::coroutine(&function, &Plan::new(&function, args), &mut found);
    if !found.is_empty() {
        errors.append(found);
        return whole;
    }

    let squall = args.squall();
    let returned = function.result();
    let name = &function.sig.ident;
    let result = &function.sig.output;
    let test = (of == Macro::Test).then(|| quote!(#[::core::prelude::v1::test]));
    let run = match of {
        Macro::Test => {
            let plan = args.test.plan(name, &squall);
            let result = &returned;
            quote!(run_test(#plan, #squall::private::outcome_of!(#result), #name))
        }
        _ => quote!(run_main(#name)),
    };
    quote! {
        #test
        #(#attrs)*
        #vis fn #name() #result {
            #coroutine
            #squall::private::#run
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(output: TokenStream, parts: &[&str]) {
        syn::parse2::<syn::File>(output.clone()).expect("the output parses");
        let output = output.to_string();
        for part in parts {
            assert!(output.contains(part), "{part} in {output}");
        }
    }

    #[test]
    fn main_runs_the_coroutine_within() {
        check(
            main(
                quote!(),
                quote!(
                    #[a]
                    pub fn main() -> R {
                        f()
                    }
                ),
            ),
            &[
                "# [a] pub fn main () -> R { fn main () -> :: squall :: Deferred < R > {",
                ":: squall :: private :: run_main (main) }",
            ],
        );
    }

    #[test]
    fn test_keeps_its_attributes() {
        check(
            test(
                quote!(crate = a),
                quote!(
                    #[should_panic]
                    fn t() {
                        f()
                    }
                ),
            ),
            &[
                "# [:: core :: prelude :: v1 :: test] # [should_panic] fn t () { fn t ()",
                "a :: private :: run_test (& a :: private :: TestPlan { name : ",
                "a :: private :: outcome_of ! (()) , t) }",
            ],
        );
    }

    #[test]
    fn mistakes_leave_an_empty_function() {
        check(
            main(
                quote!(),
                quote!(
                    async fn main<T>(a: A) {
                        f()
                    }
                ),
            ),
            &[
                "remove `async`",
                "takes no arguments",
                "takes no generics",
                "fn main () { }",
            ],
        );
        check(
            test(
                quote!(),
                quote!(
                    #[test]
                    fn t() {}
                ),
            ),
            &["remove `#[test]`: `#[squall::test]` adds it", "fn t () { }"],
        );
    }
}
