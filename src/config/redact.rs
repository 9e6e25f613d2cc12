//! The config as it may be shown to a stranger: no password, no comment.

use toml_edit::visit_mut::{VisitMut, visit_table_like_kv_mut};
use toml_edit::{DocumentMut, Item, KeyMut, Table, TableLike, Value};

/// What stands in the place of every password. The same everywhere, so that who was configured with the same account as
/// another still is.
pub const REDACTED: &str = "redacted";

/// The same for a pin, which must be digits.
const REDACTED_PIN: &str = "0000";

/// The same for a webhook's secret, which must be 24 bytes and more.
const REDACTED_SECRET: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Addresses of the web often are secrets, in whole or in part, and so is what a provider is sent.
const REDACTED_URL: &str = "https://redacted.example/";
const REDACTED_TEMPLATE: &str = "https://redacted.example/?to={number}&text={text}";
const REDACTED_BODY: &str = "\"{number} {text}\"";

/// The text of a config without its secrets: passwords, pins, tokens, keys and addresses of the web, wherever they come from, are replaced, comments and blank
/// lines are left out, because anything may stand in them. `None` where the text is no TOML.
pub fn redact(text: &str) -> Option<String> {
    Some(shown(text.parse().ok()?))
}

/// The same of a document that has been read.
pub(super) fn shown(mut document: DocumentMut) -> String {
    redacted(&mut document, true);
    document.set_trailing("");
    let lines = document.to_string();
    lines.lines().filter(|line| !line.trim().is_empty()).fold(String::new(), |text, line| text + line + "\n")
}

/// True for the keys, in small letters, whose values are secrets, whatever stands in them.
pub(super) fn is_secret(key: &str) -> bool {
    matches!(key, "password" | "token" | "key" | "salt" | "refresh" | "pin" | "secret" | "url" | "body" | "headers")
}

/// Replaces every secret, and (`bare`) takes every comment away.
pub(super) fn redacted(document: &mut DocumentMut, bare: bool) {
    Redactor { bare }.visit_document_mut(document);
}

struct Redactor {
    bare: bool,
}

impl VisitMut for Redactor {
    fn visit_table_mut(&mut self, table: &mut Table) {
        if self.bare {
            table.decor_mut().clear();
        }
        self.visit_table_like_mut(table);
    }

    fn visit_table_like_kv_mut(&mut self, mut key: KeyMut<'_>, item: &mut Item) {
        if self.bare {
            key.leaf_decor_mut().clear();
            key.dotted_decor_mut().clear();
        }
        let instead = match key.get().to_ascii_lowercase().as_str() {
            "password" | "token" | "key" | "salt" | "refresh" => REDACTED,
            "pin" => REDACTED_PIN,
            "secret" => REDACTED_SECRET,
            "url" if item.as_str().is_some_and(|url| url.contains('{')) => REDACTED_TEMPLATE,
            "url" => REDACTED_URL,
            "body" => REDACTED_BODY,
            "headers" => {
                if let Some(headers) = item.as_table_like_mut() {
                    headers.iter_mut().for_each(|(_, value)| *value = Item::Value(Value::from(REDACTED)));
                }
                return visit_table_like_kv_mut(self, key, item);
            }
            _ => return visit_table_like_kv_mut(self, key, item),
        };
        let decor = item.as_value().map(|value| value.decor().clone()).filter(|_| !self.bare);
        let mut shown = Value::from(instead);
        if let Some(decor) = decor {
            *shown.decor_mut() = decor;
        }
        *item = Item::Value(shown);
    }

    fn visit_value_mut(&mut self, value: &mut Value) {
        if self.bare {
            value.decor_mut().clear();
            if let Value::Array(array) = value {
                array.set_trailing("");
            }
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
    fn what_is_called_secret_is_what_is_replaced() {
        for key in
            ["password", "token", "key", "salt", "refresh", "pin", "secret", "url", "body", "number", "name", "to"]
        {
            let text = format!("[[x]]\n{key} = \"{{hunter2}}\"\n");
            assert_eq!(is_secret(key), redact(&text).unwrap() != text, "{key}");
        }
    }

    #[test]
    fn no_password_and_no_comment_is_left() {
        let text = "# the old password was hunter2\n[site]\nname = \"Berlin\" # hunter2\n\n[[extension]]\n\
                    number = \"12\"\npassword = \"hunter2\"\ndevices = [ # hunter2\n  \"sip\", # hunter2\n]\n\
                    [[trunk]]\nname = \"x\"\nregister = { user = \"u\", password = { file = \"hunter2\" } } # hunter2\n# hunter2\n\
                    [[voicemail]]\nname = \"x\"\npin = \"hunter2\"\n\
                    [sms]\nurl = \"https://x/?key=hunter2\"\nbody = \"hunter2\"\nheaders = { X-Key = \"hunter2\" }\n\
                    [telegram]\ntoken = \"hunter2\"\n[[webhook]]\nurl = \"https://x/hunter2\"\nsecret = [\"hunter2\"]\n\
                    [[crm]]\nurl = \"https://x/rest/1/hunter2\"\nkey = \"hunter2\"\nsalt = \"hunter2\"\n";
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
