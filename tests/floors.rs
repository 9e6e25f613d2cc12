//! Keeps the house in floors: no file reaches upstairs, and nothing through `switch` asks the machine for time, chance,
//! disk or network.
//!
//! The list of floors is read from `src/lib.rs` itself (`// Floor N, name: …` lines, each followed by its `pub mod x;`
//! lines), the imports from every file under `src`. A file may name modules of lower floors, or earlier names of its own
//! row; inside a folder the files (the folder's own `mod.rs` among them) must not form a circle. A `pub use` in a
//! folder's `mod.rs` is a signpost: who follows it is counted as naming the file behind it. Code under `#[cfg(test)]`
//! is free, because the house does not stand on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The module after which the machine begins: everything up to it is the core.
const LAST_OF_THE_CORE: &str = "switch";
/// Used while `switch` is not listed yet.
const LAST_FLOOR_OF_THE_CORE: u32 = 8;
/// What a core file may not name, as sequences of path segments.
const FORBIDDEN_IN_THE_CORE: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "rusqlite",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "thread_rng",
    "OsRng",
    "SysRng",
    "getrandom",
    "rand::rng",
    "rand::random",
];

#[test]
fn the_source_stands_in_its_floors() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    gather(&src, &src, &mut files);
    let found = problems(&files);
    assert!(found.is_empty(), "{} problems:\n{}", found.len(), found.join("\n"));
}

