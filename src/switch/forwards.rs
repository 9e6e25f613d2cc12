//! Forwards are set here, whoever sets them: a code on the phone, or an admin.

use std::sync::Arc;

use serde_json::{Value, json};

use super::tables::Switch;
use crate::config::{ExtensionIx, ForwardWhen};
use crate::fact::Fact;
use crate::number::bare;
use crate::route::{Reason, may_forward};

impl Switch {
    /// The calls of an employee go there from now on, or (`None`) no longer.
    ///
    /// # Errors
    /// Why they may not go there.
    pub(super) fn set_forward(
        &mut self,
        of: ExtensionIx,
        when: ForwardWhen,
        to: Option<&str>,
    ) -> Result<Option<Arc<str>>, Reason> {
        let config = self.means.config.clone();
        to.map_or(Ok(()), |to| may_forward(&config, of, to))?;
        let (extension, to) = (config.extension(of).number.clone(), to.map(|to| Arc::from(&*bare(to))));
        self.state.set_forward(&extension, when, to.as_ref());
        self.means.note(Fact::Forwarded { extension, when, to: to.clone() });
        Ok(to)
    }

    pub(super) fn forward(&mut self, number: &str, when: ForwardWhen, to: Option<&str>) -> Result<Value, String> {
        let found = self.means.config.extension_by_number(number);
        let of = found.ok_or_else(|| format!("there is no extension {number:?}"))?;
        let to = self.set_forward(of, when, to).map_err(|why| why.to_string())?;
        Ok(json!({ "extension": number, "when": when.word(), "to": to }))
    }

    /// What is set by hand, for `status`: forwards, absences, overrides.
    pub(super) fn set_by_hand(&self) -> Value {
        let at = self.means.now.wall;
        let forwards = self
            .state
            .forwards()
            .map(|(extension, when, to)| json!({ "extension": extension, "when": when.word(), "to": to }));
        let until =
            |until: Option<crate::clock::Timestamp>| until.filter(|until| *until != crate::clock::Timestamp::MAX);
        let away =
            self.state.away(at).map(|(extension, end)| json!({ "extension": extension, "until": until(Some(end)) }));
        let hours = self.state.overrides(at).map(|(schedule, state)| {
            json!({ "schedule": schedule, "is": if state.open { "open" } else { "closed" }, "until": until(state.until) })
        });
        json!({
            "forwards": forwards.collect::<Vec<_>>(),
            "away": away.collect::<Vec<_>>(),
            "overrides": hours.collect::<Vec<_>>(),
        })
    }
}
