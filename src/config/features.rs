//! Feature codes: what a phone without a menu of its own can set and ask for by dialling, and by keys in a talk.
//!
//! Each code may be written anew, or switched off with `""` or `false`. A code is 1 to 8 of `0-9 * #`. Emergency numbers
//! and extensions come before codes, codes before every other number.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::destination::{Destination, Destinations, ExtensionIx, ScheduleIx};
use super::did::Did;
use super::directory::Directory;
use super::read::{Fields, Place, Reader, Spot};

/// When an employee's forward is followed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardWhen {
    /// At once: the own phones do not ring.
    Always,
    /// When the employee is on the phone, or declines.
    Busy,
    /// When nobody answers, or no phone can be reached.
    NoAnswer,
}

impl ForwardWhen {
    /// All of them.
    pub const ALL: [ForwardWhen; 3] = [ForwardWhen::Always, ForwardWhen::Busy, ForwardWhen::NoAnswer];

    /// The word for it, as the command line writes it.
    pub const fn word(self) -> &'static str {
        match self {
            ForwardWhen::Always => "always",
            ForwardWhen::Busy => "busy",
            ForwardWhen::NoAnswer => "no-answer",
        }
    }
}

/// What a dialled code is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Code {
    /// Takes over what rings for a group of the one who dials.
    PickUp,
    /// Takes over what rings at the extension dialled behind it.
    PickUpOf,
    /// Forwards the own calls to the number dialled behind it.
    ForwardOn(ForwardWhen),
    /// Takes that forward back.
    ForwardOff(ForwardWhen),
    /// Goes away (`true`), or is back.
    Away(bool),
    /// Opens or closes the hours by hand; `None`: as they are written again.
    Hours(Option<bool>),
    /// Hears the own voice.
    Echo,
    /// Hears the own number.
    OwnNumber,
    /// Listens to the own messages.
    Mailbox,
    /// Listens to the messages of the box dialled behind it.
    AnyMailbox,
}

/// Whether a number is dialled behind a code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Behind {
    Nothing,
    /// It is asked for where it is not dialled.
    Perhaps,
    Needed,
}

impl Code {
    const fn behind(self) -> Behind {
        match self {
            Code::PickUpOf => Behind::Needed,
            Code::ForwardOn(_) | Code::AnyMailbox => Behind::Perhaps,
            _ => Behind::Nothing,
        }
    }
}

/// What keys in a talk are for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TalkCode {
    /// Hands the other one on to the number dialled behind it.
    Transfer,
    /// The same, after a word with whoever answers there.
    TransferAttended,
    /// Records, or stops and goes on recording.
    Record,
}

/// `[features]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// Dialled codes that are not switched off.
    pub dialled: Vec<(Arc<str>, Code)>,
    /// Codes in a talk that are not switched off.
    pub in_talk: Vec<(Arc<str>, TalkCode)>,
    /// Who may open and close the hours by code. Default: the extensions that `site.operator` names.
    pub hours_by: Vec<ExtensionIx>,
    /// Which schedules these codes set. Default: those of all DIDs.
    pub hours: Vec<ScheduleIx>,
}

/// The dialled codes as they are where nothing is written: their key, their text.
const DIALLED: [(&str, &str, Code); 17] = [
    ("pickup", "*8", Code::PickUp),
    ("pickup_of", "**", Code::PickUpOf),
    ("forward_on", "*72", Code::ForwardOn(ForwardWhen::Always)),
    ("forward_off", "*73", Code::ForwardOff(ForwardWhen::Always)),
    ("forward_busy_on", "*90", Code::ForwardOn(ForwardWhen::Busy)),
    ("forward_busy_off", "*91", Code::ForwardOff(ForwardWhen::Busy)),
    ("forward_no_answer_on", "*52", Code::ForwardOn(ForwardWhen::NoAnswer)),
    ("forward_no_answer_off", "*53", Code::ForwardOff(ForwardWhen::NoAnswer)),
    ("away_on", "*78", Code::Away(true)),
    ("away_off", "*79", Code::Away(false)),
    ("hours_closed", "*27", Code::Hours(Some(false))),
    ("hours_schedule", "*28", Code::Hours(None)),
    ("hours_open", "*29", Code::Hours(Some(true))),
    ("echo", "*43", Code::Echo),
    ("own_number", "*65", Code::OwnNumber),
    ("mailbox", "*97", Code::Mailbox),
    ("any_mailbox", "*98", Code::AnyMailbox),
];

