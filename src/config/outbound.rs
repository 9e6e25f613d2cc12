//! Outbound rules: which trunks a dialled number takes, who may dial it, and under which number of ours.
//!
//! A lookup costs one step for each digit of the number, however many rules there are.

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::destination::{ExtensionIx, TrunkIx};
use super::directory::Directory;
use super::read::{Fields, Place, Spot};
use crate::number::{Pattern, PhoneNumber, bare};

/// `[[outbound]]`. The longest match wins; a rule `for` somebody exists only for them, and for them it wins over one
/// with the same match for everyone.
#[derive(Clone, Debug)]
pub struct OutboundRule {
    /// Which numbers.
    pub pattern: Pattern,
    /// Tried in order. Empty only where `allow` is false.
    pub trunks: Vec<TrunkIx>,
    /// Our number towards the called. Default: the trunk's `default_did`, else its account.
    pub caller_id: Option<PhoneNumber>,
    /// False: refused with 403. Default: true.
    pub allow: bool,
    /// Only for these. Empty: for everyone.
    pub only_for: Vec<ExtensionIx>,
}

impl OutboundRule {
    /// True where the rule exists for this caller; `None` is nobody in particular (a forward, the office itself).
    pub fn is_for(&self, caller: Option<ExtensionIx>) -> bool {
        self.only_for.is_empty() || caller.is_some_and(|caller| self.only_for.contains(&caller))
    }
}

/// Where a pattern's digits stand, by what follows them and by what they are for.
type ByStart = HashMap<Box<str>, SmallVec<[u32; 2]>, foldhash::fast::FixedState>;

/// Every `[[outbound]]`, found by the longest match.
#[derive(Clone, Debug, Default)]
pub struct OutboundRules {
    rules: Vec<OutboundRule>,
    public_exact: ByStart,
    public_open: ByStart,
    dialled_exact: ByStart,
    dialled_open: ByStart,
}

impl OutboundRules {
    fn of(mut rules: Vec<OutboundRule>) -> OutboundRules {
        rules.sort_by_key(|rule| std::cmp::Reverse((rule.pattern.weight(), !rule.only_for.is_empty())));
        let mut table = OutboundRules::default();
        for (at, rule) in (0..=u32::MAX).zip(&rules) {
            let by_start = match (rule.pattern.is_public(), rule.pattern.is_open()) {
                (true, true) => &mut table.public_open,
                (true, false) => &mut table.public_exact,
                (false, true) => &mut table.dialled_open,
                (false, false) => &mut table.dialled_exact,
            };
            by_start.entry(rule.pattern.start().into()).or_default().push(at);
        }
        OutboundRules { rules, ..table }
    }

    /// The rule for a dialled number: the longest match among the rules that exist for this caller, and of two with
    /// one match the one that is for somebody. `number` is the dialled text as read, `None` where it could not be.
    pub fn find(
        &self,
        caller: Option<ExtensionIx>,
        number: Option<PhoneNumber>,
        dialled: &str,
    ) -> Option<&OutboundRule> {
        let exists = |at: &u32| self.rules.get(*at as usize).filter(|rule| rule.is_for(caller));
        let first = |by_start: &ByStart, start: &str| by_start.get(start)?.iter().find_map(exists);
        let longest = |exact: &ByStart, open: &ByStart, text: &str| {
            let prefixes = (0..=text.len()).rev().filter_map(|end| text.get(..end));
            first(exact, text).or_else(|| prefixes.into_iter().find_map(|start| first(open, start)))
        };
        match number {
            Some(number) => longest(&self.public_exact, &self.public_open, &number.to_bits().to_string())
                .or_else(|| first(&self.dialled_open, "")),
            None => longest(&self.dialled_exact, &self.dialled_open, &bare(dialled)),
        }
    }

    /// All of them, the longest match first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &OutboundRule> {
        self.rules.iter()
    }

    /// Reads every `[[outbound]]`.
    pub(super) fn read(rows: &[Fields<'_>], directory: &Directory) -> OutboundRules {
        let mut by_match: HashMap<Pattern, Vec<(OutboundRule, Place)>, foldhash::fast::FixedState> = HashMap::default();
        let mut rules = Vec::new();
        for fields in rows {
            let Some((rule, spot)) = read(fields, directory) else { continue };
            let same = by_match.entry(rule.pattern.clone()).or_default();
            refuse_second_rule(same, &rule, &spot);
            same.push((rule.clone(), spot.place));
            rules.push(rule);
        }
        OutboundRules::of(rules)
    }
}

