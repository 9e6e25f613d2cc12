//! The config as it may be shown to a stranger: no password, no comment.

use toml_edit::visit_mut::{VisitMut, visit_table_like_kv_mut};
use toml_edit::{DocumentMut, Item, KeyMut, Table, TableLike, Value};

/// What stands in the place of every password. The same everywhere, so that who was configured with the same account as
/// another still is.
pub const REDACTED: &str = "redacted";

/// The same for a pin, which must be digits.
const REDACTED_PIN: &str = "0000";

/// The text of a config without its secrets: passwords and pins, wherever they come from, are replaced, comments and blank
/// lines are left out, because anything may stand in them. `None` where the text is no TOML.
pub fn redact(text: &str) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    Redactor.visit_document_mut(&mut document);
    document.set_trailing("");
    let lines = document.to_string();
    Some(lines.lines().filter(|line| !line.trim().is_empty()).fold(String::new(), |text, line| text + line + "\n"))
}

struct Redactor;

impl VisitMut for Redactor {
    fn visit_table_mut(&mut self, table: &mut Table) {
        table.decor_mut().clear();
        self.visit_table_like_mut(table);
    }

    fn visit_table_like_kv_mut(&mut self, mut key: KeyMut<'_>, item: &mut Item) {
        key.leaf_decor_mut().clear();
        key.dotted_decor_mut().clear();
        if key.get().eq_ignore_ascii_case("password") {
            *item = Item::Value(Value::from(REDACTED));
            return;
        }
        if key.get().eq_ignore_ascii_case("pin") {
            *item = Item::Value(Value::from(REDACTED_PIN));
            return;
        }
        visit_table_like_kv_mut(self, key, item);
    }

    fn visit_value_mut(&mut self, value: &mut Value) {
        value.decor_mut().clear();
        if let Value::Array(array) = value {
            array.set_trailing("");
        }
        toml_edit::visit_mut::visit_value_mut(self, value);
    }

    fn visit_table_like_mut(&mut self, table: &mut dyn TableLike) {
        toml_edit::visit_mut::visit_table_like_mut(self, table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_and_no_comment_is_left() {
        let text = "# the old password was hunter2\n[site]\nname = \"Berlin\" # hunter2\n\n[[extension]]\n\
                    number = \"12\"\npassword = \"hunter2\"\ndevices = [ # hunter2\n  \"sip\", # hunter2\n]\n\
                    [[trunk]]\nname = \"x\"\nregister = { user = \"u\", password = { file = \"hunter2\" } } # hunter2\n# hunter2\n\
                    [[voicemail]]\nname = \"x\"\npin = \"hunter2\"\n";
        let redacted = redact(text).unwrap();
        assert!(!redacted.contains("hunter2"), "{redacted}");
        assert!(
            redacted.contains("password=\"redacted\"") || redacted.contains("password = \"redacted\""),
            "{redacted}"
        );
        assert!(redacted.contains("Berlin") && redacted.contains("sip") && !redacted.contains('#'), "{redacted}");
        assert_eq!(redact(&redacted).as_deref(), Some(&*redacted));
    }
}
