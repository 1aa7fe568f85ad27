//! Whose settings an answer has: those of the application that its route is of, and where that says
//! nothing, those of the one around it.

use std::rc::Rc;

use crate::conn::Site;

/// The settings of an application, and of those that were put into it.
#[derive(Default)]
pub(super) struct Scopes {
    /// The application's own; none if it has set nothing.
    root: Option<Rc<Site>>,
    inner: Vec<Scope>,
}

struct Scope {
    /// The scope around it: 0 is the root, which comes first.
    parent: usize,
    own: Site,
    merged: Option<Rc<Site>>,
}

impl Scopes {
    /// The settings of a scope; 0 is the application's own.
    #[inline]
    pub(super) fn get(&self, scope: usize) -> &Option<Rc<Site>> {
        match scope {
            0 => &self.root,
            n => &self.inner[n - 1].merged,
        }
    }

    /// Changes the application's own settings.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Site)) {
        change(Rc::make_mut(self.root.get_or_insert_default()));
        self.settle();
    }

    /// Takes another application's scopes in, and returns what is to be added to their numbers.
    pub(super) fn take_in(&mut self, other: Scopes) -> usize {
        let offset = self.inner.len() + 1;
        let own = other.root.map(|site| Site::clone(&site));
        self.inner.push(Scope {
            parent: 0,
            own: own.unwrap_or_default().without_urls(),
            merged: None,
        });
        self.inner
            .extend(other.inner.into_iter().map(|scope| Scope {
                parent: scope.parent + offset,
                ..scope
            }));
        self.settle();
        offset
    }

    fn settle(&mut self) {
        for at in 0..self.inner.len() {
            let outer = self.get(self.inner[at].parent).clone();
            let own = self.inner[at].own.clone();
            let merged = match &outer {
                Some(outer) => own.within(outer),
                None => own,
            };
            self.inner[at].merged = Some(Rc::new(merged));
        }
    }
}
