//! What a caller would live through if nobody answered: the decision, then who rings from when to when, in words.
//!
//! It is [`decide`] and a [`Walk`] in virtual time, the code that runs live, so what it says is what would happen.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::decide::decide;
use super::plan::{Direction, Step};
use super::reason::{Considered, Reason, sentence};
use super::situation::Situation;
use super::walk::{Ending, Order, Walk};
use crate::clock::Instant;
use crate::config::ExtensionIx;

/// A decision and its consequences, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Where the call comes from and goes to.
    pub direction: Direction,
    /// Every rule in the order of decision with its outcome.
    pub order: Vec<Considered>,
    /// The reasons that told, as the record will show them.
    pub because: Vec<Reason>,
    /// The steps of the plan, a line each, as the record keeps them.
    pub plan: String,
    /// What then happens if nobody answers. Who is busy or unreachable fails at once, and stays so.
    pub timetable: Vec<Moment>,
}

/// All that happens at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Milliseconds since the call came in.
    pub after_ms: u64,
    /// What happens then, in order.
    pub what: Vec<Happening>,
}

/// Something that happens to the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// This extension starts ringing.
    Rings(Arc<str>),
    /// This extension stops ringing.
    Stops(Arc<str>),
    /// A call to the outside starts.
    Dials {
        /// Whom.
        number: Arc<str>,
        /// Through which trunks, tried in order.
        trunks: Vec<Arc<str>>,
    },
    /// The call to the outside is given up.
    GivesUpDialling,
    /// Something that tells on the way.
    Because(Reason),
    /// The caller hears a greeting.
    Greets(Arc<str>),
    /// The router takes the call itself: `voicemail:sales`, `announcement:closed`.
    Taken(Arc<str>),
    /// The caller gets a final answer.
    Ends(u16),
}

/// Explains one call.
pub fn explain(situation: &Situation<'_>) -> Explanation {
    let plan = Arc::new(decide(situation));
    let mut explanation = Explanation {
        direction: plan.direction,
        order: plan.considered.clone(),
        because: plan.because.clone(),
        plan: plan.to_string(),
        timetable: Vec::new(),
    };
    let (mut now, mut orders) = (Instant::START, Vec::new());
    let mut walk = Walk::begin(plan, now, situation.presence, &mut orders);
    loop {
        let what: Vec<Happening> = orders.drain(..).flat_map(|order| happening(situation, &walk, order)).collect();
        if !what.is_empty() {
            let after_ms = u64::try_from(now.since(Instant::START).as_millis()).unwrap_or(u64::MAX);
            explanation.timetable.push(Moment { after_ms, what });
        }
        // A walk without a deadline is over, or rings until the caller has enough; or it waits for a greeting to end, however
        // long that is.
        match walk.deadline() {
            Some(next) => {
                now = next;
                walk.due(now, situation.presence, &mut orders);
            }
            None if walk.greets() => walk.greeted(now, situation.presence, &mut orders),
            None => return explanation,
        }
    }
}

fn happening(situation: &Situation<'_>, walk: &Walk, order: Order) -> Vec<Happening> {
    let config = situation.config;
    let number = |extension: ExtensionIx| config.extension(extension).number.clone();
    match order {
        Order::Enter(step) => {
            let prompt = match walk.plan().step(step) {
                Some(Step::Greet { prompt, .. }) => Some(prompt.clone()),
                _ => None,
            };
            prompt.map(Happening::Greets).into_iter().collect()
        }
        Order::Because(reason) => vec![Happening::Because(reason)],
        Order::Stop(extension, _) => vec![Happening::Stops(number(extension))],
        Order::Ring(extension) => vec![Happening::Rings(number(extension))],
        Order::StopDial => vec![Happening::GivesUpDialling],
        Order::Dial(step) => match walk.plan().step(step) {
            Some(Step::Dial(dial)) => vec![Happening::Dials {
                number: dial.number.to_string().into(),
                trunks: dial.trunks.iter().map(|trunk| config.trunk(*trunk).name.clone()).collect(),
            }],
            _ => Vec::new(),
        },
        Order::Finish(Ending::Voicemail(_, name)) => vec![Happening::Taken(format!("voicemail:{name}").into())],
        Order::Finish(Ending::Announcement(name)) => vec![Happening::Taken(format!("announcement:{name}").into())],
        Order::Finish(Ending::Feature(feature)) => vec![Happening::Taken(format!("feature:{feature}").into())],
        Order::Finish(ending) => vec![Happening::Ends(ending.status())],
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Happening::Rings(who) => write!(f, "{who} rings"),
            Happening::Stops(who) => write!(f, "{who} stops"),
            Happening::Dials { number, trunks } => write!(f, "dials {number} through {}", trunks.join(", ")),
            Happening::GivesUpDialling => f.write_str("gives up dialling"),
            Happening::Because(reason) => reason.fmt(f),
            Happening::Greets(prompt) => write!(f, "the caller hears {prompt}"),
            Happening::Taken(by) => write!(f, "{by} takes the call"),
            Happening::Ends(status) => write!(f, "ends with {status}"),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = match self.after_ms % 1000 {
            0 => format!("{} s", self.after_ms / 1000),
            _ => format!("{:.3} s", self.after_ms as f64 / 1000.0),
        };
        let what: Vec<String> = self.what.iter().map(Happening::to_string).collect();
        write!(f, "{seconds:>7}  {}", what.join("; "))
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for considered in &self.order {
            writeln!(f, "{:<16}{}", considered.rule, considered.found)?;
        }
        if !self.because.is_empty() {
            writeln!(f, "\nbecause {}", sentence(&self.because))?;
        }
        writeln!(f, "\nif nobody answers:")?;
        self.timetable.iter().try_for_each(|moment| writeln!(f, "{moment}"))
    }
}
