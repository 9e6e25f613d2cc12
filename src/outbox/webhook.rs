//! Events to programs: posted as they were written, and signed (Standard Webhooks 1.0).

use reqwest::Method;
use sha2::{Digest, Sha256};

use super::carry::Errand;
use super::failure::Failure;
use super::signature::sign;
use crate::config::{Config, Webhook};
use crate::event::Event;
use crate::letter::{Carrier, Letter};

/// One for each webhook that hears of it.
pub(super) fn letters_of(event: &Event, config: &Config) -> Vec<Letter> {
    let heard = config.webhooks.iter().filter(|webhook| webhook.hears(event.told.kind));
    let letter = |webhook: &Webhook| Letter {
        carrier: Carrier::Webhook,
        to: webhook.name.clone(),
        about: event.id.to_string().into(),
        call: event.told.call,
        body: event.envelope(),
    };
    heard.map(letter).collect()
}

/// The webhook of this name.
pub(super) fn named<'a>(config: &'a Config, name: &str) -> Option<&'a Webhook> {
    config.webhooks.iter().find(|webhook| *webhook.name == *name)
}

/// A digest of where a webhook is: one that said 410 is not asked again as long as it is there.
pub(super) fn address_of(config: &Config, name: &str) -> Option<String> {
    let digest = Sha256::digest(&*named(config, name)?.url);
    Some(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

pub(super) async fn deliver(errand: Errand) -> Result<(), Failure> {
    let Errand { letter, config, http, now, .. } = &errand;
    let webhook =
        named(config, &letter.to).ok_or_else(|| Failure::never("there is no such webhook in the config any more"))?;
    if webhook.keys.is_empty() {
        return Err(Failure::Unwell("its secret is not there, so nothing can be signed".into(), None));
    }
    let timestamp = now.as_second();
    let request = http
        .request(Method::POST, &webhook.url)
        .header("content-type", "application/json")
        .header("webhook-id", &letter.about)
        .header("webhook-timestamp", timestamp.to_string())
        .header("webhook-signature", sign(&webhook.keys, &letter.about, timestamp, &letter.body))
        .body(letter.body.clone());
    let answer = http.ask(request).await?;
    match answer.status {
        _ if answer.is_ok() => Ok(()),
        410 => Err(Failure::Gone(answer.to_string())),
        _ => Err(answer.failure()),
    }
}
