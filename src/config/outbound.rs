//! Outbound rules: which trunks a dialled number takes, who may dial it, and under which number of ours.

use super::destination::{ExtensionIx, TrunkIx};
use super::directory::Directory;
use super::read::{Fields, Place, Spot};
use crate::number::{Pattern, PhoneNumber};

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

impl OutboundRule {
    /// Reads every `[[outbound]]`, the longest match first; of two with one match those for somebody come first.
    pub(super) fn read_all(rows: &[Fields<'_>], directory: &Directory) -> Vec<OutboundRule> {
        let mut rules: Vec<(OutboundRule, Place)> = Vec::new();
        for fields in rows {
            let Some((rule, spot)) = read(fields, directory) else { continue };
            refuse_second_rule(&rules, &rule, &spot);
            rules.push((rule, spot.place));
        }
        let mut rules: Vec<OutboundRule> = rules.into_iter().map(|(rule, _)| rule).collect();
        rules.sort_by_key(|rule| std::cmp::Reverse((rule.pattern.weight(), !rule.only_for.is_empty())));
        rules
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
fn refuse_second_rule(rules: &[(OutboundRule, Place)], rule: &OutboundRule, spot: &Spot<'_>) {
    let meets = |earlier: &OutboundRule| {
        earlier.pattern == rule.pattern
            && if earlier.only_for.is_empty() || rule.only_for.is_empty() {
                earlier.only_for.is_empty() && rule.only_for.is_empty()
            } else {
                earlier.only_for.iter().any(|extension| rule.only_for.contains(extension))
            }
    };
    if let Some((_, first)) = rules.iter().find(|(earlier, _)| meets(earlier)) {
        let line = spot.reader().line_of(first);
        spot.error(
            format!("\"{}\" is matched twice, first in line {line}", rule.pattern),
            "remove one of the two rules",
        );
    }
}
