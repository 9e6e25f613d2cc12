//! An event of a call as the dialects need it: read once, from the envelope that is sent to everybody.
//!
//! Dialects differ in words, not in what they want to know: who outside, which of our numbers, who rings, who talks, how it
//! ended. What an envelope does not say is empty here; nothing in it makes a letter unreadable but a kind nobody knows.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::config::Config;
use crate::event::EventKind;

/// What happened, and the call as it was after it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct News {
    /// The event's name, `1042-0`.
    pub id: Arc<str>,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// When.
    pub time: Timestamp,
    /// The call; `None` where the event is of none.
    #[serde(default)]
    pub call: Option<Call>,
    /// What is particular to the kind.
    #[serde(default)]
    pub data: Value,
}

/// A call as the envelope paints it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Call {
    /// Our name for it; one from start to end, across transfers.
    pub id: Arc<str>,
    /// `inbound`, `outbound` or `internal`.
    pub direction: Arc<str>,
    /// Who calls.
    pub from: Side,
    /// Who is called.
    pub to: Side,
    /// When it began.
    pub began: Option<Timestamp>,
    /// When somebody answered.
    pub answered: Option<Timestamp>,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// Our number it came in on.
    pub did: Option<Arc<str>>,
    /// The customer, as known when it began.
    pub contact: Option<Contact>,
    /// The extension responsible for the customer.
    pub responsible: Option<Arc<str>>,
    /// The hunt group it went to.
    pub group: Option<Arc<str>>,
    /// Who talked with the customer, and when; once [`Call::seen_by`] has looked at it, extensions only.
    pub talkers: Vec<Talker>,
    /// For how long two people were connected, in milliseconds; `None` until it is over.
    pub talk_ms: Option<u64>,
    /// What has been recorded of it, or is being.
    pub recording: Recording,
    /// What the program that asked for the call calls it.
    #[serde(rename = "ref")]
    pub reference: Option<Arc<str>>,
}

/// Who is at one end.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Side {
    /// The number as it can be dialled, `+79161234567`.
    pub number: Option<Arc<str>>,
    /// The employee.
    pub extension: Option<Arc<str>>,
    /// As people read it.
    pub name: Option<Arc<str>>,
}

/// A customer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Contact {
    /// The CRM's id.
    pub id: Arc<str>,
    /// As people read it.
    pub name: Arc<str>,
    /// Made by the router of a number that nobody knew.
    pub provisional: bool,
}

/// What has been recorded.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Recording {
    /// The files.
    pub files: Vec<Arc<str>>,
}

/// Somebody who talked.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Talker {
    /// Who: an extension, or (as read) a number outside.
    #[serde(rename = "who")]
    pub extension: Arc<str>,
    /// Since when.
    pub from: Timestamp,
    /// Until when; `None`: they still do.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

impl News {
    /// Reads an envelope.
    ///
    /// # Errors
    /// It is none, or of a kind that this version does not know.
    pub fn read(envelope: &Value) -> Result<News, String> {
        News::deserialize(envelope).map_err(|error| format!("this is no event: {error}"))
    }

    /// The same with what only the config knows; and whoever goes on as part of another call has ended here.
    pub fn seen_by(&mut self, config: &Config) {
        if let Some(call) = &mut self.call {
            call.seen_by(config);
        }
        if self.kind == EventKind::CallTransferred && !self.data["into"].is_null() {
            self.kind = EventKind::CallEnded;
        }
    }

    /// The extensions that are rung from now on.
    pub fn ringing(&self) -> Vec<Arc<str>> {
        self.extensions("ringing")
    }

    /// The extensions that no longer ring.
    pub fn withdrawn(&self) -> Vec<Arc<str>> {
        self.extensions("withdrawn")
    }

    /// An extension stands alone or in a table beside other things.
    fn extensions(&self, key: &str) -> Vec<Arc<str>> {
        let one = |value: &Value| value.as_str().or_else(|| value.get("extension")?.as_str()).map(Arc::from);
        let mut all: Vec<Arc<str>> = self.data[key].as_array().into_iter().flatten().filter_map(one).collect();
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|extension| seen.insert(extension.clone()));
        all
    }
}

impl Call {
    /// True where the customer called us.
    pub fn is_inbound(&self) -> bool {
        &*self.direction == "inbound"
    }

