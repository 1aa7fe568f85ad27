//! `#[request_handler]`: from methods named after HTTP methods to one `call` by verb.
//!
//! The user's methods go into an inherent `impl`, under their own names, so that they can call
//! each other. The trait's `call` parses the path arguments and calls them; hooks are forwarded
//! only if they were written, so that the trait's defaults stay otherwise.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, ImplItem, ItemImpl, Pat, PatType, Path, ReturnType, Type, Visibility, parse_quote,
};

use crate::args::{Args, Macro};
use crate::check::{self, Errors};
use crate::expand::{self, Plan};
use crate::input::{Function, ends_in};
use crate::place::source_text;
use crate::stub;

/// What a method of a handler is for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Role {
    /// Answers an HTTP method; holds the variant of `Verb`.
    Http(&'static str),
    Prepare,
    DataReceived,
    WriteError,
    OnConnectionClose,
    OnFinish,
}

impl Role {
    pub(crate) const NAMES: [&str; 12] = [
        "get",
        "head",
        "post",
        "put",
        "patch",
        "delete",
        "options",
        "prepare",
        "data_received",
        "write_error",
        "on_connection_close",
        "on_finish",
    ];

    fn of(name: &Ident) -> Option<Role> {
        Some(match name.to_string().as_str() {
            "get" => Role::Http("Get"),
            "head" => Role::Http("Head"),
            "post" => Role::Http("Post"),
            "put" => Role::Http("Put"),
            "patch" => Role::Http("Patch"),
            "delete" => Role::Http("Delete"),
            "options" => Role::Http("Options"),
            "prepare" => Role::Prepare,
            "data_received" => Role::DataReceived,
            "write_error" => Role::WriteError,
            "on_connection_close" => Role::OnConnectionClose,
            "on_finish" => Role::OnFinish,
            _ => return None,
        })
    }

    /// Parameters and result, as messages show them.
    pub(crate) fn shape(self) -> &'static str {
        match self {
            Role::Http(_) => "(&mut self, ex: &mut Exchange, …) -> Result<()>",
            Role::Prepare => "(&mut self, ex: &mut Exchange) -> Result<()>",
            Role::DataReceived => "(&mut self, ex: &mut Exchange, chunk: &[u8]) -> Result<()>",
            Role::WriteError => "(&mut self, ex: &mut Exchange, error: &Error) -> Result<()>",
            Role::OnConnectionClose | Role::OnFinish => "(&mut self, ex: &Exchange)",
        }
    }
}

impl Role {
    /// True for what is told that something is over: it waits for nothing, and answers nothing.
    pub(crate) fn is_news(self) -> bool {
        matches!(self, Role::OnConnectionClose | Role::OnFinish)
    }
}

/// One method that the user wrote.
struct Method {
    role: Role,
    /// Without the `#[coroutine]`, if there was one.
    function: Function,
    /// What stood in that `#[coroutine]`.
    coroutine: Option<Args>,
}

// Input:
//     impl<T> RequestHandler for Page<T> {
//         #[coroutine] fn get(&mut self, ex: &mut Exchange, id: u64) -> Result<()> { … }
//         fn on_finish(&mut self, ex: &Exchange) { … }
//     }
//
// Output:
//     impl<T> Page<T> {
//         fn get(&mut self, ex: &mut Exchange, id: u64) -> Scoped<impl Future<…>> { … }
//     }
//     impl<T> RequestHandler for Page<T> {
//         const METHODS: &'static [Verb] = &[Verb::Get];
//         fn call<'x>(&'x mut self, verb: Verb, ex: &'x mut Exchange)
//             -> impl Future<Output = Result<()>> + 'x
//         {
//             async move { match verb { Verb::Get => …, _ => missing_method() } }
//         }
//         fn on_finish(&mut self, ex: &Exchange) { … }
//     }
pub(crate) fn request_handler(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let web = Args::parse(args, Macro::RequestHandler, &mut errors).squall_web();
    let tokens = match syn::parse2(item.clone()) {
        Ok(item) => expand(item, &web, &mut errors),
        Err(_) => {
            errors.at(&item, check::NO_IMPL);
            item
        }
    };
    errors.beside(tokens)
}

