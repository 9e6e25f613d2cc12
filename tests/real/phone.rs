//! A desk phone: baresip with one account, a tone for a voice, and a recorder for an ear.

use super::office::Office;
use super::process::Process;
use super::tone;
use super::witness::{SOON, Voice};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Where a phone's own control connection listens.
const CONTROL: u16 = 4444;
/// Where Debian keeps baresip's modules, by architecture.
const MODULES: [&str; 4] = [
    "/usr/lib/baresip/modules",
    "/usr/lib/x86_64-linux-gnu/baresip/modules",
    "/usr/lib/aarch64-linux-gnu/baresip/modules",
    "/usr/local/lib/baresip/modules",
];

/// A registered phone.
pub struct Phone {
    pub extension: String,
    pub address: Ipv4Addr,
    /// What it says when it talks.
    pub hertz: f64,
    router: Ipv4Addr,
    folder: PathBuf,
    _program: Process,
    control: TcpStream,
    events: Receiver<serde_json::Value>,
}

/// The only codec of a phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speaks {
    #[default]
    G711,
    G722,
    Opus,
}

/// What a phone is told at its start.
#[derive(Default)]
struct Setup<'a> {
    speaks: Speaks,
    /// Further lines of its config.
    also: &'a str,
    /// Its account.
    at_start: &'a str,
    /// An account that it gets once the first timer of its module for voice mail has run. That one walks through all
    /// subscriptions and makes a new one for each: where the first REGISTER was faster, baresip 1.0 makes SUBSCRIBEs
    /// without end and does nothing else any more.
    later: &'a str,
    /// What it says when it is ready.
    ready: Option<&'a str>,
}

impl Phone {
    /// Starts a phone with the extension's password in the office file and a voice of its own; see
    /// [`register`](Phone::register).
    pub fn of(office: &Office, extension: &str) -> Phone {
        Phone::register(office, extension, &format!("change-me-{extension}"), voice_of(extension))
    }

    /// Starts a phone at the extension's address and waits until it is registered.
    ///
    /// # Panics
    /// When it is not within ten seconds.
    pub fn register(office: &Office, extension: &str, password: &str, hertz: f64) -> Phone {
        Phone::start(office, extension, password, hertz, false)
    }

    /// [`of`](Phone::of), with a lamp for voice mail (RFC 3842).
    pub fn with_voice_mail(office: &Office, extension: &str) -> Phone {
        Phone::start(office, extension, &format!("change-me-{extension}"), voice_of(extension), true)
    }

    /// A mobile behind a provider of its own: at this host of the subnet, called by this number, registered nowhere.
    pub fn mobile(office: &Office, host: u8, number: &str, hertz: f64) -> Phone {
        Phone::outside(office, host, number, hertz, Speaks::G711)
    }

    /// A phone outside the office: at this host of the subnet, with this number, registered nowhere, and speaking this.
    pub fn outside(office: &Office, host: u8, number: &str, hertz: f64, speaks: Speaks) -> Phone {
        let address = office.subnet.address(host);
        let account = format!("<sip:{number}@{address};transport=udp>;regint=0;audio_codecs={}\n", speaks.account());
        Phone::open(office, &host.to_string(), hertz, Setup { speaks, at_start: &account, ..Setup::default() })
    }

    fn start(office: &Office, extension: &str, password: &str, hertz: f64, voice_mail: bool) -> Phone {
        let router = &office.router;
        let account =
            format!("<sip:{extension}@{router};transport=udp>;auth_user={extension};auth_pass={password};regint=600\n");
        // See `Setup::later`.
        let (at_start, later) = if voice_mail { ("", account.trim_end()) } else { (account.as_str(), "") };
        let also = if voice_mail { "module_app mwi.so\n" } else { "" };
        Phone::open(
            office,
            extension,
            hertz,
            Setup { also, at_start, later, ready: Some("200 OK"), ..Setup::default() },
        )
    }

