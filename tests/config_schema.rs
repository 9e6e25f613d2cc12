//! The schema of the config language says what the readers read, no more and no less: every example of this repository is
//! held against both.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use huntline::config::{Config, Nothing, Problem, Severity};
use serde_json::{Map, Value};
use toml_edit::{DocumentMut, Item, TableLike};

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// A TOML text as JSON has it.
fn plain(text: &str) -> Option<Value> {
    fn table(table: &dyn TableLike) -> Value {
        table.iter().map(|(key, one)| (key.to_owned(), item(one))).collect::<Map<_, _>>().into()
    }
    fn item(one: &Item) -> Value {
        match one {
            Item::None => Value::Null,
            Item::Value(one) => value(one),
            Item::Table(one) => table(one),
            Item::ArrayOfTables(all) => all.iter().map(|one| table(one)).collect(),
        }
    }
    fn value(one: &toml_edit::Value) -> Value {
        match one {
            toml_edit::Value::String(text) => text.value().as_str().into(),
            toml_edit::Value::Integer(number) => (*number.value()).into(),
            toml_edit::Value::Float(number) => (*number.value()).into(),
            toml_edit::Value::Boolean(flag) => (*flag.value()).into(),
            // No key takes one, and a text is no date.
            toml_edit::Value::Datetime(_) => Value::Null,
            toml_edit::Value::Array(list) => list.iter().map(value).collect(),
            toml_edit::Value::InlineTable(one) => table(one),
        }
    }
    text.parse::<DocumentMut>().ok().map(|document| table(document.as_table()))
}

/// The part of JSON Schema that ours uses: everything in `value` that `schema` refuses, each by its path. An unknown key is
/// `key `x``.
fn refused(schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let schema = match schema {
        Value::Bool(false) => return vec![format!("{path}: nothing may be here")],
        Value::Bool(true) => return Vec::new(),
        Value::Object(schema) => schema,
        other => panic!("{path}: {other} is no schema"),
    };
    let said = |what: String| vec![format!("{path}: {what}")];
    let mut found = Vec::new();
    for (word, rule) in schema {
        match (word.as_str(), value) {
            ("$schema" | "title" | "description" | "examples", _) => {}
            ("type", _) => {
                let is = match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_i64(),
                    "boolean" => value.is_boolean(),
                    other => panic!("{other}"),
                };
                if !is {
                    return said(format!("no {rule}"));
                }
            }
            ("anyOf", _) => {
                let all: Vec<_> = rule.as_array().unwrap().iter().map(|one| refused(one, value, path)).collect();
                // What fits best says what is wrong.
                found.extend(
                    all.into_iter()
                        .min_by_key(|found| {
                            (found.iter().any(|one| one.starts_with(&format!("{path}: no "))), found.len())
                        })
                        .unwrap(),
                );
            }
            ("enum", _) if rule.as_array().unwrap().contains(value) => {}
            ("enum" | "const", _) if rule != value => found.extend(said(format!("not {rule}"))),
            ("properties", Value::Object(table)) => {
                let known = table.iter().filter_map(|(key, one)| Some((key, one, rule.get(key)?)));
                found.extend(known.flat_map(|(key, one, rule)| refused(rule, one, &format!("{path}.{key}"))));
            }
            ("additionalProperties", Value::Object(table)) => {
                let unknown = table
                    .iter()
                    .filter(|(key, _)| schema.get("properties").is_none_or(|known| known.get(key).is_none()));
                for (key, one) in unknown {
                    match rule {
                        Value::Bool(false) => found.push(format!("{path}: key `{key}`")),
                        rule => found.extend(refused(rule, one, &format!("{path}.{key}"))),
                    }
                }
            }
            ("required", Value::Object(table)) => {
                let missing = rule.as_array().unwrap().iter().filter(|key| !table.contains_key(key.as_str().unwrap()));
                found.extend(missing.map(|key| format!("{path}: {key} is missing")));
            }
            ("items", Value::Array(list)) => {
                found
                    .extend(list.iter().enumerate().flat_map(|(at, one)| refused(rule, one, &format!("{path}[{at}]"))));
            }
            ("minItems", Value::Array(list)) if (list.len() as u64) < rule.as_u64().unwrap() => {
                found.extend(said("too few".into()))
            }
            ("minLength", Value::String(text)) if (text.chars().count() as u64) < rule.as_u64().unwrap() => {
                found.extend(said("too short".into()))
            }
            ("maxLength", Value::String(text)) if text.chars().count() as u64 > rule.as_u64().unwrap() => {
                found.extend(said("too long".into()))
            }
            ("minimum", Value::Number(number)) if number.as_i64() < rule.as_i64() => {
                found.extend(said("too little".into()))
            }
            ("maximum", Value::Number(number)) if number.as_i64() > rule.as_i64() => {
                found.extend(said("too much".into()))
            }
            ("pattern", Value::String(text)) => {
                assert_eq!(rule, "^[0-9]+ *(ms|s|m|h|d) *$");
                let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
                if unit.len() == text.len() || !["ms", "s", "m", "h", "d"].contains(&unit.trim_matches(' ')) {
                    found.extend(said("no length of time".into()));
                }
            }
            (
                "const"
                | "pattern"
                | "minItems"
                | "minLength"
                | "maxLength"
                | "minimum"
                | "maximum"
                | "properties"
                | "additionalProperties"
                | "required"
                | "items",
                _,
            ) => {}
            (other, _) => panic!("{other} is not known here"),
        }
    }
    found
}

