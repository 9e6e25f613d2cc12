//! What a lamp shows: the calls of one extension, as XML (RFC 4235).
//!
//! Every document is whole (`state="full"`), so one that is lost is made good by the next. A call that the watcher was told
//! of and that is over is named once more as `terminated`, because some phones do not notice what is missing.

use std::fmt::Write as _;

use super::entity::Entity;
use crate::entropy::Token;
use crate::sip::uri::escape_user;

/// How far a dialog has come, in the words of RFC 4235 §3.7.1, seen from the watched phone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DialogState {
    /// The INVITE is under way; the one who is called has not said anything that makes a dialog.
    Trying,
    /// It rings: both sides have their tags.
    Early,
    /// Both have said yes.
    Confirmed,
    /// Over, or about to be: whoever takes it over now comes too late.
    Terminated,
}

/// Who began a dialog, seen from the watched phone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The watched one calls.
    Initiator,
    /// The watched one is called.
    Recipient,
}

/// Who is at the other end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remote {
    /// The display name; may be empty.
    pub display: Box<str>,
    /// The number or extension; `None` for somebody who is not to be shown.
    pub user: Option<Box<str>>,
}

/// One call of the watched extension.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sight {
    /// Tells it from the watched one's other calls.
    pub id: Token,
    /// The Call-ID of the dialog.
    pub call_id: Box<str>,
    /// The watched phone's tag; empty while it has not said one.
    pub local_tag: Box<str>,
    /// Our tag; empty while the watched phone does not know it.
    pub remote_tag: Box<str>,
    /// Who began it.
    pub role: Role,
    /// How far it has come.
    pub state: DialogState,
    /// Who is at the other end.
    pub remote: Remote,
}

/// The document: the calls that there are, and those of `before` that are over.
pub fn write(version: u32, entity: &Entity, sights: &[Sight], before: &[Sight]) -> String {
    let mut xml = String::with_capacity(256 + 640 * sights.len());
    xml.push_str("<?xml version=\"1.0\"?>\r\n");
    let uri = Escaped(entity.uri());
    let _ = write!(
        xml,
        "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" state=\"full\" entity=\"{uri}\">\r\n"
    );
    let over = before.iter().filter(|old| !sights.iter().any(|sight| sight.id == old.id));
    let over = over.map(|old| Sight { state: DialogState::Terminated, ..old.clone() });
    sights.iter().cloned().chain(over).for_each(|sight| write_sight(&mut xml, entity, &sight));
    xml.push_str("</dialog-info>\r\n");
    xml
}

fn write_sight(xml: &mut String, entity: &Entity, sight: &Sight) {
    // The Call-ID names a call from its first moment on, when the tags are not known yet.
    let _ = write!(xml, "<dialog id=\"{0}\" call-id=\"{0}\"", Escaped(&sight.call_id));
    for (name, tag) in [("local-tag", &sight.local_tag), ("remote-tag", &sight.remote_tag)] {
        if !tag.is_empty() {
            let _ = write!(xml, " {name}=\"{}\"", Escaped(tag));
        }
    }
    let role = match sight.role {
        Role::Initiator => "initiator",
        Role::Recipient => "recipient",
    };
    let state = match sight.state {
        DialogState::Trying => "trying",
        DialogState::Early => "early",
        DialogState::Confirmed => "confirmed",
        DialogState::Terminated => "terminated",
    };
    let _ = write!(xml, " direction=\"{role}\">\r\n<state>{state}</state>\r\n");
    write_side(xml, "local", "", entity.uri(), entity.uri());
    let (identity, target) = match &sight.remote.user {
        Some(user) => {
            let mut escaped = String::new();
            escape_user(&mut escaped, user);
            let uri = format!("sip:{escaped}@{}", entity.host());
            (uri.clone(), uri)
        }
        // Whoever is not shown can still be picked up: at the watched one's own address.
        None => ("sip:anonymous@anonymous.invalid".to_owned(), entity.uri().to_owned()),
    };
    write_side(xml, "remote", &sight.remote.display, &identity, &target);
    xml.push_str("</dialog>\r\n");
}

fn write_side(xml: &mut String, side: &str, display: &str, identity: &str, target: &str) {
    let _ = write!(xml, "<{side}><identity");
    if !display.is_empty() {
        let _ = write!(xml, " display=\"{}\"", Escaped(display));
    }
    let _ = write!(xml, ">{}</identity><target uri=\"{}\"/></{side}>\r\n", Escaped(identity), Escaped(target));
}

/// Text as XML takes it; what XML has no place for is left out.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => Ok(()),
            letter if letter.is_control() => Ok(()),
            letter => f.write_char(letter),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(id: &str, state: DialogState) -> Sight {
        Sight {
            id: Token::read(id).unwrap(),
            call_id: "a&b@phone".into(),
            local_tag: "theirs".into(),
            remote_tag: id.into(),
            role: Role::Recipient,
            state,
            remote: Remote { display: "Ada \"<&>\" Жук\u{7}".into(), user: Some("+491701112233".into()) },
        }
    }

    #[test]
    fn a_ringing_call_says_who_calls_and_how_to_take_it_over() {
        let entity = Entity::new("14", "192.0.2.1");
        let early = sight("aaaaaaaaaaaa", DialogState::Early);
        let expected = "<?xml version=\"1.0\"?>\r\n\
            <dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"3\" state=\"full\" entity=\"sip:14@192.0.2.1\">\r\n\
            <dialog id=\"a&amp;b@phone\" call-id=\"a&amp;b@phone\" local-tag=\"theirs\" remote-tag=\"aaaaaaaaaaaa\" direction=\"recipient\">\r\n\
            <state>early</state>\r\n\
            <local><identity>sip:14@192.0.2.1</identity><target uri=\"sip:14@192.0.2.1\"/></local>\r\n\
            <remote><identity display=\"Ada &quot;&lt;&amp;&gt;&quot; Жук\">sip:+491701112233@192.0.2.1</identity>\
            <target uri=\"sip:+491701112233@192.0.2.1\"/></remote>\r\n\
            </dialog>\r\n</dialog-info>\r\n";
        assert_eq!(write(3, &entity, &[early], &[]), expected);
    }

    #[test]
    fn what_is_over_is_named_once_more_and_who_hides_stays_hidden() {
        let entity = Entity::new("14", "192.0.2.1");
        let hidden = Sight {
            remote: Remote { display: "Anonymous".into(), user: None },
            local_tag: "".into(),
            ..sight("bbbbbbbbbbbb", DialogState::Trying)
        };
        let old = [sight("aaaaaaaaaaaa", DialogState::Confirmed), hidden.clone()];
        let xml = write(4, &entity, &[hidden], &old);
        assert_eq!(xml.matches("<dialog ").count(), 2);
        assert!(xml.contains("<state>trying</state>") && xml.contains("<state>terminated</state>"), "{xml}");
        assert!(xml.contains(">sip:anonymous@anonymous.invalid</identity><target uri=\"sip:14@192.0.2.1\"/>"), "{xml}");
        assert!(!xml.contains("local-tag=\"\""), "{xml}");
    }
}
