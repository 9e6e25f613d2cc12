//! Addresses of the web whose holes are filled: what fills them is one part of the address, whatever it is.

use crate::config::Template;

/// The address.
pub(super) fn link(template: &Template, value: impl Fn(&str) -> String) -> String {
    template.fill(|hole| escaped(&value(hole)))
}

/// RFC 3986 §2.3: everything but the unreserved letters is escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fills_a_hole_stays_one_part_of_the_address() {
        let card = Template::of("https://crm.example/contact/{customer}?phone={number}");
        let filled = link(&card, |hole| match hole {
            "number" => "+79161234567".into(),
            _ => "a/b ?я".into(),
        });
        assert_eq!(filled, "https://crm.example/contact/a%2Fb%20%3F%D1%8F?phone=%2B79161234567");
    }
}
