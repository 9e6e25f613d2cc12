//! What the message lamp shows: how many messages wait (RFC 3842).

use super::entity::Entity;

/// Voice messages in a box.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Waiting {
    /// Not heard yet.
    pub new: u32,
    /// Heard, and kept.
    pub old: u32,
}

/// The document.
pub fn write(entity: &Entity, waiting: Waiting) -> String {
    let Waiting { new, old } = waiting;
    let lit = if new > 0 { "yes" } else { "no" };
    let account = entity.uri();
    format!("Messages-Waiting: {lit}\r\nMessage-Account: {account}\r\nVoice-Message: {new}/{old} (0/0)\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_message_lights_the_lamp_and_an_old_one_does_not() {
        let entity = Entity::new("12", "192.0.2.1");
        let none = "Messages-Waiting: no\r\nMessage-Account: sip:12@192.0.2.1\r\nVoice-Message: 0/2 (0/0)\r\n";
        assert_eq!(write(&entity, Waiting { new: 0, old: 2 }), none);
        assert!(write(&entity, Waiting { new: 1, old: 0 }).starts_with("Messages-Waiting: yes\r\n"));
    }
}
