//! Walks the TOML of a config with its places: every value knows where it stands, every finding is kept, and nothing
//! stops at the first.
//!
//! A [`Fields`] is a table; what is asked of it counts as known, and [`Fields::finish`] reports the rest. A [`Spot`] is
//! one value. Both report through their [`Reader`] and give `None` where a value cannot be used, so that whoever reads
//! goes on with the default. Whoever reads need not know that there are also readings of nothing, which note what is asked
//! for ([`survey`](super::survey)): the schema is made of that.

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml_edit::{ArrayOfTables, Item, TableLike, Value};

use super::problem::{Lines, Problem, Problems, Severity};
use super::secret::Secret;
use super::spelling::{did_you_mean, nearest};
use super::surroundings::Surroundings;
use super::survey::{Kind, Survey};

/// One reading of one text.
pub(super) struct Reader<'a> {
    lines: Lines<'a>,
    file: &'a Path,
    around: &'a dyn Surroundings,
    problems: RefCell<Problems>,
    /// Where passwords stand in the text: no problem shows them.
    secrets: RefCell<Vec<Range<usize>>>,
    /// Where nobody wrote anything, and what is asked for is noted.
    survey: Option<&'a Survey>,
}

/// Where something stands, and what it is called: `group "sales".members`.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) span: Range<usize>,
    pub(super) field: String,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str, around: &'a dyn Surroundings) -> Reader<'a> {
        Reader {
            lines: Lines::new(&file.to_string_lossy(), text),
            file,
            around,
            problems: RefCell::default(),
            secrets: RefCell::default(),
            survey: None,
        }
    }

    /// A reading of nothing, in which whatever is asked for is noted.
    pub(super) fn of_survey(survey: &'a Survey, around: &'a dyn Surroundings) -> Reader<'a> {
        Reader { survey: Some(survey), ..Reader::new(Path::new(""), "", around) }
    }

    /// Keeps an error at a place.
    pub(super) fn error(&self, place: &Place, reason: impl Into<String>, fix: impl Into<String>) {
        self.report(Severity::Error, place, reason.into(), fix.into());
    }

    /// Keeps a warning at a place.
    pub(super) fn warning(&self, place: &Place, reason: impl Into<String>, fix: impl Into<String>) {
        self.report(Severity::Warning, place, reason.into(), fix.into());
    }

    fn report(&self, severity: Severity, place: &Place, reason: String, fix: String) {
        let problem = self.lines.problem(severity, &place.span, &place.field, reason);
        let fix = Some(fix).filter(|fix| !fix.is_empty());
        self.problems.borrow_mut().push(Problem { fix, ..problem });
    }

    /// A relative path counts from the folder of the config file.
    pub(super) fn path(&self, written: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(written)
    }

    pub(super) fn around(&self) -> &dyn Surroundings {
        self.around
    }

    /// The line of a place, to name it in another one's problem.
    pub(super) fn line_of(&self, place: &Place) -> usize {
        self.lines.line_of(place.span.start)
    }

    /// Others can read this file: then it is no place for passwords in the clear.
    pub(super) fn check_file_is_private(&self) {
        let secrets = self.secrets.borrow();
        let Some(first) = secrets.iter().min_by_key(|span| span.start) else { return };
        if !self.around.others_can_read(self.file) {
            return;
        }
        let passwords = if secrets.len() == 1 { "a password".into() } else { format!("{} passwords", secrets.len()) };
        let place = Place { span: first.clone(), field: "password".into() };
        self.warning(
            &place,
            format!("this file can be read by everyone on this machine, and it holds {passwords}"),
            format!("chmod o-r {}, or write \"env:NAME\" or {{ file = \"…\" }}", self.file.display()),
        );
    }

    /// Everything found, in the order of the file, with no password in it.
    pub(super) fn finish(self) -> Problems {
        let mut problems = self.problems.into_inner();
        problems.mask(&self.lines, &self.secrets.borrow());
        problems.sort();
        problems
    }
}

