//! A call that an employee asked for instead of dialling it (click-to-call): what a call keeps of that.

use std::sync::Arc;

use crate::config::ExtensionIx;
use crate::number::PhoneNumber;
use crate::route::RoutePlan;

/// Whom an employee wants to talk with.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// How the employee's own phones are rung first.
    pub summons: Arc<RoutePlan>,
    /// The employee.
    pub by: ExtensionIx,
    /// Whom to call then, as it would be dialled.
    pub to: Arc<str>,
    /// Our number towards the called, where it is not the outbound rule's.
    pub caller_id: Option<PhoneNumber>,
}

/// How far such a call has come.
#[derive(Debug)]
pub(super) enum Origination {
    /// The employee's phones are rung. There is no caller yet.
    Summoning(Box<Wanted>),
    /// The employee is the caller, has been answered by nobody so far, and hears us.
    Calling,
}
