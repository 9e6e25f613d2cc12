//! The office of the stories: its config, its running router, and what its people see.

#[path = "../served/mod.rs"]
mod served;

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::peers::{Phone, Provider};
use crate::world::World;
use served::{Served, huntline, serve};

/// A customer whom the office knows; 12 looks after her.
pub const ADA: &str = "+79161234567";
/// Nobody knows this one.
pub const STRANGER: &str = "+79167654321";
/// The office's numbers.
pub const MAIN: &str = "+74951234567";
pub const ONLY: &str = "+74957654321";
pub const NIGHT: &str = "+74951110300";

pub struct Office {
    pub world: World,
    pub folder: PathBuf,
    router: Option<Served>,
    sip: SocketAddr,
    web: SocketAddr,
    ip: IpAddr,
    provider: SocketAddr,
}

impl Office {
    /// An office in which nobody is yet; each has an address of its own on the loopback. `more` is added to its config.
    pub fn open(name: &str, host: u8, more: &str) -> (Office, Provider) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("story-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("data/prompts")).unwrap();
        let ip: IpAddr = [127, 0, 9, host].into();
        // Nobody else asks for a port of this address.
        let sip = UdpSocket::bind((ip, 0)).unwrap().local_addr().unwrap();
        let web = TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap();
        let provider = Provider::new([127, 0, 8, host].into(), sip);
        let world = World::begin();
        let address = provider.peer.address;
        let mut office = Office { world, folder, router: None, sip, web, ip, provider: address };
        office.configure(more);
        let ada = "id;name;phone;responsible\ncrm-1;Ada Byron;+7 916 123-45-67, +7 916 000-00-01;12\n";
        std::fs::write(office.folder.join("customers.csv"), ada).unwrap();
        office.says(&["contacts", "import", "customers.csv"]);
        office.serve();
        (office, provider)
    }

    fn configure(&self, more: &str) {
        let (sip, web, provider, ip) = (self.sip, self.web, self.provider, self.provider.ip());
        let (world, mail) = (self.world.web, self.world.mail);
        let text = format!(
            r#"
[site]
name = "Stroymarket"
timezone = "Europe/Moscow"
language = "en"
numbering = {{ country = "7", area = "495", national_prefix = "8", international_prefix = "810" }}

[sip]
listen = ["udp://{sip}"]

[storage]
directory = "data"

[web]
listen = "{web}"
card = "https://crm.example/card?number={{number}}"
metrics = "loopback"

[[trunk]]
name = "mango"
server = "sip:{provider}"
from = ["{ip}"]
dials = "plus-e164"

[[extension]]
number = "12"
name = "Ivan Petrov"
password = "secret-12"
mail = "ivan@office.example"
telegram = "1200"

[[extension]]
number = "14"
name = "Olga"
password = "secret-14"
telegram = "1400"

[[extension]]
number = "15"
name = "Anton"
password = "secret-15"
telegram = "1500"

[[group]]
name = "sales"
strategy = "ring-all"
members = ["12"]
patience = "2s"
then = "group:service"

[[group]]
name = "service"
strategy = "ring-all"
members = ["14", "15"]
patience = "20s"
then = "refuse:unavailable"

[[voicemail]]
name = "night"
greeting = "short"
for = ["14"]
notify = ["mailto:night@office.example"]

[[schedule]]
name = "office"
open = ["mon-sun 00:00-24:00"]

[[did]]
number = "{MAIN}"
source = "site"
known = {{ to = "responsible", ring = "20s" }}
open = {{ to = "group:sales" }}
follow_up = {{ list = {{ random = ["14", "15"] }} }}


[[did]]
number = "{ONLY}"
known = {{ to = "responsible", ring = "20s", responsible_only = "announcement:short" }}
open = {{ to = "group:service" }}

[[did]]
number = "{NIGHT}"
schedule = "office"
open = {{ to = "group:service" }}
closed = {{ to = "voicemail:night" }}

[[outbound]]
match = "+7*"
trunks = ["mango"]
caller_id = "{MAIN}"

[follow_up]
close_min_talk = "1s"

[sms]
url = "http://{world}/sms"
content_type = "json"
body = '{{"to":"{{number}}","text":"{{text}}","id":"{{id}}"}}'
text = "{{customer}}, sorry that we missed you. Write to us: https://wa.me/74951234567. {{manager}}"

[telegram]
token = "1:abc"
api = "http://{world}"

[mail]
server = "{mail}"
tls = "none"
from = "pbx@office.example"

[[webhook]]
name = "erp"
url = "http://{world}/hook"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

[[crm]]
name = "megafon"
dialect = "megafon"
url = "http://{world}/crm"
token = "crm-token"
{more}"#
        );
        let path = self.folder.join("office.toml");
        std::fs::write(&path, text).unwrap();
        // Readable by others, a config with passwords is a warning of its own.
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        // A sound of a tenth of a second.
        let mut short = b"RIFF\x64\x06\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x40\x06\x00\x00".to_vec();
        short.resize(44 + 1_600, 0);
        std::fs::write(self.folder.join("data/prompts/short.wav"), short).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        huntline(&self.folder, arguments)
    }

