//! The office of these tests, its router, and what a router that was killed has left in it.

#[path = "../served/mod.rs"]
mod served;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use huntline::clock::Timestamp;
use huntline::fact::{CallFact, Fact, Noted, Offered, Party, Recorded, RecordingOf};
use huntline::key::CallId;
use huntline::media::record::shape::Shape;
use huntline::route::Direction;
use huntline::store::Writer;
use served::{Served, huntline, serve};

/// A folder with an office in it.
pub struct Office {
    pub folder: PathBuf,
    router: Option<Served>,
}

pub const CONFIG: &str = r#"
[site]
name = "Stroymarket"
timezone = "Europe/Moscow"
numbering = { country = "7", area = "495", national_prefix = "8", international_prefix = "810" }

[sip]
listen = ["udp://127.0.0.72:0"]

[storage]
directory = "data"

[[extension]]
number = "201"
password = "secret-201"

[[voicemail]]
name = "sales"
for = ["201"]

[[voicemail]]
name = "service"
"#;

impl Office {
    pub fn new(name: &str) -> Office {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("left-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("data")).unwrap();
        let office = Office { folder, router: None };
        office.configure(CONFIG);
        office
    }

    pub fn configure(&self, text: &str) {
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

    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Writes facts into the database, as a router that was killed would have left them, from number 1 on.
    pub fn leave(&self, facts: impl IntoIterator<Item = (i64, Fact)>) {
        let noted = facts.into_iter().zip(1..).map(|((seconds, fact), number)| Noted { number, at: at(seconds), fact });
        Writer::open(&self.data()).unwrap().append(&noted.collect::<Vec<_>>()).unwrap();
    }

    /// Starts the router, and waits until it serves.
    pub fn serve(&mut self) {
        self.router = Some(serve(self.command(&["serve"]).env("HUNTLINE_LOG", "error")));
    }

    /// As if the power had failed, but for the disk.
    pub fn kill(&mut self) {
        self.router = None;
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// `seconds` after ten on a Monday morning in Moscow.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second("2026-11-23T07:00:00Z".parse::<Timestamp>().unwrap().as_second() + seconds).unwrap()
}

pub fn call(seconds: i64) -> CallId {
    CallId::new(at(seconds), 1)
}

pub fn ada() -> Party {
    Party { number: Some("+79161234567".parse().unwrap()), name: Some("Ada Byron".into()), ..Party::default() }
}

/// A customer's call that begins then.
pub fn offered(seconds: i64) -> (i64, Fact) {
    let offered = Offered {
        direction: Direction::Inbound,
        from: ada(),
        to: Party { number: Some("+74951234567".parse().unwrap()), ..Party::default() },
        did: Some("+74951234567".into()),
        source: Some("site".into()),
        trunk: Some("mango".into()),
        customer: None,
        emergency: false,
        reference: None,
        sip_call_id: format!("{seconds}@mango"),
        because: Vec::new(),
        considered: Vec::new(),
        plan: String::new(),
    };
    (seconds, Fact::Call(call(seconds), CallFact::Offered(Box::new(offered))))
}

/// What was written down of the call that began then.
pub fn recorded(seconds: i64, file: &str, of: RecordingOf, speech_ms: u64) -> (i64, Fact) {
    let recorded = Recorded {
        call: call(seconds),
        file: file.into(),
        of,
        from: ada(),
        began: at(seconds + 5),
        length_ms: 65_000,
        speech_ms,
        lost_ms: 0,
        failed: None,
    };
    (seconds + 70, Fact::Recorded(Box::new(recorded)))
}

pub fn message(seconds: i64, file: &str, mailbox: &str, speech_ms: u64) -> (i64, Fact) {
    recorded(seconds, file, RecordingOf::Message { mailbox: mailbox.into() }, speech_ms)
}

/// Somebody begins to leave a message, or a talk begins to be recorded, and the router dies: a file of `seconds` of a tone
/// whose header says nothing of it.
pub fn dies_while_recording(
    office: &Office,
    begins: i64,
    file: &str,
    of: RecordingOf,
    seconds: usize,
) -> [(i64, Fact); 2] {
    let path = office.data().join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let tone = (0..8_000 * seconds).map(|at| if at % 20 < 10 { 8_000i16 } else { -8_000 });
    let shape = Shape { rate: 8_000, channels: 1 };
    let bytes = shape.header(0).into_iter().chain(tone.flat_map(i16::to_le_bytes));
    std::fs::write(path, bytes.collect::<Vec<u8>>()).unwrap();
    let recording = CallFact::Recording { file: file.into(), of };
    [offered(begins), (begins + 5, Fact::Call(call(begins), recording))]
}

pub fn in_sales() -> RecordingOf {
    RecordingOf::Message { mailbox: "sales".into() }
}

/// Waits until something is so, which a real disk may delay.
pub fn until(so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !so() {
        assert!(began.elapsed().as_secs() < 20, "it did not come to be");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
