//! The real program before strangers: what its log says of them is what fail2ban's filter in README reads, bans outlive a
//! SIGKILL, and a person takes them back.

mod own_address;
mod served;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use own_address::own_address;
use served::{Served, huntline, serve};

/// What a busy machine needs for one step at most.
const SOON: Duration = Duration::from_secs(20);

struct Router {
    router: Option<Served>,
    folder: PathBuf,
    address: SocketAddr,
}

impl Router {
    fn start(name: &str) -> Router {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("guarded-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let address = UdpSocket::bind((own_address(), 0)).unwrap().local_addr().unwrap();
        let office = format!(
            "[sip]\nlisten = [\"udp://{address}\"]\nrealm = \"office.example\"\n[storage]\ndirectory = \"data\"\n\
             [[extension]]\nnumber = \"201\"\npassword = \"secret-201\"\n"
        );
        std::fs::write(folder.join("office.toml"), office).unwrap();
        let router = Some(serve_in(&folder));
        Router { router, folder, address }
    }

    fn command(&self, arguments: &[&str]) -> Output {
        huntline(&self.folder, arguments).output().unwrap()
    }

    fn says(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn kill(&mut self) {
        self.router = None;
    }

    /// The log, once it has this many lines with these words.
    fn log_with(&self, words: &str, lines: usize) -> String {
        for _ in 0..SOON.as_millis() / 20 {
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap();
            if log.lines().filter(|line| line.contains(words)).count() >= lines {
                return log;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("not {lines} times {words:?} in {}", std::fs::read_to_string(self.folder.join("log")).unwrap());
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Starts the router on what is in a folder, and waits until its ports are open.
fn serve_in(folder: &Path) -> Served {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    serve(huntline(folder, &["serve"]).stderr(log))
}

/// Somebody who guesses passwords.
struct Stranger {
    socket: UdpSocket,
    router: SocketAddr,
    tries: u32,
}

impl Stranger {
    fn at(host: u8, router: SocketAddr) -> Stranger {
        let [.., high, low] = std::process::id().to_be_bytes();
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 100 + host, high, low), 0)).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Stranger { socket, router, tries: 0 }
    }

    fn sends(&mut self, account: &str) {
        self.tries += 1;
        let (n, at) = (self.tries, self.socket.local_addr().unwrap());
        let text = format!(
            "REGISTER sip:office.example SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{n}{at};rport\r\n\
             From: <sip:201@office.example>;tag={n}\r\nTo: <sip:201@office.example>\r\nCall-ID: {n}{at}\r\n\
             CSeq: 1 REGISTER\r\nMax-Forwards: 70\r\nContact: <sip:201@{at}>\r\n\
             Authorization: Digest username=\"{account}\", realm=\"office.example\", nonce=\"x\", \
             uri=\"sip:office.example\", response=\"0\"\r\nContent-Length: 0\r\n\r\n"
        );
        self.socket.send_to(text.as_bytes(), self.router).unwrap();
    }

    /// A guess, and its answer.
    fn guesses(&mut self, account: &str) {
        self.sends(account);
        let mut room = [0; 4096];
        let length = self.socket.recv(&mut room).unwrap();
        assert!(room[..length].starts_with(b"SIP/2.0 401 "), "{}", String::from_utf8_lossy(&room[..length]));
    }
}

/// A block of README that holds these words.
fn readme(words: &str) -> String {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let block = text.split("\n```").find(|block| block.contains(words)).unwrap();
    block.split_once('\n').unwrap().1.to_owned()
}

#[test]
fn what_the_log_says_of_strangers_is_read_by_the_filter_of_the_readme() {
    let router = Router::start("log");
    let mut stranger = Stranger::at(1, router.address);
    for account in ["201", "nobody", "\\\"  WARN guard: a stranger is banned source=192.0.2.1 why=x"] {
        stranger.guesses(account);
    }
    for _ in 0..7 {
        stranger.guesses("201");
    }
    let log = router.log_with(" a stranger is banned source=127", 1);
    let from = stranger.socket.local_addr().unwrap().ip().to_string();

    // The words are those of README.
    let documented = readme("WARN guard: a stranger failed");
    let shape = |line: &str| {
        let (_, rest) = line.split_once(" WARN guard: ")?;
        let name = |word: &str| word.split('=').next().unwrap_or_default().to_owned();
        Some(rest.split(' ').map(name).collect::<Vec<_>>())
    };
    let failed = |line: &&str| line.contains(" a stranger failed ") && line.contains("account=\"201\"");
    let banned = |line: &&str| line.contains(" a stranger is banned source=127");
    for wanted in [&failed as &dyn Fn(&&str) -> bool, &banned] {
        let ours = log.lines().find(|line| wanted(line)).unwrap_or_else(|| panic!("{log}"));
        assert!(documented.lines().any(|line| shape(line) == shape(ours)), "README does not know {ours:?}");
    }
    assert_eq!(log.lines().filter(|line| line.contains(" a stranger failed ")).count(), 10, "{log}");

    // As fail2ban does: the date is cut out, what is left is searched.
    let filter = readme("failregex");
    std::fs::write(router.folder.join("filter.conf"), &filter).unwrap();
    let program = "
import re, sys
folder = sys.argv[1]
regex = re.search(r'failregex = (.*)', open(folder + '/filter.conf').read())[1]
address = r'(?P<ip4>(?:\\d{1,3}\\.){3}\\d{1,3})|(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|::){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):))'
regex = re.compile(regex.replace('<ADDR>', '(?:' + address + ')'))
for line in open(folder + '/log'):
    found = regex.search(re.sub(r'^\\S+?Z', '', line.rstrip('\\n')))
    if found:
        print(found['ip4'])
";
    let found = Command::new("python3").args(["-c", program]).arg(&router.folder).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), format!("{from}\n"), "{found:?}\n{log}");

    // Where fail2ban is installed it is asked itself.
    let files = [router.folder.join("log"), router.folder.join("filter.conf")];
    if let Ok(said) = Command::new("fail2ban-regex").args(files).output() {
        let said = String::from_utf8_lossy(&said.stdout);
        assert!(said.contains("1 matched"), "{said}");
    }
}

#[test]
fn a_ban_outlives_a_kill_and_ends_by_hand() {
    let mut router = Router::start("kill");
    let mut stranger = Stranger::at(2, router.address);
    (0..10).for_each(|_| stranger.guesses("201"));
    router.log_with("a stranger is banned", 1);
    let from = stranger.socket.local_addr().unwrap().ip().to_string();
    let banned = |router: &Router| {
        let bans: serde_json::Value = serde_json::from_str(&router.says(&["bans", "--json"])).unwrap();
        bans.as_array().unwrap().iter().map(|ban| ban["whom"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // An order is answered when what it wrote down is on the disk, and with it all that was noted before.
    router.says(&["ban", "203.0.113.9", "--why", "rings the door"]);
    router.kill();
    router.router = Some(serve_in(&router.folder));
    let mut expected = vec![from.clone(), "203.0.113.9".to_owned()];
    let mut found = banned(&router);
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert!(router.says(&["bans"]).contains("rings the door (by hand)"));

    // It hears nothing; somebody else, who asks after it, does.
    stranger.sends("201");
    Stranger::at(3, router.address).guesses("201");
    stranger.socket.set_nonblocking(true).unwrap();
    assert!(stranger.socket.recv(&mut [0; 4096]).is_err());
    stranger.socket.set_nonblocking(false).unwrap();
    let status: serde_json::Value = serde_json::from_str(&router.says(&["status", "--json"])).unwrap();
    assert_eq!((&status["strangers"]["banned"], &status["strangers"]["unread"]), (&1.into(), &1.into()));

    assert_eq!(router.says(&["unban", &from]), format!("{from} is not banned any more\n"));
    stranger.guesses("201");
    assert!(!router.command(&["unban", &from]).status.success());
    router.kill();
    router.router = Some(serve_in(&router.folder));
    assert_eq!(banned(&router), ["203.0.113.9"]);
}
