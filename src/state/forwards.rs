//! Forwards: where employees send their calls, as they have set it by a code on the phone, or an admin for them.
//!
//! A forward is kept as it was dialled. What that means, and whether the employee may call there, is asked anew for each
//! call: a number that may not be called any more is not called.

use std::sync::Arc;

use super::State;
use crate::config::ForwardWhen;

impl State {
    /// An employee's calls go there from now on, or (`None`) no longer.
    pub fn set_forward(&mut self, extension: &Arc<str>, when: ForwardWhen, to: Option<&Arc<str>>) {
        let key = (extension.clone(), when);
        match to {
            Some(to) => self.forwards.insert(key, to.clone()),
            None => self.forwards.remove(&key),
        };
    }

    /// Where an employee's calls go then, as it was dialled.
    pub fn forward_of(&self, extension: &Arc<str>, when: ForwardWhen) -> Option<&Arc<str>> {
        if self.forwards.is_empty() {
            return None;
        }
        self.forwards.get(&(extension.clone(), when))
    }

    /// Every forward: whose, when, where to; by extension.
    pub fn forwards(&self) -> impl Iterator<Item = (&Arc<str>, ForwardWhen, &Arc<str>)> {
        self.forwards.iter().map(|((extension, when), to)| (extension, *when, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_an_employees_forwards_stands_until_it_is_taken_back() {
        let (mut state, x12): (_, Arc<str>) = (State::default(), "12".into());
        let (x14, mobile): (Arc<str>, Arc<str>) = ("14".into(), "+491701112233".into());
        state.set_forward(&x12, ForwardWhen::Busy, Some(&x14));
        state.set_forward(&x12, ForwardWhen::NoAnswer, Some(&x14));
        state.set_forward(&x12, ForwardWhen::NoAnswer, Some(&mobile));
        assert_eq!(state.forward_of(&x12, ForwardWhen::Busy), Some(&x14));
        assert_eq!(state.forward_of(&x12, ForwardWhen::NoAnswer), Some(&mobile));
        assert_eq!(state.forward_of(&x12, ForwardWhen::Always), None);
        assert_eq!(state.forward_of(&x14, ForwardWhen::Busy), None);
        assert_eq!(state.forwards().count(), 2);
        state.set_forward(&x12, ForwardWhen::Busy, None);
        state.set_forward(&x12, ForwardWhen::NoAnswer, None);
        assert_eq!(state, State::default());
    }
}