/// What a value is, as the TOML has it.
#[derive(Clone, Copy)]
enum Node<'a> {
    Value(&'a Value),
    Table(&'a dyn TableLike),
    Tables(&'a ArrayOfTables),
    /// Whatever it is asked for.
    Asked(&'a Survey),
}

/// One value with its place.
#[derive(Clone)]
pub(super) struct Spot<'a> {
    reader: &'a Reader<'a>,
    node: Node<'a>,
    pub(super) place: Place,
}

impl<'a> Spot<'a> {
    fn of_item(reader: &'a Reader<'a>, item: &'a Item, place: Place) -> Option<Spot<'a>> {
        let node = match item {
            Item::None => return None,
            Item::Value(value) => Node::Value(value),
            Item::Table(table) => Node::Table(table),
            Item::ArrayOfTables(tables) => Node::Tables(tables),
        };
        Some(Spot { reader, node, place })
    }

    /// The reader this value came from.
    pub(super) fn reader(&self) -> &'a Reader<'a> {
        self.reader
    }

    /// Reports an error at this value.
    pub(super) fn error(&self, reason: impl Into<String>, fix: impl Into<String>) {
        self.reader.error(&self.place, reason, fix);
    }

    /// Reports a warning at this value.
    pub(super) fn warning(&self, reason: impl Into<String>, fix: impl Into<String>) {
        self.reader.warning(&self.place, reason, fix);
    }

    fn kind(&self) -> &'static str {
        match self.node {
            Node::Table(_) | Node::Value(Value::InlineTable(_)) => "a table",
            Node::Tables(_) => "a list of tables",
            Node::Value(Value::String(_)) => "text",
            Node::Value(Value::Integer(_)) => "a whole number",
            Node::Value(Value::Float(_)) => "a number",
            Node::Value(Value::Boolean(_)) => "true or false",
            Node::Value(Value::Datetime(_)) => "a date",
            Node::Value(Value::Array(_)) => "a list",
            Node::Asked(_) => "whatever it is asked for",
        }
    }

    fn wrong_type(&self, wanted: &str, fix: impl Into<String>) {
        self.error(format!("this is {}, expected {wanted}", self.kind()), fix);
    }

    /// Notes what this value is asked for, where nobody wrote one.
    fn asked_for(&self, kind: impl FnOnce() -> Kind) -> Option<&'a Survey> {
        let Node::Asked(survey) = self.node else { return None };
        survey.kind(&self.place.field, kind());
        Some(survey)
    }

    /// A part of a value that nobody wrote.
    fn asked_part(&self) -> Place {
        Place { span: 0..0, field: format!("{}[]", self.place.field) }
    }

    /// The value as text.
    pub(super) fn text(&self) -> Option<&'a str> {
        if self.asked_for(|| Kind::Text).is_some() {
            return Some(PLAUSIBLE);
        }
        match self.node {
            Node::Value(Value::String(text)) => Some(text.value()),
            Node::Value(Value::Integer(_) | Value::Datetime(_)) => {
                let written = self.reader.lines.slice(&self.place.span);
                self.wrong_type("text", format!("write \"{written}\""));
                None
            }
            _ => {
                self.wrong_type("text", "");
                None
            }
        }
    }

    /// Text that is a name people read: not empty, one line, at most 100 characters.
    pub(super) fn label(&self) -> Option<Arc<str>> {
        if self.asked_for(|| Kind::Label).is_some() {
            return Some(PLAUSIBLE.into());
        }
        let text = self.text()?;
        if text.trim().is_empty() || text.chars().count() > 100 || text.chars().any(char::is_control) {
            self.error("a name has 1 to 100 characters on one line", "");
            return None;
        }
        Some(text.trim().into())
    }

    /// The value as a whole number within bounds, both included.
    pub(super) fn number(&self, from: u32, to: u32) -> Option<u32> {
        if self.asked_for(|| Kind::Number(from, to)).is_some() {
            return Some(from);
        }
        let Node::Value(Value::Integer(value)) = self.node else {
            self.wrong_type("a whole number", "write digits, without quotes");
            return None;
        };
        let number = u32::try_from(*value.value()).ok().filter(|number| (from..=to).contains(number));
        if number.is_none() {
            self.error(format!("{} is not from {from} to {to}", value.value()), "");
        }
        number
    }

    /// The value as true or false.
    pub(super) fn flag(&self) -> Option<bool> {
        if let Some(survey) = self.asked_for(|| Kind::Flag) {
            return Some(survey.choose(&self.place.field, 2) == 1);
        }
        match self.node {
            Node::Value(Value::Boolean(flag)) => Some(*flag.value()),
            _ => {
                self.wrong_type("true or false", "write true or false, without quotes");
                None
            }
        }
    }

    /// True where `false` is written, for what can be switched off.
    pub(super) fn is_false(&self) -> bool {
        if let Some(survey) = self.asked_for(|| Kind::Off) {
            return survey.choose(&self.place.field, 4) == 0;
        }
        matches!(self.node, Node::Value(Value::Boolean(flag)) if !*flag.value())
    }

    /// The value as a list.
    pub(super) fn list(&self) -> Option<Vec<Spot<'a>>> {
        if let Some(survey) = self.asked_for(|| Kind::List) {
            let place = self.asked_part();
            return Some(vec![Spot { reader: self.reader, node: Node::Asked(survey), place }]);
        }
        match self.node {
            Node::Value(Value::Array(array)) => Some(
                array
                    .iter()
                    .map(|value| {
                        let span = value.span().unwrap_or_else(|| self.place.span.clone());
                        let place = Place { span, field: self.place.field.clone() };
                        Spot { reader: self.reader, node: Node::Value(value), place }
                    })
                    .collect(),
            ),
            _ => {
                let written = self.reader.lines.slice(&self.place.span);
                self.wrong_type("a list", format!("write [{written}]"));
                None
            }
        }
    }

    /// The values of a list that has been read before: what is wrong with it has been said.
    pub(super) fn quiet_list(&self) -> Vec<Spot<'a>> {
        if matches!(self.node, Node::Value(Value::Array(_))) { self.list().unwrap_or_default() } else { Vec::new() }
    }

    /// Text that has been read before.
    pub(super) fn quiet_text(&self) -> Option<&'a str> {
        if matches!(self.node, Node::Value(Value::String(_))) { self.text() } else { None }
    }

    /// A list of at least one.
    pub(super) fn some_of(&self) -> Option<Vec<Spot<'a>>> {
        let list = self.list()?;
        if let Node::Asked(survey) = self.node {
            survey.some(&self.place.field);
        }
        if list.is_empty() {
            self.error("this list is empty", "name at least one, or leave the line out");
            return None;
        }
        Some(list)
    }

    /// One value, or a list of at least one.
    pub(super) fn one_or_more(&self) -> Option<Vec<Spot<'a>>> {
        match self.node {
            Node::Value(Value::Array(_)) => self.some_of(),
            Node::Asked(survey) if survey.choose(&self.place.field, 2) == 1 => self.some_of(),
            _ => Some(vec![self.clone()]),
        }
    }

    /// True where the value is a table, so that it may be read as one.
    pub(super) fn is_table(&self) -> bool {
        if let Node::Asked(survey) = self.node {
            return survey.choose(&self.place.field, 3) == 0;
        }
        matches!(self.node, Node::Table(_) | Node::Value(Value::InlineTable(_)))
    }

    /// The value as a table.
    pub(super) fn fields(&self) -> Option<Fields<'a>> {
        if let Some(survey) = self.asked_for(|| Kind::Table) {
            let (table, place) = (Contents::Asked(survey), self.place.clone());
            return Some(Fields { reader: self.reader, table, place, known: RefCell::default() });
        }
        let table: &dyn TableLike = match self.node {
            Node::Table(table) => table,
            Node::Value(Value::InlineTable(table)) => table,
            Node::Tables(_) => {
                self.wrong_type("a table", format!("write [{}], once", self.place.field));
                return None;
            }
            Node::Value(_) => {
                self.wrong_type("a table", "write { … = … }");
                return None;
            }
            Node::Asked(_) => return None,
        };
        let table = Contents::Written(table);
        Some(Fields { reader: self.reader, table, place: self.place.clone(), known: RefCell::default() })
    }

    /// The value as `[[tables]]`, or a list of inline tables; each is named after its first of `name` and `number`.
    pub(super) fn tables(&self, what: &str) -> Vec<Fields<'a>> {
        if let Some(survey) = self.asked_for(|| Kind::Tables) {
            let (table, place) = (Contents::Asked(survey), self.asked_part());
            return vec![Fields { reader: self.reader, table, place, known: RefCell::default() }];
        }
        let row = |table: &'a dyn TableLike, span: Option<Range<usize>>| {
            let key = |key| table.get(key).and_then(Item::as_str);
            let name = key("number").or(key("name")).or(key("match"));
            let field = name.map_or(what.to_owned(), |name| [what, " \"", name, "\""].concat());
            let place = Place { span: span.unwrap_or_else(|| self.place.span.clone()), field };
            Fields { reader: self.reader, table: Contents::Written(table), place, known: RefCell::default() }
        };
        match self.node {
            Node::Tables(tables) => tables.iter().map(|table| row(table, table.span())).collect(),
            Node::Value(Value::Array(array)) if array.iter().all(Value::is_inline_table) => {
                array.iter().filter_map(Value::as_inline_table).map(|table| row(table, table.span())).collect()
            }
            _ => {
                self.wrong_type("a list of tables", format!("write [[{what}]], once for each"));
                Vec::new()
            }
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let all = || Kind::Word(words.iter().map(|(word, _)| (*word).to_owned()).collect());
        if let Some(survey) = self.asked_for(all) {
            return words.get(survey.choose(&self.place.field, words.len())).map(|(_, meaning)| *meaning);
        }
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            self.error(
                format!("\"{text}\" is not known here"),
                did_you_mean(text, words.iter().map(|(word, _)| *word)),
            );
        }
        found
    }

    /// A list of a few words, each once.
    pub(super) fn words<T: Copy + PartialEq>(&self, words: &[(&str, T)]) -> Option<Vec<T>> {
        let mut found = Vec::new();
        for spot in self.some_of()? {
            let Some(meaning) = spot.word(words) else { continue };
            if found.contains(&meaning) {
                spot.error("this stands here twice", "remove it");
            }
            found.push(meaning);
        }
        Some(found)
    }

    /// Whatever reads itself from text and says why it cannot.
    pub(super) fn parse<T>(&self, read: impl FnOnce(&str) -> Result<T, String>, fix: &str) -> Option<T> {
        read(self.text()?).map_err(|reason| self.error(reason, fix)).ok()
    }

    /// A length of time within bounds, both included: `500ms`, `20s`, `30m`, `2h`, `180d`.
    pub(super) fn duration(&self, from: Duration, to: Duration) -> Option<Duration> {
        if self.asked_for(|| Kind::Duration).is_some() {
            return Some(from);
        }
        if let Node::Value(Value::Integer(number)) = self.node {
            self.wrong_type("a length of time", format!("write \"{}s\" for seconds", number.value()));
            return None;
        }
        let text = self.text()?;
        let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (count, unit) = text.split_at(split);
        let unit_millis = match unit.trim() {
            "ms" => Some(1),
            "s" => Some(1_000),
            "m" => Some(60_000),
            "h" => Some(3_600_000),
            "d" => Some(86_400_000),
            _ => None,
        };
        let span = count.parse::<u64>().ok().zip(unit_millis).and_then(|(count, unit)| count.checked_mul(unit));
        let Some(span) = span.map(Duration::from_millis) else {
            self.error(format!("\"{text}\" is no length of time"), "write a number and one of ms, s, m, h, d: \"20s\"");
            return None;
        };
        if !(from..=to).contains(&span) {
            self.error(format!("\"{text}\" is not from {} to {}", Written(from), Written(to)), "");
            return None;
        }
        Some(span)
    }

    /// A password: `"env:NAME"`, `{ file = "…" }`, or the text itself. `None` where it is not there.
    pub(super) fn secret(&self) -> Option<Secret> {
        if self.asked_for(|| Kind::Secret).is_some() {
            return Some(Secret::new(PLAUSIBLE));
        }
        if self.is_table() {
            let fields = self.fields()?;
            let file = fields.needed("file");
            fields.finish();
            return file?.secret_file();
        }
        let Some(text) = self.quiet_text() else {
            self.hide();
            self.wrong_type("text", "write it in quotes");
            return None;
        };
        if let Some(name) = text.strip_prefix("env:") {
            let value = self.reader.around.variable(name).filter(|value| !value.is_empty());
            if value.is_none() {
                self.warning(
                    format!("the environment variable {name} is not set"),
                    format!("set {name} before starting; until then whoever needs this password does without"),
                );
            }
            return value.as_deref().map(Secret::new);
        }
        self.hide();
        if text.is_empty() {
            self.error("the password is empty", "write \"env:NAME\", { file = \"…\" } or the password itself");
            return None;
        }
        Some(Secret::new(text))
    }

    /// Keeps what is written here out of every problem.
    pub(super) fn hide(&self) {
        self.reader.secrets.borrow_mut().push(self.place.span.clone());
    }

    fn secret_file(&self) -> Option<Secret> {
        let path = self.reader.path(self.text()?);
        let text = match self.reader.around.text(&path) {
            Ok(text) => text,
            Err(reason) => {
                self.error(
                    format!("{}: {reason}", path.display()),
                    "a relative path counts from the folder of this file",
                );
                return None;
            }
        };
        if self.reader.around.others_can_read(&path) {
            let path = path.display();
            self.warning(format!("{path} can be read by everyone on this machine"), format!("chmod o-r {path}"));
        }
        let password = text.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            self.error(format!("{} is empty", path.display()), "write the password into its first line");
            return None;
        }
        Some(Secret::new(password))
    }
}

