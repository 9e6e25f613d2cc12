//! `huntline config diff`: what is different between two versions, or between the file and the config in force.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::versions::Kept;
use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::config::diff::{Difference, Line, differences, lines};
use crate::config_file;

/// Say what is different between two configs: in words, and line by line.
#[derive(Debug, Args)]
#[command(after_help = "\
Without numbers: the config in force and the file as it is now. With one: that version and the one in force. Of a secret is
said only that it was changed.

Examples:
  huntline config diff
  huntline config diff 16
  huntline config diff 12 16 --json")]
pub(super) struct Diff {
    /// The older version.
    from: Option<u32>,
    /// The newer version.
    to: Option<u32>,
    #[command(flatten)]
    output: Output,
}

/// How many lines are shown around a change.
const AROUND: usize = 2;

impl Diff {
    pub(super) fn run(self, desk: &Desk, kept: &Kept) -> Result<(), Trouble> {
        let ((from, old), (to, new)) = match (self.from, self.to) {
            (Some(from), Some(to)) => (numbered(kept, from)?, numbered(kept, to)?),
            (Some(from), None) => (numbered(kept, from)?, in_force(kept)?),
            (None, _) => {
                let (text, _) = config_file::text(&desk.file).map_err(Trouble::Wrong)?;
                (in_force(kept)?, (desk.file.display().to_string(), text))
            }
        };
        let no_toml = |why: String| Trouble::Wrong(format!("{from} and {to} cannot be compared: {why}"));
        let (words, lines) = (differences(&old, &new).map_err(no_toml)?, lines(&old, &new).map_err(no_toml)?);
        if self.output.json {
            let words = words
                .iter()
                .map(|Difference { place, field, what }| json!({ "place": place, "field": field, "what": what }));
            return say_json(&json!({
                "from": from,
                "to": to,
                "same": old == new,
                "differences": words.collect::<Vec<_>>(),
                "lines": hunks(&lines).lines().collect::<Vec<_>>(),
            }));
        }
        if old == new {
            return say(&format!("{from} and {to} are the same\n"));
        }
        let mut text = format!("from {from} to {to}\n\n");
        if words.is_empty() {
            text.push_str("  nothing but comments, spaces and order is different\n");
        }
        words.iter().for_each(|difference| _ = writeln!(text, "  {difference}"));
        _ = write!(text, "\n{}", hunks(&lines));
        say(&text)
    }
}

fn numbered(kept: &Kept, number: u32) -> Result<(String, String), Trouble> {
    Ok((format!("version {number}"), kept.text(number)?))
}

fn in_force(kept: &Kept) -> Result<(String, String), Trouble> {
    let (number, text) = kept.text_in_force()?;
    Ok((format!("version {number} (in force)"), text))
}

/// Every change with some lines around it, and where it stands in the new text.
fn hunks(lines: &[Line]) -> String {
    let is_near = |at: usize| {
        let around = &lines[at.saturating_sub(AROUND)..(at + AROUND + 1).min(lines.len())];
        around.iter().any(|line| !matches!(line, Line::Same(_)))
    };
    let (mut text, mut number, mut shown) = (String::new(), 0, None);
    for (at, line) in lines.iter().enumerate() {
        number += usize::from(!matches!(line, Line::Gone(_)));
        if !is_near(at) {
            continue;
        }
        if shown.replace(at).is_none_or(|last| last + 1 != at) {
            _ = writeln!(text, "@@ line {} @@", number.max(1));
        }
        _ = match line {
            Line::Same(line) if line.is_empty() => writeln!(text),
            Line::Same(line) => writeln!(text, "  {line}"),
            Line::Gone(line) => writeln!(text, "- {line}"),
            Line::New(line) => writeln!(text, "+ {line}"),
        };
    }
    text
}
