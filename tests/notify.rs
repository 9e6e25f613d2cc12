//! What the system's manager hears of the real program, from the start to the end: a stand-in for it listens (sd_notify(3)).

#![allow(clippy::disallowed_methods)] // how long a real program takes is measured on a real clock

mod own_address;

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use own_address::own_address;

/// How long a message may take on a busy machine.
const SOON: Duration = Duration::from_secs(30);

struct Managed {
    folder: PathBuf,
    manager: UnixDatagram,
    router: Child,
}

impl Managed {
    fn start(name: &str, manager: UnixDatagram, socket: &str) -> Managed {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("notify-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let managed = |folder: &Path| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_huntline"));
            command.current_dir(folder).args(["serve", "--config", "office.toml"]).env("HUNTLINE_LOG", "error");
            command.env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", "400000");
            command.stdout(Stdio::null()).spawn().unwrap()
        };
        manager.set_read_timeout(Some(SOON)).unwrap();
        configure(&folder, "");
        Managed { router: managed(&folder), folder, manager }
    }

    /// The next message with this line, whole.
    #[track_caller]
    fn hears(&self, line: &str) -> String {
        let mut room = [0; 4096];
        loop {
            let length = self.manager.recv(&mut room).unwrap_or_else(|error| panic!("no {line}: {error}"));
            let message = String::from_utf8(room[..length].to_vec()).unwrap();
            if message.lines().any(|one| one == line) {
                return message;
            }
            assert!(message.starts_with("WATCHDOG=1\n"), "{message} instead of {line}");
        }
    }

    fn signal(&self, name: &str) {
        let id = self.router.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        _ = self.router.kill();
        _ = self.router.wait();
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn configure(folder: &Path, more: &str) {
    use std::os::unix::fs::PermissionsExt;
    let address = own_address();
    let text = format!(
        "[site]\ntimezone = \"UTC\"\n[sip]\nlisten = [\"udp://{address}:0\"]\n[storage]\ndirectory = \"data\"\n\
         [[trunk]]\nname = \"provider\"\nserver = \"sip:127.0.0.2:9\"\n\
         [[extension]]\nnumber = \"12\"\npassword = \"secret-12\"\n{more}"
    );
    std::fs::write(folder.join("office.toml"), text).unwrap();
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(folder.join("office.toml"), private).unwrap();
}

#[test]
fn the_manager_hears_of_start_life_reload_and_end() {
    let name = format!("huntline-test-{}", std::process::id());
    let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let mut managed = Managed::start("life", manager, &format!("@{name}"));
    managed.hears("READY=1");
    // It has a state by then, and ports.
    assert!(managed.folder.join("data/huntline.sock").exists());
    let alive = managed.hears("WATCHDOG=1");
    assert!(alive.contains("STATUS=0 calls, 0 of 1 trunks up, 0 phones"), "{alive}");
    managed.hears("WATCHDOG=1");

    let micros = |message: &str| -> u64 {
        let line = message.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        line.unwrap_or_else(|| panic!("{message}")).parse().unwrap()
    };
    managed.signal("-HUP");
    let first = micros(&managed.hears("RELOADING=1"));
    assert!(managed.hears("READY=1").contains("STATUS=a new config is in force"));
    configure(&managed.folder, "[[group]]\nname = 7\n");
    managed.signal("-HUP");
    assert!(micros(&managed.hears("RELOADING=1")) > first);
    assert!(managed.hears("READY=1").contains("STATUS=a new config was refused"));
    managed.hears("WATCHDOG=1");

    managed.signal("-TERM");
    assert!(managed.hears("STOPPING=1").contains("STATUS=no new calls"));
    assert_eq!(managed.router.wait().unwrap().code(), Some(0));
}

#[test]
fn a_socket_may_have_a_path() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("notify-{}.sock", std::process::id()));
    _ = std::fs::remove_file(&path);
    let manager = UnixDatagram::bind(&path).unwrap();
    let managed = Managed::start("path", manager, path.to_str().unwrap());
    managed.hears("READY=1");
    _ = std::fs::remove_file(&path);
}

#[test]
fn the_unit_leaves_the_time_that_a_drain_takes() {
    let unit = include_str!("../config/huntline.service");
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap();
    assert_eq!((value("Type"), value("KillSignal"), value("KillMode")), ("notify", "SIGTERM", "mixed"));
    let patience = huntline::app::PATIENCE.as_secs();
    assert!(value("TimeoutStopSec").parse::<u64>().unwrap() >= patience + 20);
    assert!(value("ExecStart").contains(" serve ") && value("ExecReload").contains(" reload "));
}
