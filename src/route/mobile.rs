//! The mobiles of an employee: numbers outside that ring beside the phones of the house.
//!
//! They are called through the trunks of the rule that lets their numbers out, as this employee may call. It is the company
//! that rings its colleague, so no daily cap counts it. A number of our own never leaves the house, and is no mobile.

use super::plan::{Callee, DialPlan, Forwarded, Mobile, Next};
use crate::config::{Config, DeviceRule, ExtensionIx};

/// How every mobile of an extension is called that some trunk may ring: for as long as its extension rings.
pub fn mobiles(config: &Config, extension: ExtensionIx) -> impl Iterator<Item = DialPlan> + '_ {
    config.extension(extension).devices.iter().filter_map(move |device| {
        let DeviceRule::Gsm { number, confirm } = *device else { return None };
        if config.did_by_number(number).is_some() {
            return None;
        }
        let rule = config.outbound_rule(Some(extension), Some(number), "").filter(|rule| rule.allow)?;
        Some(DialPlan {
            destination: None,
            number: Callee::Number(number),
            trunks: rule.trunks.clone(),
            caller_id: rule.caller_id,
            patience: None,
            emergency: false,
            mobile: Some(Mobile { of: extension, confirm }),
            forwarded: Forwarded::default(),
            next: Next::default(),
        })
    })
}
