//! `[[webhook]]`: other programs that hear what happens, signed as Standard Webhooks says.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::read::{Fields, Place, Spot};
use super::spelling::did_you_mean;
use super::web_address::web_address;
use crate::event_kind::EventKind;

/// `[[webhook]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Unique.
    pub name: Arc<str>,
    /// Where events are posted.
    pub url: Arc<str>,
    /// What they are signed with: one key, or two and more while one is replaced by another. Empty where none of the
    /// variables and files they are in is there (a warning).
    pub keys: Vec<SigningKey>,
    /// The kinds of events it hears, in the order of their list. Default: all.
    pub events: Vec<EventKind>,
    /// False: nothing is written for it. Default: true.
    pub active: bool,
}

/// A key that signs, kept from logs.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Arc<[u8]>);

impl SigningKey {
    /// `whsec_` and the base64 of 24 to 64 bytes, as Standard Webhooks writes it; the prefix may be missing.
    pub fn read(text: &str) -> Option<SigningKey> {
        let bytes = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).ok()?;
        (24..=64).contains(&bytes.len()).then(|| SigningKey(bytes.into()))
    }

    /// The key itself. Never log it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"…\"")
    }
}

impl Webhook {
    /// True where it hears of this kind of event.
    pub fn hears(&self, kind: EventKind) -> bool {
        self.active && self.events.contains(&kind)
    }

    /// Reads every `[[webhook]]`.
    pub(super) fn read_all(rows: &[Fields<'_>]) -> Vec<Webhook> {
        let mut names: Vec<(Arc<str>, Place)> = Vec::new();
        rows.iter().filter_map(|row| Webhook::read(row, &mut names)).collect()
    }

    fn read(fields: &Fields<'_>, names: &mut Vec<(Arc<str>, Place)>) -> Option<Webhook> {
        let name = fields.needed("name").and_then(|spot| name(&spot, names));
        let url = fields.needed("url").and_then(|spot| web_address(&spot));
        let secret = fields.needed("secret").and_then(|spot| spot.one_or_more()).unwrap_or_default();
        let keys = secret.iter().filter_map(key).collect();
        let events = fields.get("events").and_then(|spot| events(&spot));
        let active = fields.get("active").and_then(|spot| spot.flag()).unwrap_or(true);
        fields.finish();
        let events = events.unwrap_or_else(|| EventKind::ALL.to_vec());
        Some(Webhook { name: name?, url: url?, keys, events, active })
    }
}

fn name(spot: &Spot<'_>, names: &mut Vec<(Arc<str>, Place)>) -> Option<Arc<str>> {
    let name = spot.label()?;
    if let Some((_, first)) = names.iter().find(|(other, _)| *other == name) {
        let line = spot.reader().line_of(first);
        spot.error(
            format!("webhook \"{name}\" is there twice, first in line {line}"),
            "remove one of them, or give it another name",
        );
        return None;
    }
    names.push((name.clone(), spot.place.clone()));
    Some(name)
}

fn key(spot: &Spot<'_>) -> Option<SigningKey> {
    let secret = spot.secret()?;
    let key = SigningKey::read(secret.expose());
    if key.is_none() {
        spot.error(
            "a webhook's secret is `whsec_` and the base64 of 24 to 64 bytes",
            "make one: echo \"whsec_$(openssl rand -base64 32)\"",
        );
    }
    key
}

/// Kinds, and patterns that end in `*`.
fn events(spot: &Spot<'_>) -> Option<Vec<EventKind>> {
    let mut heard = Vec::new();
    for spot in spot.some_of()? {
        let Some(text) = spot.text() else { continue };
        let meant = |kind: &&EventKind| match text.strip_suffix('*') {
            Some(start) => kind.word().starts_with(start),
            None => kind.word() == text,
        };
        let before = heard.len();
        heard.extend(EventKind::ALL.iter().filter(meant));
        if heard.len() == before {
            let kinds = EventKind::ALL.iter().map(|kind| kind.word());
            spot.error(format!("no event is called \"{text}\""), did_you_mean(text, kinds));
        }
    }
    heard.sort_unstable();
    heard.dedup();
    Some(heard)
}