fn expand(mut item: ItemImpl, web: &Path, errors: &mut Errors) -> TokenStream {
    let mut found = Errors::default();
    let written = item.clone();
    check::handler_impl(&item, &mut found);
    let methods = methods(&mut item, &mut found);
    let inherent = inherent_impl(&item, &methods, web, &mut found);
    if found.is_empty() {
        let handler = trait_impl(&item, &methods, web);
        return quote!(#inherent #handler);
    }
    errors.append(found);
    stub::request_handler(&written, web)
}

fn methods(item: &mut ItemImpl, errors: &mut Errors) -> Vec<Method> {
    let mut methods = Vec::new();
    for member in std::mem::take(&mut item.items) {
        let ImplItem::Fn(f) = member else {
            errors.at(member, check::NO_METHOD);
            continue;
        };
        let Some(role) = Role::of(&f.sig.ident) else {
            errors.at(
                &f.sig.ident,
                check::unknown_method(&f.sig.ident, &item.self_ty),
            );
            continue;
        };
        methods.push(method(role, f.into(), errors));
    }
    // Beside another mistake this would be its consequence.
    if errors.is_empty() && !methods.iter().any(Method::is_http) {
        errors.at(&item.self_ty, check::no_http_method(&item.self_ty));
    }
    methods
}

fn method(role: Role, mut function: Function, errors: &mut Errors) -> Method {
    let attrs = function.take_attributes("coroutine");
    let coroutine = attrs.split_first().map(|(attr, surplus)| {
        check::once(surplus, errors);
        if role.is_news() {
            errors.at(attr, check::news_coroutine(&function.sig.ident));
        }
        Args::of_attribute(attr, errors)
    });
    if role.is_news() {
        // It stays in a trait's `impl`, where nothing may be `pub`.
        function.vis = Visibility::Inherited;
    }
    check::handler_method(&function, role, coroutine.is_some(), errors);
    Method {
        role,
        function,
        coroutine,
    }
}

/// The methods under their own names; `on_finish` and its like go into the trait.
fn inherent_impl(
    item: &ItemImpl,
    methods: &[Method],
    web: &Path,
    errors: &mut Errors,
) -> TokenStream {
    let me = &item.self_ty;
    let attrs = item.attrs.iter().filter(|a| !a.path().is_ident("doc"));
    let (impl_generics, _, where_clause) = item.generics.split_for_impl();
    let inherent = methods.iter().filter(|m| !m.role.is_news());
    let functions: Vec<_> = inherent.map(|m| m.inherent(me, web, errors)).collect();
    quote! {
        #(#attrs)*
        #[allow(dead_code)]
        impl #impl_generics #me #where_clause {
            #(#functions)*
        }
    }
}

// `match` has an arm for each method of the user's. A handler with all seven leaves `_` nothing.
fn trait_impl(item: &ItemImpl, methods: &[Method], web: &Path) -> TokenStream {
    let me = &item.self_ty;
    let attrs = &item.attrs;
    let path = trait_path(item, web);
    let (impl_generics, _, where_clause) = item.generics.split_for_impl();
    let verbs = methods.iter().filter_map(|m| m.verb(web));
    let arms = methods.iter().filter_map(|m| m.arm(web));
    let hooks = methods.iter().map(|m| m.hook(web));
    let future = future(web);
    quote! {
        #(#attrs)*
        impl #impl_generics #path for #me #where_clause {
            const METHODS: &'static [#web::private::Verb] = &[#(#verbs),*];

            #[allow(unreachable_patterns)]
            fn call<'squall_x>(
                &'squall_x mut self,
                verb: #web::private::Verb,
                ex: &'squall_x mut #web::Exchange,
            ) -> #future {
                async move {
                    match verb {
                        #(#arms)*
                        _ => #web::private::missing_method(),
                    }
                }
            }

            #(#hooks)*
        }
    }
}