/// The offices of this repository, and every example that is broken: name and text.
fn examples() -> Vec<(String, String)> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(tests().join("config")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
    };
    files.into_iter().map(read).collect()
}

fn offices() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["config/office.toml", "tests/office.toml"]
        .map(|file| (file.to_owned(), std::fs::read_to_string(root.join(file)).unwrap()))
        .to_vec()
}

#[test]
fn what_can_be_followed_fits_the_schema() {
    let schema = Config::schema();
    for (name, text) in offices() {
        assert_eq!(refused(&schema, &plain(&text).unwrap(), ""), Vec::<String>::new(), "{name}");
    }
    // An example that is refused only for what no schema can say fits too: where nothing is wrong but warnings.
    let mut fitted = 0;
    for (name, text) in examples() {
        let Ok(loaded) = Config::read(Path::new(&name), &text, &Nothing) else { continue };
        assert_eq!(refused(&schema, &plain(&text).unwrap(), ""), Vec::<String>::new(), "{name}: {}", loaded.warnings);
        fitted += 1;
    }
    assert!(fitted >= 10, "{fitted}");
}

#[test]
fn a_key_is_unknown_to_the_schema_where_it_is_to_the_readers() {
    let schema = Config::schema();
    let unknown = |problem: &Problem| {
        let rest = problem.reason.strip_prefix("there is no `")?;
        (problem.severity == Severity::Error).then(|| rest.split('`').next().unwrap().to_owned())
    };
    let mut seen = 0;
    for (name, text) in examples() {
        let (Some(value), Err(problems)) = (plain(&text), Config::read(Path::new(&name), &text, &Nothing)) else {
            continue;
        };
        let by_readers: BTreeSet<String> = problems.iter().filter_map(unknown).collect();
        let found = refused(&schema, &value, "");
        let key = |one: &String| Some(one.split_once(": key `")?.1.trim_end_matches('`').to_owned());
        let by_schema: BTreeSet<String> = found.iter().filter_map(key).collect();
        assert_eq!(by_schema, by_readers, "{name}: {found:?}\n{problems}");
        seen += by_readers.len();
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn what_is_wrong_in_kind_is_refused_by_the_schema_too() {
    let schema = Config::schema();
    for name in [
        "wrong-type-duration",
        "wrong-type-flag",
        "wrong-type-list",
        "wrong-type-number",
        "wrong-type-table",
        "wrong-type-text",
        "missing-key",
        "empty-list",
        "strategy-unknown",
        "number-bounds",
        "section-not-list",
        "list-not-section",
        "unknown-section",
        "duration-unreadable",
        "language-unknown",
        "record-unknown",
    ] {
        let text = std::fs::read_to_string(tests().join(format!("config/{name}.toml"))).unwrap();
        assert_ne!(refused(&schema, &plain(&text).unwrap(), ""), Vec::<String>::new(), "{name}");
    }
}

/// Every key that stands in the readers as a literal is a key of the schema: what nobody asks for in a survey is found here.
#[test]
fn every_key_in_the_source_of_the_readers_is_in_the_schema() {
    fn keys(schema: &Value, into: &mut BTreeSet<String>) {
        match schema {
            Value::Object(parts) => {
                if let Some(Value::Object(properties)) = parts.get("properties") {
                    into.extend(properties.keys().cloned());
                }
                parts.values().for_each(|part| keys(part, into));
            }
            Value::Array(parts) => parts.iter().for_each(|part| keys(part, into)),
            _ => {}
        }
    }
    let mut known = BTreeSet::new();
    keys(&Config::schema(), &mut known);
    let mut asked = BTreeSet::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let own = ["read.rs", "diff.rs", "edit.rs", "redact.rs", "schema.rs", "survey.rs", "problem.rs", "spelling.rs"];
        if path.is_dir() || own.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
        for call in [".get(\"", ".needed(\"", ".table(\"", ".rows(\"", "rows(\"", "way(\""] {
            let found = text.split(call).skip(1).filter_map(|rest| rest.split_once('"'));
            asked.extend(found.map(|(key, _)| key.to_owned()));
        }
    }
    assert!(asked.len() > 100, "{}", asked.len());
    let missing: Vec<_> = asked.difference(&known).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn no_key_is_left_without_saying_what_it_takes() {
    fn empty(schema: &Value, path: &str, into: &mut Vec<String>) {
        match schema {
            Value::Object(parts) if parts.is_empty() => into.push(path.to_owned()),
            Value::Object(parts) => parts.iter().for_each(|(key, part)| empty(part, &format!("{path}/{key}"), into)),
            Value::Array(parts) => parts.iter().for_each(|part| empty(part, path, into)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    empty(&Config::schema(), "", &mut found);
    assert_eq!(found, Vec::<String>::new());
}
