//! A plan as its record tells it, read again: which of its steps are groups. Who counts calls by group learns from it
//! what a call came to, without the config under which it was decided.

use super::reason::Reason;

/// The groups of a written plan ([`RoutePlan`](super::RoutePlan)'s `Display`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The group with which the plan begins, past a greeting.
    first: Option<Box<str>>,
    groups: Vec<Box<str>>,
}

impl Outline {
    /// Reads a plan. What is no plan has no groups.
    pub fn read(plan: &str) -> Outline {
        let steps: Vec<Step<'_>> = plan.lines().filter_map(Step::read).collect();
        let is_start = |number: usize| !steps.iter().any(|step| step.next.contains(&number));
        // Steps point forward, so whatever nobody points at is where it begins.
        let mut at = (1..=steps.len()).find(|number| is_start(*number));
        while let Some(step) = at.and_then(|number| steps.get(number - 1))
            && step.label.starts_with("greeting:")
        {
            // A step that leads to itself is none of ours.
            at = step.next.first().copied().filter(|next| Some(*next) != at && *next > 0);
        }
        let first = at.and_then(|number| steps.get(number - 1)?.group());
        Outline { first: first.map(Into::into), groups: steps.iter().filter_map(Step::group).map(Into::into).collect() }
    }

    /// The group with which it begins.
    pub fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// Where these reasons lead, one after another: a group, or (`None`) somebody who is none.
    pub fn led<'a>(&'a self, because: &'a [Reason]) -> impl Iterator<Item = Option<&'a str>> {
        because.iter().filter_map(|reason| match reason {
            Reason::FallsTo(who) => Some(self.groups.iter().map(|group| &**group).find(|group| *group == &**who)),
            _ => None,
        })
    }
}

/// One line: `2. group:sales, 12 from 0 s to 20 s; then 3`.
struct Step<'a> {
    label: &'a str,
    /// The numbers of those that may come after it.
    next: Vec<usize>,
}

impl<'a> Step<'a> {
    fn read(line: &'a str) -> Option<Step<'a>> {
        let (_, mut rest) = line.split_once(". ")?;
        let mut next = Vec::new();
        // From the end, because a name may have commas of its own.
        while let Some((before, way)) = rest.rsplit_once("; ") {
            let number =
                ["then ", "busy: ", "no answer: ", "unreachable: "].iter().find_map(|word| way.strip_prefix(word));
            let Some(number) = number.and_then(|number| number.parse().ok()) else { break };
            next.push(number);
            rest = before;
        }
        while let Some((before, slot)) = rest.rsplit_once(", ")
            && slot.ends_with(" s")
            && slot.contains(" from ")
            && slot.contains(" s to ")
        {
            rest = before;
        }
        Some(Step { label: rest, next })
    }

    fn group(&self) -> Option<&'a str> {
        self.label.strip_prefix("group:")
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Direction, Next, RingPlan, RoutePlan, Slot, Step, StepIx};
    use super::*;
    use crate::config::{Config, Destination, Nothing, RefuseAs};

    fn ring(label: &str, next: Next) -> Step {
        let text = "[site]\nname = \"x\"\n[[extension]]\nnumber = \"12\"\npassword = \"env:P\"\n";
        let config = Config::read(std::path::Path::new("x.toml"), text, &Nothing).unwrap().config;
        let slot = |name: &str, from| Slot {
            member: config.extension_by_number("12").unwrap(),
            name: name.into(),
            from: std::time::Duration::from_secs(from),
            until: None,
        };
        Step::Ring(RingPlan {
            destination: Destination::Operator,
            label: label.into(),
            who: label.split_once(':').unwrap().1.into(),
            timetable: vec![slot("12", 0), slot("14", 20)],
            patience: std::time::Duration::from_secs(60),
            forwarded: Default::default(),
            next,
        })
    }

    fn written(steps: Vec<Step>) -> String {
        RoutePlan {
            direction: Direction::Inbound,
            start: None,
            steps,
            because: Vec::new(),
            considered: Vec::new(),
            did: None,
        }
        .to_string()
    }

    #[test]
    fn the_first_group_is_the_one_with_which_the_plan_begins_past_a_greeting() {
        let to = |at| Some(StepIx(at));
        let sales = || ring("group:sales, and service; all", Next::always(to(1)));
        let refuse = || Step::Refuse(RefuseAs::Unavailable);
        let plain = Outline::read(&written(vec![sales(), refuse()]));
        assert_eq!(plain.first(), Some("sales, and service; all"));
        let greet = Step::Greet { prompt: "hello".into(), first: false, next: StepIx(0) };
        assert_eq!(Outline::read(&written(vec![sales(), refuse(), greet])).first(), plain.first());
        let own = Next { busy: to(1), no_answer: to(1), unreachable: to(2) };
        let known =
            Outline::read(&written(vec![ring("extension:12", own), ring("group:12", Next::default()), refuse()]));
        assert_eq!(known.first(), None);
        let reasons = [Reason::Is("12".into(), super::super::Failed::Busy), Reason::FallsTo("12".into())];
        assert_eq!(known.led(&reasons).collect::<Vec<_>>(), [Some("12")]);
        assert_eq!(known.led(&[Reason::FallsTo("voicemail:sales".into())]).collect::<Vec<_>>(), [None]);
        assert_eq!(Outline::read("ring 14, 15"), Outline::default());
    }
}