fn gather(root: &Path, folder: &Path, into: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            gather(root, &path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            into.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// A module's place, from the crate's root: `["sip", "parse"]`.
type Place = Vec<String>;

/// Everything wrong with these files (path below `src`, text), one sentence each.
fn problems(files: &[(String, String)]) -> Vec<String> {
    let mut out = Vec::new();
    let Some((_, lib)) = files.iter().find(|(name, _)| name == "lib.rs") else {
        return vec!["there is no lib.rs".into()];
    };
    let house = House::read(lib, &mut out);
    let modules: Vec<Module> =
        files.iter().filter(|(name, _)| name != "lib.rs").map(|(name, text)| Module::read(name, text)).collect();
    let index: BTreeMap<Place, usize> = modules.iter().enumerate().map(|(i, m)| (m.place.clone(), i)).collect();

    let mut inside: BTreeMap<Place, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for module in &modules {
        let top = &module.place[0];
        if module.name == "main.rs" {
            continue; // the program itself stands above everything
        }
        let Some(own) = house.rank(top) else {
            out.push(format!("{}: `{top}` is not listed in lib.rs", module.name));
            continue;
        };
        if house.in_core(top) {
            out.extend(module.forbidden());
        }
        let mut said = BTreeSet::new();
        let signposts = module.signposts(&index);
        for path in module.paths(&index) {
            let target = resolve(&path, &modules, &index, 0);
            let Some(to) = target.first() else {
                let name = path.first().map_or("", String::as_str);
                if house.rank(name).is_none() && said.insert(name.to_string()) {
                    out.push(format!("{}: `crate::{name}` is no module of lib.rs", module.name));
                }
                continue;
            };
            if to == top {
                note_inside(&module.place, &target, signposts.contains(&path), &mut inside);
            } else if let Some(theirs) = house.rank(to)
                && theirs > own
                && said.insert(to.clone())
            {
                let floors = (house.floor(top), house.floor(to));
                out.push(if floors.0 == floors.1 {
                    format!("{}: names `{to}`, a later name in its own row (floor {})", module.name, floors.0)
                } else {
                    format!("{}: on floor {}, names `{to}` on floor {}", module.name, floors.0, floors.1)
                });
            }
        }
    }
    for (folder, edges) in &inside {
        if let Some(circle) = circle(edges) {
            out.push(format!("{}/: a circle: {}", folder.join("/"), circle.join(" -> ")));
        }
    }
    out
}

/// Notes, for every folder that holds both, that one of its entries names another.
fn note_inside(
    from: &Place,
    to: &Place,
    signpost: bool,
    inside: &mut BTreeMap<Place, BTreeMap<String, BTreeSet<String>>>,
) {
    let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    if from == to || (signpost && shared == from.len()) {
        return;
    }
    let entry = |place: &Place| place.get(shared).cloned().unwrap_or_else(|| "mod".into());
    inside.entry(from[..shared].to_vec()).or_default().entry(entry(from)).or_default().insert(entry(to));
}

/// The first circle found, its first name repeated at its end.
fn circle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(
        at: &str,
        edges: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = way.iter().position(|n| n == at) {
            let mut found = way[start..].to_vec();
            found.push(at.into());
            return Some(found);
        }
        if done.contains(at) {
            return None;
        }
        way.push(at.into());
        let found = edges.get(at).into_iter().flatten().find_map(|next| walk(next, edges, way, done));
        way.pop();
        done.insert(at.into());
        found
    }
    let mut done = BTreeSet::new();
    edges.keys().find_map(|start| walk(start, edges, &mut Vec::new(), &mut done))
}

/// The module that a path ends in: the longest known module, signposts followed. Empty when its first name is unknown.
fn resolve(path: &Place, modules: &[Module], index: &BTreeMap<Place, usize>, depth: usize) -> Place {
    let known = (1..=path.len()).rev().find(|n| index.contains_key(&path[..*n]));
    let Some(known) = known else { return Place::new() };
    let place = path[..known].to_vec();
    let module = &modules[index[&place]];
    if depth < 8
        && let Some(next) = path.get(known)
        && let Some(behind) = module.exports.get(next)
    {
        let mut onward = module.absolute(behind, &[], index);
        if onward == *path {
            return place;
        }
        onward.extend_from_slice(&path[known + 1..]);
        let target = resolve(&onward, modules, index, depth + 1);
        if !target.is_empty() {
            return target;
        }
    }
    place
}

/// The list in lib.rs: module names bottom-up with their floors.
struct House {
    names: Vec<(u32, String)>,
}

impl House {
    fn read(lib: &str, out: &mut Vec<String>) -> House {
        let mut floor = None;
        let mut names = Vec::new();
        for (number, line) in lib.lines().enumerate() {
            let line = line.trim();
            if let Some(rest) = line.strip_prefix("// Floor ") {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                let named: Option<u32> = digits.parse().ok();
                if named.is_none() || (floor.is_some() && named <= floor) {
                    out.push(format!("lib.rs:{}: floors are numbered and go upwards", number + 1));
                }
                floor = named.or(floor);
            } else if let Some(rest) = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod ")) {
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                match floor {
                    Some(floor) => names.push((floor, name)),
                    None => out.push(format!("lib.rs:{}: `{name}` stands on no floor", number + 1)),
                }
            }
        }
        House { names }
    }

    fn rank(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|(_, n)| n == name)
    }

    fn floor(&self, name: &str) -> u32 {
        self.rank(name).map_or(u32::MAX, |i| self.names[i].0)
    }

    fn in_core(&self, name: &str) -> bool {
        match self.rank(LAST_OF_THE_CORE) {
            Some(last) => self.rank(name).is_some_and(|own| own <= last),
            None => self.floor(name) <= LAST_FLOOR_OF_THE_CORE,
        }
    }
}

/// A path as written (`super::message::Message`) and the inline modules it stands in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Written {
    segments: Vec<String>,
    inline: Vec<String>,
}

struct Module {
    name: String,
    place: Place,
    written: BTreeSet<Written>,
    /// What a `pub use` here re-exports: the new name and the path as written.
    exports: BTreeMap<String, Vec<String>>,
    tokens: Vec<Token>,
}

impl Module {
    fn read(name: &str, text: &str) -> Module {
        let mut place: Place = name.trim_end_matches(".rs").split('/').map(str::to_string).collect();
        if place.len() > 1 && place.last().is_some_and(|n| n == "mod") {
            place.pop();
        }
        let tokens = without_tests(&tokens(text));
        let mut module =
            Module { name: name.into(), place, written: BTreeSet::new(), exports: BTreeMap::new(), tokens };
        module.walk();
        module
    }

