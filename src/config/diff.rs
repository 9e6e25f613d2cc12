//! What is different between two configs, in words and by lines; of a secret only that it was changed.

use std::fmt;

use serde_json::{Map, Value as Plain};
use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use super::redact::{is_secret, redacted};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is about: `group "sales"`, `[site]`.
    pub place: String,
    /// The key within, dotted where it stands deeper; empty where the whole is meant.
    pub field: String,
    /// What became of it: `is new`, `is gone`, `"203" added`, `changed from … to …`.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { place, field, what } = self;
        if field.is_empty() { write!(f, "{place} {what}") } else { write!(f, "{place}: {field} {what}") }
    }
}

/// One line of two texts laid side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// In both.
    Same(String),
    /// In the old one only.
    Gone(String),
    /// In the new one only.
    New(String),
}

/// What is different, in the order of the new text; nothing where only comments, spaces and the order of keys are.
///
/// # Errors
/// A sentence: one of the two is no TOML.
pub fn differences(old: &str, new: &str) -> Result<Vec<Difference>, String> {
    let (old, new) = (parse(old)?, parse(new)?);
    let (old, new) = (plain_table(old.as_table()), plain_table(new.as_table()));
    let mut found = Vec::new();
    for key in keys(&old, &new) {
        match (old.get(&key), new.get(&key)) {
            (Some(Plain::Array(old)), Some(Plain::Array(new))) => rows(&key, old, new, &mut found),
            (None, Some(Plain::Array(new))) => rows(&key, &[], new, &mut found),
            (Some(Plain::Array(old)), None) => rows(&key, old, &[], &mut found),
            (old, new) => one(&format!("[{key}]"), "", &key, old, new, &mut found),
        }
    }
    Ok(found)
}

/// The two texts line by line, without their secrets: one that was changed stands there as `redacted, changed`.
///
/// # Errors
/// A sentence: one of the two is no TOML.
pub fn lines(old: &str, new: &str) -> Result<Vec<Line>, String> {
    let (old, new) = (parse(old)?, parse(new)?);
    let (mut old_shown, mut new_shown) = (old.clone(), new.clone());
    redacted(&mut old_shown, false);
    redacted(&mut new_shown, false);
    mark(new_shown.as_table_mut(), new.as_table(), old.as_table(), false);
    let (old, new) = (hide_in_comments(&old_shown.to_string()), hide_in_comments(&new_shown.to_string()));
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    Ok(beside_each_other(&old, &new))
}

/// The text without its secrets, those in its comments included. `None` where it is no TOML.
pub fn shown(text: &str) -> Option<String> {
    super::edit::masked(text).map(|text| hide_in_comments(&text))
}

fn parse(text: &str) -> Result<DocumentMut, String> {
    text.parse().map_err(|error: toml_edit::TomlError| format!("this is no TOML: {}", error.message()))
}