fn read<'a>(fields: &Fields<'a>, directory: &Directory) -> Option<(OutboundRule, Spot<'a>)> {
    let spot = fields.needed("match");
    let pattern =
        spot.as_ref().and_then(|spot| spot.parse(str::parse::<Pattern>, "write \"+49*\", or \"*\" for everything"));
    let allow = fields.get("allow").and_then(|spot| spot.flag()).unwrap_or(true);
    let trunks = fields.get("trunks");
    if allow && trunks.is_none() {
        refuse_rule_without_trunks(fields);
    }
    let only_for = fields.get("for").map(|spot| directory.extension_list(&spot)).unwrap_or_default();
    let rule = |pattern| OutboundRule {
        pattern,
        trunks: trunks.map(|spot| directory.trunk_list(&spot)).unwrap_or_default(),
        caller_id: fields.get("caller_id").and_then(|spot| directory.number(&spot)),
        allow,
        only_for: only_for.into_iter().map(|(extension, _)| extension).collect(),
    };
    let rule = rule(pattern.unwrap_or_else(Pattern::everything));
    fields.finish();
    Some((rule, spot?))
}

fn refuse_rule_without_trunks(fields: &Fields<'_>) {
    fields.reader().error(
        &fields.place,
        "an allowed number needs a way out: `trunks` is missing",
        "add `trunks = [\"…\"]`, or `allow = false`",
    );
}

/// Two rules with one match for the same people: which would win is anybody's guess.
fn refuse_second_rule(same_match: &[(OutboundRule, Place)], rule: &OutboundRule, spot: &Spot<'_>) {
    let meets = |earlier: &OutboundRule| match (earlier.only_for.is_empty(), rule.only_for.is_empty()) {
        (false, false) => earlier.only_for.iter().any(|extension| rule.only_for.contains(extension)),
        (earlier_for_all, for_all) => earlier_for_all && for_all,
    };
    if let Some((_, first)) = same_match.iter().find(|(earlier, _)| meets(earlier)) {
        let line = spot.reader().line_of(first);
        spot.error(
            format!("\"{}\" is matched twice, first in line {line}", rule.pattern),
            "remove one of the two rules",
        );
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(pattern: &str, only_for: &[u32]) -> OutboundRule {
        OutboundRule {
            pattern: pattern.parse().unwrap(),
            trunks: Vec::new(),
            caller_id: None,
            allow: true,
            only_for: only_for.iter().map(|ix| ExtensionIx(*ix)).collect(),
        }
    }

    proptest! {
        #[test]
        fn the_longest_match_is_found_as_a_walk_through_all_rules_finds_it(
            patterns in proptest::collection::vec(("\\+?[12]{0,4}\\*?", proptest::collection::vec(0..3u32, 0..2)), 0..12),
            digits in "[12]{1,4}",
            public in any::<bool>(),
            caller in proptest::option::of(0..3u32),
        ) {
            let patterns = patterns.into_iter().filter(|(pattern, _)| pattern.parse::<Pattern>().is_ok());
            let rules: Vec<_> = patterns.map(|(pattern, only_for)| rule(&pattern, &only_for)).collect();
            let number = public.then(|| PhoneNumber::from_digits(&format!("1111111{digits}")).unwrap());
            let rules: Vec<_> = rules.into_iter().map(|rule| match public && rule.pattern.is_public() {
                // Public patterns of up to four digits meet numbers of that many digits more than the shortest.
                true => OutboundRule { pattern: rule.pattern.to_string().replace('+', "+1111111").parse().unwrap(), ..rule },
                false => rule,
            }).collect();
            let caller = caller.map(ExtensionIx);
            let table = OutboundRules::of(rules);
            let walked = table.iter().find(|rule| rule.is_for(caller) && rule.pattern.matches(number, &digits));
            let found = table.find(caller, number, &digits);
            prop_assert_eq!(found.map(|rule| rule.pattern.weight()), walked.map(|rule| rule.pattern.weight()));
            prop_assert_eq!(found.map(|rule| rule.only_for.is_empty()), walked.map(|rule| rule.only_for.is_empty()));
        }
    }
}
