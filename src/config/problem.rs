//! What is wrong with a config, told so that an admin can mend it: file, line, column, value, reason and fix.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

/// Whether a config with this problem can run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but probably not as meant.
    Warning,
}

/// One finding, with its place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Problem {
    /// Whether the config can run with it.
    pub severity: Severity,
    /// The file, as it was named.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters of that line are meant, at least 1.
    pub length: usize,
    /// Which field: `group "sales".members`.
    pub field: String,
    /// The value as it stands in the file, cut after 80 characters; passwords are not shown.
    pub value: String,
    /// What is wrong, in one sentence.
    pub reason: String,
    /// What to write instead, where we know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The line itself, for the picture.
    #[serde(rename = "source")]
    pub source_line: String,
}

/// Shows the place as compilers do: where, the line, a caret under what is meant, reason, fix.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let Problem { file, line, column, length, field, reason, source_line, .. } = self;
        let gutter = " ".repeat(line.to_string().len());
        // A tab before the caret is kept, so that both lines shift alike.
        let indent: String =
            source_line.chars().take(column - 1).map(|letter| if letter == '\t' { '\t' } else { ' ' }).collect();
        writeln!(f, "{file}:{line}:{column}: {severity}: {field}: {reason}")?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{line} | {source_line}")?;
        writeln!(f, "{gutter} | {indent}{}", "^".repeat(*length))?;
        match &self.fix {
            Some(fix) => writeln!(f, "{gutter} = {fix}"),
            None => Ok(()),
        }
    }
}

/// Every finding of one reading, in the order of the file.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// All of them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True where nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many of them keep the config from running.
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    /// How many of them do not.
    pub fn warnings(&self) -> usize {
        self.len() - self.errors()
    }

    /// As a JSON list, one object for each, for `check --json`.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_else(|_| "[]".into())
    }

    /// The one problem that a file cannot be read at all.
    pub fn unreadable(file: &Path, reason: String) -> Problems {
        let lines = Lines::new(&file.to_string_lossy(), "");
        let problem = lines.problem(Severity::Error, &(0..0), "file", reason);
        Problems(vec![Problem { fix: Some("name another file with --config".into()), ..problem }])
    }

    pub(super) fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Covers what stands in `secrets` in every value and line shown, letter by letter, so that carets stay right.
    pub(super) fn mask(&mut self, lines: &Lines<'_>, secrets: &[Range<usize>]) {
        for problem in &mut self.0 {
            for secret in secrets {
                let written = lines.slice(secret);
                if written.is_empty() || !(problem.value.contains(written) || problem.source_line.contains(written)) {
                    continue;
                }
                let dots = "•".repeat(written.chars().count());
                problem.source_line = problem.source_line.replace(written, &dots);
                problem.value = problem.value.replace(written, &dots);
            }
        }
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_by_key(|problem| (problem.line, problem.column, problem.severity));
    }
}

/// All of them, each with its picture, and a line that counts them.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        let some = |count: usize, what| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        write!(f, "{}, {}", some(self.errors(), "error"), some(self.warnings(), "warning"))
    }
}

impl std::error::Error for Problems {}

/// The text of a config and what is needed to speak about places in it.
pub(super) struct Lines<'a> {
    file: Arc<str>,
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(file: &str, text: &'a str) -> Lines<'a> {
        let after_newline = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Lines { file: file.into(), text, starts: std::iter::once(0).chain(after_newline).collect() }
    }

    /// The text within a span; empty where the span does not fit.
    pub(super) fn slice(&self, span: &Range<usize>) -> &'a str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// The line number, from 1, of a byte.
    pub(super) fn line_of(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).max(1)
    }

    /// A problem at a span, its value taken from the file.
    pub(super) fn problem(&self, severity: Severity, span: &Range<usize>, field: &str, reason: String) -> Problem {
        let line = self.line_of(span.start);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let end = self.starts.get(line).map_or(self.text.len(), |next| next - 1);
        let source_line = self.slice(&(start..end)).trim_end_matches('\r');
        let column = self.slice(&(start..span.start)).chars().count() + 1;
        let length = self.slice(&(span.start..span.end.min(end))).trim_end().chars().count().max(1);
        let value = self.slice(span);
        let value = match value.char_indices().nth(80) {
            Some((cut, _)) => format!("{}…", &value[..cut]),
            None => value.to_owned(),
        };
        Problem {
            severity,
            file: self.file.clone(),
            line,
            column,
            length,
            field: field.to_owned(),
            value,
            reason,
            fix: None,
            source_line: source_line.to_owned(),
        }
    }
}