    /// Starts baresip at a host of the subnet and waits until it says that it is ready.
    fn open(office: &Office, extension: &str, hertz: f64, setup: Setup<'_>) -> Phone {
        let host: u8 = extension.parse().expect("the stories' extensions are hosts of the subnet");
        let address = office.subnet.add(host);
        let folder = office.folder.join(format!("phone-{extension}"));
        std::fs::create_dir_all(&folder).unwrap();
        tone::write_wav(&folder.join("voice.wav"), &tone::sine(hertz, 60));
        let ports = office.subnet.speaks_from(host);
        let config = config(&folder, &address, &office.subnet.interface(host), ports, setup.speaks) + setup.also;
        std::fs::write(folder.join("config"), config).unwrap();
        std::fs::write(folder.join("accounts"), setup.at_start).unwrap();
        std::fs::write(folder.join("contacts"), "").unwrap();
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "baresip", "-v", "-f"]).arg(&folder);
        let program = Process::start(&format!("baresip {extension}"), &mut command);
        program.says("ctrl_tcp: TCP socket listening", SOON);
        let mut control = TcpStream::connect((address.as_str(), CONTROL)).expect("baresip's control port");
        let mut said = Netstrings { stream: control.try_clone().unwrap(), buffer: Vec::new() };
        if !setup.later.is_empty() {
            await_first_timers(&mut control, &mut said);
            tell(&mut control, "uanew", setup.later);
        }
        if let Some(ready) = setup.ready {
            program.says(ready, SOON);
        }
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for message in said {
                if message["event"] == true && sender.send(message).is_err() {
                    return;
                }
            }
        });
        let address = address.parse().unwrap();
        Phone {
            extension: extension.into(),
            address,
            hertz,
            router: office.router,
            folder,
            _program: program,
            control,
            events,
        }
    }

    /// Waits until it rings; returns the caller's URI.
    pub fn rings(&self, within: Duration) -> String {
        let event = self.event("CALL_INCOMING", within);
        event["peeruri"].as_str().unwrap_or("").to_string()
    }

    /// Waits until it rings and answers after so long, unless the caller gave up before.
    pub fn answer_after(&mut self, patience: Duration) {
        self.rings(SOON);
        let end = Instant::now() + patience;
        loop {
            match self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(event) if event["type"] == "CALL_CLOSED" => return,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return self.answer(),
                Err(RecvTimeoutError::Disconnected) => panic!("baresip {} is gone", self.extension),
            }
        }
    }

    /// Answers what rings.
    pub fn answer(&mut self) {
        self.command("accept", "");
    }

    /// Refuses what rings (486), or hangs up.
    pub fn hang_up(&mut self) {
        self.command("hangup", "");
    }

    /// Puts its call on hold.
    pub fn hold(&mut self) {
        self.command("hold", "");
    }

    /// Takes its call back from hold.
    pub fn resume(&mut self) {
        self.command("resume", "");
    }

    /// Dials a number, as its user types it.
    pub fn dial(&mut self, number: &str) {
        self.command("dial", number);
    }

    /// Calls a number of the office, from outside.
    pub fn call_office(&mut self, number: &str) {
        let uri = format!("sip:{number}@{}", self.router);
        self.command("dial", &uri);
    }

    /// Where it is heard, and what it says.
    pub fn voice(&self) -> Voice {
        (self.address, self.hertz)
    }

    /// Sends the other side of its call elsewhere (blind transfer), as its user types it.
    pub fn send_to(&mut self, number: &str) {
        // baresip writes what it is told into Refer-To as it stands.
        let uri = format!("sip:{number}@{}", self.router);
        self.command("transfer", &uri);
    }

    /// Presses a key in its call (RFC 4733).
    pub fn press(&mut self, key: char) {
        self.command("sndcode", &key.to_string());
    }

    /// Waits for the end of its call.
    pub fn is_left(&self, within: Duration) {
        self.event("CALL_CLOSED", within);
    }

    /// Everything it heard in its calls so far, as its decoder gave it out; one recording for each call.
    pub fn heard(&self) -> Vec<Vec<i16>> {
        self.ears().iter().map(|path| tone::read_wav(path)).collect()
    }

    /// The files in which it wrote down what it heard, one for each call.
    pub fn ears(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(&self.folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        files.sort();
        files
    }

    /// How far into its last call it first heard this tone, in ms.
    pub fn heard_tone(&self, hertz: f64) -> Option<usize> {
        tone::first_ms(self.heard().last()?, hertz)
    }

    fn event(&self, kind: &str, within: Duration) -> serde_json::Value {
        let end = Instant::now() + within;
        loop {
            match self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(event) if event["type"] == kind => return event,
                Ok(_) => {}
                Err(_) => panic!("phone {}: no {kind} within {within:?}", self.extension),
            }
        }
    }

    fn command(&mut self, command: &str, params: &str) {
        tell(&mut self.control, command, params);
    }
}

