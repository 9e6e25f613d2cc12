//! `huntline demo --once`, as somebody sees it who has just built the program: the story ends well, and what it says stands in
//! the records and lies on the disk.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

fn huntline(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huntline"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// A folder that does not exist yet, and is gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        // A socket lies in it, whose path may be a hundred characters long.
        Folder(std::env::temp_dir().join(format!("demo-{name}-{}", std::process::id())))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let config = self.0.join("office.toml");
        let output = huntline(arguments).args(["--json", "--config"]).arg(config).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left for a look where the test failed.
        if !std::thread::panicking() {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

#[test]
fn the_story_of_the_demo_is_what_its_records_say() {
    let folder = Folder::new("once");
    let output = huntline(&["demo", "--once", "--folder"]).arg(&folder.0).output().unwrap();
    let story = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{story}\n{}", String::from_utf8_lossy(&output.stderr));

    let calls = folder.json(&["calls"]);
    let told: Vec<_> = calls.as_array().unwrap().iter().rev().map(in_short).collect();
    assert_eq!(
        told,
        [
            "+447700900123 answered by 202",
            "+447700900789 answered by 203",
            "+447700900456 answered by 201",
            "+447700900321 answered by 200",
            "+447700900654 answered by 201",
            "+447700900987 missed abandoned",
            "+447700900555 missed voicemail_left",
        ]
    );
    // A call on the page is a call in the records.
    for call in calls.as_array().unwrap() {
        let id = call["id"].as_str().unwrap();
        assert!(story.contains(&format!("calls show {id}")), "{id} is not in\n{story}");
    }
    let transferred = folder.json(&["calls", "show", calls[2]["id"].as_str().unwrap()]);
    let talkers: Vec<_> = transferred["talkers"].as_array().unwrap().iter().map(|talker| &talker["who"]).collect();
    assert_eq!(talkers, ["201", "203"]);

    // Five talks and one message, which are heard as well.
    let recordings = folder.json(&["recordings"]);
    let messages = folder.json(&["voicemail", "list", "sales"]);
    let files = |rows: &Value| {
        rows.as_array().unwrap().iter().map(|row| row["file"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(files(&recordings).len(), 5, "{recordings:#}");
    assert_eq!(files(&messages).len(), 1, "{messages:#}");
    assert_eq!(messages[0]["empty"], false, "{messages:#}");
    for file in files(&recordings).iter().chain(&files(&messages)) {
        let wav = hound::WavReader::open(folder.0.join("data").join(file)).unwrap();
        let (spec, seconds) = (wav.spec(), wav.duration() / wav.spec().sample_rate);
        assert!(seconds >= 1, "{file} holds {seconds} s");
        let loudest = wav.into_samples::<i16>().map(|sample| sample.unwrap().unsigned_abs()).max();
        assert!(loudest > Some(1_000), "{file} is silent: {loudest:?}, {spec:?}");
        assert!(story.contains(file.as_str()), "{file} is not in\n{story}");
    }
}

fn in_short(call: &Value) -> String {
    let from = call["from"]["number"].as_str().unwrap();
    match call["missed"].as_str() {
        Some(cause) => format!("{from} missed {cause}"),
        None => format!("{from} answered by {}", call["answered_by"].as_str().unwrap()),
    }
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    let temporary = Folder::new("temporary");
    std::fs::create_dir(&temporary.0).unwrap();
    let mut demo = huntline(&["demo"]).env("TMPDIR", &temporary.0).stdout(Stdio::piped()).spawn().unwrap();
    let mut story = std::io::BufReader::new(demo.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("202 rings") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut story, &mut line).unwrap() > 0, "the story ended early");
    }
    let folder = std::fs::read_dir(&temporary.0).unwrap().next().unwrap().unwrap().path();
    let socket = folder.join("data/huntline.sock");
    assert!(socket.exists());
    let interrupted = Command::new("kill").args(["-INT", &demo.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut story, &mut rest).unwrap();
    assert!(demo.wait().unwrap().success());
    assert!(rest.ends_with("\nthe demo ends\n"), "{rest}");
    assert_eq!(std::fs::read_dir(&temporary.0).unwrap().count(), 0, "something is left");
    // The router would still hold its socket open.
    assert!(!socket.exists());
}
