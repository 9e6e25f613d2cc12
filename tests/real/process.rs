//! A program that ends when the story ends, and whose output can be waited for line by line.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// A running program; dropping it kills it.
pub struct Process {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: Arc<Output>,
}

#[derive(Default)]
struct Output {
    lines: Mutex<(Vec<String>, usize)>,
    news: Condvar,
}

impl Process {
    /// Starts a program and keeps what it says on both outputs.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Process {
        Process::start_with(name, command, Stdio::null())
    }

    /// Starts a program that is [told](Process::tell) what to do.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_told(name: &str, command: &mut Command) -> Process {
        Process::start_with(name, command, Stdio::piped())
    }

    fn start_with(name: &str, command: &mut Command, input: Stdio) -> Process {
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let output = Arc::new(Output::default());
        let ends: [Option<Box<dyn Read + Send>>; 2] =
            [child.stdout.take().map(|s| Box::new(s) as _), child.stderr.take().map(|s| Box::new(s) as _)];
        for end in ends.into_iter().flatten() {
            let output = output.clone();
            std::thread::spawn(move || output.read(end));
        }
        let input = child.stdin.take();
        Process { name: name.into(), child, input, output }
    }

    /// Gives it a line of input.
    ///
    /// # Panics
    /// When it does not listen (any more).
    pub fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap_or_else(|| panic!("{} has no input", self.name));
        input.write_all(format!("{line}\n").as_bytes()).unwrap_or_else(|e| panic!("{}: {e}", self.name));
    }

    /// Waits for the first line that contains this text and returns it.
    ///
    /// # Panics
    /// When both outputs ended, or the time is over, without it.
    pub fn says(&self, text: &str, within: Duration) -> String {
        self.says_after(0, &[text], within).1
    }

    /// Waits for the first line after so many that contains all of these; returns how many lines were said up to it,
    /// and it.
    ///
    /// # Panics
    /// When both outputs ended, or the time is over, without it.
    pub fn says_after(&self, lines_before: usize, words: &[&str], within: Duration) -> (usize, String) {
        let end = Instant::now() + within;
        let mut lines = self.output.lines.lock().unwrap();
        loop {
            let mut news = lines.0.iter().enumerate().skip(lines_before);
            if let Some((i, line)) = news.find(|(_, line)| words.iter().all(|word| line.contains(word))) {
                return (i + 1, line.clone());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.1 == 2 {
                let why = if lines.1 == 2 { "ended" } else { "went on" };
                let said = lines.0.join("\n");
                drop(lines);
                panic!("{} {why} without saying {words:?}; it said:\n{said}", self.name);
            }
            lines = self.output.news.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// How many lines it has said so far.
    pub fn lines(&self) -> usize {
        self.output.lines.lock().unwrap().0.len()
    }

    /// Everything said so far.
    pub fn said(&self) -> String {
        self.output.lines.lock().unwrap().0.join("\n")
    }

    /// Waits until the program has ended by itself.
    ///
    /// # Panics
    /// When it has not in that time.
    pub fn ended(&mut self, within: Duration) -> ExitStatus {
        let end = Instant::now() + within;
        let mut lines = self.output.lines.lock().unwrap();
        while lines.1 < 2 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(lines);
                panic!("{} did not end; it said:\n{}", self.name, self.said());
            }
            lines = self.output.news.wait_timeout(lines, left).unwrap().0;
        }
        drop(lines);
        self.child.wait().expect("a child's end can be waited for")
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.output.lines.lock().unwrap().1 == 2
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Output {
    fn read(&self, end: Box<dyn Read + Send>) {
        let mut reader = BufReader::new(end);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_string();
            self.lines.lock().unwrap().0.push(text);
            self.news.notify_all();
            line.clear();
        }
        self.lines.lock().unwrap().1 += 1;
        self.news.notify_all();
    }
}