fn tell(control: &mut TcpStream, command: &str, params: &str) {
    let text = serde_json::json!({ "command": command, "params": params }).to_string();
    control.write_all(format!("{}:{text},", text.len()).as_bytes()).expect("baresip listens");
}

/// Waits until all timers of one millisecond have run that baresip's modules set when they were loaded.
///
/// Its first answer says that its loop runs, so that all modules are loaded; after that pause these timers are due; and
/// whatever follows the second answer is read after them, because each round of the loop runs the timers last. The pause
/// alone would say nothing: on a busy machine the port listens long before the modules behind it are loaded.
fn await_first_timers(control: &mut TcpStream, said: &mut Netstrings) {
    for pause in [0, 10] {
        std::thread::sleep(Duration::from_millis(pause));
        tell(control, "reginfo", "");
        said.find(|message| message["response"] == true).expect("baresip answers on its control port");
    }
}

/// Each extension's phone has its own tone.
pub fn voice_of(extension: &str) -> f64 {
    let number: f64 = extension.parse().expect("the stories' extensions are numbers");
    600.0 + (number - 201.0) * 150.0
}

impl Speaks {
    /// As baresip's account writes it.
    fn account(self) -> &'static str {
        match self {
            Speaks::G711 => "PCMU/8000/1",
            Speaks::G722 => "G722/16000/1",
            Speaks::Opus => "opus/48000/2",
        }
    }

    /// Its module, and the rates and channels between which baresip looks for codecs.
    fn module(self) -> (&'static str, u32, u8) {
        match self {
            Speaks::G711 => ("g711", 8_000, 1),
            Speaks::G722 => ("g722", 16_000, 1),
            Speaks::Opus => ("opus", 48_000, 2),
        }
    }
}

fn config(
    folder: &std::path::Path,
    address: &str,
    interface: &str,
    (first, last): (u16, u16),
    speaks: Speaks,
) -> String {
    let modules = MODULES.iter().find(|path| std::path::Path::new(path).exists()).expect("baresip's modules");
    let folder = folder.display();
    let (codec, rate, channels) = speaks.module();
    let mut config = format!(
        "sip_listen {address}:5060\nnet_interface {interface}\nctrl_tcp_listen {address}:{CONTROL}\n\
         audio_source aufile,{folder}/voice.wav\naudio_player aubridge,ear\naudio_alert aubridge,bell\n\
         audio_srate {rate}-{rate}\naudio_channels 1-{channels}\njitter_buffer_type off\nrtp_ports {first}-{last}\n\
         snd_path {folder}\nmodule_path {modules}\n"
    );
    if speaks != Speaks::G711 {
        // The file's own; baresip converts.
        config += "ausrc_srate 8000\nausrc_channels 1\nauplay_srate 8000\nauplay_channels 1\n";
    }
    for module in [codec, "aufile", "aubridge", "sndfile"] {
        config += &format!("module {module}.so\n");
    }
    config += "module_tmp uuid.so\nmodule_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n";
    config
}

/// baresip's control messages: `length:json,`.
struct Netstrings {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Iterator for Netstrings {
    type Item = serde_json::Value;

    fn next(&mut self) -> Option<serde_json::Value> {
        loop {
            if let Some(colon) = self.buffer.iter().position(|b| *b == b':') {
                let length: usize = std::str::from_utf8(&self.buffer[..colon]).ok()?.parse().ok()?;
                let end = colon + 1 + length;
                if self.buffer.len() > end {
                    let message = serde_json::from_slice(&self.buffer[colon + 1..end]).unwrap_or_default();
                    self.buffer.drain(..=end);
                    return Some(message);
                }
            }
            let mut chunk = [0; 4096];
            let read = self.stream.read(&mut chunk).ok().filter(|n| *n > 0)?;
            self.buffer.extend_from_slice(&chunk[..read]);
        }
    }
}
