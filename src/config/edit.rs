//! Changes of a config's text that keep everything else in it as it was written: comments, order, spaces.

use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::redact::redacted;

/// An employee to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewExtension<'a> {
    /// The number.
    pub number: &'a str,
    /// The employee's name.
    pub name: Option<&'a str>,
    /// What the phones register with.
    pub password: &'a str,
    /// A mobile phone that rings along, as `+` and digits.
    pub mobile: Option<&'a str>,
    /// The hunt groups to be a member of.
    pub groups: &'a [String],
}

/// The text with one more `[[extension]]`, after the others, and its number among the members of its groups.
///
/// # Errors
/// A sentence: the text is no TOML, or written so that nothing can be added to it.
pub fn add_extension(text: &str, new: &NewExtension<'_>) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
    let mut table = Table::new();
    table.insert("number", new.number.into());
    if let Some(name) = new.name {
        table.insert("name", name.into());
    }
    table.insert("password", new.password.into());
    if let Some(mobile) = new.mobile {
        let mut gsm = InlineTable::new();
        gsm.insert("gsm", mobile.into());
        let devices: toml_edit::Array = [Value::from("sip"), Value::from(gsm)].into_iter().collect();
        table.insert("devices", devices.into());
    }
    table.decor_mut().set_prefix("\n");
    let list = document.entry("extension").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let written_otherwise = "the extensions are not written as [[extension]]; add this one by hand";
    list.as_array_of_tables_mut().ok_or(written_otherwise)?.push(table);
    for group in new.groups {
        let groups = document.get_mut("group").and_then(Item::as_array_of_tables_mut);
        let named = |table: &&mut Table| table.get("name").and_then(Item::as_str) == Some(group.as_str());
        let table = groups.and_then(|groups| groups.iter_mut().find(named));
        let table = table.ok_or_else(|| format!("there is no [[group]] named {group:?}"))?;
        let members = table.entry("members").or_insert_with(|| toml_edit::Array::new().into());
        members.as_array_mut().ok_or_else(|| format!("group {group:?}: members is no list"))?.push(new.number);
    }
    Ok(document.to_string())
}

/// A text that came back from somebody who was shown the old one without its secrets: what stands there in a secret's place
/// is that secret again.
///
/// # Errors
/// A sentence: one of the two is no TOML.
pub fn with_secrets_of(old: &str, new: &str) -> Result<String, String> {
    let read = |text: &str| text.parse::<DocumentMut>().map_err(|error| error.to_string());
    let (old, mut new) = (read(old)?, read(new)?);
    let mut shown = old.clone();
    redacted(&mut shown, false);
    keep_in_table(new.as_table_mut(), old.as_table(), shown.as_table());
    Ok(new.to_string())
}

/// The text without its secrets, with its comments. `None` where it is no TOML.
pub fn masked(text: &str) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    redacted(&mut document, false);
    Some(document.to_string())
}

fn keep_in_table(new: &mut dyn TableLike, old: &dyn TableLike, shown: &dyn TableLike) {
    for (key, item) in new.iter_mut() {
        if let (Some(old), Some(shown)) = (old.get(key.get()), shown.get(key.get())) {
            keep(item, old, shown);
        }
    }
}

fn keep(new: &mut Item, old: &Item, shown: &Item) {
    let plain = |item: &Item| item.as_value().map(|value| value.clone().decorated("", "").to_string());
    if let (Some(written), Some(was), Some(was_shown)) = (plain(new), plain(old), plain(shown))
        && written == was_shown
    {
        if was != was_shown
            && let (Some(value), Some(secret)) = (new.as_value_mut(), old.as_value())
        {
            let decor = value.decor().clone();
            *value = secret.clone();
            *value.decor_mut() = decor;
        }
        return;
    }
    if let (Some(new), Some(old), Some(shown)) = (new.as_table_like_mut(), old.as_table_like(), shown.as_table_like()) {
        return keep_in_table(new, old, shown);
    }
    if let (Some(new), Some(old), Some(shown)) =
        (new.as_array_of_tables_mut(), old.as_array_of_tables(), shown.as_array_of_tables())
    {
        for (place, table) in new.iter_mut().enumerate() {
            let same = |other: &Table| is_same(table, other);
            // Who has no name is known by the place.
            let nameless = || identity(table).is_none().then_some(place);
            if let Some(found) = old.iter().position(same).or_else(nameless)
                && let (Some(old), Some(shown)) = (old.get(found), shown.get(found))
            {
                keep_in_table(table, old, shown);
            }
        }
    }
}

/// What names a table among others of its kind.
fn identity(table: &Table) -> Option<(&'static str, String)> {
    let text = |key: &'static str| Some((key, table.get(key)?.as_str()?.to_owned()));
    ["number", "name", "match"].into_iter().find_map(text)
}

fn is_same(one: &Table, other: &Table) -> bool {
    identity(one).is_some_and(|name| identity(other) == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# The office.\n[site]\nname = \"Berlin\" # capital\n\n[[extension]]\nnumber = \"12\"\npassword = \"one\" # of Ada\n\n\
        [[extension]]\nnumber = \"14\"\npassword = { file = \"two\" }\n\n# Sales.\n[[group]]\nname = \"sales\"\nmembers = [\"12\", \"14\"] # both\n";

    #[test]
    fn an_extension_is_added_after_the_others_and_nothing_else_moves() {
        let new = NewExtension {
            number: "15",
            name: Some("Eve \"E\" Ö"),
            password: "three",
            mobile: Some("+4915100000001"),
            groups: &["sales".to_owned()],
        };
        let added = add_extension(TEXT, &new).unwrap();
        let expected = TEXT
            .replace("{ file = \"two\" }\n", "{ file = \"two\" }\n\n[[extension]]\nnumber = \"15\"\nname = 'Eve \"E\" Ö'\npassword = \"three\"\ndevices = [\"sip\", { gsm = \"+4915100000001\" }]\n")
            .replace("[\"12\", \"14\"] # both", "[\"12\", \"14\", \"15\"] # both");
        assert_eq!(added, expected);
        let nowhere = add_extension(TEXT, &NewExtension { groups: &["sale".to_owned()], ..new });
        assert_eq!(nowhere, Err("there is no [[group]] named \"sale\"".into()));
    }

    #[test]
    fn the_first_extension_of_an_office_can_be_added() {
        let new = NewExtension { number: "12", name: None, password: "p", mobile: None, groups: &[] };
        let added = add_extension("[site]\nname = \"x\"\n", &new).unwrap();
        assert_eq!(added, "[site]\nname = \"x\"\n\n[[extension]]\nnumber = \"12\"\npassword = \"p\"\n");
    }

    #[test]
    fn who_sends_back_what_was_shown_keeps_the_secrets() {
        let shown = masked(TEXT).unwrap();
        assert!(!shown.contains("one") && !shown.contains("two") && shown.contains("# of Ada"), "{shown}");
        assert_eq!(with_secrets_of(TEXT, &shown).as_deref(), Ok(TEXT));
        // Moved, added to, and with another password: each keeps what is theirs.
        let changed = "[[extension]]\nnumber = \"14\"\npassword = \"redacted\"\n[[extension]]\nnumber = \"12\"\npassword = \"new\"\n";
        let kept = with_secrets_of(TEXT, changed).unwrap();
        assert_eq!(kept, changed.replace("\"redacted\"", "{ file = \"two\" }"));
    }
}
