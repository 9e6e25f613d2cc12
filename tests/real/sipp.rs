//! SIPp: whoever can be written down as a scenario, with its holes filled.

use super::process::Process;
use super::tone;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What stands for @SDP@: the session that a scenario offers.
const SDP: &str = "v=0
o=sipp 53655765 2353687637 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [rtpstream_audio_port] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20
a=sendrecv";

/// What stands for @TALKS_ON@.
const TALKS_ON: &str = include_str!("sipp/talks_on.xml");

/// A scenario being played; dropping it ends it.
pub struct Played {
    sipp: Process,
}

impl Played {
    /// Begins.
    pub fn start(name: &str, command: &mut Command) -> Played {
        Played { sipp: Process::start(name, command) }
    }

    /// Waits for the end and holds SIPp's own judgement to be good: everything came as its scenario says.
    pub fn went_well(mut self, within: Duration) {
        let status = self.sipp.ended(within);
        assert!(status.success(), "SIPp saw something else than its scenario ({status}):\n{}", self.sipp.said());
    }
}

/// Writes a tone as SIPp plays it.
pub fn voice(folder: &Path, name: &str, hertz: f64) -> PathBuf {
    let path = folder.join(format!("{name}.ul"));
    let samples: Vec<u8> = tone::sine(hertz, 4).into_iter().map(tone::to_ulaw).collect();
    std::fs::write(&path, samples).unwrap();
    path
}

/// SIPp on a scenario with its holes (`@NAME@`) filled.
pub fn sipp(folder: &Path, name: &str, scenario: &str, holes: &[(&str, &str)]) -> Command {
    let path = folder.join(format!("{name}.xml"));
    let fill = |text: String, (hole, filling): &(&str, &str)| text.replace(&format!("@{hole}@"), filling);
    let text = holes.iter().fold(scenario.replace("@SDP@", SDP).replace("@TALKS_ON@", TALKS_ON), fill);
    std::fs::write(&path, text).unwrap();
    let mut command = Command::new("sipp");
    command.current_dir(folder).arg("-sf").arg(path).args(["-nostdin", "-timer_resol", "1", "-trace_err"]);
    command.args(["-rtp_threadtasks", "4", "-default_behaviors", "all,-abortunexp"]);
    command
}
