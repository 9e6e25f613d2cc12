//! The router of these tests: a small office in a folder of its own.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::own_address::own_address;
use crate::peers::{Phone, Provider};

/// A customer, and the office's numbers: 12 alone, and 12 and 14 together.
pub const ADA: &str = "+491701112233";
pub const TWELVE: &str = "+493012340";
pub const BOTH: &str = "+493012341";

/// How long anything may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

pub struct Router {
    pub folder: PathBuf,
    pub address: SocketAddr,
    pub provider: Provider,
    process: Option<Child>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Router {
    /// An office that does not run yet.
    pub fn new(name: &str) -> Router {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("failure-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        Router::within(folder)
    }

    /// The same, in this folder.
    pub fn within(folder: PathBuf) -> Router {
        std::fs::create_dir_all(folder.join("data")).unwrap();
        let ip: IpAddr = own_address().into();
        // Nobody else asks for a port of this address.
        let address = UdpSocket::bind((ip, 0)).unwrap().local_addr().unwrap();
        let provider = Provider::new(own_address().into(), address);
        let router = Router { folder, address, provider, process: None, said: Arc::default() };
        router.configure();
        router
    }

    /// The same, running.
    pub fn start(name: &str) -> Router {
        let mut router = Router::new(name);
        router.serve();
        router
    }

    fn configure(&self) {
        let (address, provider) = (self.address, self.provider.peer.address);
        let text = format!(
            r#"
[site]
timezone = "UTC"
numbering = {{ country = "49", area = "30", national_prefix = "0" }}
[sip]
listen = ["udp://{address}", "tcp://{address}"]
realm = "{address}"
[storage]
directory = "data"
[[trunk]]
name = "provider"
server = "sip:{provider}"
from = ["{ip}"]
dials = "plus-e164"
[[extension]]
number = "12"
password = "secret-12"
[[extension]]
number = "14"
password = "secret-14"
[[group]]
name = "both"
strategy = "ring-all"
members = ["12", "14"]
patience = "20s"
then = "refuse:unavailable"
[[did]]
number = "{TWELVE}"
open = {{ to = ["extension:12", "refuse:unavailable"] }}
[[did]]
number = "{BOTH}"
open = {{ to = ["group:both", "refuse:unavailable"] }}
"#,
            ip = provider.ip()
        );
        let file = self.folder.join("office.toml");
        std::fs::write(&file, text).unwrap();
        // Readable by others, a config with passwords is a warning of its own.
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// Changes the config's text.
    pub fn configured(&self, change: impl FnOnce(String) -> String) {
        let file = self.folder.join("office.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, change(text)).unwrap();
    }

    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub fn database(&self) -> PathBuf {
        self.data().join("huntline.db")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_huntline"));
        command.current_dir(&self.folder).args(arguments).args(["--config", "office.toml"]);
        command
    }

    /// Starts it, and waits until it serves; what it says from then on is kept.
    pub fn serve(&mut self) {
        let mut command = self.command(&["serve"]);
        // A group of its own, so that whoever ends the tests by hand ends nothing of it half-way.
        command.env("HUNTLINE_LOG", "info").process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let errors = BufReader::new(process.stderr.take().unwrap()).lines();
        let said = self.said.clone();
        std::thread::spawn(move || {
            errors.map_while(Result::ok).for_each(|line| said.lock().unwrap().push(line));
        });
        let said = self.said.clone();
        let serves = loop {
            match lines.next() {
                Some(Ok(line)) if line.contains("serves") => break true,
                Some(Ok(line)) => said.lock().unwrap().push(line),
                _ => break false,
            }
        };
        self.process = Some(process);
        assert!(serves, "it does not serve: {}", self.log());
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| said.lock().unwrap().push(line));
        });
        // Once it answers questions it hears signals, too.
        self.shows(&["status"]);
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }

    /// Waits until it has said this.
    pub fn says(&self, words: &str) {
        until(&format!("it says {words:?}"), || self.log().contains(words));
    }

    pub fn signal(&self, name: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits for its end; the exit code.
    pub fn ended(&mut self) -> Option<i32> {
        self.process.take().unwrap().wait().unwrap().code()
    }

    /// As if the power had failed, but for the disk.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub fn phone(&self, extension: &'static str) -> Phone {
        Phone::new(self.address.ip(), self.address, extension)
    }

    /// What a command prints that succeeds, as JSON.
    pub fn shows(&self, arguments: &[&str]) -> Value {
        let Output { stdout, stderr, status } = self.command(arguments).arg("--json").output().unwrap();
        assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        serde_json::from_slice(&stdout).unwrap()
    }

    /// The calls on record, the newest first.
    pub fn calls(&self) -> Vec<Value> {
        self.shows(&["calls", "--limit", "1000"]).as_array().unwrap().clone()
    }

    /// Waits until no call is left in the router.
    pub fn is_at_rest(&self) {
        until("no call is left", || self.shows(&["status"])["calls"].as_array().is_some_and(Vec::is_empty));
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("the router said:\n{}", self.log());
        } else {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// What a program prints until it ends by itself, which is soon.
pub fn ends(mut command: Command) -> Output {
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while process.try_wait().unwrap().is_none() {
        if began.elapsed() > SOON {
            let _ = process.kill();
            panic!("it does not end: {:?}", process.wait_with_output().unwrap());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    process.wait_with_output().unwrap()
}

/// Waits until something is so.
pub fn until(what: &str, so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < SOON, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
