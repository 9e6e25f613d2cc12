//! The router of the demo: this very program, as `huntline serve`, in a process of its own.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use super::office::Office;

/// How long it may take to end in an orderly way before it is ended.
const PATIENCE: Duration = Duration::from_secs(3);

/// A running router; ended when dropped.
pub(super) struct Router {
    process: Child,
}

impl Router {
    /// Starts it and waits until its ports are open. Its log goes to `router.log` in the office's folder.
    ///
    /// # Errors
    /// It does not start; in words.
    pub(super) fn start(office: &Office) -> Result<Router, String> {
        let log = office.folder.join("router.log");
        let start = || -> io::Result<(Child, String)> {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["serve", "--config"]).arg(&office.file);
            // Its diary is worth reading beside the story.
            command.env("HUNTLINE_LOG", "info").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?);
            apart(&mut command);
            let mut process = command.spawn()?;
            let mut hello = String::new();
            if let Some(mut out) = process.stdout.take().map(BufReader::new) {
                out.read_line(&mut hello)?;
                // It goes on to talk; somebody must listen.
                std::thread::spawn(move || io::copy(&mut out, &mut io::sink()));
            }
            Ok((process, hello))
        };
        let (process, hello) = start().map_err(|error| format!("the router cannot be started: {error}"))?;
        let router = Router { process };
        if hello.is_empty() {
            drop(router);
            return Err(format!("the router did not start\n{}", last_lines(&log)));
        }
        Ok(router)
    }

    /// Whether it still runs.
    pub(super) fn runs(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let signal = |process: &Child| {
            let id = nix::unistd::Pid::from_raw(process.id().cast_signed());
            nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM)
        };
        // The first SIGTERM lets calls end, the second does not wait for them.
        if signal(&self.process).is_ok() {
            std::thread::sleep(Duration::from_millis(100));
            let _gone = signal(&self.process);
        }
        for _ in 0..PATIENCE.as_millis() / 50 {
            if !self.runs() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // It may have ended this very moment.
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

/// Ctrl-C in a terminal reaches everybody in the foreground; the router is ended by us.
fn apart(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

/// A command of this program about the office, as somebody at a keyboard would give it.
pub(super) fn ask(office: &Office, arguments: &[&str]) -> io::Result<Output> {
    Command::new(std::env::current_exe()?).args(arguments).arg("--config").arg(&office.file).output()
}

fn last_lines(file: &Path) -> String {
    let mut text = String::new();
    if let Ok(mut log) = File::open(file) {
        // What can be read of it.
        let _some = log.read_to_string(&mut text);
    }
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
