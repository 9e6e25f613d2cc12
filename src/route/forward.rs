//! Where an employee may forward calls to: wherever they could call themselves, but for emergency numbers.

use super::reason::Reason;
use super::situation::Destined;
use crate::config::{Config, ExtensionIx};

/// Whether `by` may forward calls to what is dialled as `to`. Each call asks again; this is for who sets it.
///
/// # Errors
/// Why not.
pub fn may_forward(config: &Config, by: ExtensionIx, to: &str) -> Result<(), Reason> {
    match Destined::from_inside(config, to) {
        Destined::Extension(extension) if extension == by => {
            Err(Reason::GoesRound(config.extension(by).number.clone()))
        }
        Destined::Extension(_) | Destined::Did(_) => Ok(()),
        Destined::Number(number) => match config.outbound_rule(Some(by), Some(number), "") {
            Some(rule) if rule.allow => Ok(()),
            Some(rule) => Err(Reason::NotAllowed(rule.pattern.to_string().into())),
            None => Err(Reason::NoOutboundRule(number.to_string().into())),
        },
        Destined::Emergency(text) => Err(Reason::Emergency(text)),
        Destined::PickUp(_, text) | Destined::Feature(_, text) | Destined::Unreadable(text) => {
            Err(Reason::UnknownNumber(text))
        }
    }
}
