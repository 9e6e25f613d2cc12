//! Outbound rules: which trunks a dialled number takes, who may dial it, and under which number of ours.

use super::destination::{ExtensionIx, TrunkIx};
use crate::number::{Pattern, PhoneNumber};

/// `[[outbound]]`. The longest match wins; a rule `for` somebody exists only for them, and for them it wins over one
/// with the same match for everyone.
#[derive(Clone, Debug)]
pub struct OutboundRule {
    /// Which numbers.
    pub pattern: Pattern,
    /// Tried in order. Empty only where `allow` is false.
    pub trunks: Vec<TrunkIx>,
    /// Our number towards the called. Default: the trunk's `default_did`, else its account.
    pub caller_id: Option<PhoneNumber>,
    /// False: refused with 403. Default: true.
    pub allow: bool,
    /// Only for these. Empty: for everyone.
    pub only_for: Vec<ExtensionIx>,
}

impl OutboundRule {
    /// True where the rule exists for this caller; `None` is nobody in particular (a forward, the office itself).
    pub fn is_for(&self, caller: Option<ExtensionIx>) -> bool {
        self.only_for.is_empty() || caller.is_some_and(|caller| self.only_for.contains(&caller))
    }
}
