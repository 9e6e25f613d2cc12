//! What calls leave behind, with the real program: messages and recordings in the lists, what people say became of a
//! message, the mail that tells of it, and all of it after the router was killed.

#![allow(clippy::disallowed_methods)] // how long a real program takes is measured on a real clock

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use huntline::clock::Timestamp;
use huntline::fact::{CallFact, Fact, Noted, Offered, Party, Recorded, RecordingOf};
use huntline::key::CallId;
use huntline::media::record::shape::Shape;
use huntline::route::Direction;
use huntline::store::Writer;

/// A folder with an office in it.
struct Office {
    folder: PathBuf,
    router: Option<Child>,
}

const CONFIG: &str = r#"
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
    fn new(name: &str) -> Office {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("left-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("data")).unwrap();
        let office = Office { folder, router: None };
        office.configure(CONFIG);
        office
    }

    fn configure(&self, text: &str) {
        let path = self.folder.join("office.toml");
        std::fs::write(&path, text).unwrap();
        // Readable by others, a config with passwords is a warning of its own.
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_huntline"));
        command.current_dir(&self.folder).args(arguments).args(["--config", "office.toml"]);
        command
    }

    /// Standard output, standard error, exit code.
    fn run(&self, arguments: &[&str]) -> (String, String, i32) {
        let Output { stdout, stderr, status } = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(stdout), text(stderr), status.code().unwrap())
    }

    /// What a command prints that says nothing on standard error and succeeds.
    fn says(&self, arguments: &[&str]) -> String {
        let (out, err, code) = self.run(arguments);
        assert_eq!((err.as_str(), code), ("", 0), "{arguments:?}");
        out
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Writes facts into the database, as a router that was killed would have left them, from number 1 on.
    fn leave(&self, facts: impl IntoIterator<Item = (i64, Fact)>) {
        let noted = facts.into_iter().zip(1..).map(|((seconds, fact), number)| Noted { number, at: at(seconds), fact });
        Writer::open(&self.data()).unwrap().append(&noted.collect::<Vec<_>>()).unwrap();
    }

    /// Starts the router, and waits until it serves.
    fn serve(&mut self) {
        let mut command = self.command(&["serve"]);
        let mut router = command.env("HUNTLINE_LOG", "error").stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(router.stdout.take().unwrap());
        let mut lines = out.lines();
        assert!(lines.next().unwrap().unwrap().contains("serves Stroymarket"));
        std::thread::spawn(move || lines.for_each(drop));
        self.router = Some(router);
    }

    /// As if the power had failed, but for the disk.
    fn kill(&mut self) {
        if let Some(mut router) = self.router.take() {
            let _ = router.kill();
            let _ = router.wait();
        }
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// `seconds` after ten on a Monday morning in Moscow.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second("2026-11-23T07:00:00Z".parse::<Timestamp>().unwrap().as_second() + seconds).unwrap()
}

fn call(seconds: i64) -> CallId {
    CallId::new(at(seconds), 1)
}

fn ada() -> Party {
    Party { number: Some("+79161234567".parse().unwrap()), name: Some("Ada Byron".into()), ..Party::default() }
}

/// A customer's call that begins then.
fn offered(seconds: i64) -> (i64, Fact) {
    let offered = Offered {
        direction: Direction::Inbound,
        from: ada(),
        to: Party { number: Some("+74951234567".parse().unwrap()), ..Party::default() },
        did: Some("+74951234567".into()),
        source: Some("site".into()),
        trunk: Some("mango".into()),
        customer: None,
        emergency: false,
        sip_call_id: format!("{seconds}@mango"),
        because: Vec::new(),
        considered: Vec::new(),
        plan: String::new(),
    };
    (seconds, Fact::Call(call(seconds), CallFact::Offered(Box::new(offered))))
}

/// What was written down of the call that began then.
fn recorded(seconds: i64, file: &str, of: RecordingOf, speech_ms: u64) -> (i64, Fact) {
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

fn message(seconds: i64, file: &str, mailbox: &str, speech_ms: u64) -> (i64, Fact) {
    recorded(seconds, file, RecordingOf::Message { mailbox: mailbox.into() }, speech_ms)
}

#[test]
fn recordings_and_messages_are_listed_with_their_calls() {
    let office = Office::new("lists");
    office.leave([
        offered(0),
        message(0, "voicemail/sales/a.wav", "sales", 60_000),
        offered(600),
        message(600, "voicemail/sales/b.wav", "sales", 900),
        offered(1200),
        recorded(1200, "recordings/c.wav", RecordingOf::Talk, 60_000),
    ]);
    assert_eq!(
        office.says(&["voicemail"]),
        "BOX      NEW  HEARD  EMPTY\nsales    1    0      1\nservice  0    0      0\n"
    );
    let messages = "BEGAN                BOX    FROM                    LENGTH  STATE       FILE
2026-11-23 10:10:05  sales  +79161234567 Ada Byron  1:05    new, empty  voicemail/sales/b.wav
2026-11-23 10:00:05  sales  +79161234567 Ada Byron  1:05    new         voicemail/sales/a.wav
";
    assert_eq!(office.says(&["voicemail", "list", "sales"]), messages);
    assert_eq!(office.says(&["voicemail", "list"]), messages);
    assert_eq!(office.says(&["voicemail", "list", "service"]), "no messages\n");
    let talks = office.says(&["recordings", "--json"]);
    let talks: serde_json::Value = serde_json::from_str(&talks).unwrap();
    assert_eq!(
        (&talks[0]["file"], &talks[0]["length_ms"], &talks[1]),
        (&"recordings/c.wav".into(), &65_000.into(), &serde_json::Value::Null)
    );
    assert_eq!(office.says(&["recordings", "--to", "2026-11-23"]), "no recordings\n");
    let calls = office.says(&["calls"]);
    let marks: Vec<_> = calls.lines().skip(1).map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(marks, ["recorded", "message", "message"], "{calls}");
    let whole = office.says(&["calls", "show", &call(600).to_string()]);
    let line = "\nwritten down\n  +5.000 s  message in sales  1:05  voicemail/sales/b.wav  new, empty\n";
    assert!(whole.contains(line), "{whole}");
    let (_, err, code) = office.run(&["voicemail", "path", "voicemail/sales/a.wav"]);
    assert_eq!((err.contains("its file is not there"), code), (true, 1), "{err}");
    std::fs::create_dir_all(office.data().join("voicemail/sales")).unwrap();
    std::fs::write(office.data().join("voicemail/sales/a.wav"), "RIFF").unwrap();
    let path = office.says(&["voicemail", "path", "voicemail/sales/a.wav"]);
    assert_eq!(Path::new(path.trim_end()), office.data().join("voicemail/sales/a.wav"));
    assert_eq!(office.run(&["voicemail", "heard", "voicemail/sales/a.wav"]).2, 3);
}

#[test]
fn what_became_of_a_message_outlives_a_kill() {
    let mut office = Office::new("marks");
    office.leave([message(0, "a.wav", "sales", 9_000), message(60, "b.wav", "sales", 9_000)]);
    std::fs::write(office.data().join("b.wav"), "sound").unwrap();
    office.serve();
    assert_eq!(office.says(&["voicemail", "heard", "a.wav"]), "a.wav was heard\n");
    assert_eq!(office.says(&["voicemail", "delete", "b.wav"]), "b.wav is deleted\n");
    let (_, err, code) = office.run(&["voicemail", "heard", "b.wav"]);
    assert_eq!((err.as_str(), code), ("huntline: there is no message \"b.wav\"; `huntline voicemail` lists them\n", 1));
    until(|| office.says(&["voicemail"]).contains("sales    0    1      0"));
    office.kill();
    office.serve();
    assert_eq!(office.says(&["voicemail", "new", "a.wav"]), "a.wav is new again\n");
    assert_eq!(office.run(&["voicemail", "new", "b.wav"]).2, 1);
    until(|| office.says(&["voicemail", "list", "--gone"]).contains("deleted, gone: it was deleted  b.wav"));
    assert!(!office.data().join("b.wav").exists());
}

/// Somebody begins to leave a message, or a talk begins to be recorded, and the router dies: a file of `seconds` of a tone
/// whose header says nothing of it.
fn dies_while_recording(office: &Office, begins: i64, file: &str, of: RecordingOf, seconds: usize) -> [(i64, Fact); 2] {
    let path = office.data().join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let tone = (0..8_000 * seconds).map(|at| if at % 20 < 10 { 8_000i16 } else { -8_000 });
    let shape = Shape { rate: 8_000, channels: 1 };
    let bytes = shape.header(0).into_iter().chain(tone.flat_map(i16::to_le_bytes));
    std::fs::write(path, bytes.collect::<Vec<u8>>()).unwrap();
    let recording = CallFact::Recording { file: file.into(), of };
    [offered(begins), (begins + 5, Fact::Call(call(begins), recording))]
}

fn in_sales() -> RecordingOf {
    RecordingOf::Message { mailbox: "sales".into() }
}

#[test]
fn what_was_being_written_when_the_router_was_killed_is_whole_after_its_restart() {
    let mut office = Office::new("killed");
    let left = dies_while_recording(&office, 0, "voicemail/sales/a.wav", in_sales(), 3);
    let talk = dies_while_recording(&office, 60, "recordings/t.wav", RecordingOf::Talk, 2);
    let never =
        (65, Fact::Call(call(60), CallFact::Recording { file: "recordings/u.wav".into(), of: RecordingOf::Talk }));
    office.leave(left.into_iter().chain(talk).chain([never]));
    office.serve();
    let listed = office.says(&["voicemail", "list"]);
    assert!(listed.contains("0:03    new, cut off: the process died  voicemail/sales/a.wav"), "{listed}");
    let calls = office.says(&["calls"]);
    assert!(calls.contains("missed: voicemail left  ") && calls.contains("missed: system failure"), "{calls}");
    let file = std::fs::read(office.data().join("voicemail/sales/a.wav")).unwrap();
    assert_eq!(file[40..44], 48_000u32.to_le_bytes());
    // Talks have time until the background comes to them.
    until(|| office.says(&["recordings"]).contains("0:02    "));
    until(|| office.says(&["recordings", "--gone"]).contains("gone: nothing was written"));
    assert!(!office.says(&["recordings"]).contains("u.wav"));
    office.says(&["voicemail", "delete", "voicemail/sales/a.wav"]);
}

/// A mail server that takes mails, refuses them or says nothing, as it is told.
struct MailServer {
    address: SocketAddr,
    mails: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<VecDeque<Option<&'static str>>>>,
}

impl MailServer {
    fn start(answers: impl IntoIterator<Item = Option<&'static str>>) -> MailServer {
        let listener = TcpListener::bind("127.0.0.25:0").unwrap();
        let server = MailServer {
            address: listener.local_addr().unwrap(),
            mails: Arc::default(),
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
        };
        let (mails, answers) = (server.mails.clone(), server.answers.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mails, answers) = (mails.clone(), answers.clone());
                std::thread::spawn(move || MailServer::serve(stream.unwrap(), &mails, &answers));
            }
        });
        server
    }

    /// RFC 5321, as much of it as one mail takes. To a mail itself it answers what is next in the list, then 250.
    fn serve(
        mut stream: TcpStream,
        mails: &Mutex<Vec<String>>,
        answers: &Mutex<VecDeque<Option<&'static str>>>,
    ) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        stream.write_all(b"220 mail.example\r\n").ok()?;
        loop {
            let line = lines.next()?.ok()?;
            let answer = match line.split(' ').next()? {
                "QUIT" => return stream.write_all(b"221 goodbye\r\n").ok(),
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").ok()?;
                    let mail: Vec<String> =
                        lines.by_ref().map_while(Result::ok).take_while(|line| line != ".").collect();
                    mails.lock().unwrap().push(mail.join("\n"));
                    let answer = answers.lock().unwrap().pop_front().unwrap_or(Some("250 taken"));
                    let Some(answer) = answer else { return lines.next().map(drop) };
                    answer
                }
                _ => "250 fine",
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
        }
    }

    fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }

    /// The office's config with this server in it.
    fn config(&self) -> String {
        let mail = format!("[mail]\nserver = \"{}\"\ntls = \"none\"\nfrom = \"pbx@office.example\"\n", self.address);
        CONFIG.replace("for = [\"201\"]", "for = [\"201\"]\nnotify = [\"mailto:sales@office.example\"]") + &mail
    }
}

fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    mail.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

#[test]
fn a_message_is_mailed_with_its_sound_once() {
    let server = MailServer::start([]);
    let mut office = Office::new("mail");
    office.configure(&server.config());
    office.leave(
        dies_while_recording(&office, 0, "voicemail/sales/a.wav", in_sales(), 3)
            .into_iter()
            .chain(dies_while_recording(&office, 60, "voicemail/sales/empty.wav", in_sales(), 0)),
    );
    office.serve();
    until(|| !server.mails().is_empty());
    let mail = server.mails().remove(0);
    assert_eq!(header(&mail, "From"), "Stroymarket <pbx@office.example>");
    assert_eq!(header(&mail, "To"), "sales@office.example");
    assert!(header(&mail, "Message-ID").ends_with("@office.example>"), "{mail}");
    assert!(mail.contains("name=\"a.wav\"") && mail.contains("audio/x-wav"), "{mail}");
    let sound = std::fs::read(office.data().join("voicemail/sales/a.wav")).unwrap();
    let enclosed: String = mail
        .split("\n\n")
        .find(|part| part.starts_with("UklGR"))
        .unwrap()
        .split("--")
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(enclosed.len(), sound.len().div_ceil(3) * 4);
    until(|| office.says(&["outbox"]) == "nothing waits\n");
    office.kill();
    office.serve();
    assert!(
        office
            .says(&["outbox", "list", "--sent"])
            .contains("  sales@office.example  voicemail/sales/a.wav  1      sent ")
    );
    assert_eq!(server.mails().len(), 1, "neither twice nor for a message in which nobody speaks");
}

