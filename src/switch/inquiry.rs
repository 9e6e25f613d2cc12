//! Reads an INVITE as a caller means it: who calls, and what was dialled.
//!
//! Providers differ in where these stand and how they write them; a trunk's configuration says so. What an employee dials
//! is read with the site's numbering.

use std::sync::Arc;

use crate::config::{Config, DidFrom, ExtensionIx, IdentityHeader, TrunkIx};
use crate::route::{Caller, Destined, Origin};
use crate::sip::header::{NameAddr, privacy};
use crate::sip::{HeaderName, Message};

/// Who calls, with the display name that came along.
pub(super) struct Asker {
    pub(super) caller: Caller,
    pub(super) display: Arc<str>,
}

/// Who calls from there, and what was dialled.
pub(super) fn read(message: &Message, origin: Origin, config: &Config) -> (Asker, Destined) {
    match origin {
        Origin::Trunk(trunk) => (caller_from_trunk(message, trunk, config), dialled_on_trunk(message, trunk, config)),
        Origin::Extension(extension) => {
            let text = message.request_uri().and_then(|uri| uri.user_unescaped()).unwrap_or_default();
            (caller_from_extension(message, extension, config), Destined::from_inside(config, &text))
        }
    }
}

/// Who calls through this trunk: the first of its identity headers that names somebody.
fn caller_from_trunk(message: &Message, trunk: TrunkIx, config: &Config) -> Asker {
    let habits = config.trunk(trunk);
    let named = habits.identity_from.iter().find_map(|header| identity(message, *header));
    let user = named.as_ref().map(|(user, _)| user.as_str()).unwrap_or_default();
    let caller = if wants_privacy(message) { Caller::anonymous() } else { Caller::outside(config, user, trunk) };
    let display = match &named {
        _ if caller.anonymous => "Anonymous",
        Some((_, display)) => display,
        None => "",
    };
    Asker { caller, display: display.into() }
}

/// An employee's phone calls.
fn caller_from_extension(message: &Message, extension: ExtensionIx, config: &Config) -> Asker {
    let anonymous = wants_privacy(message);
    let display = if anonymous { "Anonymous".into() } else { config.extension(extension).name.clone() };
    Asker { caller: Caller { anonymous, ..Caller::inside(config, extension) }, display }
}

/// What was dialled on this trunk.
fn dialled_on_trunk(message: &Message, trunk: TrunkIx, config: &Config) -> Destined {
    let habits = config.trunk(trunk);
    let text = match habits.did_from {
        DidFrom::RequestUri => message.request_uri().and_then(|uri| uri.user_unescaped()),
        DidFrom::To => message.to().uri.user_unescaped(),
    };
    let text = text.unwrap_or_default();
    Destined::from_outside(config, &text, trunk)
}

/// The user and display name that a header gives.
fn identity(message: &Message, header: IdentityHeader) -> Option<(String, String)> {
    let of = |address: NameAddr<'_>| {
        let user = address.uri.user_unescaped().map(|user| user.into_owned()).filter(|user| !user.is_empty())?;
        Some((user, address.display().map(|display| display.into_owned()).unwrap_or_default()))
    };
    match header {
        IdentityHeader::From => of(message.from()),
        IdentityHeader::Pai => message.addresses(HeaderName::PAssertedIdentity).find_map(of),
        IdentityHeader::Rpid => message.addresses(HeaderName::RemotePartyId).find_map(of),
    }
}

/// RFC 3323: `id`, `user` and `header` all ask that nobody is shown.
fn wants_privacy(message: &Message) -> bool {
    let asks = |word: &str| ["id", "user", "header"].iter().any(|known| word.eq_ignore_ascii_case(known));
    let hidden = message.headers(HeaderName::Privacy).any(|value| privacy(value).any(asks));
    let rpid = message.addresses(HeaderName::RemotePartyId).next();
    hidden || rpid.and_then(|rpid| rpid.params.get("privacy")).is_some_and(|word| word.eq_ignore_ascii_case("full"))
}