    fn walk(&mut self) {
        let tokens = std::mem::take(&mut self.tokens);
        let mut inline: Vec<(String, usize)> = Vec::new();
        let (mut depth, mut at) = (0, 0);
        while at < tokens.len() {
            match &tokens[at] {
                Token::Mark('{') => depth += 1,
                Token::Mark('}') => {
                    depth -= 1;
                    if inline.last().is_some_and(|(_, d)| *d == depth) {
                        inline.pop();
                    }
                }
                Token::Name(word) if word == "mod" => {
                    if let (Some(Token::Name(name)), Some(Token::Mark('{'))) = (tokens.get(at + 1), tokens.get(at + 2))
                    {
                        inline.push((name.clone(), depth));
                    }
                }
                Token::Name(word) if word == "use" => {
                    let before = at.checked_sub(1).map(|i| &tokens[i]);
                    let public = before == Some(&Token::Name("pub".into())) || before == Some(&Token::Mark(')'));
                    let mut leaves = Vec::new();
                    at = use_tree(&tokens, at + 1, &mut Vec::new(), &mut leaves);
                    for (segments, alias) in leaves {
                        if public && inline.is_empty() {
                            let name = alias.or_else(|| segments.last().cloned()).unwrap_or_default();
                            self.exports.insert(name, segments.clone());
                        }
                        self.written
                            .insert(Written { segments, inline: inline.iter().map(|(n, _)| n.clone()).collect() });
                    }
                    continue;
                }
                Token::Name(_) if !follows_path(&tokens, at) => {
                    let (segments, next) = path(&tokens, at);
                    if segments.len() > 1 {
                        self.written
                            .insert(Written { segments, inline: inline.iter().map(|(n, _)| n.clone()).collect() });
                        at = next;
                        continue;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        self.tokens = tokens;
    }

    /// The crate-wide paths this file names.
    fn paths(&self, index: &BTreeMap<Place, usize>) -> BTreeSet<Place> {
        self.written.iter().map(|w| self.absolute(&w.segments, &w.inline, index)).filter(|p| !p.is_empty()).collect()
    }

    /// The paths that this file re-exports and does not use itself.
    fn signposts(&self, index: &BTreeMap<Place, usize>) -> BTreeSet<Place> {
        let only_there = |name: &str| self.tokens.iter().filter(|t| **t == Token::Name(name.into())).count() == 1;
        let posts = self.exports.iter().filter(|(name, _)| *name == "*" || only_there(name));
        posts.map(|(_, written)| self.absolute(written, &[], index)).collect()
    }

    /// From the crate's root, or empty when the path leads out of the crate.
    fn absolute(&self, segments: &[String], inline: &[String], index: &BTreeMap<Place, usize>) -> Place {
        let mut base: Place = self.place.iter().chain(inline).cloned().collect();
        let mut rest = segments;
        match segments.first().map(String::as_str) {
            Some("crate" | "huntline") => return segments[1..].to_vec(),
            Some("self") => rest = &rest[1..],
            Some("super") => {
                while rest.first().is_some_and(|s| s == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            Some(first) => {
                base.push(first.into());
                if !inline.is_empty() || !index.contains_key(&base) {
                    return Place::new();
                }
                rest = &rest[1..];
            }
            None => return Place::new(),
        }
        base.extend_from_slice(rest);
        base
    }

    fn forbidden(&self) -> Vec<String> {
        let mut out = Vec::new();
        for phrase in FORBIDDEN_IN_THE_CORE {
            let wanted: Vec<Token> = phrase
                .split("::")
                .enumerate()
                .flat_map(|(i, word)| {
                    let marks = if i == 0 { 0 } else { 2 };
                    std::iter::repeat_n(Token::Mark(':'), marks).chain([Token::Name(word.into())])
                })
                .collect();
            if self.tokens.windows(wanted.len()).any(|w| w == wanted) {
                out.push(format!("{}: a core file names `{phrase}`", self.name));
            }
        }
        out
    }
}

/// What remains of Rust when only names and marks are of interest.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Mark(char),
    Literal,
}

fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        let next = chars.get(at + 1).copied();
        if c == '/' && next == Some('/') {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if c == '/' && next == Some('*') {
            at = after_block_comment(&chars, at);
        } else if let Some(end) = after_raw_string(&chars, at) {
            out.push(Token::Literal);
            at = end;
        } else if c == '"' || (matches!(c, 'b' | 'c') && next == Some('"')) {
            at = after_quoted(&chars, at + usize::from(c != '"') + 1, '"');
            out.push(Token::Literal);
        } else if c == '\'' || (c == 'b' && next == Some('\'')) {
            let open = at + usize::from(c == 'b');
            if chars.get(open + 1) == Some(&'\\') || chars.get(open + 2) == Some(&'\'') {
                at = after_quoted(&chars, open + 1, '\'');
                out.push(Token::Literal);
            } else {
                at = open + 1; // a lifetime: its name follows
            }
        } else if c.is_alphabetic() || c == '_' {
            let start = at;
            while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                at += 1;
            }
            out.push(Token::Name(chars[start..at].iter().collect()));
        } else if c.is_ascii_digit() {
            while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                at += 1;
            }
            out.push(Token::Literal);
        } else {
            if !c.is_whitespace() {
                out.push(Token::Mark(c));
            }
            at += 1;
        }
    }
    out
}

fn after_block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn after_quoted(chars: &[char], mut at: usize, quote: char) -> usize {
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The end of a raw string that begins here, if one does.
fn after_raw_string(chars: &[char], start: usize) -> Option<usize> {
    let mut at = start;
    if start > 0 && (chars[start - 1].is_alphanumeric() || chars[start - 1] == '_') {
        return None;
    }
    if matches!(chars[at], 'b' | 'c') {
        at += 1;
    }
    if chars.get(at) != Some(&'r') {
        return None;
    }
    at += 1;
    let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
    at += hashes;
    if chars.get(at) != Some(&'"') {
        return None;
    }
    at += 1;
    while at < chars.len() {
        if chars[at] == '"' && chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(at)
}

/// The tokens without the items that stand under `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let name = |s: &str| Token::Name(s.into());
    let mark = Token::Mark;
    let cfg_test = [mark('#'), mark('['), name("cfg"), mark('('), name("test"), mark(')'), mark(']')];
    let mut out = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].starts_with(&cfg_test) {
            at += cfg_test.len();
            let mut depth = 0;
            while at < tokens.len() {
                match tokens[at] {
                    Token::Mark('{' | '(' | '[') => depth += 1,
                    Token::Mark('}' | ')' | ']') => depth -= 1,
                    _ => {}
                }
                let over = depth == 0 && matches!(tokens[at], Token::Mark(';' | '}'));
                at += 1;
                if over {
                    break;
                }
            }
        } else {
            out.push(tokens[at].clone());
            at += 1;
        }
    }
    out
}

fn is_join(tokens: &[Token], at: usize) -> bool {
    tokens.get(at) == Some(&Token::Mark(':')) && tokens.get(at + 1) == Some(&Token::Mark(':'))
}

fn follows_path(tokens: &[Token], at: usize) -> bool {
    at >= 2 && is_join(tokens, at - 2)
}

/// The names joined by `::` from here, and where they end.
fn path(tokens: &[Token], mut at: usize) -> (Vec<String>, usize) {
    let mut segments = Vec::new();
    while let Some(Token::Name(name)) = tokens.get(at) {
        segments.push(name.clone());
        at += 1;
        if !is_join(tokens, at) || !matches!(tokens.get(at + 2), Some(Token::Name(_))) {
            break;
        }
        at += 2;
    }
    (segments, at)
}

/// Reads one tree of a `use`, pushing each leaf's full path with its new name; returns where the tree ends.
fn use_tree(
    tokens: &[Token],
    mut at: usize,
    before: &mut Vec<String>,
    leaves: &mut Vec<(Vec<String>, Option<String>)>,
) -> usize {
    if is_join(tokens, at) {
        at += 2;
    }
    let (segments, next) = path(tokens, at);
    let added = segments.len();
    before.extend(segments);
    at = next;
    if is_join(tokens, at) {
        at += 2;
    }
    match tokens.get(at) {
        Some(Token::Mark('{')) => {
            at += 1;
            while at < tokens.len() && tokens[at] != Token::Mark('}') {
                let start = at;
                at = use_tree(tokens, at, before, leaves);
                if tokens.get(at) == Some(&Token::Mark(',')) || at == start {
                    at += 1;
                }
            }
            at += 1;
        }
        Some(Token::Mark('*')) => {
            leaves.push((before.clone(), Some("*".into())));
            at += 1;
        }
        _ => {
            let mut leaf = before.clone();
            if leaf.len() > 1 && leaf.last().is_some_and(|s| s == "self") {
                leaf.pop();
            }
            let mut alias = None;
            if let (Some(Token::Name(word)), Some(Token::Name(new))) = (tokens.get(at), tokens.get(at + 1))
                && word == "as"
            {
                alias = Some(new.clone());
                at += 2;
            }
            leaves.push((leaf, alias));
        }
    }
    before.truncate(before.len() - added);
    at
}

// ---- the checker itself, on small houses -------------------------------------------------------------------------

const LIB: &str = "// Floor 0, words: w.\npub mod clock;\npub mod key;\n// Floor 1, grammar: g.\npub mod sip;\n\
                   // Floor 8, the door: d.\npub mod switch;\n// Floor 10, edges: e.\npub mod net;\n";

/// The problems of a house with this list, these files, and an empty file for every listed name that has none.
fn check(lib: &str, files: &[(&str, &str)]) -> Vec<String> {
    let mut all = vec![("lib.rs".to_string(), lib.to_string())];
    all.extend(files.iter().map(|(n, t)| (n.to_string(), t.to_string())));
    for name in ["clock", "key", "sip", "switch", "net"] {
        if !files.iter().any(|(n, _)| *n == format!("{name}.rs") || *n == format!("{name}/mod.rs")) {
            all.push((format!("{name}.rs"), String::new()));
        }
    }
    problems(&all)
}

#[test]
fn a_file_may_name_lower_floors_and_earlier_names_of_its_row() {
    let files =
        [("key.rs", "use crate::clock::Now;"), ("switch.rs", "fn f(m: crate::sip::Message) -> crate::key::K {}")];
    assert_eq!(check(LIB, &files), Vec::<String>::new());
}

#[test]
fn a_file_that_reaches_upstairs_is_named_with_both_floors() {
    assert_eq!(
        check(LIB, &[("sip.rs", "use crate::switch::Input;")]),
        ["sip.rs: on floor 1, names `switch` on floor 8"]
    );
}

#[test]
fn a_later_name_of_the_same_row_is_refused() {
    let want = ["clock.rs: names `key`, a later name in its own row (floor 0)"];
    assert_eq!(check(LIB, &[("clock.rs", "use crate::key::K;")]), want);
}

#[test]
fn paths_are_found_in_use_trees_inline_paths_and_relative_paths() {
    let want = ["sip/parse.rs: on floor 1, names `switch` on floor 8"];
    for text in [
        "use crate::{clock::Now, switch::{self, Input}};",
        "fn f() { crate::switch::go() }",
        "use super::super::switch::Input;",
        "use crate::switch as door;",
        "pub(crate) use crate::switch::*;",
        "mod inner { use super::super::super::switch::Input; }",
    ] {
        assert_eq!(check(LIB, &[("sip/mod.rs", ""), ("sip/parse.rs", text)]), want, "{text}");
    }
}

#[test]
fn comments_strings_and_tests_are_not_code() {
    let text = r##"
        //! See [crate::switch].
        /* use crate::switch::Input; /* nested */ use tokio::net; */
        const A: &str = "crate::switch tokio";
        const B: &str = r#"use "crate::switch"; tokio"#;
        const C: char = '"'; // crate::switch
        fn life<'a>(x: &'a str) -> &'a str { x }
        #[cfg(test)]
        mod tests { use crate::switch::Input; fn f() { std::time::Instant::now(); } }
    "##;
    assert_eq!(check(LIB, &[("sip.rs", text)]), Vec::<String>::new());
}

