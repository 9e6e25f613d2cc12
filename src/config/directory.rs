//! Who is named in a config: every list's names, gathered first, so that whoever is read next may refer to any of them.

use std::sync::Arc;

use hashbrown::HashMap;

use super::destination::{
    Destination, Destinations, DidIx, ExtensionIx, GroupIx, RefuseAs, SHIPPED_PROMPTS, ScheduleIx, TrunkIx, VoicemailIx,
};
use super::paths::{Exit, Naming, Origin};
use super::read::{Fields, Place, Spot};
use super::spelling::did_you_mean;
use crate::number::{Numbering, PhoneNumber, bare};

/// More rows than this in one list are a mistake; an index has room for more.
const MOST_ROWS: usize = 1_000_000;

/// The names of one list, in the order of the file.
pub(super) struct Names {
    what: &'static str,
    names: Vec<Arc<str>>,
    at: HashMap<Arc<str>, u32, foldhash::fast::FixedState>,
}

impl Names {
    /// Gathers the names of a list. What has no usable name keeps its place under a name nobody can write.
    fn of(
        what: &'static str,
        rows: &[Fields<'_>],
        key: &'static str,
        read: impl Fn(&Spot<'_>) -> Option<Arc<str>>,
    ) -> Names {
        let mut names = Names { what, names: Vec::new(), at: HashMap::default() };
        let mut places: Vec<Option<Place>> = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let spot = row.needed(key);
            let name = spot.as_ref().and_then(&read);
            if let (Some(spot), Some(name)) = (&spot, &name) {
                match names.at.get(name).and_then(|first| places.get(*first as usize)?.as_ref()) {
                    Some(first) => refuse_twice(spot, what, name, first),
                    None => _ = names.at.insert(name.clone(), at as u32),
                }
            }
            places.push(spot.map(|spot| spot.place));
            names.names.push(name.unwrap_or_default());
        }
        names
    }

    /// The name of a row; empty where it has no usable one.
    pub(super) fn name(&self, index: usize) -> Arc<str> {
        self.names.get(index).cloned().unwrap_or_default()
    }

    /// Where the row of this name stands.
    pub(super) fn index(&self, name: &str) -> Option<u32> {
        self.at.get(name).copied()
    }

    fn find(&self, name: &str, spot: &Spot<'_>) -> Option<u32> {
        let found = self.at.get(name).copied();
        if found.is_none() {
            let there = self.names.iter().map(|name| &**name).filter(|name| !name.is_empty());
            let fix =
                if self.names.is_empty() { format!("add a [[{}]]", self.what) } else { did_you_mean(name, there) };
            spot.error(format!("there is no {} \"{name}\"", self.what), fix);
        }
        found
    }

    /// Name and index of all rows that have a name, for the config's own lookups.
    pub(super) fn lookup<Ix>(&self, index: impl Fn(u32) -> Ix) -> HashMap<Arc<str>, Ix, foldhash::fast::FixedState> {
        let named = self.names.iter().enumerate().filter(|(_, name)| !name.is_empty());
        named.map(|(at, name)| (name.clone(), index(at as u32))).collect()
    }
}

fn refuse_twice(spot: &Spot<'_>, what: &str, name: &str, first: &Place) {
    let line = spot.reader().line_of(first);
    spot.error(
        format!("{what} \"{name}\" is there twice, first in line {line}"),
        "remove one of them, or give it another name",
    );
}

/// 1 to 32 of `[A-Za-z0-9._-]`.
fn extension_number(spot: &Spot<'_>) -> Option<Arc<str>> {
    let text = spot.text()?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !(1..=32).contains(&text.len()) || !text.bytes().all(letter) {
        spot.error(
            format!("\"{text}\" is no extension number"),
            "write 1 to 32 of A-Z, a-z, 0-9, dot, dash and underscore",
        );
        return None;
    }
    Some(text.into())
}

/// `+E.164` in its one written form, or bare digits.
fn did_number(spot: &Spot<'_>) -> Option<Arc<str>> {
    let text = spot.text()?;
    if let Ok(number) = text.parse::<PhoneNumber>() {
        return Some(number.to_string().into());
    }
    if text.is_empty() || text.len() > 32 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        spot.error(
            format!("\"{text}\" is no number"),
            "write + and country code and number, 7 to 15 digits, or bare digits that the provider sends just so",
        );
        return None;
    }
    Some(text.into())
}

