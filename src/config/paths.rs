//! Proves that every path of a call ends, and that none goes round in a circle.
//!
//! A path is followed as a call follows it: the next entry of a list when one fails, the destination's own way on (a
//! group's `then`, an extension's `busy`, `no_answer`, `unreachable`) only where it is the last entry, then the operator.
//! A destination is entered at most once per call, so a path that names one again is refused. `"plan"` and the implicit
//! edge to the operator name nothing anew: they are no circle.

use hashbrown::HashMap;

use super::destination::{Destination, Destinations, DidIx, ExtensionIx, GroupIx};
use super::read::{Place, Reader};

/// The steps that one beginning may take before we give up: thousands of offices' worth.
const MOST_STEPS: usize = 20_000;

/// Why a call moves on from an extension or a known customer's first destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Why {
    Busy,
    NoAnswer,
    Unreachable,
    Away,
    OutsideHours,
    Left,
}

/// Where a list of destinations is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// `site.operator`.
    Operator,
    /// An extension's `busy`, `no_answer` or `unreachable`.
    Extension(ExtensionIx, Why),
    /// A group's `then`.
    Group(GroupIx),
    /// A DID's `open`, `closed` or `personal`.
    Did(DidIx),
    /// A DID's `known.to` (`None`) or what follows it for a reason.
    Known(DidIx, Option<Why>),
}

/// A list of destinations with its places.
pub(super) struct Exit {
    pub(super) origin: Origin,
    pub(super) list: Destinations,
    pub(super) places: Vec<Place>,
}

/// How a destination is written, for messages.
pub(super) trait Naming {
    fn name(&self, destination: &Destination) -> String;
}

/// Reports every circle, every path that ends nowhere and every entry that is never reached.
pub(super) fn check(reader: &Reader<'_>, exits: &[Exit], naming: &dyn Naming) {
    for exit in exits {
        report_never_reached(reader, exit, naming);
    }
    let mut first_for_known: HashMap<DidIx, &Exit, foldhash::fast::FixedState> = HashMap::default();
    for exit in exits {
        if let Origin::Known(did, None) = exit.origin {
            first_for_known.insert(did, exit);
        }
    }
    let mut walk = Walk::new(reader, exits, naming);
    for exit in exits {
        walk.path.clear();
        walk.steps = 0;
        walk.must_end = matches!(exit.origin, Origin::Did(_) | Origin::Known(..));
        match exit.origin {
            Origin::Operator => walk.path.push(Destination::Operator),
            Origin::Extension(ix, _) => walk.path.push(Destination::Extension(ix)),
            Origin::Group(ix) => walk.path.push(Destination::Group(ix)),
            Origin::Did(_) => {}
            // What follows `known.to` is written under its reasons, each an exit of its own.
            Origin::Known(_, None) => continue,
            Origin::Known(did, Some(_)) => {
                walk.path.extend(first_for_known.get(&did).into_iter().flat_map(|exit| exit.list.iter().cloned()));
            }
        }
        walk.enter(exit);
    }
}

/// After a voicemail, an announcement or a refusal nothing is tried any more.
fn report_never_reached(reader: &Reader<'_>, exit: &Exit, naming: &dyn Naming) {
    let end = exit.list.iter().position(|destination| destination.is_end() || *destination == Destination::Plan);
    let Some(end) = end else { return };
    if let Some(place) = exit.places.get(end + 1) {
        reader.warning(
            place,
            format!("this is never reached: \"{}\" before it does not hand the call on", naming.name(&exit.list[end])),
            "remove it, or move it forward",
        );
    }
}

struct Walk<'a> {
    reader: &'a Reader<'a>,
    naming: &'a dyn Naming,
    /// What each destination says about going on.
    own: HashMap<Destination, Vec<&'a Exit>, foldhash::fast::FixedState>,
    has_operator: bool,
    /// True while the beginning is a DID: a customer must end somewhere.
    must_end: bool,
    steps: usize,
    /// What has been reported, so that nothing is said twice.
    circles: Vec<Vec<String>>,
    dead_ends: Vec<usize>,
    maze: bool,
    /// What the call has entered on its way here.
    path: Vec<Destination>,
    /// Where `"operator"` is written, while its list is followed: that is the place to mend.
    by_name: Option<&'a Place>,
}

