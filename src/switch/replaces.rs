//! Which leg a Replaces header means (RFC 3891 §3), and so which one a pickup or an attended transfer takes over.

use super::tables::Switch;
use crate::call::{DialogNames, Leg};
use crate::entropy::Token;
use crate::key::LegKey;
use crate::sip::header::Replaces;

impl Switch {
    /// The leg whose dialog has the Call-ID and both tags. Who writes them may look at the dialog from either end: a
    /// phone that was referred sees it from ours, a lamp shows it as the watched phone does.
    pub(super) fn leg_named(&self, replaces: &Replaces<'_>) -> Option<LegKey> {
        let Replaces { call_id, to_tag, from_tag, .. } = *replaces;
        [(to_tag, from_tag), (from_tag, to_tag)].into_iter().find_map(|(ours, theirs)| {
            let key = *self.means.dialogs.get(&Token::read(ours)?)?;
            let names = DialogNames { call_id, ours, theirs };
            self.legs.get(key).filter(|leg: &&Leg| leg.is_named(names)).map(|_| key)
        })
    }
}