/// Everything a value can refer to.
pub(super) struct Directory {
    pub(super) trunks: Names,
    pub(super) extensions: Names,
    pub(super) groups: Names,
    pub(super) voicemails: Names,
    pub(super) schedules: Names,
    pub(super) dids: Names,
    pub(super) numbering: Numbering,
    pub(super) emergency: Vec<Arc<str>>,
    /// True where `site.operator` is written.
    pub(super) has_operator: bool,
    /// Where prompts are looked for.
    pub(super) prompts: std::path::PathBuf,
}

/// The rows of every list, as they stand in the file.
pub(super) struct Rows<'a> {
    pub(super) trunks: Vec<Fields<'a>>,
    pub(super) extensions: Vec<Fields<'a>>,
    pub(super) groups: Vec<Fields<'a>>,
    pub(super) voicemails: Vec<Fields<'a>>,
    pub(super) schedules: Vec<Fields<'a>>,
    pub(super) dids: Vec<Fields<'a>>,
    pub(super) outbound: Vec<Fields<'a>>,
}

impl<'a> Rows<'a> {
    /// Finds every list of the document.
    pub(super) fn of(root: &Fields<'a>) -> Rows<'a> {
        let rows = |key| {
            let mut rows = root.rows(key);
            if let Some(row) = rows.get(MOST_ROWS) {
                row.reader().error(&row.place, format!("more than {MOST_ROWS} are no office any more"), "");
                rows.truncate(MOST_ROWS);
            }
            rows
        };
        Rows {
            trunks: rows("trunk"),
            extensions: rows("extension"),
            groups: rows("group"),
            voicemails: rows("voicemail"),
            schedules: rows("schedule"),
            dids: rows("did"),
            outbound: rows("outbound"),
        }
    }
}

impl Directory {
    /// Gathers the names of every list.
    pub(super) fn of(rows: &Rows<'_>, numbering: Numbering, emergency: Vec<Arc<str>>) -> Directory {
        let label = |spot: &Spot<'_>| spot.label();
        Directory {
            trunks: Names::of("trunk", &rows.trunks, "name", label),
            extensions: Names::of("extension", &rows.extensions, "number", extension_number),
            groups: Names::of("group", &rows.groups, "name", label),
            voicemails: Names::of("voicemail", &rows.voicemails, "name", label),
            schedules: Names::of("schedule", &rows.schedules, "name", label),
            dids: Names::of("did", &rows.dids, "number", did_number),
            numbering,
            emergency,
            has_operator: false,
            prompts: std::path::PathBuf::new(),
        }
    }

    /// The extension a value names.
    pub(super) fn extension(&self, spot: &Spot<'_>) -> Option<ExtensionIx> {
        self.extensions.find(spot.text()?, spot).map(ExtensionIx)
    }

    /// The extensions a list names, each once; at least one.
    pub(super) fn extension_list(&self, spot: &Spot<'_>) -> Vec<(ExtensionIx, Place)> {
        let mut found: Vec<(ExtensionIx, Place)> = Vec::new();
        for spot in spot.some_of().unwrap_or_default() {
            let Some(extension) = self.extension(&spot) else { continue };
            if found.iter().any(|(earlier, _)| *earlier == extension) {
                refuse_second_member(&spot);
            } else {
                found.push((extension, spot.place));
            }
        }
        found
    }

    /// The trunks a list names, each once; at least one.
    pub(super) fn trunk_list(&self, spot: &Spot<'_>) -> Vec<TrunkIx> {
        let mut found = Vec::new();
        for spot in spot.some_of().unwrap_or_default() {
            let Some(trunk) = spot.text().and_then(|name| self.trunks.find(name, &spot)).map(TrunkIx) else { continue };
            if found.contains(&trunk) {
                refuse_second_trunk(&spot);
            } else {
                found.push(trunk);
            }
        }
        found
    }

    /// The schedule a value names.
    pub(super) fn schedule(&self, spot: &Spot<'_>) -> Option<ScheduleIx> {
        self.schedules.find(spot.text()?, spot).map(ScheduleIx)
    }

    /// The DID a value names, however it writes the number.
    pub(super) fn did(&self, spot: &Spot<'_>) -> Option<DidIx> {
        let text = spot.text()?;
        let written = match self.numbering.read(text) {
            Some(number) if !self.dids.at.contains_key(text) => number.to_string(),
            _ => text.to_owned(),
        };
        self.dids.find(&written, spot).map(DidIx)
    }

