//! One company in a subnet of its own, with its router, its provider and a capture of everything.

use super::namespace::{self, Subnet};
use super::process::Process;
use super::provider::Provider;
use super::wire::{Seen, Wire};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

/// The office file that every story starts from.
const OFFICE: &str = include_str!("../../config/office.toml");
const ROUTER: u8 = 1;
const PROVIDER: u8 = 10;
const STRANGER: u8 = 9;

/// A company at work; dropping it closes it.
pub struct Office {
    pub name: String,
    pub subnet: Subnet,
    pub folder: PathBuf,
    pub router: Ipv4Addr,
    pub provider: Provider,
    pub wire: Wire,
    program: Option<Process>,
}

impl Office {
    /// The network, the provider and the capture, and no router yet.
    pub fn empty(name: &str) -> Office {
        let subnet = Subnet::next();
        let folder = std::env::temp_dir().join(format!("huntline-{}-{name}", namespace::run_name()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let wire = Wire::tap(&subnet);
        let router = subnet.add(ROUTER).parse().unwrap();
        let provider = Provider::open(&folder, &subnet.add(PROVIDER));
        subnet.add(STRANGER);
        Office { name: name.into(), subnet, folder, router, provider, wire, program: None }
    }

    /// Opens with `config/office.toml`, made fit for this network and then edited by the story.
    pub fn open(name: &str, edit: impl FnOnce(&mut DocumentMut)) -> Office {
        let mut office = Office::empty(name);
        let mut config: DocumentMut = OFFICE.parse().expect("config/office.toml is TOML");
        office.settle(&mut config);
        edit(&mut config);
        std::fs::write(office.config(), config.to_string()).unwrap();
        office.start();
        office
    }

    /// Where its config lies.
    pub fn config(&self) -> PathBuf {
        self.folder.join("office.toml")
    }

    /// Starts `huntline serve` and waits until it answers an OPTIONS.
    pub fn start(&mut self) {
        let mut command = self.huntline(&["serve"]);
        self.start_program("huntline serve", &mut command);
    }

    /// Starts whatever shall stand at the router's address and waits until it answers an OPTIONS.
    pub fn start_program(&mut self, name: &str, command: &mut Command) {
        let program = Process::start(name, command);
        self.await_router(&program);
        self.program = Some(program);
    }

    /// Ends the router as a power cut would.
    pub fn kill(&mut self) {
        self.program = None;
    }

    /// Runs a command of the router's own command line to its end.
    pub fn ask(&self, args: &[&str]) -> Output {
        self.huntline(args).output().expect("huntline can be started")
    }

    /// `ask` with `--json`, read.
    pub fn ask_json(&self, args: &[&str]) -> serde_json::Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let out = self.ask(&args);
        let (text, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "huntline {}: {text}{errors}", args.join(" "));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("huntline {}: {e} in {text:?}", args.join(" ")))
    }

    fn huntline(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_huntline"));
        command.args(args).arg("--config").arg(self.config()).current_dir(&self.folder);
        command.env("HUNTLINE_LOG", "huntline=debug");
        command
    }

    /// Puts the office file into this network: listener, provider, folder; no reserve trunk.
    fn settle(&self, config: &mut DocumentMut) {
        config["sip"]["listen"] = value(toml_edit::Array::from_iter([format!("udp://{}:5060", self.router)]));
        config["web"]["listen"] = value(format!("{}:8080", self.router));
        config["storage"]["directory"] = value(self.folder.join("data").to_string_lossy().into_owned());
        let trunks = config["trunk"].as_array_of_tables_mut().expect("trunks");
        trunks.retain(|trunk| trunk["name"].as_str() == Some("mango"));
        let mango = trunks.get_mut(0).expect("the trunk mango");
        mango["server"] = value(format!("sip:{}:5060", self.provider.address));
        mango["from"] = value(toml_edit::Array::from_iter([format!("{}/32", self.provider.address)]));
        let rules = config["outbound"].as_array_of_tables_mut().expect("outbound rules");
        for rule in rules.iter_mut().filter(|rule| rule.contains_key("trunks")) {
            rule["trunks"] = value(toml_edit::Array::from_iter(["mango"]));
        }
    }

    /// Asks like a stranger until it is answered; the answer's code does not matter.
    fn await_router(&self, program: &Process) {
        let own = self.subnet.address(STRANGER);
        let socket = UdpSocket::bind((own.as_str(), 5060)).expect("the stranger's address");
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let router = self.router;
        let end = Instant::now() + Duration::from_secs(10);
        for n in 0.. {
            assert!(!program.is_over() && Instant::now() < end, "the router does not answer:\n{}", program.said());
            let ask = format!(
                "OPTIONS sip:{router} SIP/2.0\r\nVia: SIP/2.0/UDP {own}:5060;branch=z9hG4bKhello{n}\r\n\
                 From: <sip:hello@{own}>;tag=h{n}\r\nTo: <sip:{router}>\r\nCall-ID: hello{n}@{own}\r\n\
                 CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            );
            let _ = socket.send_to(ask.as_bytes(), (router, 5060));
            if socket.recv_from(&mut [0; 2048]).is_ok() {
                return;
            }
        }
    }
}

/// The table with this value under this key, of an array of tables.
pub fn named<'a>(config: &'a mut DocumentMut, kind: &str, key: &str, name: &str) -> &'a mut Table {
    let tables: &mut ArrayOfTables = config[kind].as_array_of_tables_mut().expect("an array of tables");
    let found = tables.iter_mut().find(|table| table.get(key).and_then(Item::as_str) == Some(name));
    found.unwrap_or_else(|| panic!("no {kind} with {key} {name}"))
}

impl Drop for Office {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the wire\n{}", self.wire.ladder());
            let _ = std::fs::write(self.folder.join("wire.txt"), self.wire.look(Seen::to_string));
            if let Some(program) = &self.program {
                let said = program.said();
                let lines: Vec<&str> = said.lines().collect();
                eprintln!("--- the router's last words\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
            }
            eprintln!("--- kept: {}", self.folder.display());
        } else {
            remove(&self.folder);
        }
    }
}

fn remove(folder: &Path) {
    let _ = std::fs::remove_dir_all(folder);
}