/// The trait as the user named it, so that its import is used; else by its absolute path.
pub(crate) fn trait_path(item: &ItemImpl, web: &Path) -> Path {
    match &item.trait_ {
        Some((None, path, _)) if ends_in(path, "RequestHandler") => path.clone(),
        _ => parse_quote!(#web::RequestHandler),
    }
}

impl Method {
    fn is_http(&self) -> bool {
        matches!(self.role, Role::Http(_))
    }

    fn inherent(&self, me: &Type, web: &Path, errors: &mut Errors) -> TokenStream {
        let Some(args) = &self.coroutine else {
            return self.function.to_token_stream();
        };
        let runtime = || parse_quote!(#web::private::squall);
        let plan = Plan {
            squall: args.krate.clone().unwrap_or_else(runtime),
            scoped: true,
            detached: false,
            label: format!("{}::{}", short_name(me), self.function.sig.ident),
        };
        expand::coroutine(&self.function, &plan, errors)
    }

    // Output:  #[cfg(…)] ::squall_web::private::Verb::Get
    fn verb(&self, web: &Path) -> Option<TokenStream> {
        let Role::Http(verb) = self.role else {
            return None;
        };
        let verb = format_ident!("{verb}");
        let cfgs = self.cfgs();
        Some(quote!(#(#cfgs)* #web::private::Verb::#verb))
    }

    // Output:
    //     Verb::Get => {
    //         let arg0 = match path_argument::<u64>(ex, 0, "id") {
    //             Ok(value) => value,
    //             Err(error) => return Err(error),
    //         };
    //         result(self.get(ex, arg0).await)
    //     }
    fn arm(&self, web: &Path) -> Option<TokenStream> {
        let verb = self.verb(web)?;
        let arguments = check::typed(&self.function.sig).skip(1).enumerate();
        let (names, lets): (Vec<_>, Vec<_>) = arguments
            .map(|(index, it)| path_argument(index, it, web))
            .unzip();
        let call = self.call(&names, web);
        Some(quote!(#verb => { #(#lets)* #call }))
    }

    // Output:  result(self.get(ex, arg0).await)   or   result(self.get(ex, arg0))
    //
    // It stands at the result type, for that is what does not fit if it does not fit.
    fn call(&self, arguments: &[Ident], web: &Path) -> TokenStream {
        let name = &self.function.sig.ident;
        let at = match &self.function.sig.output {
            ReturnType::Default => name.span(),
            ReturnType::Type(_, ty) => ty.span(),
        };
        let at = Span::call_site().located_at(at);
        let wait = self.coroutine.as_ref().map(|_| quote!(.await));
        let result = quote_spanned!(at=> self.#name(ex #(, #arguments)*) #wait);
        quote!(#web::private::result(#result))
    }

    // Output:
    //     fn call_prepare<'x>(&'x mut self, ex: &'x mut Exchange)
    //         -> impl Future<Output = Result<()>> + 'x { async move { … } }
    fn hook(&self, web: &Path) -> TokenStream {
        let cfgs: Vec<_> = self.cfgs().collect();
        let (name, parameter, arguments) = match self.role {
            Role::Http(_) => return TokenStream::new(),
            Role::OnFinish => return self.function.to_token_stream(),
            Role::OnConnectionClose => {
                let function = &self.function;
                return quote!(#(#cfgs)* const HEARS_OF_CLOSE: bool = true; #function);
            }
            Role::Prepare => ("call_prepare", None, vec![]),
            Role::DataReceived => {
                let chunk = Ident::new("chunk", Span::mixed_site());
                let parameter = quote!(#chunk: &'squall_x [u8],);
                ("call_data_received", Some(parameter), vec![chunk])
            }
            Role::WriteError => {
                let error = Ident::new("error", Span::mixed_site());
                let parameter = quote!(#error: &'squall_x #web::Error,);
                ("call_write_error", Some(parameter), vec![error])
            }
        };
        let name = format_ident!("{name}");
        let call = self.call(&arguments, web);
        let future = future(web);
        let cfg = quote!(#(#cfgs)*);
        let streams = (self.role == Role::DataReceived)
            .then(|| quote!(#cfg const STREAMS_BODY: bool = true;));
        quote! {
            #streams
            #cfg
            fn #name<'squall_x>(
                &'squall_x mut self,
                ex: &'squall_x mut #web::Exchange,
                #parameter
            ) -> #future {
                async move { #call }
            }
        }
    }

    fn cfgs(&self) -> impl Iterator<Item = &Attribute> {
        let is_cfg = |a: &&Attribute| a.path().is_ident("cfg");
        self.function.attrs.iter().filter(is_cfg)
    }
}

/// The name that the argument has in `call`, and the statement that parses it.
fn path_argument(index: usize, argument: &PatType, web: &Path) -> (Ident, TokenStream) {
    let name = format_ident!("arg{index}", span = Span::mixed_site());
    let ty = &argument.ty;
    let text = argument_name(argument);
    let at = Span::call_site().located_at(ty.span());
    let parsed = quote_spanned!(at=> #web::private::path_argument::<#ty>(ex, #index, #text));
    let statement = quote! {
        let #name = match #parsed {
            ::core::result::Result::Ok(value) => value,
            ::core::result::Result::Err(error) => {
                return ::core::result::Result::Err(error);
            }
        };
    };
    (name, statement)
}

/// What the trait's methods return: a future in the handler's own state machine.
pub(crate) fn future(web: &Path) -> TokenStream {
    quote! {
        impl ::core::future::Future<Output = ::core::result::Result<(), #web::Error>> + 'squall_x
    }
}

/// The name that a path argument has in messages: `_id` is `id`.
fn argument_name(argument: &PatType) -> String {
    match &*argument.pat {
        Pat::Ident(pat) => {
            let name = pat.ident.unraw().to_string();
            name.trim_start_matches('_').to_owned()
        }
        other => source_text(other),
    }
}

/// The last word of a path, or the whole of another type.
fn short_name(ty: &Type) -> String {
    let last = |path: &Path| path.segments.last().map(|last| last.ident.to_string());
    match ty {
        Type::Path(ty) => last(&ty.path).unwrap_or_default(),
        other => source_text(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(item: TokenStream) -> String {
        let output = request_handler(quote!(), item);
        syn::parse2::<syn::File>(output.clone()).expect("the output parses");
        output.to_string()
    }

    #[track_caller]
    fn check(output: &str, part: TokenStream) {
        assert!(output.contains(&part.to_string()), "{part} in {output}");
    }

    #[test]
    fn methods_are_called_by_verb() {
        let output = expand(quote! {
            #[cfg(a)]
            impl<T> RequestHandler for Page<T> {
                #[coroutine]
                fn get(&mut self, ex: &mut Exchange, _id: u64) -> Result<()> { Ok(()) }
                #[cfg(b)]
                fn post(&mut self, ex: &mut Exchange) -> Result<()> { Ok(()) }
            }
        });
        check(
            &output,
            quote!(#[cfg(a)] #[allow(dead_code)] impl<T> Page<T>),
        );
        check(&output, quote!(name: "Page::get"));
        check(
            &output,
            quote!(::squall_web::private::squall::private::scoped),
        );
        check(
            &output,
            quote! {
                &[
                    ::squall_web::private::Verb::Get,
                    #[cfg(b)] ::squall_web::private::Verb::Post
                ];
            },
        );
        check(
            &output,
            quote! {
                ::squall_web::private::Verb::Get => {
                    let arg0 = match ::squall_web::private::path_argument::<u64>(ex, 0usize, "id") {
                        ::core::result::Result::Ok(value) => value,
                        ::core::result::Result::Err(error) => {
                            return ::core::result::Result::Err(error);
                        }
                    };
                    ::squall_web::private::result(self.get(ex, arg0).await)
                }
                #[cfg(b)]
                ::squall_web::private::Verb::Post => {
                    ::squall_web::private::result(self.post(ex))
                }
                _ => ::squall_web::private::missing_method(),
            },
        );
        assert!(!output.contains("call_prepare"));
    }

    #[test]
    fn hooks_are_forwarded_if_they_were_written() {
        let output = expand(quote! {
            impl RequestHandler for Page {
                fn get(&mut self, ex: &mut Exchange) -> Result<()> { Ok(()) }
                #[coroutine] fn prepare(&mut self, ex: &mut Exchange) -> Result<()> { Ok(()) }
                fn write_error(&mut self, ex: &mut Exchange, e: &Error) -> Result<()> { Ok(()) }
                pub fn on_finish(&mut self, ex: &Exchange) {}
            }
        });
        check(
            &output,
            quote!({ async move { ::squall_web::private::result(self.prepare(ex).await) } }),
        );
        check(
            &output,
            quote!({ async move { ::squall_web::private::result(self.write_error(ex, error)) } }),
        );
        check(
            &output,
            quote!({ async move { ::squall_web::private::result(self.write_error(ex, error)) } } fn on_finish),
        );
        assert_eq!(output.matches("on_finish").count(), 1);
    }

    #[test]
    fn what_a_handler_hears_of_is_said_by_constants() {
        let output = expand(quote! {
            impl RequestHandler for Page {
                fn post(&mut self, ex: &mut Exchange) -> Result<()> { Ok(()) }
                #[coroutine]
                fn data_received(&mut self, ex: &mut Exchange, piece: &[u8]) -> Result<()> { Ok(()) }
                fn on_connection_close(&mut self, ex: &Exchange) {}
            }
        });
        check(
            &output,
            quote!(const STREAMS_BODY: bool = true; fn call_data_received),
        );
        check(
            &output,
            quote!({
                async move { ::squall_web::private::result(self.data_received(ex, chunk).await) }
            }),
        );
        check(
            &output,
            quote!(
                const HEARS_OF_CLOSE: bool = true;
                fn on_connection_close(&mut self, ex: &Exchange) {}
            ),
        );
    }

    #[test]
    fn mistakes_leave_an_empty_handler() {
        for (item, message) in [
            (quote!(impl Page {}), "write `impl RequestHandler for Page`"),
            (
                quote!(impl RequestHandler for Page {}),
                "`Page` has no HTTP method",
            ),
            (
                quote!(impl RequestHandler for Page { fn gett() {} }),
                "`gett` is not a method of `RequestHandler`; did you mean `get`?",
            ),
            (
                quote!(impl RequestHandler for Page {
                    fn get(&mut self, id: u64, ex: &mut Exchange) {}
                }),
                "the exchange comes first",
            ),
            (
                quote!(impl RequestHandler for Page {
                    fn get(&mut self, ex: &mut Exchange) { yield_!(a) }
                }),
                "write `#[coroutine]` above `fn get`",
            ),
        ] {
            let output = expand(item);
            assert!(output.contains(message), "{message} in {output}");
            check(&output, quote!(RequestHandler for Page));
            check(
                &output,
                quote!({ async move { ::squall_web::private::missing_method() } }),
            );
        }
    }
}
