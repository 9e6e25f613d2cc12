//! The config as it was: what came into force is kept, compared and put back, by the real program; and killed at any moment
//! of that, the file is the old one or the new one.

mod own_address;
mod served;

use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use own_address::own_address;
use serde_json::Value;
use served::{Served, huntline, serve};

/// A folder with a config, and perhaps a router that follows it.
struct Office {
    folder: PathBuf,
    router: Option<Served>,
}

impl Office {
    fn new(name: &str) -> Office {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("versions-{name}-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Office { folder, router: None }
    }

    /// As an admin's editor does it.
    fn edit(&self, text: &str) {
        let path = self.folder.join("office.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn file(&self) -> String {
        std::fs::read_to_string(self.folder.join("office.toml")).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        huntline(&self.folder, arguments)
    }

    /// Both outputs, and the exit code.
    fn run(&self, arguments: &[&str]) -> (String, String, i32) {
        let Output { stdout, stderr, status } = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(stdout), text(stderr), status.code().unwrap())
    }

    /// What a command prints that succeeds.
    fn says(&self, arguments: &[&str]) -> String {
        let (out, err, code) = self.run(arguments);
        assert_eq!((err.as_str(), code), ("", 0), "{arguments:?}");
        out
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.says(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// Number and whose doing, the newest first.
    fn history(&self) -> Vec<(u64, String)> {
        let history = self.json(&["config", "history"]);
        let versions = history["versions"].as_array().unwrap().iter();
        versions.map(|one| (one["number"].as_u64().unwrap(), one["by"].as_str().unwrap().to_owned())).collect()
    }

    fn start(&mut self) {
        self.start_to_die_at("nowhere");
    }

    /// Starts the router and waits until it serves.
    fn start_to_die_at(&mut self, point: &str) {
        let mut command = self.command(&["serve"]);
        self.router = Some(serve(command.env("HUNTLINE_LOG", "error").env("HUNTLINE_DIE_AT", point)));
    }

    fn stop(&mut self) {
        self.router = None;
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.router = None;
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn config(password: &str, members: &str) -> String {
    let address = own_address();
    let port = UdpSocket::bind((address, 0)).unwrap().local_addr().unwrap().port();
    format!(
        "# The office.\n[sip]\nlisten = [\"udp://{address}:{port}\"]\n\n[storage]\ndirectory = \"data\"\n\n\
         [[extension]]\nnumber = \"201\"\npassword = \"{password}\"\n\n[[extension]]\nnumber = \"202\"\npassword = \"other\"\n\n\
         [[group]]\nname = \"sales\"\nmembers = [{members}]\nthen = \"refuse:busy\"\n"
    )
}

#[test]
fn a_router_keeps_what_was_in_force_and_puts_it_back() {
    let mut office = Office::new("running");
    let first = config("first-secret", "\"201\"");
    office.edit(&first);
    assert_eq!(office.says(&["config", "history"]), "no version is kept yet\n");
    let (_, err, code) = office.run(&["config", "diff"]);
    assert_eq!(
        (err.as_str(), code),
        ("huntline: no version is kept yet; a router keeps what it begins with (`huntline serve`)\n", 1)
    );

    office.start();
    assert_eq!(office.history(), [(1, "start".into())]);
    office.says(&["reload"]);
    assert_eq!(office.history(), [(1, "start".into())], "the same text is the same version");

    let second = first.replace("first-secret", "second-secret").replace("[\"201\"]", "[\"201\", \"202\"]");
    office.edit(&second);
    assert!(
        office
            .says(&["config", "history"])
            .ends_with("office.toml is another one than that in force: `huntline config diff`\n")
    );
    let diff = office.says(&["config", "diff"]);
    let expected = "from version 1 (in force) to office.toml

  extension \"201\": password changed
  group \"sales\": members \"202\" added

@@ line 8 @@
  [[extension]]
  number = \"201\"
- password = \"redacted\"
+ password = \"redacted, changed\"

  [[extension]]
@@ line 16 @@
  [[group]]
  name = \"sales\"
- members = [\"201\"]
+ members = [\"201\", \"202\"]
  then = \"refuse:busy\"
";
    assert_eq!(diff, expected);
    office.says(&["reload"]);
    assert_eq!(office.history(), [(2, "reload".into()), (1, "start".into())]);
    assert_eq!(office.says(&["config", "diff"]), "version 2 (in force) and office.toml are the same\n");
    let shown = office.says(&["config", "show", "1"]);
    assert!(
        shown.starts_with("# The office.\n[sip]") && !shown.contains("secret") && shown.contains("[\"201\"]"),
        "{shown}"
    );

    // Edited by hand, never reloaded, and replaced: nothing is lost, and the running router follows.
    let third = second.replace("The office.", "The office, edited in a hurry.");
    office.edit(&third);
    let said = office.says(&["config", "rollback", "1"]);
    assert!(said.starts_with("office.toml: version 1 is back and in effect now ("), "{said}");
    assert_eq!(office.file(), first);
    let expected = [(4, "rollback to 1".into()), (3, "by hand".into()), (2, "reload".into()), (1, "start".into())];
    assert_eq!(office.history(), expected);
    let history = office.json(&["config", "history"]);
    assert_eq!((&history["in_force"], &history["running"]), (&4.into(), &true.into()));
    assert_eq!((&history["versions"][1]["in_force"], &history["file"]["number"]), (&false.into(), &4.into()));
    assert_eq!(office.json(&["status"])["config"], history["versions"][0]["version"]);
    let kept = |number: u32| {
        std::fs::read_to_string(office.folder.join(format!("data/config-versions/{number:06}.toml"))).unwrap()
    };
    assert_eq!(kept(3).split_once('\n').unwrap().1, third);

    // What one router leaves the next one finds; and a broken file does not keep anybody from going back.
    office.stop();
    office.start();
    assert_eq!(office.history(), expected, "the same text, started again");
    office.edit("[site\n");
    let (_, err, code) = office.run(&["config", "diff"]);
    assert!(code == 1 && err.ends_with("say where the data lies with --data DIR\n"), "{err}");
    let (_, err, code) = office.run(&["config", "diff", "--data", "data"]);
    assert!(code == 1 && err.contains("cannot be compared: this is no TOML: "), "{err}");
    office.says(&["config", "rollback", "1", "--data", "data"]);
    assert_eq!((office.file(), office.history()[0].clone()), (first.clone(), (5, "by hand".into())));
    office.edit(&format!("{first}\n[[group]]\nname = 7\n"));
    let (_, err, code) = office.run(&["config", "rollback", "2"]);
    assert!(code == 0 && err.contains("cannot be followed"), "{err}");
    assert_eq!(office.file(), second);
    assert_eq!(office.history()[..3], [(7, "rollback to 2".into()), (6, "by hand".into()), (5, "by hand".into())]);
    let mode = |path: &str| std::fs::metadata(office.folder.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode("data/config-versions"), mode("data/config-versions/000001.toml"), mode("office.toml")),
        (0o700, 0o600, 0o600)
    );
}

#[test]
fn what_today_cannot_be_followed_is_not_put_back() {
    let office = Office::new("refused");
    let good = config("secret-1", "\"201\"");
    let versions = huntline::config_file::Versions::of(&office.folder.join("data"));
    let at = "2026-11-23T07:00:00Z".parse().unwrap();
    versions.came_into_force(&good.replace("members", "people"), "start", at).unwrap();
    versions.came_into_force(&good, "reload", at).unwrap();
    office.edit(&good);
    let (out, err, code) = office.run(&["config", "rollback", "1"]);
    assert_eq!((out.as_str(), code), ("", 1));
    assert!(err.starts_with("huntline: version 1: this config cannot be followed, the old one stays\n"), "{err}");
    assert!(err.contains("error: group \"sales\".people: there is no `people` in group \"sales\""), "{err}");
    assert_eq!((office.file(), office.history().len()), (good.clone(), 2));
    let (_, err, code) = office.run(&["config", "rollback", "7"]);
    assert_eq!((err.as_str(), code), ("huntline: there is no version 7; `huntline config history` lists them\n", 1));
    let other = good.replace("secret-1", "secret-2");
    office.edit(&other);
    let said = office.says(&["config", "rollback", "2"]);
    assert!(said.contains("version 2 is back and in effect with the next start"), "{said}");
    assert_eq!(office.file(), good);
    let diff = office.says(&["config", "diff", "3", "2"]);
    assert!(diff.contains("password changed") && !diff.contains("secret"), "{diff}");
    assert_eq!(office.json(&["config", "diff"])["same"], true);
    assert_eq!(office.json(&["config", "diff", "1"])["differences"][1]["place"], "group \"sales\"");
}

/// Whatever is found is whole, whoever edited by hand finds it again, and the same command goes through afterwards.
fn whole(office: &Office, old: &str, new: &str, when: &str) {
    let file = office.file();
    assert!(file == old || file == new, "{when}: {file}");
    let kept = std::fs::read_dir(office.folder.join("data/config-versions")).unwrap();
    let kept =
        kept.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|kind| kind == "toml"));
    let kept: Vec<String> =
        kept.map(|path| std::fs::read_to_string(path).unwrap().split_once('\n').unwrap().1.into()).collect();
    assert!(file == old || kept.iter().any(|text| text == old), "{when}: what was there is lost");
    office.says(&["config", "rollback", "1"]);
    assert_eq!(office.file(), new, "{when}");
}

#[test]
fn killed_at_a_chosen_point_of_a_rollback_the_file_is_the_old_one_or_the_new_one() {
    let new = config("secret-1", "\"201\"");
    let points = [
        "before_version:1",
        "after_version:1",
        "before_exchange",
        "after_exchange",
        "before_version:2",
        "after_version:2",
    ];
    for (place, at) in points.into_iter().enumerate() {
        let office = Office::new(&format!("point-{place}"));
        let versions = huntline::config_file::Versions::of(&office.folder.join("data"));
        versions.came_into_force(&new, "start", "2026-11-23T07:00:00Z".parse().unwrap()).unwrap();
        versions.came_into_force("# between\n", "reload", "2026-11-23T08:00:00Z".parse().unwrap()).unwrap();
        let old = new.replace("secret-1", "by-hand");
        office.edit(&old);
        let mut command = office.command(&["config", "rollback", "1"]);
        let killed = command.env("HUNTLINE_DIE_AT", at).output().unwrap();
        assert_eq!(killed.status.signal(), Some(9), "{at}");
        let is_new = ["after_exchange", "before_version:2", "after_version:2"].contains(&at);
        assert_eq!(office.file() == new, is_new, "{at}");
        whole(&office, &old, &new, at);
    }
}

#[test]
fn a_router_that_dies_over_a_change_begins_again_with_the_old_config_or_the_new_one() {
    for (place, at) in ["before_exchange", "after_exchange"].into_iter().enumerate() {
        let mut office = Office::new(&format!("dies-{place}"));
        let new = config("secret-1", "\"201\"");
        office.edit(&new);
        office.start();
        office.stop();
        let old = new.replace("secret-1", "secret-2");
        office.edit(&old);
        office.start_to_die_at(at);
        assert_eq!(office.history(), [(2, "start".into()), (1, "start".into())]);
        let (_, err, code) = office.run(&["config", "rollback", "1"]);
        assert_eq!(code, 1, "{err}");
        let died = office.router.take().unwrap().process.wait().unwrap();
        assert_eq!(died.signal(), Some(9), "{at}");
        let is_new = at == "after_exchange";
        assert_eq!(office.file(), if is_new { new } else { old }, "{at}");
        office.start();
        let history = office.json(&["config", "history"]);
        assert_eq!(history["in_force"], if is_new { 3 } else { 2 }, "{at}");
        assert_eq!(office.json(&["status"])["config"], history["file"]["version"], "{at}");
    }
}

#[test]
fn killed_at_any_moment_of_a_rollback_the_file_is_the_old_one_or_the_new_one() {
    let office = Office::new("any");
    let new = config("secret-1", "\"201\"");
    let versions = huntline::config_file::Versions::of(&office.folder.join("data"));
    versions.came_into_force(&new, "start", "2026-11-23T07:00:00Z".parse().unwrap()).unwrap();
    for round in 0..24_u64 {
        let old = new.replace("secret-1", &format!("by-hand-{round}"));
        office.edit(&old);
        let mut running = office.command(&["config", "rollback", "1"]).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_micros(round * 700));
        running.kill().unwrap();
        running.wait().unwrap();
        whole(&office, &old, &new, &format!("round {round}"));
    }
}
