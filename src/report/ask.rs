//! What is wanted of a report: which figures, of which days, a row for each what, and of whose calls only.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::period::Period;
use crate::fact::SavedReport;

macro_rules! words {
    ($(#[$what:meta])* $name:ident, $called:literal { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$what])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// Every one.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// As it is written.
            pub fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<$name, String> {
                let found = $name::ALL.iter().find(|one| one.word().eq_ignore_ascii_case(text.trim()));
                let words = || $name::ALL.iter().map(|one| one.word()).collect::<Vec<_>>().join(", ");
                found.copied().ok_or_else(|| format!("{text:?} is no {}; write one of {}", $called, words()))
            }
        }
    };
}

words! {
    /// Which figures.
    Kind, "report" {
        /// Missed, and not called back in time: the first figure of all.
        Lost = "lost",
        /// In, out, answered, missed, talk time.
        Calls = "calls",
        /// Missed, by cause.
        Missed = "missed",
        /// Offered, answered, missed, called back, in percent.
        Service = "service",
        /// The same as `calls`, by weekday and hour.
        Hours = "hours",
        /// How many at one time on each trunk, and how many were refused for it.
        Capacity = "capacity",
        /// Outgoing calls of each employee against their plan.
        Plan = "plan",
        /// Promises to call back: kept, late, and how soon.
        FollowUps = "followups",
    }
}

words! {
    /// What has a row of its own.
    Dimension, "dimension" {
        /// The local day on which the call began.
        Day = "day",
        /// Monday to Sunday.
        Weekday = "weekday",
        /// The local hour, 0 to 23.
        Hour = "hour",
        /// The employee.
        User = "user",
        /// The hunt group.
        Group = "group",
        /// The number that was called.
        Did = "did",
        /// That number's `source`.
        Source = "source",
        /// The provider's connection.
        Trunk = "trunk",
    }
}

impl Kind {
    /// A row for each of these, where nothing is said.
    pub fn usual(self) -> &'static [Dimension] {
        match self {
            Kind::Lost | Kind::Calls | Kind::Missed => &[Dimension::Day],
            Kind::Service | Kind::FollowUps => &[Dimension::User],
            Kind::Hours => &[Dimension::Weekday, Dimension::Hour],
            Kind::Capacity => &[Dimension::Trunk],
            Kind::Plan => &[Dimension::Day, Dimension::User],
        }
    }

    /// What it shows, in a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Kind::Lost => "missed customers: called back in time, waiting, lost",
            Kind::Calls => "calls in, out and inside, answered, missed, talk time",
            Kind::Missed => "missed calls by cause",
            Kind::Service => "customers' calls: offered, answered, missed, called back",
            Kind::Hours => "calls by weekday and hour",
            Kind::Capacity => "calls at one time on each trunk, and those refused for a limit",
            Kind::Plan => "outgoing calls of each employee and day against `plan_calls`",
            Kind::FollowUps => "promises to call back: kept, late, and how soon somebody reacted",
        }
    }
}

/// Of which calls only, by the same rules by which they stand in rows. Everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// Of this employee.
    pub user: Option<String>,
    /// Of this group.
    pub group: Option<String>,
    /// On this DID.
    pub did: Option<String>,
    /// From this source.
    pub source: Option<String>,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Which figures.
    pub kind: Kind,
    /// A row for each of these, one within another; at most two.
    pub by: Vec<Dimension>,
    /// Of which days.
    pub period: Period,
    /// Of which calls only.
    pub only: Only,
}

impl Ask {
    /// A report with everything else as usual.
    pub fn usual(kind: Kind) -> Ask {
        Ask { kind, by: kind.usual().to_vec(), period: Period::DEFAULT, only: Only::default() }
    }

