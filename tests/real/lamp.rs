//! A phone with a lamp for a colleague (RFC 4235), played by SIPp from an employee's account.
//!
//! No phone that Debian packages asks for `dialog`: neither baresip nor Linphone nor Twinkle does. Those with lamps are
//! desk phones of their own, so this one is written down as a scenario.

use super::office::Office;
use super::phone::voice_of;
use super::sipp::{self, Played};
use super::wire::{Seen, Sip};
use super::witness::{SOON, Voice};
use std::net::Ipv4Addr;

const WATCHER: &str = include_str!("sipp/watcher.xml");
const PICKER: &str = include_str!("sipp/picker.xml");

/// A lamp that is on the wall; see `sipp/watcher.xml`.
pub struct Lamp {
    pub address: Ipv4Addr,
    extension: String,
    watched: String,
    _subscription: Played,
}

/// What a lamp was told last: everything that its colleague's phones are doing.
#[derive(Clone, Debug)]
pub struct Shown {
    pub version: u32,
    pub dialogs: Vec<Dialog>,
}

/// One call of the colleague.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// `early`, `confirmed` …
    pub state: String,
    /// `initiator` or `recipient`.
    pub direction: String,
    /// Who is at the other end, as XML.
    pub remote: String,
    call_id: String,
    local_tag: String,
    remote_tag: String,
}

impl Lamp {
    /// Subscribes from this extension's account to that extension's dialogs.
    pub fn watch(office: &Office, extension: &str, watched: &str) -> Lamp {
        let host: u8 = extension.parse().expect("the stories' extensions are hosts of the subnet");
        let address = office.subnet.add(host);
        let mut command = sipp::sipp(&office.folder, "watcher", WATCHER, &[("NUMBER", extension)]);
        command.arg(format!("{}:5060", office.router)).args(["-i", &address, "-p", "5060", "-m", "1", "-s", watched]);
        command.args(["-auth_uri", &format!("{watched}@{}", office.router)]);
        let subscription = Played::start("the lamp's SIPp", &mut command);
        let address = address.parse().unwrap();
        Lamp { address, extension: extension.into(), watched: watched.into(), _subscription: subscription }
    }

    /// Waits until the last it was told is like this.
    pub fn shows(&self, office: &Office, what: &str, like: impl Fn(&Shown) -> bool) -> Shown {
        let found = office.wire.wait(SOON, |seen| self.told(seen).pop().filter(&like));
        found.unwrap_or_else(|| {
            panic!("the lamp never showed {what}; it was told {:#?}", office.wire.look(|s| self.told(s)))
        })
    }

    /// Everything it was told, in this order.
    pub fn told(&self, seen: &Seen) -> Vec<Shown> {
        let to_us = |m: &&Sip| *m.to.ip() == self.address && m.method() == Some("NOTIFY");
        seen.sip.iter().filter(to_us).filter_map(Shown::read).collect()
    }

    /// Its user presses it: the colleague's ringing call is taken here.
    pub fn pick_up(&self, office: &Office, dialog: &Dialog) -> Played {
        let voice = sipp::voice(&office.folder, &self.extension, voice_of(&self.extension));
        // RFC 3891 §3: the tags as the phone that gives the call up has them.
        let replaces = format!("{};to-tag={};from-tag={}", dialog.call_id, dialog.local_tag, dialog.remote_tag);
        let holes =
            [("NUMBER", self.extension.as_str()), ("REPLACES", &replaces), ("VOICE", voice.to_str().expect("UTF-8"))];
        let mut command = sipp::sipp(&office.folder, "picker", PICKER, &holes);
        let address = self.address.to_string();
        command.arg(format!("{}:5060", office.router)).args(["-i", &address, "-mi", &address, "-m", "1"]);
        command.args(["-p", "5062", "-mp", "42000", "-s", &self.watched]);
        command.args(["-auth_uri", &format!("{}@{}", self.watched, office.router)]);
        Played::start("the picker's SIPp", &mut command)
    }

    /// Where its user is heard after [`pick_up`](Lamp::pick_up), and saying what.
    pub fn voice(&self) -> Voice {
        (self.address, voice_of(&self.extension))
    }
}

impl Shown {
    /// Whether the colleague's only call stands so.
    pub fn is(&self, state: &str) -> bool {
        matches!(&self.dialogs[..], [only] if only.state == state)
    }

    /// Whether no call is going on.
    pub fn is_idle(&self) -> bool {
        self.dialogs.iter().all(|dialog| dialog.state == "terminated")
    }

    fn read(notify: &Sip) -> Option<Shown> {
        let xml = notify.body();
        let head = element(xml, "dialog-info")?;
        assert_eq!(attribute(head, "state").as_deref(), Some("full"), "{xml}");
        let version = attribute(head, "version")?.parse().ok()?;
        let dialogs = xml.split("<dialog ").skip(1).map(Dialog::read).collect();
        Some(Shown { version, dialogs })
    }
}

impl Dialog {
    fn read(xml: &str) -> Dialog {
        let named = |name| attribute(xml, name).unwrap_or_default();
        let state = xml.split_once("<state").and_then(|(_, rest)| rest.split_once('>')?.1.split_once("</state"));
        let remote = xml.split_once("<remote>").and_then(|(_, rest)| rest.split_once("</remote>"));
        Dialog {
            state: state.map_or("", |(state, _)| state.trim()).into(),
            direction: named("direction"),
            remote: remote.map_or("", |(remote, _)| remote).into(),
            call_id: named("call-id"),
            local_tag: named("local-tag"),
            remote_tag: named("remote-tag"),
        }
    }
}

/// The inside of an element's opening tag.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    xml.split_once(&format!("<{name} "))?.1.split('>').next()
}

/// An attribute's value within the first tag of this text.
fn attribute(text: &str, name: &str) -> Option<String> {
    let tag = text.split('>').next()?;
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    rest.split('"').next().map(str::to_string)
}