/// The codes in a talk.
const IN_TALK: [(&str, &str, TalkCode); 3] = [
    ("transfer", "##", TalkCode::Transfer),
    ("transfer_attended", "*2", TalkCode::TransferAttended),
    ("record", "*1", TalkCode::Record),
];

impl Default for Features {
    fn default() -> Self {
        Features {
            dialled: DIALLED.map(|(_, text, code)| (text.into(), code)).to_vec(),
            in_talk: IN_TALK.map(|(_, text, code)| (text.into(), code)).to_vec(),
            hours_by: Vec::new(),
            hours: Vec::new(),
        }
    }
}

impl Features {
    /// The code that a dialled text is or begins with, and what is dialled behind it.
    pub fn read_dialled<'a>(&self, text: &'a str) -> Option<(Code, &'a str)> {
        let fits = |(written, code): &(Arc<str>, Code)| {
            let behind = text.strip_prefix(&**written)?;
            let fits = match code.behind() {
                Behind::Nothing => behind.is_empty(),
                Behind::Perhaps => true,
                Behind::Needed => !behind.is_empty(),
            };
            fits.then_some((*code, behind))
        };
        self.dialled.iter().find_map(fits)
    }

    /// The code that keys pressed in a talk make. `Err(true)`: with more keys it may become one; `Err(false)`: it cannot.
    ///
    /// # Errors
    /// As said: these keys are no code.
    pub fn read_in_talk(&self, keys: &str) -> Result<TalkCode, bool> {
        match self.in_talk.iter().find(|(text, _)| **text == *keys) {
            Some((_, code)) => Ok(*code),
            None => Err(self.in_talk.iter().any(|(text, _)| text.starts_with(keys))),
        }
    }

    /// Reads `[features]`. Who is the operator, and which schedules DIDs have, gives the defaults.
    pub(super) fn read(
        fields: Option<Fields<'_>>,
        directory: &Directory,
        operator: &Destinations,
        dids: &[Did],
    ) -> Features {
        let mut features = Features {
            hours_by: operator.iter().filter_map(extension).collect(),
            hours: dids.iter().filter_map(|did| did.schedule).collect(),
            ..Features::default()
        };
        features.hours.sort_unstable();
        features.hours.dedup();
        let Some(fields) = fields else { return features };
        let dialled = DIALLED.map(|(key, text, code)| Written::read(&fields, key, text, code));
        let in_talk = IN_TALK.map(|(key, text, code)| Written::read(&fields, key, text, code));
        for code in &dialled {
            code.refuse_what_is_dialled_otherwise(fields.reader(), directory);
        }
        refuse_beginnings(fields.reader(), &dialled);
        refuse_beginnings(fields.reader(), &in_talk);
        features.dialled = Written::in_use(&dialled);
        features.in_talk = Written::in_use(&in_talk);
        if let Some(spot) = fields.get("hours_by") {
            features.hours_by = directory.extension_list(&spot).into_iter().map(|(extension, _)| extension).collect();
        }
        if let Some(spot) = fields.get("hours") {
            let named = spot.one_or_more().unwrap_or_default();
            features.hours = named.iter().filter_map(|spot| directory.schedule(spot)).collect();
        }
        fields.finish();
        features
    }
}

fn extension(destination: &Destination) -> Option<ExtensionIx> {
    match destination {
        Destination::Extension(extension) => Some(*extension),
        _ => None,
    }
}

/// A code with its place, where it is written.
struct Written<C> {
    key: &'static str,
    text: Arc<str>,
    code: C,
    place: Option<Place>,
}

