//! A softphone: Linphone with one account, several calls at a time, a tone for a voice and a recorder for an ear.
//!
//! baresip 1.0 knows blind transfer only; Linphone also joins two of its calls (REFER with Replaces, RFC 3891).

use super::office::Office;
use super::phone::voice_of;
use super::process::Process;
use super::tone;
use super::wire::Sip;
use super::witness::{SOON, Voice};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Linphone adds whatever it is not told of. Two of them talk Opus, which no instrument here reads; all others G.711.
const CODECS: [(&str, u32, u8); 5] =
    [("PCMU", 8000, 1), ("PCMA", 8000, 1), ("speex", 16000, 0), ("speex", 8000, 0), ("G729", 8000, 0)];

/// A registered softphone.
pub struct Linphone {
    pub extension: String,
    pub address: Ipv4Addr,
    /// What it says when it talks, and to whom it holds, instead of music.
    pub hertz: f64,
    folder: PathBuf,
    program: Process,
    /// How many of its lines tell of calls that the story knows.
    known: usize,
}

/// One of its calls.
#[derive(Clone, Copy, Debug)]
pub struct Talk {
    /// The number that Linphone gave it.
    id: u32,
    /// How many lines it had said when the call began.
    began: usize,
}

impl Linphone {
    /// Starts a softphone with the extension's password in the office file and a voice of its own; see
    /// [`register`](Linphone::register).
    pub fn of(office: &Office, extension: &str) -> Linphone {
        Linphone::register(office, extension, &format!("change-me-{extension}"), voice_of(extension))
    }

    /// Starts a softphone at the extension's address and waits until it is registered.
    ///
    /// # Panics
    /// When it is not within ten seconds.
    fn register(office: &Office, extension: &str, password: &str, hertz: f64) -> Linphone {
        let host: u8 = extension.parse().expect("the stories' extensions are hosts of the subnet");
        let address: Ipv4Addr = office.subnet.add(host).parse().unwrap();
        let folder = office.folder.join(format!("linphone-{extension}"));
        // Linphone keeps its history below the home folder and makes no folder for it.
        for home in [".local/share/linphone", ".config/linphone"] {
            std::fs::create_dir_all(folder.join(home)).unwrap();
        }
        tone::write_wav(&folder.join("voice.wav"), &tone::sine(hertz, 60));
        std::fs::write(folder.join("linphonerc"), config(address, office.router, extension, password)).unwrap();
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "linphonec", "-c", "linphonerc"]).current_dir(&folder).env("HOME", &folder);
        command.env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
        let mut program = Process::start_told(&format!("linphonec {extension}"), &mut command);
        let welcome = |m: &Sip| *m.to.ip() == address && m.answers(200, "REGISTER");
        let registered = office.wire.wait(SOON, |seen| seen.sip.iter().any(welcome).then_some(()));
        assert!(registered.is_some(), "linphonec {extension} does not register; it said:\n{}", program.said());
        program.tell("soundcard use files");
        program.tell("play voice.wav");
        program.tell("record heard.wav");
        Linphone { extension: extension.into(), address, hertz, folder, program, known: 0 }
    }

    /// Dials a number, as its user types it.
    pub fn dial(&mut self, number: &str) -> Talk {
        self.program.tell(&format!("call {number}"));
        self.begins("Establishing call id to", SOON)
    }

    /// Waits until it rings.
    pub fn rings(&mut self, within: Duration) -> Talk {
        self.begins("Receiving new incoming call from", within)
    }

    /// Answers what rings.
    pub fn answer(&mut self, talk: Talk) {
        self.program.tell(&format!("answer {}", talk.id));
    }

    /// Waits until the other side of a call has answered.
    pub fn is_connected(&self, talk: Talk) {
        self.says_of(talk, talk.began, "Media streams established");
    }

    /// Refuses what rings, or hangs up.
    pub fn hang_up(&mut self, talk: Talk) {
        self.program.tell(&format!("terminate {}", talk.id));
    }

    /// Puts a call on hold, and waits until it is.
    pub fn hold(&mut self, talk: Talk) {
        let before = self.program.lines();
        self.program.tell(&format!("pause {}", talk.id));
        self.says_of(talk, before, "is now paused");
    }

    /// Takes a call back from hold.
    pub fn resume(&mut self, talk: Talk) {
        self.program.tell(&format!("resume {}", talk.id));
    }

    /// Sends the other side of a call elsewhere (blind transfer).
    pub fn send_to(&mut self, talk: Talk, number: &str) {
        self.program.tell(&format!("transfer {} {number}", talk.id));
    }

    /// Joins the other sides of two calls (attended transfer).
    pub fn join(&mut self, talk: Talk, with: Talk) {
        self.program.tell(&format!("transfer {} --to-call {}", talk.id, with.id));
    }

    /// Waits for the end of a call.
    pub fn is_left(&self, talk: Talk) {
        self.says_of(talk, talk.began, "ended");
    }

    /// Everything it heard so far, as its decoder gave it out.
    pub fn heard(&self) -> Vec<i16> {
        tone::read_wav(&self.folder.join("heard.wav"))
    }

    /// Where it is heard, and what it says.
    pub fn voice(&self) -> Voice {
        (self.address, self.hertz)
    }

    /// Waits for the first line about a new call.
    fn begins(&mut self, words: &str, within: Duration) -> Talk {
        let (lines, line) = self.program.says_after(self.known, &[words, "assigned id "], within);
        self.known = lines;
        let id = line.rsplit("assigned id ").next().and_then(|id| id.trim().parse().ok());
        let id = id.unwrap_or_else(|| panic!("linphonec {}: no call number in {line:?}", self.extension));
        Talk { id, began: lines }
    }

    fn says_of(&self, talk: Talk, after: usize, words: &str) {
        self.program.says_after(after, &[&format!("all {} ", talk.id), words], SOON);
    }
}

/// One account at the router, sockets at the phone's own address.
fn config(address: Ipv4Addr, router: Ipv4Addr, extension: &str, password: &str) -> String {
    let mut config = format!(
        "[sip]\nbind_address={address}\nsip_port=5060\nsip_tcp_port=0\nsip_tls_port=0\n\
         contact=<sip:{extension}@{address}>\nregister_only_when_network_is_up=0\ndefault_proxy=0\n\
         [net]\nfirewall_policy=0\n[sound]\nechocancellation=0\n\
         [rtp]\nbind_address={address}\naudio_rtp_port=7078-7178\n\
         [proxy_0]\nreg_proxy=<sip:{router};transport=udp>\nreg_identity=<sip:{extension}@{router}>\n\
         reg_expires=600\nreg_sendregister=1\n\
         [auth_info_0]\nusername={extension}\npasswd={password}\n"
    );
    for (i, (codec, rate, enabled)) in CODECS.iter().enumerate() {
        config += &format!("[audio_codec_{i}]\nmime={codec}\nrate={rate}\nchannels=1\nenabled={enabled}\n");
    }
    config
}