#[test]
fn code_after_a_test_module_is_read_again() {
    let text = "#[cfg(test)] mod tests { fn f() {} }\nuse crate::net::Udp;";
    assert_eq!(check(LIB, &[("sip.rs", text)]), ["sip.rs: on floor 1, names `net` on floor 10"]);
}

#[test]
fn two_files_of_a_folder_that_name_each_other_are_a_circle() {
    let files = [
        ("sip/mod.rs", "pub mod uri; pub mod parse;"),
        ("sip/uri.rs", "use super::parse::Line;"),
        ("sip/parse.rs", "use crate::sip::uri::Uri;"),
    ];
    assert_eq!(check(LIB, &files), ["sip/: a circle: parse -> uri -> parse"]);
}

#[test]
fn a_folder_and_a_file_that_name_each_other_are_a_circle() {
    let files = [
        ("sip/mod.rs", "pub mod uri; use uri::Uri; pub struct Line(Uri);"),
        ("sip/uri.rs", "use super::Line; pub struct Uri;"),
    ];
    assert_eq!(check(LIB, &files), ["sip/: a circle: mod -> uri -> mod"]);
}

#[test]
fn a_signpost_in_mod_rs_stands_for_the_file_behind_it() {
    let files = [
        ("sip/mod.rs", "pub mod uri; pub mod parse; pub use uri::Uri; pub use self::parse::{Line, read as read_line};"),
        ("sip/uri.rs", "pub struct Uri;"),
        ("sip/parse.rs", "use super::Uri; pub struct Line;"),
    ];
    assert_eq!(check(LIB, &files), Vec::<String>::new());
    let mut wrong = files;
    wrong[1].1 = "use super::read_line; pub struct Uri;";
    assert_eq!(check(LIB, &wrong), ["sip/: a circle: parse -> uri -> parse"]);
}

