//! Texts with holes: `Dear {customer}, …`. What may be filled in is known where the text is read, so a misspelt hole is
//! found before anybody is written to.

use std::sync::Arc;

use super::read::Spot;
use super::spelling::did_you_mean;

/// A text with holes. Braces around anything but a word of small letters are text, so that JSON can be written as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Arc<str>),
    Hole(Arc<str>),
}

impl Template {
    /// Takes a text apart.
    pub fn of(text: &str) -> Template {
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find('{') {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            let end = rest[1..].find(|letter: char| !letter.is_ascii_lowercase() && letter != '_').map(|end| end + 1);
            match end {
                Some(end) if end > 1 && rest[end..].starts_with('}') => {
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain).into()));
                    }
                    pieces.push(Piece::Hole(rest[1..end].into()));
                    rest = &rest[end + 1..];
                }
                _ => {
                    plain.push('{');
                    rest = &rest[1..];
                }
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.into()));
        }
        Template(pieces)
    }

    /// The names of its holes, in the order of the text.
    pub fn holes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Hole(name) => Some(&**name),
            Piece::Text(_) => None,
        })
    }

    /// The text, each hole filled with what `value` says for its name.
    pub fn fill(&self, mut value: impl FnMut(&str) -> String) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.to_string(),
            Piece::Hole(name) => value(name),
        };
        self.0.iter().map(piece).collect()
    }
}

impl Template {
    /// The same for an address of the web: what fills a hole is one part of the address, whatever it is.
    pub fn link(&self, value: impl Fn(&str) -> String) -> String {
        self.fill(|hole| escaped(&value(hole)))
    }
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

/// The text at a place, where its holes are among these.
pub(super) fn template(spot: &Spot<'_>, names: &[&str]) -> Option<Template> {
    let template = Template::of(spot.text()?);
    let mut known = true;
    for hole in template.holes() {
        if !names.contains(&hole) {
            spot.error(format!("nothing is known as {{{hole}}} here"), did_you_mean(hole, names.iter().copied()));
            known = false;
        }
    }
    known.then_some(template)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fills_a_hole_stays_one_part_of_the_address() {
        let card = Template::of("https://crm.example/contact/{customer}?phone={number}");
        let filled = card.link(|hole| match hole {
            "number" => "+79161234567".into(),
            _ => "a/b ?я".into(),
        });
        assert_eq!(filled, "https://crm.example/contact/a%2Fb%20%3F%D1%8F?phone=%2B79161234567");
    }

    #[test]
    fn holes_are_filled_and_other_braces_are_text() {
        let template = Template::of("{\"to\":\"{number}\",\"t\":\"{text}\"}{}{A}{");
        assert_eq!(template.holes().collect::<Vec<_>>(), ["number", "text"]);
        let filled = template.fill(|hole| hole.to_uppercase());
        assert_eq!(filled, "{\"to\":\"NUMBER\",\"t\":\"TEXT\"}{}{A}{");
        assert_eq!(Template::of("Добрый день, {customer}!").fill(|_| "Ада".into()), "Добрый день, Ада!");
    }
}
