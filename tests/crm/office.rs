//! A real router in a folder of its own, two phones, a provider, and a CRM that it is told of.

#[path = "../own_address/mod.rs"]
mod own_address;
#[path = "../served/mod.rs"]
mod served;

use std::io::Read;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::sip::{Manner, Peer};
use own_address::own_address;
use served::{Served, huntline, serve};

pub struct Office {
    folder: PathBuf,
    router: Option<Served>,
    pub web: SocketAddr,
    pub provider: Peer,
    /// 201 and 202.
    pub phones: [Peer; 2],
}

pub const CUSTOMER: &str = "+79161234567";
pub const NUMBER: &str = "+74951234567";

impl Office {
    /// An office with these `[[crm]]`s; `more` stands at the end of the config.
    pub fn new(name: &str, media: &str, more: &str) -> Office {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("crm-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).unwrap();
        let own = own_address();
        let sip = UdpSocket::bind((own, 0)).unwrap().local_addr().unwrap();
        let web = TcpListener::bind((own, 0)).unwrap().local_addr().unwrap();
        let sockets = [Peer::port("127.0.0.2"), Peer::port("127.0.0.3"), Peer::port("127.0.0.4")];
        let [provider, one, two] = sockets.each_ref().map(|socket| socket.local_addr().unwrap());
        let text = format!(
            "[site]\ntimezone = \"Europe/Moscow\"\nnumbering = {{ country = \"7\", area = \"495\", national_prefix = \"8\" }}\n\
             [sip]\nlisten = [\"udp://{sip}\"]\nrealm = \"office.example\"\n{media}\
             [storage]\ndirectory = \"data\"\n[web]\nlisten = \"{web}\"\n\
             [[trunk]]\nname = \"provider\"\nserver = \"sip:{provider}\"\ndials = \"plus-e164\"\n\
             [[extension]]\nnumber = \"201\"\nname = \"Ivan\"\ndevices = [{{ address = \"sip:{one}\" }}]\n\
             [[extension]]\nnumber = \"202\"\nname = \"Vasyl\"\ndevices = [{{ address = \"sip:{two}\" }}]\n\
             [[group]]\nname = \"sales\"\nstrategy = \"ring-all\"\nmembers = [\"201\", \"202\"]\npatience = \"30s\"\n\
             [[did]]\nnumber = \"{NUMBER}\"\nopen = {{ to = [\"group:sales\", \"refuse:unavailable\"] }}\n\
             [[outbound]]\nmatch = \"+7*\"\ntrunks = [\"provider\"]\ncaller_id = \"{NUMBER}\"\n{more}"
        );
        std::fs::write(folder.join("office.toml"), text).unwrap();
        std::fs::set_permissions(folder.join("office.toml"), std::fs::Permissions::from_mode(0o600)).unwrap();
        let [provider, one, two] = sockets.map(|socket| Peer::start(socket, sip, Manner::Ring));
        let mut office = Office { folder, router: None, web, provider, phones: [one, two] };
        office.serve();
        office
    }

    pub fn serve(&mut self) {
        self.router = Some(serve(huntline(&self.folder, &["serve"]).env("HUNTLINE_LOG", "error")));
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.router = None;
    }

    pub fn says(&self, arguments: &[&str]) -> String {
        let output = huntline(&self.folder, arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    /// The customer calls; one phone answers, and both talk for a moment.
    pub fn talk(&self, id: &str, answers: usize) {
        self.phones[answers].behave(Manner::Answer(Duration::from_millis(700)));
        self.phones[1 - answers].behave(Manner::Ring);
        self.provider.call(id, CUSTOMER, NUMBER);
        self.provider.wait("200 INVITE", 1);
        std::thread::sleep(Duration::from_millis(1_100));
    }

    /// A plain HTTP request; status and body.
    pub fn http(&self, request: &str) -> (u16, String) {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(self.web).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        // Closed by the other side, as asked.
        drop(stream.read_to_end(&mut bytes));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        (status, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    pub fn post(&self, path: &str, headers: &str, body: &str) -> (u16, String) {
        self.http(&format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    pub fn get(&self, path: &str, headers: &str) -> (u16, String) {
        self.http(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"))
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.kill();
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// Waits until it is so.
pub fn until(what: &str, is: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(40);
    while !is() {
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}
