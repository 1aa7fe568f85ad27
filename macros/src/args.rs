//! What stands in the parentheses of an attribute: `scoped`, `crate = some::path`; those of `#[test]`
//! alone are in `test_args`.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Ident, Meta, Path, Token, parse_quote};

use crate::check::{self, Errors};
use crate::test_args::TestArgs;

/// The macro whose arguments are read: it decides what is allowed and is named in messages.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Macro {
    Coroutine,
    Engine,
    Main,
    Test,
    RequestHandler,
}

impl Macro {
    /// The name users write.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Macro::Coroutine => "coroutine",
            Macro::Engine => "engine",
            Macro::Main => "main",
            Macro::Test => "test",
            Macro::RequestHandler => "request_handler",
        }
    }

    /// What may stand in its parentheses, as a message says it.
    pub(crate) fn accepts(self) -> &'static str {
        match self {
            Macro::Coroutine => "`scoped` or `crate = some::path`",
            Macro::Test => "`seed`, `seeds`, `leaks`, `timeout_secs` or `crate = some::path`",
            _ => "`crate = some::path`",
        }
    }
}

/// The arguments of one attribute.
#[derive(Default)]
pub(crate) struct Args {
    /// The coroutine is borrowed, though its signature may not show it.
    pub(crate) scoped: bool,
    /// Where the crate is re-exported.
    pub(crate) krate: Option<Path>,
    /// What only `#[test]` takes.
    pub(crate) test: TestArgs,
}

impl Args {
    /// Reads what can be read; the rest is in `errors`.
    pub(crate) fn parse(tokens: TokenStream, of: Macro, errors: &mut Errors) -> Args {
        let mut args = Args::default();
        let all = |input: ParseStream| args.read_all(input, of, errors);
        if let Err(error) = all.parse2(tokens) {
            errors.push(error);
        }
        args
    }

    /// The arguments of an attribute that was found on an item: `#[coroutine(scoped)]`.
    pub(crate) fn of_attribute(attribute: &Attribute, errors: &mut Errors) -> Args {
        match &attribute.meta {
            Meta::Path(_) => Args::default(),
            Meta::List(list) => Args::parse(list.tokens.clone(), Macro::Coroutine, errors),
            Meta::NameValue(pair) => {
                errors.at(&pair.value, check::malformed_argument(Macro::Coroutine));
                Args::default()
            }
        }
    }

    /// The path of the runtime crate.
    pub(crate) fn squall(&self) -> Path {
        self.krate.clone().unwrap_or_else(|| parse_quote!(::squall))
    }

    /// The path of the web crate.
    pub(crate) fn squall_web(&self) -> Path {
        let default = || parse_quote!(::squall_web);
        self.krate.clone().unwrap_or_else(default)
    }

    fn read_all(&mut self, input: ParseStream, of: Macro, errors: &mut Errors) -> syn::Result<()> {
        let malformed = |_| syn::Error::new(input.span(), check::malformed_argument(of));
        while !input.is_empty() {
            let name = input.call(Ident::parse_any).map_err(malformed)?;
            self.read(&name, input, of, errors).map_err(malformed)?;
            if !input.is_empty() {
                input.parse::<Token![,]>().map_err(malformed)?;
            }
        }
        Ok(())
    }

    fn read(
        &mut self,
        name: &Ident,
        input: ParseStream,
        of: Macro,
        errors: &mut Errors,
    ) -> syn::Result<()> {
        let twice = if name == "crate" {
            input.parse::<Token![=]>()?;
            let path = input.call(Path::parse_mod_style)?;
            self.krate.replace(path).is_some()
        } else if name == "scoped" && of == Macro::Coroutine {
            std::mem::replace(&mut self.scoped, true)
        } else if TestArgs::has(name) && of == Macro::Test {
            self.test.read(name, input, errors)?
        } else {
            errors.at(name, check::unknown_argument(name, of));
            skip_argument(input);
            false
        };
        if twice {
            errors.at(name, check::duplicate_argument(name));
        }
        Ok(())
    }
}

/// Goes on to the next comma, so that each unknown argument is one message.
pub(crate) fn skip_argument(input: ParseStream) {
    while !input.is_empty() && !input.peek(Token![,]) {
        // A token tree can always be read where the input is not empty.
        let _ = input.parse::<proc_macro2::TokenTree>();
    }
}

#[cfg(test)]
mod tests {
    use quote::{ToTokens, quote};

    use super::*;

    #[track_caller]
    fn check(tokens: TokenStream, of: Macro) -> (Args, Vec<String>) {
        let mut errors = Errors::default();
        let args = Args::parse(tokens, of, &mut errors);
        (args, errors.messages())
    }

    #[test]
    fn both_arguments_are_read_in_any_order() {
        let (args, messages) = check(quote!(crate = a::b, scoped,), Macro::Coroutine);
        assert!(args.scoped);
        assert_eq!(args.squall().to_token_stream().to_string(), "a :: b");
        assert!(messages.is_empty());
    }

    #[test]
    fn the_default_path_is_absolute() {
        let squall = Args::default().squall();
        assert_eq!(squall.to_token_stream().to_string(), ":: squall");
    }

    #[test]
    fn every_unknown_argument_is_a_message() {
        let (_, messages) = check(quote!(flavor = "x", scoped), Macro::Main);
        assert_eq!(
            messages,
            [
                "`flavor` is not an argument of `#[main]`; it takes `crate = some::path`",
                "`scoped` is not an argument of `#[main]`; it takes `crate = some::path`",
            ]
        );
    }

    #[test]
    fn duplicates_are_refused() {
        let (_, messages) = check(quote!(scoped, scoped), Macro::Coroutine);
        assert_eq!(messages, ["`scoped` is given twice; remove this one"]);
    }

    #[test]
    fn a_string_is_no_path() {
        let (_, messages) = check(quote!(crate = "squall"), Macro::Coroutine);
        assert_eq!(
            messages,
            ["this is not an argument; write `scoped` or `crate = some::path`"]
        );
    }
}
