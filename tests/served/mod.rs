//! The real program beside a test: a router that serves, as a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A router that serves. Dropped, it is killed (SIGKILL), and nothing is tidied up.
pub struct Served {
    pub process: Child,
}

/// The program in a folder with an `office.toml`.
pub fn huntline(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huntline"));
    command.current_dir(folder).args(arguments).args(["--config", "office.toml"]);
    command
}

/// Starts a router, and waits until it says that it serves: its ports are open, and it hears signals.
#[track_caller]
pub fn serve(command: &mut Command) -> Served {
    let process = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut served = Served { process };
    let mut out = BufReader::new(served.process.stdout.take().unwrap());
    let mut hello = String::new();
    out.read_line(&mut hello).unwrap();
    assert!(hello.starts_with("Huntline") && hello.contains(" serves "), "{hello:?}");
    // It goes on to talk; somebody must listen.
    std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    served
}

impl Drop for Served {
    fn drop(&mut self) {
        // Ended already, perhaps.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
