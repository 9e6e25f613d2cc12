//! The provider: SIPp as the far end of outbound calls, and as customers who call in.

use super::office::Office;
use super::process::Process;
use super::tone;
use super::witness::Voice;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What the provider's side says when it talks.
pub const HERTZ: f64 = 400.0;
const CALLER: &str = include_str!("sipp/caller.xml");
const GIVES_UP: &str = include_str!("sipp/gives_up.xml");
const CALLEE: &str = include_str!("sipp/callee.xml");
/// Customers call from this port; 5060 is the one that the router calls.
const CALLER_PORT: u16 = 5070;

/// The trunk's other end, answering whatever it is called for; see `sipp/callee.xml`.
pub struct Provider {
    pub address: Ipv4Addr,
    _callee: Process,
}

/// A customer's call into the office.
pub struct Incoming {
    sipp: Process,
}

impl Provider {
    /// Begins to listen.
    pub fn open(office_folder: &Path, address: &str) -> Provider {
        let voice: Vec<u8> = tone::sine(HERTZ, 4).into_iter().map(tone::to_ulaw).collect();
        std::fs::write(office_folder.join("provider.ul"), voice).unwrap();
        let mut command = sipp(office_folder, "callee.xml", CALLEE, "");
        command.args(["-i", address, "-mi", address, "-p", "5060", "-mp", "40000"]);
        let callee = Process::start("the provider's SIPp", &mut command);
        Provider { address: address.parse().unwrap(), _callee: callee }
    }

    /// Where it is heard, and what it says, on whichever call.
    pub fn voice(&self) -> Voice {
        (self.address, HERTZ)
    }

    /// A customer with this number dials that one; once answered, talks for so long and hangs up.
    pub fn call(&self, office: &Office, from: &str, to: &str, talk: Duration) -> Incoming {
        self.dial(office, CALLER, from, to, talk)
    }

    /// A customer who lets it ring for so long and gives up.
    pub fn call_in_vain(&self, office: &Office, from: &str, to: &str, ring: Duration) -> Incoming {
        self.dial(office, GIVES_UP, from, to, ring)
    }

    fn dial(&self, office: &Office, scenario: &str, from: &str, to: &str, patience: Duration) -> Incoming {
        let address = self.address.to_string();
        let mut command = sipp(&office.folder, &format!("caller-{from}.xml"), scenario, from);
        command.arg(format!("{}:5060", office.router)).args(["-i", &address, "-mi", &address, "-m", "1", "-s", to]);
        command.args(["-p", &CALLER_PORT.to_string(), "-mp", "41000", "-d", &patience.as_millis().to_string()]);
        Incoming { sipp: Process::start("the customer's SIPp", &mut command) }
    }
}

impl Incoming {
    /// Waits for the end and holds SIPp's own judgement to be good: everything came as its scenario says.
    pub fn went_well(mut self, within: Duration) {
        let status = self.sipp.ended(within);
        assert!(status.success(), "SIPp saw something else than its scenario ({status}):\n{}", self.sipp.said());
    }
}

/// SIPp on a scenario with its holes filled.
fn sipp(folder: &Path, name: &str, scenario: &str, number: &str) -> Command {
    let path = folder.join(name);
    let voice = folder.join("provider.ul");
    let text = scenario.replace("@VOICE@", &voice.to_string_lossy()).replace("@NUMBER@", number);
    std::fs::write(&path, text).unwrap();
    let mut command = Command::new("sipp");
    command.current_dir(folder).arg("-sf").arg(path).args(["-nostdin", "-timer_resol", "1", "-trace_err"]);
    command.args(["-rtp_threadtasks", "4", "-default_behaviors", "all,-abortunexp"]);
    command
}
