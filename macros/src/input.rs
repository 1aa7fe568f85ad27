//! The functions we accept, and whether one borrows.
//!
//! A [`Function`] is a free function, a method or a trait's method: with or without a body, with
//! any qualifiers. What of this a coroutine may have is for [`check`](crate::check) to say.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::visit::{self, Visit};
use syn::{
    AttrStyle, Attribute, Block, BoundLifetimes, FnArg, GenericParam, ImplItemFn, ItemFn, Lifetime,
    ParenthesizedGenericArguments, Path, ReturnType, Signature, Token, TraitBound, TraitItemFn,
    Type, TypeBareFn, TypeReference, Visibility, braced, parse_quote, token,
};

/// A function of any kind.
pub(crate) struct Function {
    /// Those above it, and those that stood inside the body, made outer ones.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) defaultness: Option<Token![default]>,
    pub(crate) sig: Signature,
    /// `None` for `fn f();`
    pub(crate) body: Option<Block>,
}

impl Function {
    /// Removes and returns the attributes whose path ends in `name`.
    pub(crate) fn take_attributes(&mut self, name: &str) -> Vec<Attribute> {
        let all = std::mem::take(&mut self.attrs);
        let (taken, kept) = all.into_iter().partition(|a| ends_in(a.path(), name));
        self.attrs = kept;
        taken
    }

    /// The type after `->`, or `()`.
    pub(crate) fn result(&self) -> Type {
        match &self.sig.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        }
    }
}

impl Parse for Function {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let defaultness = input.parse()?;
        let sig = input.parse()?;
        if input.parse::<Option<Token![;]>>()?.is_some() {
            return Ok(Function::new(attrs, vis, defaultness, sig, None));
        }
        let content;
        let brace_token: token::Brace = braced!(content in input);
        attrs.extend(content.call(Attribute::parse_inner)?);
        let stmts = content.call(Block::parse_within)?;
        let body = Block { brace_token, stmts };
        Ok(Function::new(attrs, vis, defaultness, sig, Some(body)))
    }
}

impl Function {
    fn new(
        mut attrs: Vec<Attribute>,
        vis: Visibility,
        defaultness: Option<Token![default]>,
        sig: Signature,
        body: Option<Block>,
    ) -> Function {
        for attr in &mut attrs {
            attr.style = AttrStyle::Outer;
        }
        Function {
            attrs,
            vis,
            defaultness,
            sig,
            body,
        }
    }
}

/// As it was written.
impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Function {
            attrs,
            vis,
            defaultness,
            sig,
            body,
        } = self;
        let semicolon = body.is_none().then(<Token![;]>::default);
        tokens.extend(quote!(#(#attrs)* #vis #defaultness #sig #body #semicolon));
    }
}

impl From<ItemFn> for Function {
    fn from(item: ItemFn) -> Function {
        Function::new(item.attrs, item.vis, None, item.sig, Some(*item.block))
    }
}

impl From<ImplItemFn> for Function {
    fn from(item: ImplItemFn) -> Function {
        let default = item.defaultness;
        Function::new(item.attrs, item.vis, default, item.sig, Some(item.block))
    }
}

impl From<TraitItemFn> for Function {
    fn from(item: TraitItemFn) -> Function {
        let vis = Visibility::Inherited;
        Function::new(item.attrs, vis, None, item.sig, item.default)
    }
}

/// True if the last segment of `path` is `name`.
pub(crate) fn ends_in(path: &Path, name: &str) -> bool {
    path.segments.last().is_some_and(|last| last.ident == name)
}

/// Which of the two shapes a coroutine has.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Holds all it needs: starts when called, and is a `Deferred`.
    Owned,
    /// Holds references: runs while it is yielded, and is a `Scoped`.
    Borrowed,
}

impl Kind {
    /// Reads the kind off the parameters.
    pub(crate) fn of(sig: &Signature, scoped: bool) -> Kind {
        let borrows = |arg: &FnArg| match arg {
            FnArg::Receiver(receiver) => find_borrow(&receiver.ty).is_some(),
            FnArg::Typed(typed) => find_borrow(&typed.ty).is_some(),
        };
        if scoped || sig.inputs.iter().any(borrows) {
            Kind::Borrowed
        } else {
            Kind::Owned
        }
    }
}

/// The first reference or lifetime in `ty` that is not `'static`.
///
/// Those that a function type brings along are no borrows: `Box<dyn Fn(&str)>`, `fn(&u8) -> &u8`,
/// `impl for<'a> Read<'a>`.
pub(crate) fn find_borrow(ty: &Type) -> Option<TokenStream> {
    let mut borrows = Borrows::default();
    borrows.visit_type(ty);
    borrows.found
}