impl<C: Copy> Written<C> {
    fn read(fields: &Fields<'_>, key: &'static str, default: &str, code: C) -> Written<C> {
        let spot = fields.get(key);
        let text = spot.as_ref().map_or(Some(default), |spot| text(spot)).unwrap_or(default);
        Written { key, text: text.into(), code, place: spot.map(|spot| spot.place) }
    }

    fn in_use(all: &[Written<C>]) -> Vec<(Arc<str>, C)> {
        all.iter().filter(|one| !one.text.is_empty()).map(|one| (one.text.clone(), one.code)).collect()
    }
}

impl Written<Code> {
    /// What people dial already means something else.
    fn refuse_what_is_dialled_otherwise(&self, reader: &Reader<'_>, directory: &Directory) {
        let Some(place) = &self.place else { return };
        let text = &*self.text;
        let what = if directory.is_emergency(text) {
            "an emergency number"
        } else if directory.extensions.index(text).is_some() {
            "an extension"
        } else if directory.dids.index(text).is_some() {
            "a DID"
        } else if self.code.behind() != Behind::Nothing && text.starts_with(|first: char| first.is_ascii_digit()) {
            let fix = format!("begin it with * or #: \"*{text}\"");
            return reader.error(place, "a number is dialled behind this code, and it looks like one itself", fix);
        } else {
            return;
        };
        reader.error(place, format!("\"{text}\" is {what}"), "write another code, or \"\" to do without it");
    }
}

/// A code, empty for one that is switched off.
fn text<'a>(spot: &Spot<'a>) -> Option<&'a str> {
    if spot.is_false() {
        return Some("");
    }
    let text = spot.text()?;
    if text.len() > 8 || !text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'#')) {
        spot.error(format!("\"{text}\" is no code"), "write 1 to 8 of 0-9, * and #, or \"\" to do without it");
        return None;
    }
    Some(text)
}

/// Of two codes one of which begins as the other is, nobody knows which is meant.
fn refuse_beginnings<C: Copy>(reader: &Reader<'_>, codes: &[Written<C>]) {
    let in_use = || codes.iter().filter(|code| !code.text.is_empty());
    for (at, one) in in_use().enumerate() {
        for other in in_use().skip(at + 1) {
            let (short, long) = if one.text.len() <= other.text.len() { (one, other) } else { (other, one) };
            // One of them is written: no two of those that come with the program are like that.
            let (written, known) = if other.place.is_some() { (other, one) } else { (one, other) };
            let Some(place) = written.place.as_ref().filter(|_| long.text.starts_with(&*short.text)) else { continue };
            let how = if short.text == long.text { "the same as" } else { "not told apart from" };
            reader.error(
                place,
                format!("\"{}\" is {how} \"{}\" ({})", written.text, known.text, known.key),
                "write another code for one of them, or \"\" to do without it",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_they_are_dialled() {
        let features = Features::default();
        let always = Code::ForwardOn(ForwardWhen::Always);
        assert_eq!(features.read_dialled("*8"), Some((Code::PickUp, "")));
        assert_eq!(features.read_dialled("*81"), None);
        assert_eq!(features.read_dialled("**"), None);
        assert_eq!(features.read_dialled("**12"), Some((Code::PickUpOf, "12")));
        assert_eq!(features.read_dialled("*72"), Some((always, "")));
        assert_eq!(features.read_dialled("*72+79161234567"), Some((always, "+79161234567")));
        assert_eq!(features.read_dialled("*7"), None);
        assert_eq!(features.read_dialled("12"), None);
    }

    #[test]
    fn keys_in_a_talk_become_a_code_one_by_one() {
        let features = Features::default();
        assert_eq!(features.read_in_talk("#"), Err(true));
        assert_eq!(features.read_in_talk("##"), Ok(TalkCode::Transfer));
        assert_eq!(features.read_in_talk("*2"), Ok(TalkCode::TransferAttended));
        assert_eq!(features.read_in_talk("#1"), Err(false));
    }
}