/// A line that was switched off with a `#` may still name a secret.
fn hide_in_comments(text: &str) -> String {
    let cut = |line: &str| {
        let comment = line.find('#')?;
        let end = line[comment..].char_indices().find_map(|(at, letter)| {
            let before = line[comment..][..at].trim_end();
            let word = before.rsplit(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next()?;
            (matches!(letter, '=' | ':') && is_secret(&word.to_ascii_lowercase())).then_some(comment + at + 1)
        })?;
        Some(format!("{} …", &line[..end]))
    };
    let lines = text.split_inclusive('\n').map(|line| match cut(line) {
        Some(cut) if line.ends_with('\n') => cut + "\n",
        Some(cut) => cut,
        None => line.to_owned(),
    });
    lines.collect()
}

/// Says of each secret of the new text whether it is another one than before.
fn mark(shown: &mut dyn TableLike, new: &dyn TableLike, old: &dyn TableLike, all: bool) {
    for (key, shown) in shown.iter_mut() {
        let (Some(new), Some(old)) = (new.get(key.get()), old.get(key.get())) else { continue };
        let word = key.get().to_ascii_lowercase();
        if let (Some(shown), Some(new), Some(old)) =
            (shown.as_table_like_mut(), new.as_table_like(), old.as_table_like())
        {
            mark(shown, new, old, all || is_secret(&word));
        } else if let (Some(shown), Some(new), Some(old)) =
            (shown.as_array_of_tables_mut(), new.as_array_of_tables(), old.as_array_of_tables())
        {
            for ((place, shown), new) in shown.iter_mut().enumerate().zip(new.iter()) {
                let same = old.iter().find(|old| name_of_table(old) == name_of_table(new));
                if let Some(old) = same.or_else(|| old.get(place).filter(|_| name_of_table(new).is_none())) {
                    mark(shown, new, old, all);
                }
            }
        } else if (all || is_secret(&word)) && plain(new) != plain(old) {
            let decor = shown.as_value().map(|value| value.decor().clone());
            let mut changed = Value::from("redacted, changed");
            if let Some(decor) = decor {
                *changed.decor_mut() = decor;
            }
            *shown = Item::Value(changed);
        }
    }
}

fn name_of_table(table: &Table) -> Option<String> {
    name(&Plain::Object(plain_table(table)))
}

// --- In words -----------------------------------------------------------------------------------------------------------

/// The rows of a list, each known by its name.
fn rows(what: &str, old: &[Plain], new: &[Plain], found: &mut Vec<Difference>) {
    if !old.iter().chain(new).all(Plain::is_object) {
        let value = |list: &[Plain]| (!list.is_empty()).then(|| Plain::Array(list.to_vec()));
        return one(what, "", what, value(old).as_ref(), value(new).as_ref(), found);
    }
    let place = |row: &Plain, at: usize| match name(row) {
        Some(name) => format!("{what} {name}"),
        None => format!("{what} {}", at + 1),
    };
    let places = |list: &[Plain]| -> Vec<String> { list.iter().enumerate().map(|(at, row)| place(row, at)).collect() };
    let (old_places, new_places) = (places(old), places(new));
    let said = |place: &str, word: &str| Difference { place: place.into(), field: String::new(), what: word.into() };
    found.extend(old_places.iter().filter(|place| !new_places.contains(place)).map(|place| said(place, "is gone")));
    for (row, place) in new.iter().zip(&new_places) {
        match old_places.iter().position(|old| old == place).and_then(|at| old.get(at)) {
            None => found.push(said(place, "is new")),
            Some(old) => one(place, "", "", Some(old), Some(row), found),
        }
    }
    let kept = |list: &[String], others: &[String]| -> Vec<String> {
        list.iter().filter(|place| others.contains(place)).cloned().collect()
    };
    if kept(&old_places, &new_places) != kept(&new_places, &old_places) {
        found.push(said(&format!("every {what}"), "is there in another order"));
    }
}

/// What names a row among others of its kind.
fn name(row: &Plain) -> Option<String> {
    let text = |key: &str| row.get(key).and_then(Plain::as_str);
    let name = text("number").or(text("name")).or(text("match"))?;
    let whose = row.get("for").filter(|_| text("match").is_some()).map(|whose| format!(" for {}", written(whose)));
    Some(format!("{name:?}{}", whose.unwrap_or_default()))
}

/// One value of the place; `key` is the last part of `field`.
fn one(place: &str, field: &str, key: &str, old: Option<&Plain>, new: Option<&Plain>, found: &mut Vec<Difference>) {
    if old == new {
        return;
    }
    let secret = is_secret(&key.to_ascii_lowercase());
    let mut say = |what: String| found.push(Difference { place: place.into(), field: field.into(), what });
    match (old, new) {
        (Some(Plain::Object(old)), Some(Plain::Object(new))) if !secret => {
            for key in keys(old, new) {
                let field = if field.is_empty() { key.clone() } else { format!("{field}.{key}") };
                one(place, &field, &key, old.get(&key), new.get(&key), found);
            }
        }
        (None, Some(new)) if secret || new.is_object() => say("is new".into()),
        (None, Some(new)) => say(format!("is new: {}", written(new))),
        (Some(old), None) if secret || old.is_object() => say("is gone".into()),
        (Some(old), None) => say(format!("is gone; it was {}", written(old))),
        _ if secret => say("changed".into()),
        (Some(Plain::Array(old)), Some(Plain::Array(new))) => {
            let only = |list: &[Plain], others: &[Plain], what: &str| {
                let items = list.iter().filter(|item| !others.contains(item)).map(written).collect::<Vec<_>>();
                (!items.is_empty()).then(|| format!("{} {what}", items.join(", ")))
            };
            let parts = [only(new, old, "added"), only(old, new, "removed")];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            match parts.is_empty() {
                true => say(format!("is {} now", written(&Plain::Array(new.clone())))),
                false => say(parts.join(", ")),
            }
        }
        (Some(old), Some(new)) => say(format!("changed from {} to {}", written(old), written(new))),
        (None, None) => {}
    }
}

fn keys(old: &Map<String, Plain>, new: &Map<String, Plain>) -> Vec<String> {
    new.keys().chain(old.keys().filter(|key| !new.contains_key(*key))).cloned().collect()
}

/// As TOML has it. What is secret within is not written.
fn written(value: &Plain) -> String {
    match value {
        Plain::Array(list) => format!("[{}]", list.iter().map(written).collect::<Vec<_>>().join(", ")),
        Plain::Object(table) => {
            let pair = |(key, value): (&String, &Plain)| match is_secret(&key.to_ascii_lowercase()) {
                true => format!("{key} = …"),
                false => format!("{key} = {}", written(value)),
            };
            format!("{{ {} }}", table.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn plain_table(table: &dyn TableLike) -> Map<String, Plain> {
    table.iter().map(|(key, item)| (key.to_owned(), plain(item))).collect()
}

/// The same however it is written: inline or not, with whatever comments.
fn plain(item: &Item) -> Plain {
    match item {
        Item::None => Plain::Null,
        Item::Value(value) => plain_value(value),
        Item::Table(table) => Plain::Object(plain_table(table)),
        Item::ArrayOfTables(tables) => tables.iter().map(|table| Plain::Object(plain_table(table))).collect(),
    }
}

fn plain_value(value: &Value) -> Plain {
    match value {
        Value::String(text) => text.value().as_str().into(),
        Value::Integer(number) => (*number.value()).into(),
        Value::Float(number) => (*number.value()).into(),
        Value::Boolean(flag) => (*flag.value()).into(),
        Value::Datetime(date) => date.value().to_string().into(),
        Value::Array(list) => list.iter().map(plain_value).collect(),
        Value::InlineTable(table) => Plain::Object(plain_table(table)),
    }
}

// --- By lines -----------------------------------------------------------------------------------------------------------

/// Above this product of lines the middle is shown as exchanged: an office's file has some thousand lines.
const MOST_COMPARED: usize = 25_000_000;

/// The longest common part stays where it is (after cutting what is the same at both ends).
fn beside_each_other(old: &[&str], new: &[&str]) -> Vec<Line> {
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(old, new)| old == new).count();
    let head = same(&mut old.iter().zip(new));
    let tail = same(&mut old[head..].iter().rev().zip(new[head..].iter().rev()));
    let (a, b) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut lines: Vec<Line> = old[..head].iter().map(|line| Line::Same((*line).into())).collect();
    if a.len().saturating_mul(b.len()) > MOST_COMPARED {
        lines.extend(a.iter().map(|line| Line::Gone((*line).into())));
        lines.extend(b.iter().map(|line| Line::New((*line).into())));
    } else {
        // common[i][j]: how many lines a[i..] and b[j..] have in common at most.
        let mut common = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
        for i in (0..a.len()).rev() {
            for j in (0..b.len()).rev() {
                let longest = common[i + 1][j].max(common[i][j + 1]);
                common[i][j] = if a[i] == b[j] { common[i + 1][j + 1] + 1 } else { longest };
            }
        }
        let (mut i, mut j) = (0, 0);
        while i < a.len() || j < b.len() {
            if i < a.len() && j < b.len() && a[i] == b[j] {
                lines.push(Line::Same(a[i].into()));
                (i, j) = (i + 1, j + 1);
            } else if j == b.len() || (i < a.len() && common[i + 1][j] >= common[i][j + 1]) {
                lines.push(Line::Gone(a[i].into()));
                i += 1;
            } else {
                lines.push(Line::New(b[j].into()));
                j += 1;
            }
        }
    }
    lines.extend(old[old.len() - tail..].iter().map(|line| Line::Same((*line).into())));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "[site]\nname = \"Office\" # ours\n\n[[extension]]\nnumber = \"201\"\npassword = \"first\"\n\n\
        [[group]]\nname = \"sales\"\nmembers = [\"201\", \"202\"]\n\n[[did]]\nnumber = \"+4930\"\nopen = { to = \"group:sales\" }\n\n\
        [[outbound]]\nmatch = \"+*\"\ntrunks = [\"a\", \"b\"]\n";

    fn said(new: &str) -> Vec<String> {
        differences(OLD, new).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_difference_is_told_in_the_words_of_the_config() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("\"201\", \"202\"", "\"201\", \"203\"", &["group \"sales\": members \"203\" added, \"202\" removed"]),
            ("\"201\", \"202\"", "\"202\", \"201\"", &["group \"sales\": members is [\"202\", \"201\"] now"]),
            (
                "\"group:sales\"",
                "\"operator\"",
                &["did \"+4930\": open.to changed from \"group:sales\" to \"operator\""],
            ),
            ("name = \"Office\" # ours\n", "", &["[site]: name is gone; it was \"Office\""]),
            ("\"first\"", "\"second\"", &["extension \"201\": password changed"]),
            ("\"first\"", "{ file = \"x\" }", &["extension \"201\": password changed"]),
            ("name = \"sales\"", "name = \"service\"", &["group \"sales\" is gone", "group \"service\" is new"]),
            (
                "match = \"+*\"",
                "match = \"+*\"\nfor = [\"201\"]",
                &["outbound \"+*\" is gone", "outbound \"+*\" for [\"201\"] is new"],
            ),
            ("[site]", "[media]\nmode = \"relay\"\n[site]", &["[media] is new"]),
            ("open = { to = \"group:sales\" }", "[did.open] # the same\nto = \"group:sales\"", &[]),
            ("# ours", "# theirs", &[]),
        ];
        for (from, to, expected) in cases {
            assert_eq!(said(&OLD.replace(from, to)), *expected, "{from} -> {to}");
        }
        let moved = "[[group]]\nname = \"b\"\n[[group]]\nname = \"a\"\n";
        let found = differences("[[group]]\nname = \"a\"\n[[group]]\nname = \"b\"\n", moved).unwrap();
        assert_eq!(found[0].to_string(), "every group is there in another order");
        assert!(differences(OLD, "= 3").unwrap_err().starts_with("this is no TOML: "));
    }

    #[test]
    fn by_lines_a_changed_secret_is_seen_and_not_shown() {
        let new = OLD.replace("\"first\"", "\"second\" # not third").replace("name = \"Office\" # ours\n", "");
        let changed: Vec<Line> =
            lines(OLD, &new).unwrap().into_iter().filter(|line| !matches!(line, Line::Same(_))).collect();
        let expected = [
            Line::Gone("name = \"Office\" # ours".into()),
            Line::Gone("password = \"redacted\"".into()),
            Line::New("password = \"redacted, changed\" # not third".into()),
        ];
        assert_eq!(changed, expected);
        assert!(lines(OLD, OLD).unwrap().iter().all(|line| matches!(line, Line::Same(_))));
        let headers = |value: &str| format!("[sms]\nheaders = {{ X-Key = \"{value}\", Accept = \"y\" }}\n");
        let shown = format!("{:?}", lines(&headers("alpha"), &headers("bravo")).unwrap());
        assert!(shown.contains("changed") && !shown.contains("alpha") && !shown.contains("bravo"), "{shown}");
    }

    #[test]
    fn a_secret_in_a_line_that_was_switched_off_is_hidden_too() {
        let text = "# password = \"hunter2\"\n[site]\nname = \"x\" # the key: hunter2\n# the name of the house: ours\n";
        assert_eq!(
            shown(text).unwrap(),
            "# password = …\n[site]\nname = \"x\" # the key: …\n# the name of the house: ours\n"
        );
    }
}