/// Writes a duration as the language does.
struct Written(Duration);

impl std::fmt::Display for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = self.0.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
        let (unit, name) =
            units.into_iter().find(|(unit, _)| millis.is_multiple_of(*unit) && millis >= *unit).unwrap_or((1, "ms"));
        write!(f, "{}{name}", millis / unit)
    }
}

/// What stands in a place where nobody wrote anything.
const PLAUSIBLE: &str = "x";

/// What a table holds.
#[derive(Clone, Copy)]
enum Contents<'a> {
    /// What was written.
    Written(&'a dyn TableLike),
    /// Whatever it is asked for.
    Asked(&'a Survey),
}

/// A table with its place. What is asked for is known; [`Fields::finish`] reports what was never asked for.
pub(super) struct Fields<'a> {
    reader: &'a Reader<'a>,
    table: Contents<'a>,
    pub(super) place: Place,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Fields<'a> {
    /// The whole document.
    pub(super) fn of_root(reader: &'a Reader<'a>, table: &'a dyn TableLike) -> Fields<'a> {
        let table = reader.survey.map_or(Contents::Written(table), Contents::Asked);
        Fields { reader, table, place: Place { span: 0..0, field: String::new() }, known: RefCell::default() }
    }

    /// The reader this table came from.
    pub(super) fn reader(&self) -> &'a Reader<'a> {
        self.reader
    }

    fn field(&self, key: &str) -> String {
        // Asked for every value there is, so without the machinery of `format!`.
        match &*self.place.field {
            "" => key.to_owned(),
            table => [table, ".", key].concat(),
        }
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &'static str) -> Option<Spot<'a>> {
        if !self.known.borrow().contains(&key) {
            self.known.borrow_mut().push(key);
        }
        let table = match self.table {
            Contents::Written(table) => table,
            Contents::Asked(survey) => {
                survey.key(&self.place.field, key, false);
                // What excludes each other is never read where both are always there.
                let is_there = survey.choose(&self.field(key), 4) > 0;
                return is_there.then(|| self.asked(survey, key));
            }
        };
        let item = table.get(key)?;
        let span = item.span().or_else(|| table.key(key)?.span()).unwrap_or_else(|| self.place.span.clone());
        Spot::of_item(self.reader, item, Place { span, field: self.field(key) })
    }

    fn asked(&self, survey: &'a Survey, key: &str) -> Spot<'a> {
        let place = Place { span: 0..0, field: self.field(key) };
        Spot { reader: self.reader, node: Node::Asked(survey), place }
    }

    /// The value of a key that must be there.
    pub(super) fn needed(&self, key: &'static str) -> Option<Spot<'a>> {
        if let Contents::Asked(survey) = self.table {
            survey.key(&self.place.field, key, true);
            return Some(self.asked(survey, key));
        }
        let spot = self.get(key);
        if spot.is_none() {
            let place = Place { span: self.place.span.clone(), field: self.field(key) };
            self.reader.error(&place, format!("`{key}` is missing"), format!("add `{key} = …`"));
        }
        spot
    }

    /// The rows of a key, none where it is not there.
    pub(super) fn rows(&self, key: &'static str) -> Vec<Fields<'a>> {
        self.get(key).map_or(Vec::new(), |spot| spot.tables(key))
    }

    /// The table of a key, if it is there.
    pub(super) fn table(&self, key: &'static str) -> Option<Fields<'a>> {
        self.get(key)?.fields()
    }

    /// Every key with its value, where the keys are the admin's to choose. A secret may stand there: the key is shown in
    /// problems, the value is whoever reads it's to hide.
    pub(super) fn entries(&self) -> Vec<(&'a str, Spot<'a>)> {
        let table = match self.table {
            Contents::Written(table) => table,
            Contents::Asked(survey) => {
                survey.open(&self.place.field);
                return vec![(PLAUSIBLE, self.asked(survey, "*"))];
            }
        };
        let spot = |(key, item): (&'a str, &'a Item)| {
            let span = item.span().unwrap_or_else(|| self.place.span.clone());
            Some((key, Spot::of_item(self.reader, item, Place { span, field: self.field(key) })?))
        };
        table.iter().filter_map(spot).collect()
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(&self) {
        let Contents::Written(table) = self.table else { return };
        let known = self.known.borrow();
        for (key, item) in table.iter() {
            if known.contains(&key) {
                continue;
            }
            let span = table.key(key).and_then(|key| key.span()).unwrap_or_else(|| self.place.span.clone());
            if matches!(nearest(key, &known), Some("password" | "pin" | "token" | "secret")) {
                self.reader.secrets.borrow_mut().extend(item.span());
            }
            let inside = if self.place.field.is_empty() { String::new() } else { format!(" in {}", self.place.field) };
            let place = Place { span, field: self.field(key) };
            self.reader.error(&place, format!("there is no `{key}`{inside}"), did_you_mean(key, known.iter().copied()));
        }
    }
}