#[test]
fn a_mail_that_is_refused_waits_and_is_tried_again() {
    let server = MailServer::start([Some("451 come again later")]);
    let mut office = Office::new("refused");
    office.configure(&server.config());
    office.leave(dies_while_recording(&office, 0, "voicemail/sales/a.wav", in_sales(), 3));
    office.serve();
    let waits = || office.says(&["outbox"]);
    until(|| waits().contains("come again later"));
    assert!(waits().contains("voicemail/sales/a.wav  1      due "), "{}", waits());
    let json: serde_json::Value = serde_json::from_str(&office.says(&["outbox", "--json"])).unwrap();
    let id = json[0]["id"].to_string();
    assert_eq!(office.says(&["outbox", "retry", &id]), "1 mail is tried now\n");
    until(|| waits() == "nothing waits\n");
    let ids: Vec<String> = server.mails().iter().map(|mail| header(mail, "Message-ID").to_owned()).collect();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
    let (_, err, code) = office.run(&["outbox", "retry", &id]);
    assert_eq!((err, code), (format!("huntline: no mail {id} waits; `huntline outbox` lists them\n"), 1));
}

#[test]
fn after_a_kill_exactly_the_mails_are_carried_again_that_nobody_acknowledged() {
    let server = MailServer::start([Some("250 taken"), None]);
    let mut office = Office::new("unacknowledged");
    office.configure(&server.config());
    let files = ["a", "b", "c"].map(|name| format!("voicemail/sales/{name}.wav"));
    let left: Vec<_> =
        (0..).zip(&files).flat_map(|(at, file)| dies_while_recording(&office, at * 60, file, in_sales(), 2)).collect();
    office.leave(left);
    office.serve();
    until(|| server.mails().len() == 2);
    office.kill();
    office.serve();
    until(|| office.says(&["outbox"]) == "nothing waits\n");
    let ids: Vec<String> = server.mails().iter().map(|mail| header(mail, "Message-ID").to_owned()).collect();
    assert_eq!((ids.len(), &ids[1]), (4, &ids[2]));
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
}

/// Waits until something is so, which a real disk may delay.
fn until(so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !so() {
        assert!(began.elapsed().as_secs() < 20, "it did not come to be");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
