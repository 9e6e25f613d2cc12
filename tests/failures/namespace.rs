//! Tests that need a machine of their own: a small disk, another DNS server. The test's program runs itself again in
//! namespaces, as root or, where the kernel lets everybody make namespaces, as anybody.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a test finds itself when its program was started again: the folder that was prepared for it.
const INSIDE: &str = "HUNTLINE_FAILURES_TEST";

/// The folder, where this is the inner run.
pub fn inside() -> Option<PathBuf> {
    std::env::var_os(INSIDE).map(PathBuf::from)
}

/// Runs `test` again in these namespaces of its own, with a folder of this name, once the shell has made ready what
/// `ready` says with the folder's path.
pub fn again(name: &str, test: &str, namespaces: &[&str], ready: impl FnOnce(&Path) -> String) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("failure-{name}-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("data")).unwrap();
    let program = std::env::current_exe().unwrap();
    let (ready, folder_name, program) = (ready(&folder), folder.display(), program.display());
    let script = format!("{ready} && {INSIDE}={folder_name} exec {program} --exact {test} --nocapture");
    let run = |flags: &[&str]| {
        let flags = flags.iter().chain(namespaces);
        Command::new("unshare").args(flags).args(["sh", "-c", &script]).output().unwrap()
    };
    let mut output = run(&[]);
    if String::from_utf8_lossy(&output.stderr).contains("unshare failed") {
        output = run(&["--user", "--map-root-user"]);
    }
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    let _ = std::fs::remove_dir_all(folder);
}
