//! `huntline replay FILE`: a call is played again, and set beside what it was.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::desk::{Output, Trouble, say, say_json};
use crate::trace::{Row, Script, compare};

/// Play a trace (`calls show ID --trace`) against this program's core: messages and decisions, side by side.
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is sent and nothing is stored: time is virtual and the peers are played. Left stands what the file says, right
what the core does now; lines that differ begin with an exclamation mark. Tags, branches, Call-IDs and our own addresses
and ports are different each time and not compared. A line that chance decides (the wait after a 491) may differ.

Exit codes:
  0  everything is as the file says
  1  something differs, or the file cannot be read or played
  2  the command line itself is wrong

Examples:
  huntline calls show 0d5t3gh7k2m9p --trace > call.trace
  huntline replay call.trace
  huntline replay call.trace --json")]
pub(super) struct Replay {
    /// The trace.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// The left column is as wide as its longest line, within reason.
const WIDEST: usize = 72;

impl Replay {
    pub(super) fn run(self) -> Result<(), Trouble> {
        let name = self.file.display();
        let wrong = |why: String| Trouble::Wrong(format!("{name}: {why}"));
        let text = std::fs::read_to_string(&self.file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let script = Script::read(&text).map_err(|error| wrong(error.to_string()))?;
        let beside = |office: &str| std::fs::read_to_string(self.file.parent().unwrap_or(Path::new(".")).join(office));
        let config = script.office(beside).map_err(|why| wrong(format!("its office cannot be followed: {why}")))?;
        let rows = compare(&script, config).map_err(|failure| wrong(format!("cannot be played: {failure}")))?;
        let differ = rows.iter().filter(|row| row.differs).count();
        if self.output.json {
            say_json(&json!({ "title": script.title, "equal": differ == 0, "differ": differ, "lines": rows }))?;
        } else {
            say(&side_by_side(&script.title, &rows))?;
        }
        if differ == 0 { Ok(()) } else { Err(Trouble::Said) }
    }
}

fn side_by_side(title: &str, rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.said.chars().count()).max().unwrap_or(0).min(WIDEST);
    let mut text = format!("{title}\n\n             {:<width$}  {}\n", "the file", "the core");
    for row in rows {
        let mark = if row.differs { '!' } else { ' ' };
        let line = format!("{mark} {:>9.3}  {:<width$}  {}", row.at, row.said, row.done);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let differ = rows.iter().filter(|row| row.differs).count();
    let lines = if rows.len() == 1 { "1 line".to_owned() } else { format!("{} lines", rows.len()) };
    text.push_str(&match differ {
        0 => format!("\n{lines}, all as the file says\n"),
        1 => format!("\n{lines}, 1 differs\n"),
        many => format!("\n{lines}, {many} differ\n"),
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_marked_and_counted() {
        let row = |said: &str, done: &str| Row { at: 4.0, said: said.into(), done: done.into(), differs: said != done };
        let rows = [row("us -> 14  CANCEL", "us -> 14  CANCEL"), row("fact  answered by 14", "fact  answered by 15")];
        let text = side_by_side("A call.", &rows);
        let expected = "A call.\n\n             the file              the core\n      4.000  us -> 14  CANCEL      us -> 14  CANCEL\n\
                        !     4.000  fact  answered by 14  fact  answered by 15\n\n2 lines, 1 differs\n";
        assert_eq!(text, expected);
    }
}