    /// A public number, read by the site's numbering.
    pub(super) fn number(&self, spot: &Spot<'_>) -> Option<PhoneNumber> {
        self.number_in(spot, spot.text()?)
    }

    fn number_in(&self, spot: &Spot<'_>, text: &str) -> Option<PhoneNumber> {
        let number = self.numbering.read(text);
        if number.is_none() {
            spot.error(
                format!("\"{text}\" cannot be read as a public number"),
                "write it as + and country code and number",
            );
        }
        number
    }

    /// Destinations tried in order, one or a list; kept as a way on from `origin`. What cannot be read becomes a
    /// refusal, so that nothing else is said of it.
    pub(super) fn destinations(&self, spot: &Spot<'_>, origin: Origin, exits: &mut Vec<Exit>) -> Destinations {
        let mut list = Destinations::new();
        let mut places = Vec::new();
        for spot in spot.one_or_more().unwrap_or_default() {
            list.push(self.destination(&spot, &origin).unwrap_or(Destination::Refuse(RefuseAs::Unavailable)));
            places.push(spot.place);
        }
        if list.is_empty() {
            list.push(Destination::Refuse(RefuseAs::Unavailable));
            places.push(spot.place.clone());
        }
        exits.push(Exit { origin, list: list.clone(), places });
        list
    }

    /// One destination.
    pub(super) fn destination(&self, spot: &Spot<'_>, origin: &Origin) -> Option<Destination> {
        let text = spot.text()?;
        let (kind, name) = text.split_once(':').map_or((text, None), |(kind, name)| (kind, Some(name)));
        match (kind, name) {
            ("extension", Some(name)) => {
                self.extensions.find(name, spot).map(|ix| Destination::Extension(ExtensionIx(ix)))
            }
            ("group", Some(name)) => self.groups.find(name, spot).map(|ix| Destination::Group(GroupIx(ix))),
            ("voicemail", Some(name)) => {
                self.voicemails.find(name, spot).map(|ix| Destination::Voicemail(VoicemailIx(ix)))
            }
            ("announcement", Some(name)) => self.prompt(spot, name).map(Destination::Announcement),
            ("number", Some(text)) => self.outside(spot, text).map(Destination::Number),
            ("refuse", Some(word)) => refusal(spot, word),
            ("responsible", None) => responsible(spot, origin),
            ("plan", None) => plan(spot, origin),
            ("operator", None) => self.operator(spot, origin),
            ("queue" | "menu", Some(_)) => {
                spot.error(
                    format!("\"{kind}:\" is reserved: there are no {kind}s yet"),
                    "use a group with `patience` and `then`",
                );
                None
            }
            _ => {
                self.no_destination(spot, text);
                None
            }
        }
    }

    fn no_destination(&self, spot: &Spot<'_>, text: &str) {
        const KINDS: [&str; 9] = [
            "extension:",
            "group:",
            "voicemail:",
            "announcement:",
            "number:",
            "refuse:",
            "responsible",
            "plan",
            "operator",
        ];
        let bare_name = [("extension", &self.extensions), ("group", &self.groups), ("voicemail", &self.voicemails)]
            .into_iter()
            .find(|(_, names)| names.at.contains_key(text));
        let fix = match (bare_name, text.split_once(':')) {
            (Some((kind, _)), _) => format!("did you mean \"{kind}:{text}\"?"),
            (None, Some((kind, name))) => match super::spelling::nearest(&format!("{kind}:"), &KINDS) {
                Some(near) => format!("did you mean \"{near}{name}\"?"),
                None => format!("write one of: {}", KINDS.join(", ")),
            },
            (None, None) => did_you_mean(text, KINDS),
        };
        spot.error(format!("\"{text}\" is no destination"), fix);
    }

    /// A prompt by name: shipped, or a file among the prompts. A missing one is a warning, because the shipped plays.
    fn prompt(&self, spot: &Spot<'_>, name: &str) -> Option<Arc<str>> {
        let name = prompt_name(spot, name)?;
        let shipped = SHIPPED_PROMPTS.contains(&without_ending(&name));
        self.look_at_prompt(spot, &name, !shipped);
        Some(name)
    }

    /// A greeting: a file among the prompts, or the name of a shipped one, without ending.
    pub(super) fn greeting(&self, spot: &Spot<'_>) -> Option<Arc<str>> {
        let name = prompt_name(spot, spot.text()?)?;
        self.look_at_prompt(spot, &name, !SHIPPED_PROMPTS.contains(&&*name));
        Some(name)
    }

