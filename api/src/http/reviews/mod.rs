//! Reviews: people's looks at orders. The queue is a read model and shows what was so a moment ago; who holds an order and what becomes
//! of it is decided by the engine alone.

pub mod bulk;
pub mod claim;
pub mod decision;
pub mod desk;
pub mod give_back;
mod linked;
pub mod list;
pub mod next;
pub mod reasons;
pub mod reopen;
pub mod view;

use domain::time::Span;

use super::App;
use crate::directory::Caller;

/// How soon a person should look, where the caller's merchant has set it.
fn review_sla(app: &App, caller: &Caller) -> Option<Span> {
    app.directory.merchant(&caller.merchant)?.settings()?.review_sla
}
