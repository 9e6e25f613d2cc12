//! What people do about a follow-up by hand: ordered, and answered with what became of it.

use std::sync::Arc;

use super::{Clerk, NotDone};
use crate::config::Config;
use crate::desk::hand::{Late, deed};
use crate::fact::{Fact, Hand};
use crate::store::FollowUpRow;

/// Characters of a remark, at most.
const LONGEST: usize = 4_000;

impl Clerk {
    /// Has somebody's hand on a follow-up written down: claimed, given away, remarked on or closed. The follow-up as it is
    /// then. Of several who claim at once one has it, and the others hear who. `by`: the employee; `None`: an admin, or a
    /// program of the company.
    ///
    /// # Errors
    /// [`NotDone::Missing`]: there is no such follow-up. [`NotDone::Conflict`]: it is closed, or somebody was faster.
    /// [`NotDone::Refused`]: an employee is named whom this config does not know, or who has left.
    pub async fn follow_up(
        &self,
        config: &Config,
        id: i64,
        by: Option<Arc<str>>,
        what: Hand,
    ) -> Result<FollowUpRow, NotDone> {
        match &what {
            Hand::Assigned { to: Some(to) } => works_here(config, to)?,
            Hand::Remarked { text: words } | Hand::Closed { why: words } => says_something(words)?,
            _ => {}
        }
        by.as_ref().map_or(Ok(()), |by| works_here(config, by))?;
        // What cannot be done need not be written down.
        let before = self.standing(id).await?;
        match deed(&before.standing(), by.as_ref(), &what) {
            Ok(_) => {}
            Err(Late::AsWanted) => return Ok(before),
            Err(late) => return Err(too_late(&before, late)),
        }
        let seq = self.write_down(Fact::FollowUp { id, by: by.clone(), what: what.clone() }).await?;
        let after = self.standing(id).await?;
        if after.comments.iter().any(|comment| comment.seq == seq) {
            return Ok(after);
        }
        match deed(&after.standing(), by.as_ref(), &what) {
            Err(Late::AsWanted) => Ok(after),
            Err(late) => Err(too_late(&after, late)),
            // It was not to be done when its turn came, and might be by now.
            Ok(_) => Err(NotDone::Conflict(format!("follow-up {id} has changed meanwhile; look at it, and try again"))),
        }
    }

    async fn standing(&self, id: i64) -> Result<FollowUpRow, NotDone> {
        let found = self.read(move |reader| reader.follow_up(id)).await.map_err(|error| {
            tracing::error!(%error, id, "a follow-up cannot be looked up");
            NotDone::NoAnswer
        })?;
        let missing = || NotDone::Missing(format!("there is no follow-up {id}; `huntline followups` lists them"));
        found.ok_or_else(missing)
    }
}

fn says_something(words: &str) -> Result<(), NotDone> {
    match words.trim().chars().count() {
        0 => Err(NotDone::Refused("there are no words; write down what there is to know".into())),
        1..=LONGEST => Ok(()),
        long => Err(NotDone::Refused(format!("{long} characters are too long; at most {LONGEST} are kept"))),
    }
}

fn works_here(config: &Config, extension: &str) -> Result<(), NotDone> {
    match config.extension_by_number(extension).map(|ix| config.extension(ix).active) {
        Some(true) => Ok(()),
        Some(false) => Err(NotDone::Refused(format!("extension \"{extension}\" is not active any more"))),
        None => Err(NotDone::Refused(format!("there is no extension \"{extension}\""))),
    }
}

fn too_late(row: &FollowUpRow, late: Late) -> NotDone {
    let id = row.id;
    NotDone::Conflict(match late {
        Late::Taken(who) => format!("somebody was faster: {who} has follow-up {id}"),
        Late::Nobody => return NotDone::Refused("only an employee can claim: say who".into()),
        Late::AsWanted => format!("follow-up {id} is so already"),
        Late::Closed => match (row.closed_by, row.closed_hand.as_deref()) {
            (Some(call), _) => format!("follow-up {id} is closed already, by call {call}"),
            (None, Some(who)) => format!("follow-up {id} is closed already, by {who}"),
            (None, None) => format!("follow-up {id} is closed already"),
        },
    })
}