#[test]
fn a_signpost_alone_closes_no_circle_but_using_what_it_shows_does() {
    let mut files = [
        ("sip/mod.rs", "pub mod uri; pub use uri::Uri; pub struct Line;"),
        ("sip/uri.rs", "use super::Line; pub struct Uri;"),
    ];
    assert_eq!(check(LIB, &files), Vec::<String>::new());
    files[0].1 = "pub mod uri; pub use uri::Uri; pub struct Line(Uri);";
    assert_eq!(check(LIB, &files), ["sip/: a circle: mod -> uri -> mod"]);
}

#[test]
fn the_core_may_not_ask_the_machine() {
    for (phrase, text) in [
        ("tokio", "use tokio::sync::mpsc;"),
        ("rusqlite", "fn f() { rusqlite::Connection::open(p); }"),
        ("UdpSocket", "use std::net::{IpAddr, UdpSocket};"),
        ("TcpStream", "fn f(s: std::net::TcpStream) {}"),
        ("TcpListener", "use std::net::TcpListener as L;"),
        ("Instant::now", "fn f() { let t = Instant :: now(); }"),
        ("SystemTime::now", "fn f() { std::time::SystemTime::now(); }"),
        ("OsRng", "use rand_core::OsRng;"),
        ("getrandom", "fn f() { getrandom::fill(&mut b); }"),
        ("thread_rng", "fn f() { rand::thread_rng(); }"),
    ] {
        assert_eq!(check(LIB, &[("switch.rs", text)]), [format!("switch.rs: a core file names `{phrase}`")], "{text}");
        assert_eq!(check(LIB, &[("net.rs", text)]), Vec::<String>::new(), "{text}");
    }
    let allowed = "use std::net::{IpAddr, SocketAddr}; use std::time::{Duration, Instant};";
    assert_eq!(check(LIB, &[("switch.rs", allowed)]), Vec::<String>::new());
}

#[test]
fn without_a_switch_the_floors_up_to_eight_are_the_core() {
    let lib = LIB.replace("pub mod switch;", "pub mod door;");
    let got = check(&lib, &[("door.rs", "use tokio::net;"), ("switch.rs", "")]);
    assert_eq!(got, ["door.rs: a core file names `tokio`", "switch.rs: `switch` is not listed in lib.rs"]);
}

#[test]
fn a_list_that_is_no_list_of_floors_is_refused() {
    let lib = "pub mod clock;\n// Floor 3, a: x.\npub mod key;\n// Floor 2, b: x.\npub mod sip; pub mod y;\n";
    let got = problems(&[("lib.rs".into(), lib.into()), ("key.rs".into(), "use crate::nowhere::X;".into())]);
    let want = [
        "lib.rs:1: `clock` stands on no floor",
        "lib.rs:4: floors are numbered and go upwards",
        "key.rs: `crate::nowhere` is no module of lib.rs",
    ];
    assert_eq!(got, want);
}
