//! A network of our own: addresses that exist only while the tests run and that nobody outside can reach.

use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};

const INSIDE: &str = "HUNTLINE_TEST_NAMESPACE";

/// The programs a story needs, and the Debian package of each.
const PROGRAMS: &[(&str, &str)] = &[
    ("unshare", "util-linux"),
    ("ip", "iproute2"),
    ("tcpdump", "tcpdump"),
    ("baresip", "baresip-core"),
    ("linphonec", "linphone-cli"),
    ("sipp", "sip-tester"),
    ("kamailio", "kamailio"),
];

/// Where the test program finds itself.
pub enum Ground {
    /// In the namespace: go on.
    Inside,
    /// The whole program ran inside a namespace meanwhile, with this result.
    Done(ExitCode),
    /// Nothing can be run here, because of this.
    Missing(String),
}

/// Runs this program again inside a network namespace with its own process table (so that nothing it starts outlives
/// it), as root or, where the kernel lets everybody make namespaces, as anybody.
pub fn enter() -> Ground {
    if std::env::var_os(INSIDE).is_some() {
        run("ip", &["link", "set", "lo", "up"]);
        // Room before the rule by which everything goes to an address of this machine; see `Subnet::speaks_from`.
        run("ip", &["rule", "add", "pref", "100", "lookup", "local"]);
        run("ip", &["rule", "del", "pref", "0"]);
        return Ground::Inside;
    }
    let missing: Vec<String> = PROGRAMS
        .iter()
        .filter(|(program, _)| !on_path(program))
        .map(|(program, package)| format!("{program} (package {package})"))
        .collect();
    if !missing.is_empty() {
        return Ground::Missing(format!("not installed: {}; tests/install installs them", missing.join(", ")));
    }
    let own = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let anybody: Vec<&str> = ["--user", "--map-root-user"].into_iter().chain(own).collect();
    let Some(flags) = [&own[..], &anybody[..]].into_iter().find(|flags| makes_veth(flags)) else {
        return Ground::Missing("a network namespace with veth pairs can be made neither as root nor as a user".into());
    };
    let program = std::env::current_exe().expect("the path of this program");
    let status = Command::new("unshare")
        .args(flags)
        .arg("--")
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, std::process::id().to_string())
        .status()
        .expect("unshare was just run");
    Ground::Done(match status.code() {
        Some(0) => ExitCode::SUCCESS,
        Some(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        None => ExitCode::FAILURE,
    })
}

/// A word that no other run on this machine uses now; inside, every run's own process number is 1.
pub fn run_name() -> String {
    std::env::var(INSIDE).unwrap_or_default()
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).any(|folder| folder.join(program).exists())
}

fn makes_veth(flags: &[&str]) -> bool {
    let mut attempt = Command::new("unshare");
    attempt.args(flags).args(["ip", "link", "add", "a0", "type", "veth", "peer", "name", "a1"]);
    attempt.output().is_ok_and(|out| out.status.success())
}

fn run(program: &str, args: &[&str]) {
    let out = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(out.status.success(), "{program} {}: {}", args.join(" "), String::from_utf8_lossy(&out.stderr));
}

/// One /24 of the namespace, `10.77.N.0`; every office of a test run has its own.
pub struct Subnet(u8);

impl Subnet {
    /// The next free one.
    pub fn next() -> Subnet {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        Subnet(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The whole of it, as capture filters write it.
    pub fn cidr(&self) -> String {
        format!("10.77.{}.0/24", self.0)
    }

    /// The address of a host that was [added](Subnet::add).
    pub fn address(&self, host: u8) -> String {
        format!("10.77.{}.{host}", self.0)
    }

    /// The interface of a host that was [added](Subnet::add).
    pub fn interface(&self, host: u8) -> String {
        format!("h{}p{host}", self.0)
    }

    /// Gives a host an interface and its address.
    ///
    /// baresip takes no loopback address for its own and not every kernel has dummy interfaces, so it is one end of a
    /// veth pair whose other end is nobody's.
    pub fn add(&self, host: u8) -> String {
        let (near, far) = (self.interface(host), format!("h{}q{host}", self.0));
        run("ip", &["link", "add", &near, "type", "veth", "peer", "name", &far]);
        run("ip", &["addr", "add", &format!("{}/24", self.address(host)), "dev", &near]);
        run("ip", &["link", "set", &far, "up"]);
        run("ip", &["link", "set", &near, "up"]);
        self.address(host)
    }

    /// Makes what is sent from the returned ports (first, last) come from this host's address.
    ///
    /// baresip binds its RTP to no address, and among addresses of one machine the kernel would then send from the
    /// address that is sent to: the router's own.
    pub fn speaks_from(&self, host: u8) -> (u16, u16) {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (first, table) = (30_000 + number * 100, (1000 + number).to_string());
        let (last, own, everybody) = (first + 99, self.address(host), self.cidr());
        run("ip", &["route", "add", "local", &everybody, "dev", "lo", "src", &own, "table", &table]);
        run("ip", &["rule", "add", "pref", "10", "sport", &format!("{first}-{last}"), "lookup", &table]);
        (first, last)
    }
}
