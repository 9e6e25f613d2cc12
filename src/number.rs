//! Phone numbers: what people write in many ways (`8 (916) 123-45-67`, `+7 916 …`, `007…`) becomes one value.
//!
//! [`Numbering`] is the site's plan and reads what employees dial and what providers send; [`Dials`] is the habit of one
//! trunk, how it writes numbers to us and wants them from us; [`Pattern`] is the `match` of an outbound rule. A number
//! that cannot be read is nobody's error: it is kept verbatim and shown as it came.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::sync::Arc;

use nom::branch::alt;
use nom::bytes::complete::{tag_no_case, take_while1};
use nom::combinator::opt;
use nom::sequence::preceded;
use nom::{IResult, Parser};
use serde::{Deserialize, Serialize};

/// Fewest digits of a public number, country code included (ITU-T E.164 sets no lower bound; Niue has 7).
pub const MIN_DIGITS: usize = 7;
/// Most digits of a public number, country code included (ITU-T E.164 §6.2.1).
pub const MAX_DIGITS: usize = 15;

/// A public number, country code first (E.164), packed into eight bytes: it copies, sorts by value and is the key of
/// every table of numbers. Prints as `+4930123456`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PhoneNumber(NonZeroU64);

impl PhoneNumber {
    /// Reads bare digits, country code first: 7 to 15 of them, not beginning with 0 (no country code does).
    pub fn from_digits(digits: &str) -> Option<PhoneNumber> {
        PhoneNumber::joined(&[digits])
    }

