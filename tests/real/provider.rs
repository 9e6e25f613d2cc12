//! The provider: SIPp as the far end of outbound calls, and as customers who call in.

use super::office::Office;
use super::sipp::{self, Played};
use super::witness::Voice;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

/// What the provider's side says when it talks.
pub const HERTZ: f64 = 400.0;
const CALLER: &str = include_str!("sipp/caller.xml");
const GIVES_UP: &str = include_str!("sipp/gives_up.xml");
const STAYS: &str = include_str!("sipp/stays.xml");
const CALLEE: &str = include_str!("sipp/callee.xml");
/// Customers call from this port; 5060 is the one that the router calls.
const CALLER_PORT: u16 = 5070;

/// The trunk's other end, answering whatever it is called for; see `sipp/callee.xml`.
pub struct Provider {
    pub address: Ipv4Addr,
    _callee: Played,
}

impl Provider {
    /// Begins to listen.
    pub fn open(office_folder: &Path, address: &str) -> Provider {
        let voice = sipp::voice(office_folder, "provider", HERTZ);
        let holes = [("VOICE", voice.to_str().expect("UTF-8")), ("NUMBER", "far")];
        let mut command = sipp::sipp(office_folder, "callee", CALLEE, &holes);
        command.args(["-i", address, "-mi", address, "-p", "5060", "-mp", "40000"]);
        let callee = Played::start("the provider's SIPp", &mut command);
        Provider { address: address.parse().unwrap(), _callee: callee }
    }

    /// Where it is heard, and what it says, on whichever call.
    pub fn voice(&self) -> Voice {
        (self.address, HERTZ)
    }

    /// A customer with this number dials that one; once answered, talks for so long and hangs up.
    pub fn call(&self, office: &Office, from: &str, to: &str, talk: Duration) -> Played {
        self.dial(office, CALLER, from, to, talk)
    }

    /// A customer who talks until the other side hangs up, with whomever it is connected.
    pub fn call_and_stay(&self, office: &Office, from: &str, to: &str) -> Played {
        self.dial(office, STAYS, from, to, Duration::ZERO)
    }

    /// A customer who lets it ring for so long and gives up.
    pub fn call_in_vain(&self, office: &Office, from: &str, to: &str, ring: Duration) -> Played {
        self.dial(office, GIVES_UP, from, to, ring)
    }

    fn dial(&self, office: &Office, scenario: &str, from: &str, to: &str, patience: Duration) -> Played {
        let address = self.address.to_string();
        let voice = office.folder.join("provider.ul");
        let holes = [("VOICE", voice.to_str().expect("UTF-8")), ("NUMBER", from)];
        let mut command = sipp::sipp(&office.folder, &format!("caller-{from}"), scenario, &holes);
        command.arg(format!("{}:5060", office.router)).args(["-i", &address, "-mi", &address, "-m", "1", "-s", to]);
        command.args(["-p", &CALLER_PORT.to_string(), "-mp", "41000", "-d", &patience.as_millis().to_string()]);
        Played::start("the customer's SIPp", &mut command)
    }
}
