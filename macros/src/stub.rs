//! What is emitted beside an error: the same function outside, nothing inside.
//!
//! Callers of a function with a mistake should compile, so that one mistake is one message. A
//! stub has the signature that the function would have had if its author had followed the
//! message, as far as we can tell.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::quote;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Generics, ImplItem, ItemImpl, Lifetime, Path, PathArguments, Signature, Type, TypeReference,
    parse_quote,
};

use crate::check::is_deferred;
use crate::expand::{Outside, Plan};
use crate::handler::{future, trait_path};
use crate::input::{Function, Kind};

// Input:   async fn f(a: A) -> Deferred<R> { … }
// Output:  #[allow(unused_variables)]
//          fn f(a: A) -> ::squall::Deferred<R> { ::squall::private::stub() }
//
// Input:   const fn f(a: &A) -> R { … }
// Output:  #[allow(unused_variables)]
//          fn f(a: &A) -> ::squall::Scoped<impl Future<Output = R>> {
//              ::squall::private::scoped_stub::<R>()
//          }
pub(crate) fn coroutine(function: &Function, kind: Kind, plan: &Plan) -> TokenStream {
    let Function {
        attrs,
        vis,
        defaultness,
        ..
    } = function;
    let squall = &plan.squall;
    let result = possible_result(function, kind);
    let mut sig = Outside::of(function, kind, squall, &result).sig;
    unqualify(&mut sig);
    let call = match kind {
        Kind::Owned => quote!(#squall::private::stub()),
        Kind::Borrowed => quote!(#squall::private::scoped_stub::<#result>()),
    };
    let body = match function.body {
        Some(_) => quote!({ #call }),
        None => quote!(;),
    };
    let attrs = attrs
        .iter()
        .filter(|a| !crate::input::ends_in(a.path(), "coroutine"));
    let allow = function
        .body
        .is_some()
        .then(|| quote!(#[allow(unused_variables)]));
    quote!(#(#attrs)* #allow #vis #defaultness #sig #body)
}

// Input:   async fn main(args: A) -> R { … }
// Output:  fn main() {}
pub(crate) fn entry(function: &Function) -> TokenStream {
    let Function { vis, sig, .. } = function;
    let name = &sig.ident;
    quote!(#vis fn #name() {})
}

// Input:   async fn f(a: &A) -> R { … }
// Output:  #[allow(unused_variables)]
//          fn f(a: &A) {}
pub(crate) fn engine(function: &Function) -> TokenStream {
    let Function { attrs, vis, .. } = function;
    let mut sig = function.sig.clone();
    unqualify(&mut sig);
    sig.output = syn::ReturnType::Default;
    let attrs = attrs.iter().filter(|attr| {
        let path = attr.path();
        !["coroutine", "engine"]
            .iter()
            .any(|name| crate::input::ends_in(path, name))
    });
    quote!(#(#attrs)* #[allow(unused_variables)] #vis #sig {})
}

// Input:   impl<T> RequestHandler for Page<T> { fn gett(&self, ex: &mut Exchange) { … } }
// Output:  impl<T> Page<T> { fn gett(&self, ex: &mut Exchange) { unreachable!() } }
//          impl<T> RequestHandler for Page<T> { what it needs }
//
// The methods are there for their callers, and to use what was imported for their signatures.
pub(crate) fn request_handler(item: &ItemImpl, web: &Path) -> TokenStream {
    let ItemImpl {
        generics, self_ty, ..
    } = item;
    let path = trait_path(item, web);
    let future = future(web);
    let (impl_generics, _, where_clause) = Generics::split_for_impl(generics);
    let methods = item.items.iter().filter_map(|member| match member {
        ImplItem::Fn(f) => Some(&f.sig),
        _ => None,
    });
    quote! {
        #[allow(dead_code, unused_variables, unused_mut, clippy::all)]
        impl #impl_generics #self_ty #where_clause {
            #(#methods { ::core::unreachable!() })*
        }
        impl #impl_generics #path for #self_ty #where_clause {
            const METHODS: &'static [#web::private::Verb] = &[];
            fn call<'squall_x>(
                &'squall_x mut self,
                _: #web::private::Verb,
                _: &'squall_x mut #web::Exchange,
            ) -> #future {
                async move { #web::private::missing_method() }
            }
        }
    }
}

/// The function without its body, if only the body could not be read.
pub(crate) fn unparsed(item: &TokenStream) -> Option<TokenStream> {
    let mut tokens: Vec<TokenTree> = item.clone().into_iter().collect();
    match tokens.pop()? {
        TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => {}
        _ => return None,
    }
    tokens.push(parse_quote!({ ::core::unreachable!() }));
    let function: TokenStream = tokens.into_iter().collect();
    syn::parse2::<Function>(function.clone())
        .ok()
        .map(|_| function)
}

fn unqualify(sig: &mut Signature) {
    sig.constness = None;
    sig.asyncness = None;
    sig.unsafety = None;
    sig.abi = None;
    sig.variadic = None;
}

/// The result, with what a coroutine cannot return replaced by the nearest that it can.
fn possible_result(function: &Function, kind: Kind) -> Type {
    let mut result = function.result();
    if is_deferred(&result) {
        result = argument_of(&result).unwrap_or(result);
    }
    if matches!(result, Type::Never(_)) {
        result = parse_quote!(::core::convert::Infallible);
    }
    Possible { kind }.visit_type_mut(&mut result);
    result
}

/// The `T` of `Deferred<T>`.
fn argument_of(ty: &Type) -> Option<Type> {
    let Type::Path(ty) = ty else { return None };
    let PathArguments::AngleBracketed(list) = &ty.path.segments.last()?.arguments else {
        return None;
    };
    match list.args.first()? {
        syn::GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    }
}

// Input:   impl Iterator<Item = u8>     Output:  ::std::boxed::Box<dyn Iterator<Item = u8>>
// Input:   &'a str                      Output:  &'static str, in an owned coroutine
struct Possible {
    kind: Kind,
}

impl VisitMut for Possible {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        visit_mut::visit_type_mut(self, ty);
        if let Type::ImplTrait(it) = ty {
            let bounds = &it.bounds;
            *ty = parse_quote!(::std::boxed::Box<dyn #bounds>);
        }
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        visit_mut::visit_type_reference_mut(self, reference);
        if self.kind == Kind::Owned {
            reference.lifetime = Some(Lifetime::new("'static", Span::call_site()));
        }
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if self.kind == Kind::Owned {
            *lifetime = Lifetime::new("'static", lifetime.span());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: TokenStream, want: TokenStream) {
        let function: Function = syn::parse2(input).unwrap();
        let plan = Plan {
            squall: parse_quote!(::squall),
            scoped: false,
            detached: false,
            label: String::new(),
        };
        let stub = coroutine(&function, Kind::of(&function.sig, false), &plan);
        // `> >` and `>>` are the same here.
        let unspaced = |tokens: TokenStream| tokens.to_string().replace(' ', "");
        assert_eq!(unspaced(stub), unspaced(want));
    }

    #[test]
    fn qualifiers_are_dropped() {
        check(
            quote!(
                #[a]
                #[coroutine]
                pub const unsafe extern "C" fn f() {
                    1
                }
            ),
            quote!(
                #[a]
                #[allow(unused_variables)]
                pub fn f() -> ::squall::Deferred<()> {
                    ::squall::private::stub()
                }
            ),
        );
    }

    #[test]
    fn results_become_possible_ones() {
        check(
            quote!(
                fn f() -> (&str, Cow<'a, u8>, impl A + B) {}
            ),
            quote! {
                #[allow(unused_variables)]
                fn f() -> ::squall::Deferred<
                    (&'static str, Cow<'static, u8>, ::std::boxed::Box<dyn A + B>)
                > { ::squall::private::stub() }
            },
        );
    }

    #[test]
    fn declarations_stay_declarations() {
        check(
            quote!(
                fn f(&self) -> &u8;
            ),
            quote! {
                fn f(&self) -> ::squall::Scoped<impl ::core::future::Future<Output = &u8>>;
            },
        );
    }

    #[test]
    fn function_with_an_unreadable_body_keeps_its_signature() {
        let stub = unparsed(&quote!(fn f(a: u8) -> u8 { a b })).unwrap();
        let want = quote!(
            fn f(a: u8) -> u8 {
                ::core::unreachable!()
            }
        );
        assert_eq!(stub.to_string(), want.to_string());
        assert!(unparsed(&quote!(struct S { a b })).is_none());
    }
}
