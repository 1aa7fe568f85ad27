//! What few requests have: who asks, and what went wrong.

use std::any::Any;
use std::rc::Rc;

use super::debug_page::Failure;
use super::exchange::Exchange;

#[derive(Debug, Default)]
pub(super) struct Extra {
    /// Who asks, once that is known; none inside if nobody does.
    pub(super) user: Option<Option<Rc<dyn Any>>>,
    /// What went wrong, for a page that shows it.
    pub(super) failure: Option<Failure>,
    /// True while the application's function writes an error's page.
    pub(super) writes_page: bool,
}

impl Exchange {
    pub(super) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }
}
