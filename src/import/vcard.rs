//! vCards (RFC 6350, and versions 2.1 and 3.0 as phones still write them): `UID`, `FN` or `N`, `TEL`, `KIND`, and
//! `X-RESPONSIBLE`, the extension.

use super::entries::{Entry, sheet};
use super::sheet::{Finding, Sheet, shown};
use crate::config::Config;

impl Sheet {
    /// Reads any number of cards. A card without `UID` is known by its first number.
    pub fn of_vcard(bytes: &[u8], config: &Config) -> Sheet {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = String::from_utf8_lossy(bytes);
        let (mut entries, mut bad) = (Vec::new(), Vec::new());
        let mut card: Option<Entry> = None;
        for (line, text) in unfolded(&text) {
            let Some(property) = Property::of(&text) else { continue };
            match (property.name.as_str(), card.as_mut()) {
                ("BEGIN", _) if property.value.eq_ignore_ascii_case("vcard") => {
                    bad.extend(card.replace(Entry { line, ..Entry::default() }).map(|open| not_ended(&open)));
                }
                ("END", Some(_)) => entries.extend(card.take()),
                ("UID", Some(card)) => card.id = property.text(),
                ("FN", Some(card)) => card.name = property.text(),
                // Family name; given name; …
                ("N", Some(card)) if card.name.is_empty() => {
                    let parts = property.parts();
                    let given_first = parts.iter().take(2).rev().filter(|part| !part.is_empty());
                    card.name = given_first.cloned().collect::<Vec<_>>().join(" ");
                }
                ("TEL", Some(card)) => {
                    let number = property.text();
                    let number = number.strip_prefix("tel:").unwrap_or(&number);
                    card.numbers.extend((!number.trim().is_empty()).then(|| number.trim().to_owned()));
                }
                ("KIND", Some(card)) => {
                    card.kind =
                        if property.value.eq_ignore_ascii_case("org") { "company" } else { "contact" }.to_owned();
                }
                ("X-RESPONSIBLE", Some(card)) => card.responsible = property.text(),
                _ => {}
            }
        }
        bad.extend(card.map(|open| not_ended(&open)));
        sheet(entries, bad, config)
    }
}

fn not_ended(card: &Entry) -> Finding {
    let reason = "this card has no END:VCARD".to_owned();
    Finding { line: card.line, column: "BEGIN".into(), value: shown(&card.name), reason }
}

/// The lines, those that go on with a blank joined (RFC 6350 §3.2), and those of quoted-printable that go on with `=`.
fn unfolded(text: &str) -> Vec<(u64, String)> {
    let mut lines: Vec<(u64, String)> = Vec::new();
    // Looked up once for each property, or one of many lines would be looked through once for each of them.
    let mut is_quoted = false;
    for (number, line) in (1..).zip(text.lines()) {
        match lines.last_mut() {
            Some((_, last)) if line.starts_with([' ', '\t']) => last.push_str(&line[1..]),
            Some((_, last)) if is_quoted && last.ends_with('=') => {
                last.pop();
                last.push_str(line);
            }
            _ => {
                is_quoted = Property::of(line).is_some_and(|property| property.quoted);
                lines.push((number, line.to_owned()));
            }
        }
    }
    lines
}

/// `item1.TEL;TYPE=cell:+7916…`
struct Property {
    name: String,
    quoted: bool,
    value: String,
}

impl Property {
    fn of(line: &str) -> Option<Property> {
        let mut in_quotes = false;
        let colon = line.char_indices().find(|(_, letter)| {
            in_quotes ^= *letter == '"';
            *letter == ':' && !in_quotes
        });
        let (head, value) = line.split_at(colon?.0);
        let mut head = head.split(';');
        let name = head.next().unwrap_or_default();
        let name = name.rsplit('.').next().unwrap_or(name).to_ascii_uppercase();
        let quoted = head.any(|parameter| parameter.to_ascii_uppercase().contains("QUOTED-PRINTABLE"));
        Some(Property { name, quoted, value: value[1..].trim().to_owned() })
    }

    fn text(&self) -> String {
        unescaped(&self.plain())
    }

    fn parts(&self) -> Vec<String> {
        let plain = self.plain();
        let mut parts = vec![String::new()];
        let mut escaped = false;
        for letter in plain.chars() {
            match (letter, parts.last_mut()) {
                (';', _) if !escaped => parts.push(String::new()),
                (letter, Some(last)) => last.push(letter),
                (_, None) => {}
            }
            escaped = letter == '\\' && !escaped;
        }
        parts.iter().map(|part| unescaped(part)).collect()
    }

    fn plain(&self) -> String {
        if !self.quoted {
            return self.value.clone();
        }
        // RFC 2045 §6.7.
        let mut bytes = Vec::with_capacity(self.value.len());
        let mut rest = self.value.as_bytes();
        while let Some((first, others)) = rest.split_first() {
            let digits = others.get(..2).filter(|two| *first == b'=' && two.iter().all(u8::is_ascii_hexdigit));
            let byte = digits.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
            bytes.push(byte.unwrap_or(*first));
            rest = if byte.is_some() { &others[2..] } else { others };
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// RFC 6350 §3.4. What is read here stands on one line: breaks, however they were written, are blanks.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n' | 'N') => plain.push(' '),
                Some(other) => plain.push(other),
                None => {}
            },
            letter => plain.push(letter),
        }
    }
    plain.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Nothing;

    #[test]
    fn cards_of_several_versions_are_read_and_what_cannot_be_is_said() {
        let text = include_str!("../../tests/office.toml");
        let config = Config::read(Path::new("office.toml"), text, &Nothing).unwrap().config;
        let cards = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:urn:uuid:1\r\nFN:Ada \\, Countess\r\nTEL;VALUE=uri;TYPE=\"cell,voice\":tel:+7-916-123\r\n -45-67\r\nitem1.TEL:8 (495) 777-00-01\r\nX-RESPONSIBLE:201\r\nEND:VCARD\r\n\
            BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=91=D0=BE=\r\n=D0=B1;Bob;;;\r\nTEL;CELL:89162222222\r\nEND:VCARD\r\n\
            BEGIN:VCARD\r\nKIND:org\r\nUID:firm\r\nFN:Firm\r\nTEL:what\r\nX-RESPONSIBLE:999\r\nEND:VCARD\r\nBEGIN:VCARD\r\nFN:Cut\r\n";
        let sheet = Sheet::of_vcard(cards.as_bytes(), &config);
        let rows: Vec<_> = sheet
            .rows
            .iter()
            .map(|row| (&*row.id, row.kind.word(), &*row.name, row.numbers.len(), row.responsible.as_deref()))
            .collect();
        assert_eq!(
            rows,
            [
                ("urn:uuid:1", "contact", "Ada , Countess", 2, Some("201")),
                ("+79162222222", "contact", "Bob Боб", 1, None),
                ("firm", "company", "Firm", 0, Some("999")),
            ]
        );
        let bad: Vec<_> = sheet.bad.iter().map(|bad| (bad.line, bad.column.as_str(), bad.value.as_str())).collect();
        assert_eq!(bad, [(16, "number", "what"), (23, "BEGIN", "Cut")]);
        assert_eq!(sheet.unknown_responsible.len(), 1);
    }
}
