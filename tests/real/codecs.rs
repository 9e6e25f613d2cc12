//! Callers who speak another codec than G.711 hear us too: real phones with one codec each, and what they decoded.

use super::ear::Recording;
use super::office::{Office, named};
use super::phone::{Phone, Speaks};
use super::witness::{SOON, figure, sees};
use std::time::Duration;
use toml_edit::{DocumentMut, InlineTable, value};

/// The stories by their titles.
pub const STORIES: &[(&str, fn())] = &[
    ("A caller in G.722 hears an announcement as it was spoken", || hears("g722", Speaks::G722)),
    ("A caller in Opus hears an announcement as it was spoken", || hears("opus", Speaks::Opus)),
];

const CUSTOMER: &str = "89031234567";
const BILLBOARD: &str = "84957654321";
/// Where the customer is.
pub const HOST: u8 = 30;

fn hears(name: &str, speaks: Speaks) {
    let office = Office::open(&format!("announced-{name}"), |config| {
        calls_from(config, HOST);
        let mut open = InlineTable::new();
        open.insert("to", "announcement:hello".into());
        named(config, "did", "number", "+74957654321")["open"] = value(open);
    });
    let mut customer = Phone::outside(&office, HOST, CUSTOMER, 1100.0, speaks);
    customer.call_office(BILLBOARD);
    let asked = sees(&office, "the INVITE", |m| *m.to.ip() == office.router && m.method() == Some("INVITE")).at;
    let first = office.wire.wait(SOON, |seen| {
        seen.rtp.iter().find(|p| *p.to.ip() == customer.address && *p.from.ip() == office.router).map(|p| p.at)
    });
    figure(&office, "the first packet after the INVITE", first.expect("the customer hears something") - asked);
    customer.is_left(SOON);
    let heard = customer.recording();
    heard.says("hello", 0);
    let (_, other) = heard.finds("unavailable", 0);
    assert!(other < 0.8, "it sounds like anything: {other:.2}");
}

/// The provider's calls also come from this host.
pub fn calls_from(config: &mut DocumentMut, host: u8) {
    let mango = named(config, "trunk", "name", "mango");
    let from = mango["from"].as_array_mut().expect("addresses");
    let also =
        from.get(0).and_then(|first| first.as_str()).expect("an address").replace(".10/32", &format!(".{host}/32"));
    from.push(also);
}

/// What the last call of this phone sounded like at its ear.
impl Phone {
    /// Waits until it is written, and reads it.
    pub fn recording(&self) -> Recording {
        // baresip closes its file a moment after the call.
        std::thread::sleep(Duration::from_millis(200));
        Recording::read(self.ears().last().expect("the phone has heard something"))
    }
}