impl<'a> Walk<'a> {
    fn new(reader: &'a Reader<'a>, exits: &'a [Exit], naming: &'a dyn Naming) -> Walk<'a> {
        let mut own: HashMap<Destination, Vec<&'a Exit>, _> = HashMap::default();
        for exit in exits {
            let owner = match exit.origin {
                Origin::Operator => Destination::Operator,
                Origin::Extension(ix, _) => Destination::Extension(ix),
                Origin::Group(ix) => Destination::Group(ix),
                Origin::Did(_) | Origin::Known(..) => continue,
            };
            own.entry(owner).or_default().push(exit);
        }
        let has_operator = own.contains_key(&Destination::Operator);
        let (circles, dead_ends, path) = (Vec::new(), Vec::new(), Vec::new());
        let (must_end, steps, maze, by_name) = (false, 0, false, None);
        Walk { reader, naming, own, has_operator, must_end, steps, circles, dead_ends, maze, path, by_name }
    }

    /// Follows a list to every end it has. The path is as before when it returns.
    fn enter(&mut self, exit: &'a Exit) {
        let depth = self.path.len();
        for (at, (destination, place)) in exit.list.iter().zip(&exit.places).enumerate() {
            if destination.is_end() || *destination == Destination::Plan || self.is_a_maze(place) {
                break;
            }
            if let Some(first) = self.path.iter().position(|earlier| earlier == destination) {
                self.refuse_circle(place, first, destination);
                break;
            }
            self.path.push(destination.clone());
            if at + 1 == exit.list.len() {
                self.go_on(destination, place);
            }
        }
        self.path.truncate(depth);
    }

    /// What comes after the last entry of a list: the destination's own way on, then the operator.
    fn go_on(&mut self, destination: &Destination, place: &'a Place) {
        let own = self.own.get(destination).cloned().unwrap_or_default();
        let outer = self.by_name;
        if *destination == Destination::Operator {
            self.by_name = outer.or(Some(place));
        }
        for (at, exit) in own.iter().enumerate() {
            // Three reasons with one list are one way.
            if own[..at].iter().all(|earlier| earlier.list != exit.list) {
                self.enter(exit);
            }
        }
        self.by_name = outer;
        if self.must_end && !self.has_operator {
            self.refuse_dead_end(destination, place, &own);
        }
    }

    /// True once there were too many steps to go on.
    fn is_a_maze(&mut self, place: &Place) -> bool {
        self.steps += 1;
        if self.steps > MOST_STEPS && !self.maze {
            self.maze = true;
            self.reader.error(place, "too many ways lead on from here to check them", "shorten the lists");
        }
        self.maze
    }

    /// A destination is entered at most once per call.
    fn refuse_circle(&mut self, place: &Place, first: usize, again: &Destination) {
        let round: Vec<String> =
            self.path[first..].iter().chain([again]).map(|destination| self.naming.name(destination)).collect();
        let mut members = round[1..].to_vec();
        members.sort();
        if self.circles.contains(&members) {
            return;
        }
        self.circles.push(members);
        self.reader.error(
            self.by_name.unwrap_or(place),
            format!("the call goes round in a circle: {}", round.join(" → ")),
            "a destination is entered at most once per call: name another one here, or none",
        );
    }

    /// Without an operator a path must end in voicemail, an announcement or a refusal.
    fn refuse_dead_end(&mut self, destination: &Destination, place: &Place, own: &[&Exit]) {
        let says = |why| own.iter().any(|exit| matches!(exit.origin, Origin::Extension(_, said) if said == why));
        let missing: Vec<&str> = match destination {
            Destination::Extension(_) => {
                let reasons =
                    [(Why::Busy, "`busy`"), (Why::NoAnswer, "`no_answer`"), (Why::Unreachable, "`unreachable`")];
                reasons.into_iter().filter(|(why, _)| !says(*why)).map(|(_, word)| word).collect()
            }
            Destination::Group(_) if own.is_empty() => vec!["`then`"],
            Destination::Group(_) => Vec::new(),
            _ => vec!["what comes after it"],
        };
        if missing.is_empty() || self.dead_ends.contains(&place.span.start) {
            return;
        }
        self.dead_ends.push(place.span.start);
        let (name, missing) = (self.naming.name(destination), missing.join(", "));
        self.reader.error(
            place,
            format!("the call ends nowhere: \"{name}\" does not say {missing}, and there is no operator"),
            "add it, or a voicemail, announcement or refusal to this list, or `operator` under [site]",
        );
    }
}
