//! What the calls of a time add up to: who called, who answered, who was lost, by day, employee, group, number and source.
//!
//! A report is an [`Ask`] (which figures, of which days, a row for each what) carried out over the lines of the call list.
//! Everything here is arithmetic: [`Sums`] is shown one [`Line`] after another and gives a [`Table`] at the end. Each call
//! stands in exactly one row of a table, if only in that of nobody, so that the rows add up to the call list; what every
//! column means stands beside it ([`Column::means`]).
//!
//! | file | what it is about |
//! |---|---|
//! | `ask` | what is wanted |
//! | `period` | of which days, in the site's own time |
//! | `plan` | how many calls were planned |
//! | `line` | one call, and in which row it stands |
//! | `tally` | what is counted of a row |
//! | `columns` | the columns of each report, and what they mean |
//! | `sums` | all rows while calls go by |
//! | `peak` | how many calls there were at one time |
//! | `table` | the outcome, for people, spreadsheets and programs |

mod ask;
mod columns;
mod line;
mod peak;
mod period;
mod plan;
mod sums;
mod table;
mod tally;

pub use ask::{Ask, Dimension, Kind, Only};
pub use columns::columns_of;
pub use line::{Line, Promise};
pub use period::{Period, Span};
pub use plan::{Plan, plan_of};
pub use sums::Sums;
pub use table::{Cell, Column, Table};