/// True if `ty` has a `fn(…)` or `Fn(…)` in it, where a lifetime may be left out.
pub(crate) fn has_argument_list(ty: &Type) -> bool {
    #[derive(Default)]
    struct Find(bool);
    impl<'ast> Visit<'ast> for Find {
        fn visit_type_bare_fn(&mut self, _: &'ast TypeBareFn) {
            self.0 = true;
        }

        fn visit_parenthesized_generic_arguments(
            &mut self,
            _: &'ast ParenthesizedGenericArguments,
        ) {
            self.0 = true;
        }
    }
    let mut find = Find::default();
    find.visit_type(ty);
    find.0
}

#[derive(Default)]
struct Borrows {
    found: Option<TokenStream>,
    /// Lifetimes of the `for<…>`s around.
    bound: Vec<Lifetime>,
    /// How many argument lists, `fn(…)` or `Fn(…)`, we are in.
    lists: usize,
}

impl Borrows {
    fn borrow(&mut self, token: &impl ToTokens) {
        self.found.get_or_insert_with(|| token.to_token_stream());
    }

    fn within(&mut self, bound: Option<&BoundLifetimes>, visit: impl FnOnce(&mut Self)) {
        let outside = self.bound.len();
        for param in bound.iter().flat_map(|bound| &bound.lifetimes) {
            if let GenericParam::Lifetime(param) = param {
                self.bound.push(param.lifetime.clone());
            }
        }
        visit(self);
        self.bound.truncate(outside);
    }
}

impl<'ast> Visit<'ast> for Borrows {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        match &reference.lifetime {
            None if self.lists == 0 => self.borrow(reference),
            _ => visit::visit_type_reference(self, reference),
        }
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        let elided_in_list = lifetime.ident == "_" && self.lists > 0;
        if lifetime.ident != "static" && !elided_in_list && !self.bound.contains(lifetime) {
            self.borrow(lifetime);
        }
    }

    fn visit_type_bare_fn(&mut self, f: &'ast TypeBareFn) {
        self.lists += 1;
        self.within(f.lifetimes.as_ref(), |v| visit::visit_type_bare_fn(v, f));
        self.lists -= 1;
    }

    fn visit_trait_bound(&mut self, bound: &'ast TraitBound) {
        let lifetimes = bound.lifetimes.as_ref();
        self.within(lifetimes, |v| visit::visit_trait_bound(v, bound));
    }

    fn visit_parenthesized_generic_arguments(&mut self, list: &'ast ParenthesizedGenericArguments) {
        self.lists += 1;
        visit::visit_parenthesized_generic_arguments(self, list);
        self.lists -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_off_the_signature() {
        for borrowed in [
            "fn f(&self)",
            "fn f(&mut self)",
            "fn f(self: &Self)",
            "fn f(self: Pin<&mut Self>)",
            "fn f(a: &str)",
            "fn f<'a>(a: Foo<'a>)",
            "fn f(a: Foo<'_>)",
            "fn f(a: Vec<&u8>)",
            "fn f(a: Box<dyn Foo + '_>)",
            "fn f<'a>(a: impl Foo + 'a)",
            "fn f<'a>(a: Box<dyn Fn(&'a str)>)",
            "fn f(a: &'static Vec<&u8>)",
        ] {
            check(borrowed, Kind::Borrowed);
        }
        for owned in [
            "fn f()",
            "fn f(self)",
            "fn f(mut self)",
            "fn f(self: Rc<Self>)",
            "fn f(self: Box<Self>)",
            "fn f(a: &'static str, b: Cow<'static, str>)",
            "fn f(a: Box<dyn Fn(&str) -> &str>)",
            "fn f(a: fn(&u8, Foo<'_>) -> &u8)",
            "fn f(a: impl for<'a> Read<'a>)",
            "fn f(a: for<'a> fn(&'a u8))",
            "fn f(a: *const u8, b: [u8; 4])",
        ] {
            check(owned, Kind::Owned);
        }
    }

    #[track_caller]
    fn check(signature: &str, want: Kind) {
        let sig: Signature = syn::parse_str(signature).unwrap();
        assert!(Kind::of(&sig, false) == want, "{signature}");
        assert!(Kind::of(&sig, true) == Kind::Borrowed, "{signature}");
    }

    #[test]
    fn inner_attributes_become_outer_ones() {
        let f: Function = syn::parse_str("#[a] fn f() { #![b] }").unwrap();
        assert_eq!(f.attrs.len(), 2);
        assert!(f.attrs.iter().all(|a| matches!(a.style, AttrStyle::Outer)));
    }
}