    /// What a command prints that succeeds.
    pub fn says(&self, arguments: &[&str]) -> String {
        let Output { stdout, stderr, status } = self.command(arguments).output().unwrap();
        assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    /// The same, as JSON.
    pub fn lists(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.says(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The promises to call back that are open.
    pub fn open_follow_ups(&self) -> Vec<Value> {
        self.lists(&["followups", "--open"])
    }

    /// Starts the router, and waits until it serves.
    pub fn serve(&mut self) {
        let log = std::env::var("HUNTLINE_LOG").unwrap_or_else(|_| "error".into());
        self.router = Some(serve(self.command(&["serve"]).env("HUNTLINE_LOG", log)));
    }

    /// As if the power had failed, but for the disk.
    pub fn kill(&mut self) {
        self.router = None;
    }

    /// A phone of an employee, registered.
    pub fn phone(&self, extension: &'static str) -> Phone {
        Phone::new(self.ip, self.sip, extension)
    }

    /// A token of the API.
    pub fn token(&self, arguments: &[&str]) -> String {
        self.says(&[&["token", "add"], arguments].concat()).trim().to_owned()
    }

    /// What stands at `path` of the web, asked with these header lines: status and head in small letters, and body.
    pub fn fetch(&self, path: &str, headers: &[&str]) -> (String, String) {
        let mut stream = TcpStream::connect(self.web).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let ask = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n", self.web);
        stream.write_all(ask.as_bytes()).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.to_lowercase(), body.to_owned())
    }

    /// What happens from now on, as a window on a screen hears it.
    pub fn events(&self, token: &str) -> Events {
        let mut stream = TcpStream::connect(self.web).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        let ask = format!(
            "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n",
            self.web
        );
        stream.write_all(ask.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream).lines();
        let status = lines.next().unwrap().unwrap();
        assert!(status.contains("200"), "{status}");
        // Past the head.
        while lines.next().unwrap().unwrap() != "" {}
        Events { lines, before: Vec::new() }
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.kill();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A stream of events.
pub struct Events {
    lines: std::io::Lines<BufReader<TcpStream>>,
    before: Vec<Value>,
}

impl Events {
    /// The next event for which this holds; what comes before it is kept.
    pub fn next(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(place) = self.before.iter().position(&wanted) {
            return self.before.remove(place);
        }
        loop {
            let line =
                self.lines.next().unwrap().unwrap_or_else(|error| panic!("no {what}: {error}; {:?}", self.before));
            if let Some(event) = line.strip_prefix("data: ").or_else(|| line.strip_prefix("data:")) {
                let event: Value = serde_json::from_str(event).unwrap();
                if wanted(&event) {
                    return event;
                }
                self.before.push(event);
            }
        }
    }
}

/// Waits until something is so.
pub fn until<T>(what: &str, so: impl Fn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = so() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The same, of a number of things.
pub fn exactly<T>(what: &str, count: usize, list: impl Fn() -> Vec<T>) -> Vec<T> {
    until(&format!("{count} {what}"), || Some(list()).filter(|list| list.len() == count))
}
