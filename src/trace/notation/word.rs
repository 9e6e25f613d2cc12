//! The smallest parts of the notation: words, and the peers that they name.

use std::fmt;

/// One side of a ladder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// `provider`, `trunk:NAME`, or an extension's number.
    pub name: String,
    /// Which of its devices, counted from 1.
    pub device: u8,
    /// Which of its calls, where it has more than one.
    pub call: String,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.device != 1 {
            write!(f, "/{}", self.device)?;
        }
        if !self.call.is_empty() {
            write!(f, ".{}", self.call)?;
        }
        Ok(())
    }
}

impl Peer {
    /// Reads `15`, `15/2`, `provider.b`.
    pub fn read(text: &str) -> Peer {
        let (rest, call) = match text.split_once('.') {
            Some((rest, call)) if !rest.is_empty() => (rest, call),
            _ => (text, ""),
        };
        let (name, device) = match rest.split_once('/') {
            Some((name, device)) => (name, device.parse().unwrap_or(1)),
            None => (rest, 1),
        };
        Peer { name: name.to_owned(), device, call: call.to_owned() }
    }
}

/// Words at blanks and commas; what stands in quotes is one word, with its quotes.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => {
                quoted = !quoted;
                word.push('"');
            }
            ' ' | '\t' | ',' if !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            character => word.push(character),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

pub(super) fn unquoted(word: &str) -> String {
    word.trim_matches('"').to_owned()
}