    /// True for a call among colleagues, of which no CRM hears.
    pub fn is_internal(&self) -> bool {
        !self.is_inbound() && &*self.direction != "outbound"
    }

    /// The customer's number without the plus; `None` where they hid it.
    pub fn phone(&self) -> Option<&str> {
        let side = if self.is_inbound() { &self.from } else { &self.to };
        side.number.as_deref().map(|number| number.trim_start_matches('+'))
    }

    /// The same call with what CRMs want to know and only the config does: who of those who talked is an employee (also at
    /// their mobile), and which number of ours an outbound call showed.
    pub fn seen_by(&mut self, config: &Config) {
        let dialled = self.from.extension.clone().filter(|_| !self.is_inbound());
        let by_mobile = |who: &str| {
            let extension = config.extension_by_gsm(who.parse().ok()?)?;
            Some(config.extension(extension).number.clone())
        };
        let has_left = self.talkers.iter().any(|talker| Some(&talker.extension) == dialled.as_ref());
        self.talkers.retain_mut(|talker| {
            let who = &talker.extension;
            let known = config.extension_by_number(who).map(|_| who.clone()).or_else(|| by_mobile(who));
            // It is the customer who answered: whoever dialled talks with them, until they hand the call on.
            let employee = known.or_else(|| dialled.clone().filter(|_| !has_left));
            employee.map(|employee| talker.extension = employee).is_some()
        });
        if self.did.is_none() && !self.is_inbound() {
            let caller = dialled.and_then(|extension| config.extension_by_number(&extension));
            let to = self.to.number.as_deref().unwrap_or_default();
            let rule = config.outbound_rule(caller, to.parse().ok(), to);
            self.did = rule.and_then(|rule| rule.caller_id).map(|number| number.to_string().into());
        }
    }

    /// Our own number without the plus: the one that was called, or the one that the customer was shown.
    pub fn line(&self) -> &str {
        self.did.as_deref().unwrap_or_default().trim_start_matches('+')
    }

    /// True where a human answered.
    pub fn was_answered(&self) -> bool {
        self.answered.is_some()
    }

    /// True where there is, or will be, something to listen to.
    pub fn is_recorded(&self) -> bool {
        !self.recording.files.is_empty()
    }

    /// Who talks, or did so last.
    pub fn last_talker(&self) -> Option<&Arc<str>> {
        self.talkers.iter().max_by_key(|talker| (talker.until.is_none(), talker.from)).map(|talker| &talker.extension)
    }

    /// Whom of us this call is to be put down to: whoever talked last, else whoever is responsible, else whoever dialled.
    pub fn employee(&self) -> Option<&Arc<str>> {
        let dialled = self.from.extension.as_ref().filter(|_| !self.is_inbound());
        self.last_talker().or(dialled).or(self.responsible.as_ref())
    }

    /// For how long people talked, in whole seconds.
    pub fn talk_seconds(&self) -> u64 {
        self.talk_ms.map_or(0, |millis| millis.saturating_add(500) / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_envelope_is_read_whatever_else_is_in_it() {
        let envelope = json!({
            "id": "7-0", "type": "call.ringing", "time": "2026-11-24T10:00:00Z", "seq": 7, "new": [1],
            "call": {
                "id": "c1", "direction": "inbound", "from": { "number": "+79161234567" }, "did": "+74951234567", "talk_ms": 18_400,
                "talkers": [
                    { "who": "201", "from": "2026-11-24T10:00:00Z", "until": "2026-11-24T10:00:10.4Z" },
                    { "who": "202", "from": "2026-11-24T10:00:12Z", "until": null },
                ],
            },
            "data": { "ringing": [{ "extension": "201", "since": 1 }, "202", "202"], "withdrawn": [{ "extension": "203" }] },
        });
        let news = News::read(&envelope).unwrap();
        let call = news.call.as_ref().unwrap();
        assert_eq!((news.ringing(), news.withdrawn()), (vec!["201".into(), "202".into()], vec!["203".into()]));
        assert_eq!(
            (call.phone(), call.line(), &**call.last_talker().unwrap()),
            (Some("79161234567"), "74951234567", "202")
        );
        assert_eq!(call.talk_seconds(), 18);
        assert!(News::read(&json!({ "id": "1-0", "type": "tea.ready", "time": "2026-11-24T10:00:00Z" })).is_err());
    }
}
