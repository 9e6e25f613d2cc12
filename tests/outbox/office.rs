//! The office of these tests, its router, and the provider through which customers call.

#[path = "../own_address/mod.rs"]
mod own_address;
#[path = "../served/mod.rs"]
mod served;

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use own_address::own_address;
use served::{Served, huntline, serve};

/// A folder with an office in it.
pub struct Office {
    pub folder: PathBuf,
    router: Option<Served>,
    /// The provider's port.
    pub sip: UdpSocket,
    /// The router's.
    pub address: SocketAddr,
}

impl Office {
    pub fn new(name: &str) -> Office {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("outbox-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("data")).unwrap();
        // The port is free for whoever asks next, and nobody else asks on this address.
        let address = UdpSocket::bind((own_address(), 0)).unwrap().local_addr().unwrap();
        let sip = UdpSocket::bind("127.0.0.28:0").unwrap();
        Office { folder, router: None, sip, address }
    }

    /// Its config, with more behind it.
    pub fn configure(&self, more: &str) {
        let text = format!(
            "[site]\nname = \"Stroymarket\"\ntimezone = \"Europe/Moscow\"\n\
             numbering = {{ country = \"7\", area = \"495\", national_prefix = \"8\" }}\n\
             [sip]\nlisten = [\"udp://{}\"]\n[storage]\ndirectory = \"data\"\n\
             [[extension]]\nnumber = \"201\"\nname = \"Ivan\"\npassword = \"secret-201\"\n\
             [[trunk]]\nname = \"mango\"\nserver = \"sip:{}\"\n\
             [[did]]\nnumber = \"+74951234567\"\nopen = {{ to = \"refuse:busy\" }}\n{more}",
            self.address,
            self.sip.local_addr().unwrap(),
        );
        let path = self.folder.join("office.toml");
        std::fs::write(&path, text).unwrap();
        // Readable by others, a config with passwords is a warning of its own.
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        huntline(&self.folder, arguments)
    }

    /// Standard output, standard error, exit code.
    pub fn run(&self, arguments: &[&str]) -> (String, String, i32) {
        let Output { stdout, stderr, status } = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(stdout), text(stderr), status.code().unwrap())
    }

    /// What a command prints that says nothing on standard error and succeeds.
    pub fn says(&self, arguments: &[&str]) -> String {
        let (out, err, code) = self.run(arguments);
        assert_eq!((err.as_str(), code), ("", 0), "{arguments:?}");
        out
    }

    /// Starts the router, and waits until it serves.
    pub fn serve(&mut self) {
        self.serve_in(&[]);
    }

    /// The same; it kills itself at this point (`HUNTLINE_DIE_AT`), where one is named.
    pub fn serve_until(&mut self, die_at: &str) {
        let place = [("HUNTLINE_DIE_AT", die_at)];
        self.serve_in(if die_at.is_empty() { &[] } else { &place });
    }

    /// The same in an environment that has this besides.
    pub fn serve_in(&mut self, environment: &[(&str, &str)]) {
        let mut command = self.command(&["serve"]);
        self.router = Some(serve(command.envs(environment.iter().copied()).env("HUNTLINE_LOG", "off")));
    }

    /// As if the power had failed, but for the disk.
    pub fn kill(&mut self) {
        self.router = None;
    }

    /// Until it has killed itself.
    pub fn dies(&mut self) {
        self.router.take().unwrap().process.wait().unwrap();
    }

    /// A customer calls and hears that all are busy: the final response, where there is one in time.
    pub fn call(&self, number: &str, name: &str) -> Option<u16> {
        self.send("INVITE", number, name, "");
        std::iter::from_fn(|| self.hear()).find(|(whose, _)| whose == name).map(|(_, status)| status)
    }

    /// So many calls from one number at once; how many heard an answer.
    pub fn burst(&self, number: &str, count: usize) -> usize {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let name = || format!("burst-{}", CALLS.fetch_add(1, Ordering::Relaxed));
        (0..count).for_each(|_| self.send("INVITE", number, &name(), ""));
        (0..count).map_while(|_| self.hear()).count()
    }

    fn send(&self, method: &str, number: &str, name: &str, to_tag: &str) {
        let here = self.sip.local_addr().unwrap();
        let offer =
            "v=0\r\no=- 1 1 IN IP4 127.0.0.28\r\ns=-\r\nc=IN IP4 127.0.0.28\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
        let (kind, body) = if method == "INVITE" { ("Content-Type: application/sdp\r\n", offer) } else { ("", "") };
        let text = format!(
            "{method} sip:+74951234567@{router} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK-{name};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{number}@{here}>;tag=ada\r\nTo: <sip:+74951234567@{router}>{to_tag}\r\n\
             Call-ID: {name}@{number}\r\nCSeq: 1 {method}\r\nContact: <sip:ada@{here}>\r\n{kind}\
             Content-Length: {length}\r\n\r\n{body}",
            router = self.address,
            length = body.len(),
        );
        // Nobody may be there.
        let _ = self.sip.send_to(text.as_bytes(), self.address);
    }

    /// The next final response, acknowledged: whose it is, and its status.
    fn hear(&self) -> Option<(String, u16)> {
        let mut buffer = [0; 4_096];
        let until = Instant::now() + Duration::from_secs(2);
        loop {
            let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            self.sip.set_read_timeout(Some(left)).unwrap();
            let length = self.sip.recv(&mut buffer).ok()?;
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let status: u16 = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest[..3].parse().ok()).unwrap_or(0);
            if status < 200 || !text.contains("CSeq: 1 INVITE") {
                continue;
            }
            let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            let (name, number) = line("Call-ID: ").split_once('@').unwrap();
            self.send("ACK", number, name, &format!(";tag={}", line("To: ").rsplit(";tag=").next().unwrap()));
            return Some((name.to_owned(), status));
        }
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Waits until something is so, which a real disk may delay.
pub fn until(so: impl FnMut() -> bool) {
    until_within(Duration::from_secs(20), so);
}

pub fn until_within(patience: Duration, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < patience, "it did not come to be");
        std::thread::sleep(Duration::from_millis(10));
    }
}