    /// A row for each of these instead: `day,user`.
    ///
    /// # Errors
    /// In words for people: a word that is none, one twice, too many, or one that does not go with this report.
    pub fn by(mut self, text: &str) -> Result<Ask, String> {
        let mut by = Vec::new();
        for word in text.split(',') {
            let dimension: Dimension = word.parse()?;
            if by.contains(&dimension) {
                return Err(format!("{word:?} stands here twice"));
            }
            by.push(dimension);
        }
        let kind = self.kind;
        let fits = match kind {
            Kind::Capacity => by.last() == Some(&Dimension::Trunk) && by.iter().all(|one| CAPACITY.contains(one)),
            Kind::Plan => by.contains(&Dimension::User) && by.iter().all(|one| PLAN.contains(one)),
            Kind::FollowUps => !by.contains(&Dimension::Trunk),
            _ => true,
        };
        if !fits {
            return Err(match kind {
                Kind::Capacity => format!("{kind} is counted by trunk or by day,trunk"),
                Kind::Plan => format!("{kind} is counted by day,user or by user"),
                _ => format!("{kind} is not counted by trunk"),
            });
        }
        if by.len() > 2 {
            return Err(format!("{text:?} are more than two"));
        }
        self.by = by;
        Ok(self)
    }
}

impl Ask {
    /// As it was saved.
    ///
    /// # Errors
    /// In words for people: a word that this program does not know.
    pub fn of(saved: &SavedReport) -> Result<Ask, String> {
        let mut ask = Ask::usual(saved.report.parse()?).by(&saved.by)?;
        ask.period = saved.period.parse()?;
        let own = |text: &Option<Arc<str>>| text.as_ref().map(ToString::to_string);
        ask.only =
            Only { user: own(&saved.user), group: own(&saved.group), did: own(&saved.did), source: own(&saved.source) };
        Ok(ask)
    }

    /// To be saved.
    pub fn to_saved(&self) -> SavedReport {
        let own = |text: &Option<String>| text.as_deref().map(Into::into);
        SavedReport {
            report: self.kind.word().into(),
            by: self.by.iter().map(|one| one.word()).collect::<Vec<_>>().join(",").into(),
            period: self.period.to_string().into(),
            user: own(&self.only.user),
            group: own(&self.only.group),
            did: own(&self.only.did),
            source: own(&self.only.source),
        }
    }

    /// Sees to it that a report may be saved under this name.
    ///
    /// # Errors
    /// In words for people: it is no name for an address, or that of a report that is always there.
    pub fn check_name(name: &str) -> Result<(), String> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
            return Err(format!("{name:?} is no name for a report: it has 1 to 64 of a-z, 0-9 and -"));
        }
        match name.parse::<Kind>() {
            Ok(kind) => Err(format!("\"{kind}\" is there already, choose another name")),
            Err(_) => Ok(()),
        }
    }
}

const CAPACITY: [Dimension; 2] = [Dimension::Day, Dimension::Trunk];
const PLAN: [Dimension; 2] = [Dimension::Day, Dimension::User];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_counted_so_is_refused_in_words() {
        let by = |kind, text: &str| Ask::usual(kind).by(text).map(|ask| ask.by);
        assert_eq!(by(Kind::Calls, "day, User"), Ok(vec![Dimension::Day, Dimension::User]));
        assert!(
            by(Kind::Calls, "moon").unwrap_err().starts_with("\"moon\" is no dimension; write one of day, weekday")
        );
        assert_eq!(by(Kind::Calls, "day,day"), Err("\"day\" stands here twice".into()));
        assert_eq!(by(Kind::Calls, "day,user,did"), Err("\"day,user,did\" are more than two".into()));
        assert_eq!(by(Kind::Capacity, "user"), Err("capacity is counted by trunk or by day,trunk".into()));
        assert_eq!(by(Kind::Plan, "day"), Err("plan is counted by day,user or by user".into()));
        for kind in Kind::ALL {
            assert_eq!(kind.word().parse(), Ok(*kind));
            let usual: Vec<&str> = kind.usual().iter().map(|one| one.word()).collect();
            assert_eq!(by(*kind, &usual.join(",")), Ok(kind.usual().to_vec()), "{kind}");
        }
    }

    #[test]
    fn what_is_saved_is_read_as_it_was_meant() {
        let mut ask = Ask::usual(Kind::Calls).by("day,user").unwrap();
        ask.period = Period::LastMonth;
        ask.only.source = Some("site".into());
        assert_eq!(Ask::of(&ask.to_saved()), Ok(ask.clone()));
        let broken = SavedReport { period: "soon".into(), ..ask.to_saved() };
        assert!(Ask::of(&broken).unwrap_err().starts_with("\"soon\" are no days"));
        assert_eq!(Ask::check_name("sales-last-month"), Ok(()));
        for name in ["", "Sales", "a.csv", "x/y", "calls", "é"] {
            assert!(Ask::check_name(name).is_err(), "{name}");
        }
    }
}
