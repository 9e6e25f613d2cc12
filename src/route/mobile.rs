//! The mobiles of an employee: numbers outside that ring beside the phones of the house.
//!
//! They are called through the trunks of the rule that lets their numbers out, as this employee may call. It is the company
//! that rings its colleague, so no daily cap counts it. A number of our own never leaves the house, and is no mobile.

use super::plan::{Callee, DialPlan, Next};
use crate::config::{Config, DeviceRule, ExtensionIx};

/// A mobile that may be rung.
#[derive(Clone, Debug, PartialEq)]
pub struct Mobile {
    /// How it is called: for as long as its extension rings.
    pub dial: DialPlan,
    /// Whoever answers must press 1 before the call is theirs.
    pub confirm: bool,
}

/// Every mobile of an extension that some trunk may ring.
pub fn mobiles(config: &Config, extension: ExtensionIx) -> impl Iterator<Item = Mobile> + '_ {
    config.extension(extension).devices.iter().filter_map(move |device| {
        let DeviceRule::Gsm { number, confirm } = *device else { return None };
        // What asks for a digit needs local media: not available yet.
        if confirm || config.did_by_number(number).is_some() {
            return None;
        }
        let rule = config.outbound_rule(Some(extension), Some(number), "").filter(|rule| rule.allow)?;
        let dial = DialPlan {
            destination: None,
            number: Callee::Number(number),
            trunks: rule.trunks.clone(),
            caller_id: rule.caller_id,
            patience: None,
            emergency: false,
            mobile_of: Some(extension),
            forwarded: super::plan::Forwarded::default(),
            next: Next::default(),
        };
        Some(Mobile { dial, confirm })
    })
}
