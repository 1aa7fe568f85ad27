//! What only `#[test]` takes: `seed = 17`, `seeds = 100`, `leaks = "allow"`, `timeout_secs = 60`.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::parse::ParseStream;
use syn::{Lit, Path, Token};

use crate::check::{self, Errors};

/// The arguments that were given, each with its name for messages.
#[derive(Default)]
pub(crate) struct TestArgs {
    seed: Option<u64>,
    seeds: Option<u64>,
    leaks: Option<Ident>,
    timeout_secs: Option<u64>,
}

impl TestArgs {
    /// True if it is the name of one.
    pub(crate) fn has(name: &Ident) -> bool {
        ["seed", "seeds", "leaks", "timeout_secs"]
            .iter()
            .any(|one| name == one)
    }

    /// Reads what follows the name. `Ok(true)` if it was given before.
    pub(crate) fn read(
        &mut self,
        name: &Ident,
        input: ParseStream,
        errors: &mut Errors,
    ) -> syn::Result<bool> {
        let text = name.to_string();
        if !input.peek(Token![=]) {
            errors.at(name, check::test_argument(&text));
            return Ok(false);
        }
        input.parse::<Token![=]>()?;
        let Ok(value) = input.fork().parse::<Lit>() else {
            let at = input.cursor().token_stream().into_iter().next();
            errors.at(at, check::test_argument(&text));
            crate::args::skip_argument(input);
            return Ok(false);
        };
        input.parse::<Lit>()?;
        let (given, fits) = match text.as_str() {
            "seed" => replace(&mut self.seed, number(&value)),
            "seeds" => replace(&mut self.seeds, number(&value).filter(|count| *count > 0)),
            "timeout_secs" => replace(&mut self.timeout_secs, number(&value).filter(|n| *n > 0)),
            _ => replace(&mut self.leaks, leaks(&value)),
        };
        if !fits {
            errors.at(&value, check::test_argument(&text));
        }
        if self.seed.is_some() && self.seeds.is_some() && !given {
            errors.at(name, check::SEED_AND_SEEDS);
        }
        Ok(given)
    }

    /// The plan that `run_test` is given.
    pub(crate) fn plan(&self, name: &Ident, squall: &Path) -> TokenStream {
        let text = name.to_string();
        let [seed, seeds] = [self.seed, self.seeds].map(option);
        let leaks = self.leaks.clone().unwrap_or_else(|| format_ident!("Check"));
        let timeout = match self.timeout_secs {
            Some(secs) => {
                quote!(::core::option::Option::Some(::core::time::Duration::from_secs(#secs)))
            }
            None => quote!(::core::option::Option::None),
        };
        quote! {
            &#squall::private::TestPlan {
                name: ::core::concat!(::core::module_path!(), "::", #text),
                seed: #seed,
                seeds: #seeds,
                leaks: #squall::private::Leaks::#leaks,
                timeout: #timeout,
            }
        }
    }
}

/// Sets an argument. Whether it was given before, and whether there is a value.
fn replace<T>(argument: &mut Option<T>, value: Option<T>) -> (bool, bool) {
    let fits = value.is_some();
    let given = argument.is_some();
    if fits {
        *argument = value;
    }
    (given, fits)
}

fn number(value: &Lit) -> Option<u64> {
    match value {
        Lit::Int(number) if number.suffix().is_empty() => number.base10_parse().ok(),
        _ => None,
    }
}

fn leaks(value: &Lit) -> Option<Ident> {
    let Lit::Str(text) = value else { return None };
    let variant = match text.value().as_str() {
        "allow" => "Allow",
        "check" => "Check",
        "strict" => "Strict",
        _ => return None,
    };
    Some(Ident::new(variant, text.span()))
}

fn option(number: Option<u64>) -> TokenStream {
    match number {
        Some(number) => quote!(::core::option::Option::Some(#number)),
        None => quote!(::core::option::Option::None),
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use crate::args::{Args, Macro};
    use crate::check::Errors;

    #[track_caller]
    fn messages(tokens: proc_macro2::TokenStream) -> Vec<String> {
        let mut errors = Errors::default();
        Args::parse(tokens, Macro::Test, &mut errors);
        errors.messages()
    }

    #[test]
    fn all_arguments_are_read_in_any_order() {
        let tokens = quote!(
            timeout_secs = 60,
            leaks = "strict",
            crate = a,
            seeds = 1_000
        );
        assert!(messages(tokens).is_empty());
        let mut errors = Errors::default();
        let tokens = quote!(seed = 17, leaks = "allow", timeout_secs = 5);
        let args = Args::parse(tokens, Macro::Test, &mut errors);
        let name = syn::parse_quote!(t);
        let plan = args.test.plan(&name, &args.squall()).to_string();
        for part in ["Some (17u64)", "Leaks :: Allow", "from_secs (5u64)"] {
            assert!(plan.contains(part), "{part} in {plan}");
        }
    }

    #[test]
    fn each_mistake_is_a_message() {
        let tokens = quote!(seeds = 0, seed = -1, leaks, timeout_secs = "1");
        let messages = messages(tokens);
        assert_eq!(messages.len(), 4, "{messages:?}");
        for (message, name) in messages
            .iter()
            .zip(["seeds", "seed", "leaks", "timeout_secs"])
        {
            assert!(message.starts_with(&format!("`{name}` ")), "{message}");
        }
    }

    #[test]
    fn a_number_has_no_suffix_and_fits() {
        assert_eq!(messages(quote!(seed = 1u8)).len(), 1);
        assert_eq!(messages(quote!(seed = 18446744073709551616)).len(), 1);
        assert!(messages(quote!(seed = 18446744073709551615)).is_empty());
    }
}