    /// Reads digits that stand in several places as one number: country, area, the rest.
    fn joined(parts: &[&str]) -> Option<PhoneNumber> {
        let digits = || parts.iter().flat_map(|part| part.bytes());
        if digits().next() == Some(b'0') || !digits().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        if !(MIN_DIGITS..=MAX_DIGITS).contains(&parts.iter().map(|part| part.len()).sum()) {
            return None;
        }
        NonZeroU64::new(digits().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))).map(PhoneNumber)
    }

    /// The digits as one number: the key under which tables keep it. Below 10^15, so it fits a signed column.
    pub const fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// Back from [`PhoneNumber::to_bits`]; `None` for what is no number of 7 to 15 digits.
    pub fn from_bits(bits: u64) -> Option<PhoneNumber> {
        let fits = (10u64.pow(MIN_DIGITS as u32 - 1)..10u64.pow(MAX_DIGITS as u32)).contains(&bits);
        NonZeroU64::new(bits).filter(|_| fits).map(PhoneNumber)
    }

    /// How many digits it has, country code included.
    pub fn len(self) -> usize {
        self.0.get().ilog10() as usize + 1
    }

    /// A number is never empty; here because `len` is.
    pub const fn is_empty(self) -> bool {
        false
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` would count the plus for width; people align whole numbers.
        f.pad(&format!("+{}", self.0))
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> String {
        number.to_string()
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = String;
    fn try_from(text: String) -> Result<PhoneNumber, String> {
        text.parse()
    }
}

/// Reads the written form `+…` alone; spaces, brackets, dots and dashes between digits are passed over.
impl FromStr for PhoneNumber {
    type Err = String;
    fn from_str(text: &str) -> Result<PhoneNumber, String> {
        let digits = bare(text);
        digits.strip_prefix('+').and_then(PhoneNumber::from_digits).ok_or_else(|| {
            format!("{text:?} is no number in the form +COUNTRY… of {MIN_DIGITS} to {MAX_DIGITS} digits")
        })
    }
}

/// What stands between the parts of a written number and means nothing (RFC 3966 §5.1.1 "visual separators", spaces).
fn is_separator(letter: char) -> bool {
    matches!(letter, ' ' | '\u{a0}' | '\u{202f}' | '\t' | '-' | '\u{2010}'..='\u{2013}' | '.' | '(' | ')' | '/')
}

/// `sip:+7916…@host;x` → `+7916…`; the scheme and everything after the user part fall away (RFC 3261 §19.1, RFC 3966).
fn user_part(text: &str) -> IResult<&str, &str> {
    let scheme = opt(alt((tag_no_case("tel:"), tag_no_case("sips:"), tag_no_case("sip:"))));
    let user = take_while1(|letter| !matches!(letter, '@' | ';' | '?' | ':' | '<' | '>'));
    preceded(scheme, user).parse(text)
}

/// The number as it was meant to be dialled: scheme, host, parameters and separators removed, everything else kept.
pub fn bare(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    let user = user_part(text).map_or(text, |(_, user)| user).trim();
    let user = if user.contains("%2") {
        Cow::Owned(user.replace("%2B", "+").replace("%2b", "+").replace("%23", "#"))
    } else {
        user.into()
    };
    if !user.contains(is_separator) {
        return user;
    }
    // "Reception 2" is no number: its separators stay, so that it can be shown as it came.
    let meant = |letter: char| letter.is_ascii_digit() || is_separator(letter) || matches!(letter, '+' | '*' | '#');
    if !user.chars().all(meant) {
        return user;
    }
    Cow::Owned(user.chars().filter(|letter| !is_separator(*letter)).collect())
}

/// How a site reads numbers: its country, its area and the prefixes its people dial. The empty plan (nothing
/// configured) reads `+…` and `00…` and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Numbering {
    /// Country code without plus: `7`, `49`. Empty: none.
    pub country: Arc<str>,
    /// Area code without prefix: `495`, `30`. Empty: local numbers cannot be read.
    pub area: Arc<str>,
    /// What is dialled before a national number: `8` in Russia, `0` in Germany. Empty: none.
    pub national_prefix: Arc<str>,
    /// What is dialled before a country code: `810`, `00`. Empty: `00`.
    pub international_prefix: Arc<str>,
}

impl Numbering {
    /// How many digits a national number has without its prefix, in countries where that is fixed.
    fn national_digits(&self) -> Option<usize> {
        Some(match &*self.country {
            "1" | "7" | "44" | "90" | "91" => 10,
            "380" | "375" | "33" | "34" | "41" | "48" | "994" | "995" | "996" | "998" | "992" => 9,
            "45" | "47" | "370" | "371" | "374" | "993" => 8,
            _ => return None,
        })
    }

    /// Reads a number as people of this site write it, in this order: `+`, the international prefix, `00`, the national
    /// prefix, the country code from 11 digits, a whole national number (10 digits, or what the country's plan says),
    /// area code + 5 to 9 digits. `None`: it cannot be read and stays what it is.
    ///
    /// Emergency numbers and extensions come first; they are the config's to know (`Config::dialled`).
    pub fn read(&self, text: &str) -> Option<PhoneNumber> {
        let text = bare(text);
        if let Some(digits) = text.strip_prefix('+') {
            return PhoneNumber::from_digits(digits);
        }
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let after = |prefix: &str| if prefix.is_empty() { None } else { text.strip_prefix(prefix) };
        if let Some(number) =
            after(&self.international_prefix).or_else(|| after("00")).and_then(PhoneNumber::from_digits)
        {
            return Some(number);
        }
        if self.country.is_empty() {
            return None;
        }
        let national = |rest: &str| PhoneNumber::joined(&[&*self.country, rest]);
        let whole = self.national_digits();
        if let Some(rest) = after(&self.national_prefix)
            && whole.map_or(rest.len() >= 5, |whole| rest.len() == whole)
        {
            return national(rest);
        }
        let from = whole.map_or(11, |whole| self.country.len() + whole);
        if text.len() >= from && text.starts_with(&*self.country) {
            return PhoneNumber::from_digits(&text);
        }
        match text.len() {
            digits if digits == whole.unwrap_or(10) => national(&text),
            5..=9 if !self.area.is_empty() => PhoneNumber::joined(&[&*self.country, &*self.area, &*text]),
            _ => None,
        }
    }

    /// Reads a number as a trunk with these habits writes it.
    pub fn read_from(&self, text: &str, dials: Dials) -> Option<PhoneNumber> {
        if dials == Dials::E164
            && let Some(number) = PhoneNumber::from_digits(&bare(text))
        {
            return Some(number);
        }
        self.read(text)
    }

    /// Writes a number as a trunk with these habits wants it.
    pub fn write(&self, number: PhoneNumber, dials: Dials) -> String {
        match dials {
            Dials::E164 => number.to_bits().to_string(),
            Dials::PlusE164 => number.to_string(),
            Dials::National => {
                let digits = number.to_bits().to_string();
                let home = if self.country.is_empty() { None } else { digits.strip_prefix(&*self.country) };
                match home {
                    Some(rest) => format!("{}{rest}", self.national_prefix),
                    None if self.international_prefix.is_empty() => format!("00{digits}"),
                    None => format!("{}{digits}", self.international_prefix),
                }
            }
        }
    }
}

/// How a trunk writes numbers to us and wants them from us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dials {
    /// `4930123456`: country code first, no plus.
    E164,
    /// `+4930123456`.
    #[default]
    PlusE164,
    /// `8 495 …` at home, `810 49 …` abroad: the site's prefixes.
    National,
}

/// Which numbers an outbound rule is for: `+7*` (whatever begins so), `+74951234567` (this one), `0*` (dialled text that
/// is no public number), `*` (everything).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Pattern {
    text: Arc<str>,
    plus: bool,
    open: bool,
}

impl Pattern {
    /// `*`.
    pub fn everything() -> Pattern {
        Pattern { text: "*".into(), plus: false, open: true }
    }

    /// True where the number or, for what could not be read, the dialled text fits.
    pub fn matches(&self, number: Option<PhoneNumber>, dialled: &str) -> bool {
        let fits = |text: &str| if self.open { text.starts_with(self.start()) } else { text == self.start() };
        match number {
            Some(number) => (self.plus || self.start().is_empty()) && fits(&number.to_bits().to_string()),
            None => !self.plus && fits(&bare(dialled)),
        }
    }

    /// True where it is for public numbers alone, written with `+`.
    pub fn is_public(&self) -> bool {
        self.plus
    }

    /// True where anything may follow its digits.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The digits it begins with, without plus and star.
    pub fn start(&self) -> &str {
        self.text.trim_start_matches('+').trim_end_matches('*')
    }

    /// Of two that match, the greater wins: the one that pins down more digits; an exact one before an open one; one
    /// for public numbers before one for everything.
    pub fn weight(&self) -> (usize, bool, bool) {
        (self.start().len(), !self.open, self.plus)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Pattern {
    type Err = String;
    fn from_str(text: &str) -> Result<Pattern, String> {
        let rest = text.strip_prefix('+').unwrap_or(text);
        let digits = rest.strip_suffix('*').unwrap_or(rest);
        if rest.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("a pattern is + and digits, with * at the end for whatever follows".into());
        }
        Ok(Pattern { text: text.into(), plus: text.starts_with('+'), open: rest.ends_with('*') })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moscow() -> Numbering {
        Numbering {
            country: "7".into(),
            area: "495".into(),
            national_prefix: "8".into(),
            international_prefix: "810".into(),
        }
    }

    fn berlin() -> Numbering {
        Numbering {
            country: "49".into(),
            area: "30".into(),
            national_prefix: "0".into(),
            international_prefix: "00".into(),
        }
    }

    fn kyiv() -> Numbering {
        Numbering {
            country: "380".into(),
            area: "44".into(),
            national_prefix: "0".into(),
            international_prefix: "00".into(),
        }
    }

    fn read_all(numbering: &Numbering, table: &[(&str, &str)]) {
        for (text, expected) in table {
            let read = numbering.read(text).map_or_else(|| "-".to_owned(), |number| number.to_string());
            assert_eq!(read, *expected, "{text:?} with {numbering:?}");
        }
    }

    #[test]
    fn however_people_write_it_it_is_one_number() {
        let mobile = "+79161234567";
        let ways = [
            "8 916 123-45-67",
            "8(916)1234567",
            "89161234567",
            "+7 916 123 45 67",
            "+7 (916) 123\u{2011}45\u{2011}67",
            "79161234567",
            "0079161234567",
            "007 916 1234567",
            "81079161234567",
            "9161234567",
            "tel:+7-916-123-45-67",
            "tel:+79161234567;phone-context=example",
            "TEL:89161234567",
            "sip:+79161234567@provider.example;user=phone",
            "sip:%2B79161234567@provider.example",
            "sips:89161234567@provider.example",
            "sip:+79161234567:secret@provider.example",
            " +79161234567 ",
            "+7\u{a0}916\u{a0}1234567",
        ];
        read_all(&moscow(), &ways.map(|way| (way, mobile)));
    }

    #[test]
    fn a_site_reads_by_its_own_plan_in_its_order() {
        read_all(
            &moscow(),
            &[
                ("1234567", "+74951234567"),      // area + 7 digits
                ("8123456", "+74958123456"),      // begins with 8, but is no whole national number
                ("12345", "+749512345"),          // area + 5 digits
                ("123456789", "+7495123456789"),  // area + 9 digits
                ("1234", "-"),                    // too short for the area
                ("84951234567", "+74951234567"),  // national prefix
                ("8104930123456", "+4930123456"), // international prefix before the national one
                ("004930123456", "+4930123456"),
                ("74951234567", "+74951234567"), // country + rest from 11 digits
                ("7495123456", "+77495123456"),  // 10 digits are national, even if they begin like the country
                ("491701234567", "-"),           // another country without any prefix
                ("+4930123456", "+4930123456"),
                ("+49", "-"),
                ("+0495123456", "-"),
                ("+1234567890123456", "-"),
                ("*97", "-"),
                ("#31#", "-"),
                ("anonymous", "-"),
                ("", "-"),
                ("+", "-"),
                ("Reception 2", "-"),
            ],
        );
        read_all(
            &berlin(),
            &[
                ("030 123456", "+4930123456"),
                ("12345678", "+493012345678"),
                ("0170 1112233", "+491701112233"),
                ("00 7 916 1234567", "+79161234567"),
                ("493012345678", "+493012345678"),
                ("0049 30 123456", "+4930123456"),
                ("110", "-"),
            ],
        );
        read_all(
            &kyiv(),
            &[
                ("044 123 45 67", "+380441234567"),
                ("1234567", "+380441234567"),
                ("501234567", "+380501234567"), // 9 digits are a whole national number there
                ("380501234567", "+380501234567"),
                ("0501234567", "+380501234567"),
            ],
        );
        read_all(
            &Numbering::default(),
            &[("+79161234567", "+79161234567"), ("0079161234567", "+79161234567"), ("89161234567", "-")],
        );
    }

    #[test]
    fn a_trunk_is_read_and_written_by_its_habits() {
        let (mobile, abroad) = ("+79161234567".parse().unwrap(), "+4930123456".parse().unwrap());
        let written = |number, dials| moscow().write(number, dials);
        assert_eq!(written(mobile, Dials::National), "89161234567");
        assert_eq!(written(abroad, Dials::National), "8104930123456");
        assert_eq!(written(mobile, Dials::E164), "79161234567");
        assert_eq!(written(abroad, Dials::PlusE164), "+4930123456");
        assert_eq!(Numbering::default().write(abroad, Dials::National), "004930123456");
        let read = |text, dials| moscow().read_from(text, dials).map(|number| number.to_string());
        // Without a plus, an E.164 trunk still begins with the country: this is Berlin, not area 495.
        assert_eq!(read("4930123456", Dials::E164).as_deref(), Some("+4930123456"));
        assert_eq!(read("+4930123456", Dials::E164).as_deref(), Some("+4930123456"));
        assert_eq!(read("004930123456", Dials::E164).as_deref(), Some("+4930123456"));
        assert_eq!(read("8 (916) 123-45-67", Dials::National).as_deref(), Some("+79161234567"));
        assert_eq!(read("89161234567", Dials::PlusE164).as_deref(), Some("+79161234567"));
        assert_eq!(read("unavailable", Dials::National), None);
    }

    #[test]
    fn a_pattern_fits_what_it_says_and_the_longest_weighs_most() {
        let number = Some("+77011234567".parse().unwrap());
        let pattern = |text: &str| text.parse::<Pattern>().unwrap();
        let fits = |text, number, dialled| pattern(text).matches(number, dialled);
        assert!(fits("+7*", number, "") && fits("+77*", number, "") && fits("+*", number, "") && fits("*", number, ""));
        assert!(fits("+77011234567", number, "") && fits("+77011234567*", number, ""));
        assert!(!fits("+7701123456", number, "") && !fits("+49*", number, "") && !fits("7*", number, ""));
        assert!(
            fits("06*", None, "0611") && fits("*", None, "*97") && !fits("+*", None, "0611") && !fits("0", None, "06")
        );
        let mut patterns = ["*", "+*", "+77*", "+77011234567*", "+7*", "+77011234567"].map(pattern);
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.weight()));
        let sorted = ["+77011234567", "+77011234567*", "+77*", "+7*", "+*", "*"];
        assert_eq!(patterns.map(|pattern| pattern.to_string()), sorted);
        for broken in ["", "+", "7**", "+7*5", "+7x", "**"] {
            assert!(broken.parse::<Pattern>().is_err(), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_for_a_trunk_is_read_back(digits in "[1-9][0-9]{6,14}", dials in 0..3usize) {
            let number = PhoneNumber::from_digits(&digits).unwrap();
            prop_assert_eq!(PhoneNumber::from_bits(number.to_bits()), Some(number));
            prop_assert_eq!(number.to_string().parse(), Ok(number));
            prop_assert_eq!(number.len(), digits.len());
            let dials = [Dials::E164, Dials::PlusE164, Dials::National][dials];
            for numbering in [moscow(), berlin(), Numbering::default()] {
                let written = numbering.write(number, dials);
                // At home only a whole national number can come back, and none that looks like one abroad.
                let home = !numbering.country.is_empty() && digits.starts_with(&*numbering.country);
                let rest = digits.len().saturating_sub(numbering.country.len());
                let whole = numbering.national_digits().map_or(rest >= 5, |whole| rest == whole);
                let abroad = written.starts_with("00") || written.starts_with(&*numbering.international_prefix);
                if dials != Dials::National || !home || whole && !abroad {
                    prop_assert_eq!(numbering.read_from(&written, dials), Some(number), "{} {:?}", written, numbering);
                }
            }
        }

        #[test]
        fn no_text_makes_reading_fail(text in "\\PC{0,24}") {
            let _ = (moscow().read(&text), berlin().read_from(&text, Dials::E164), text.parse::<Pattern>());
        }
    }
}
