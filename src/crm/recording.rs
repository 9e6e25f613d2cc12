//! Where a CRM finds the recording of a call: an address that nobody can guess, the same for ever.

use std::fmt::Write as _;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::config::{Config, Crm};
use crate::key::CallId;

/// The address of a call's recording for this CRM; `None` where the config does not say how we are reached, or there is no
/// secret to make it from.
pub fn link(crm: &Crm, call: CallId) -> Option<String> {
    let public = crm.public.as_deref()?;
    Some(format!("{public}/crm/{}/recordings/{call}.wav?key={}", crm.name, key(crm, call)?))
}

/// The call that an address is of; `None` where nobody gave it this address.
pub fn opened(config: &Config, name: &str, file: &str, key_shown: &str) -> Option<(Arc<str>, CallId)> {
    let crm = config.crm(name)?;
    let call = file.strip_suffix(".wav")?.parse().ok()?;
    let same = key(crm, call)?.as_bytes().ct_eq(key_shown.as_bytes());
    bool::from(same).then(|| (crm.name.clone(), call))
}

/// HMAC-SHA-256 of the call under what this CRM and we share, as 32 hex digits.
fn key(crm: &Crm, call: CallId) -> Option<String> {
    let secret = [&crm.salt, &crm.key, &crm.token].into_iter().find_map(Option::as_ref)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
    mac.update(format!("recording of {call} for {}", crm.name).as_bytes());
    let mut hex = String::with_capacity(32);
    mac.finalize().into_bytes().iter().take(16).for_each(|byte| _ = write!(hex, "{byte:02x}"));
    Some(hex)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Nothing;

    #[test]
    fn an_address_opens_one_recording_for_one_crm() {
        let crm = |name: &str, more: &str| {
            format!(
                "[[crm]]\nname = \"{name}\"\ndialect = \"amocrm\"\nurl = \"https://a.example\"\ntoken = \"{name}-secret\"\n{more}"
            )
        };
        let text = crm("a", "public = \"https://router.example/\"\n") + &crm("b", "");
        let config = Config::read(std::path::Path::new("x"), &text, &Nothing).unwrap().config;
        let (call, other) = (CallId::from_bits(77), CallId::from_bits(78));
        let address = link(&config.crms[0], call).unwrap();
        let (head, shown) = address.split_once("?key=").unwrap();
        assert_eq!(head, format!("https://router.example/crm/a/recordings/{call}.wav"));
        assert_eq!(link(&config.crms[1], call), None);
        assert_eq!(opened(&config, "a", &format!("{call}.wav"), shown), Some(("a".into(), call)));
        for (name, file, key) in [
            ("b", format!("{call}.wav"), shown),
            ("c", format!("{call}.wav"), shown),
            ("a", format!("{other}.wav"), shown),
            ("a", call.to_string(), shown),
            ("a", format!("{call}.wav"), ""),
        ] {
            assert_eq!(opened(&config, name, &file, key), None, "{name} {file} {key}");
        }
    }
}
