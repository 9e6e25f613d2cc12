//! Promises to call back: opened, commented and closed in the transaction of the call's end, so that no miss is without
//! one; claimed, given away and closed by hand, and late, in the transaction of the fact that says so. A fact that is
//! written again changes nothing more.
//!
//! | file | what it is about |
//! |---|---|
//! | `row` | a follow-up with what happened meanwhile, as the lists show it |
//! | `page` | … a page at a time |
//! | `told` | … and as it is told outside |
//! | `calls` | what a call's end does |
//! | `hands` | what people and time do |

mod calls;
mod hands;
mod page;
mod row;
mod told;

pub use page::FollowUpFilter;
pub use row::{FollowUpComment, FollowUpRow, FollowUpsWanted};

pub(super) use calls::follow;
pub(super) use hands::by_hand;
