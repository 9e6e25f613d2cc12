//! A voicemail box: whose it is, what callers hear, how long they may speak, and who is told.

use std::sync::Arc;
use std::time::Duration;

use super::destination::{ExtensionIx, VoicemailIx};
use super::directory::Directory;
use super::read::{Fields, Spot};
use super::secret::Secret;

/// `[[voicemail]]`: a box that takes messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voicemail {
    /// Unique.
    pub name: Arc<str>,
    /// A prompt played before the beep. Default: the shipped one.
    pub greeting: Option<Arc<str>>,
    /// Who is told: mail addresses, without `mailto:`.
    pub notify: Vec<Arc<str>>,
    /// `for`: whose lamp shows its messages and who listens to them without being asked for the box. Default: the extension
    /// whose number is the box's name, if there is one.
    pub extensions: Vec<ExtensionIx>,
    /// The digits (1 to 12) that let anybody listen to it from any phone. Default: only its own extensions do.
    pub pin: Option<Secret>,
    /// A message ends by itself after so long. Default: 3 min.
    pub longest: Duration,
    /// … and after so long without a word. Default: 8 s.
    pub silence: Duration,
}

/// Where nothing is said.
const LONGEST: Duration = Duration::from_secs(180);
const SILENCE: Duration = Duration::from_secs(8);

impl Voicemail {
    /// Reads a `[[voicemail]]`.
    pub(super) fn read(fields: &Fields<'_>, own: VoicemailIx, directory: &Directory) -> Voicemail {
        let name = directory.voicemails.name(own.index());
        let greeting = fields.get("greeting").and_then(|spot| directory.greeting(&spot));
        let notify = fields.get("notify").and_then(|spot| spot.list()).unwrap_or_default();
        let span = |key, from, to, default| {
            let spot = fields.get(key)?;
            spot.duration(Duration::from_secs(from), Duration::from_secs(to)).or(Some(default))
        };
        let namesake = || directory.extensions.index(&name).map(ExtensionIx).into_iter().collect();
        let voicemail = Voicemail {
            greeting,
            notify: notify.iter().filter_map(mail_address).collect(),
            extensions: fields.get("for").map_or_else(namesake, |spot| {
                directory.extension_list(&spot).into_iter().map(|(extension, _)| extension).collect()
            }),
            pin: fields.get("pin").and_then(|spot| pin(&spot)),
            longest: span("longest", 5, 1_800, LONGEST).unwrap_or(LONGEST),
            silence: span("silence", 2, 60, SILENCE).unwrap_or(SILENCE),
            name,
        };
        fields.get("name");
        fields.finish();
        voicemail
    }
}

/// A secret that can be dialled.
fn pin(spot: &Spot<'_>) -> Option<Secret> {
    let secret = spot.secret()?;
    let digits = secret.expose();
    if !(1..=12).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        spot.error("a pin has 1 to 12 digits and nothing else", "");
        return None;
    }
    Some(secret)
}

/// `mailto:NAME@HOST`, without its scheme.
fn mail_address(spot: &Spot<'_>) -> Option<Arc<str>> {
    let text = spot.text()?;
    let address = text.strip_prefix("mailto:").filter(|address| is_mail_address(address));
    if address.is_none() {
        spot.error(format!("\"{text}\" is no mail address"), "write \"mailto:NAME@HOST\"");
    }
    address.map(Into::into)
}

pub(super) fn is_mail_address(address: &str) -> bool {
    address
        .split_once('@')
        .is_some_and(|(user, host)| !user.is_empty() && host.contains('.') && !address.contains(char::is_whitespace))
}