    /// Warns of a prompt's file that is missing where it should be there, and of one that is there and broken.
    fn look_at_prompt(&self, spot: &Spot<'_>, name: &str, wanted: bool) {
        let path = self.prompts.join(format!("{}.wav", without_ending(name)));
        if !spot.reader().around().exists(&path) {
            if !wanted {
                return;
            }
            spot.warning(format!("{} is not there", path.display()), "until it is, the shipped prompt plays");
        } else if let Some(why) = spot.reader().around().unplayable(&path) {
            spot.warning(
                format!("{} cannot be played: {why}", path.display()),
                "until it can, the shipped prompt plays",
            );
        }
    }

    /// A mobile. Emergency services and our own numbers are none.
    pub(super) fn mobile(&self, spot: &Spot<'_>) -> Option<PhoneNumber> {
        self.outside(spot, spot.text()?)
    }

    /// Somebody outside, to be called by itself: no emergency service, no number of our own.
    fn outside(&self, spot: &Spot<'_>, text: &str) -> Option<PhoneNumber> {
        if self.is_emergency(text) {
            spot.error(format!("{text} is an emergency number: no call is sent there by itself"), "");
            return None;
        }
        let number = self.number_in(spot, text)?;
        if self.dids.at.contains_key(&*number.to_string()) {
            spot.error(
                format!("{number} is a DID of this office: the call would come back"),
                "name what that DID rings",
            );
            return None;
        }
        Some(number)
    }

    /// True where the text is an emergency number of this site.
    pub(super) fn is_emergency(&self, text: &str) -> bool {
        self.emergency.iter().any(|number| **number == *bare(text))
    }

    fn operator(&self, spot: &Spot<'_>, origin: &Origin) -> Option<Destination> {
        if *origin == Origin::Operator {
            spot.error("the operator cannot be its own last resort", "name an extension, a group or a voicemail");
            return None;
        }
        if !self.has_operator {
            spot.error("there is no operator", "write `operator = \"extension:…\"` under [site]");
            return None;
        }
        Some(Destination::Operator)
    }

    /// An extension must not be dialled where an emergency number is meant.
    pub(super) fn refuse_emergency_extension(&self, spot: &Spot<'_>, number: &str) {
        if self.is_emergency(number) {
            spot.error(
                format!("{number} is an emergency number and can never be an extension"),
                "choose another number",
            );
        }
    }
}

impl Naming for Directory {
    fn name(&self, destination: &Destination) -> String {
        let name = match destination {
            Destination::Extension(ix) => self.extensions.name(ix.index()),
            Destination::Group(ix) => self.groups.name(ix.index()),
            Destination::Voicemail(ix) => self.voicemails.name(ix.index()),
            _ => Arc::default(),
        };
        destination.written(&name)
    }
}

fn refuse_second_member(spot: &Spot<'_>) {
    spot.error("this stands here twice", "remove it");
}

fn refuse_second_trunk(spot: &Spot<'_>) {
    spot.error("this stands here twice", "remove it");
}

fn refusal(spot: &Spot<'_>, word: &str) -> Option<Destination> {
    let found = RefuseAs::ALL.into_iter().find(|how| how.word() == word);
    if found.is_none() {
        spot.error(format!("nothing is refused as \"{word}\""), did_you_mean(word, RefuseAs::ALL.map(RefuseAs::word)));
    }
    found.map(Destination::Refuse)
}

fn responsible(spot: &Spot<'_>, origin: &Origin) -> Option<Destination> {
    if *origin == Origin::Operator {
        spot.error(
            "the last resort must be there for unknown callers too",
            "name an extension, a group or a voicemail",
        );
        return None;
    }
    Some(Destination::Responsible)
}

fn plan(spot: &Spot<'_>, origin: &Origin) -> Option<Destination> {
    if !matches!(origin, Origin::Known(..)) {
        spot.error("\"plan\" has a meaning only in `known`", "name where the call goes");
        return None;
    }
    Some(Destination::Plan)
}

/// A prompt's name without the ending of its file, which may be written or not.
fn without_ending(name: &str) -> &str {
    name.strip_suffix(".wav").unwrap_or(name)
}

/// A plain file name: prompts are looked for in one folder and nowhere else.
fn prompt_name(spot: &Spot<'_>, name: &str) -> Option<Arc<str>> {
    let letter = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '_' | '-');
    if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(letter) {
        spot.error(format!("\"{name}\" is no name of a prompt"), "write a plain file name, without a folder");
        return None;
    }
    Some(name.into())
}
