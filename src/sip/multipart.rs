//! Bodies made of several parts: finds the session description among them (RFC 2046 §5.1, RFC 5621).

use memchr::memmem;

use super::header::{ContentType, Word};
use super::lex::trimmed;
use super::name::HeaderName;

/// The `application/sdp` in `body`; multiparts are looked into `deep` levels.
pub(super) fn sdp<'a>(of: ContentType<'a>, body: &'a [u8], deep: u8) -> Option<&'a [u8]> {
    if of.is("application", "sdp") {
        return Some(body);
    }
    if deep == 0 || !of.kind.eq_ignore_ascii_case("multipart") {
        return None;
    }
    let boundary = of.params.bytes("boundary").filter(|boundary| (1..=70).contains(&boundary.len()))?;
    parts(body, boundary).find_map(|part| {
        let (head, content) = split(part);
        let field = |name| fields(head).find(|(found, _)| *found == name).map(|(_, value)| value);
        if !is_plain(head) {
            return None;
        }
        sdp(ContentType::read(field(HeaderName::ContentType)?).ok()?, content, deep - 1)
    })
}

/// True where a session description is in `body` (which may be a multipart, `deep` levels deep), or every part of it may be
/// passed over; and no part that must be understood is anything else. Of alternatives one is enough.
pub(super) fn is_known(of: ContentType<'_>, body: &[u8], deep: u8) -> bool {
    if of.is("application", "sdp") {
        return true;
    }
    let boundary = of.params.bytes("boundary").filter(|boundary| (1..=70).contains(&boundary.len()));
    let Some(boundary) = boundary.filter(|_| deep > 0 && of.kind.eq_ignore_ascii_case("multipart")) else {
        return false;
    };
    let knows = |part| {
        let (head, content) = split(part);
        let kind = fields(head).find(|(name, _)| *name == HeaderName::ContentType);
        let kind = kind.and_then(|(_, value)| ContentType::read(value).ok());
        is_plain(head) && kind.is_some_and(|kind| is_known(kind, content, deep - 1))
    };
    let said = |part| fields(split(part).0).find(|(name, _)| *name == HeaderName::ContentDisposition);
    let says = |part, word| said(part).is_some_and(|(_, value)| handling(value, word));
    let found = sdp(of, body, deep).is_some();
    let passed_over = |part| says(part, "optional") || (found && !says(part, "required"));
    match of.subtype.eq_ignore_ascii_case("alternative") {
        true => found,
        false => parts(body, boundary).all(|part| knows(part) || passed_over(part)),
    }
}

/// True where a part is not encoded as anything but text.
fn is_plain(head: &[u8]) -> bool {
    let plain = |code: &[u8]| [&b"7bit"[..], b"8bit", b"binary"].iter().any(|plain| code.eq_ignore_ascii_case(plain));
    fields_named(head, b"Content-Transfer-Encoding").is_none_or(plain)
}

/// True where a Content-Disposition says that its part is to be handled so.
pub(super) fn handling(disposition: &[u8], word: &str) -> bool {
    let params = Word::read(disposition).map(|disposition| disposition.params);
    params.is_ok_and(|params| params.get("handling").is_some_and(|said| said.eq_ignore_ascii_case(word)))
}

/// The parts between `--boundary` lines, without the line breaks that belong to the boundary.
fn parts<'a>(body: &'a [u8], boundary: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = delimiter(body, boundary).map(|(_, after)| after);
    std::iter::from_fn(move || {
        let text = rest?;
        // `--` behind the boundary closes the body; a body cut short has no closing line and no last part.
        if text.starts_with(b"--") {
            return None;
        }
        let line = memmem::find(text, b"\r\n")?;
        // The break that ends the delimiter's line may at once begin the next delimiter.
        let (before, after) = delimiter(&text[line..], boundary)?;
        rest = Some(after);
        Some(before.get(2..).unwrap_or_default())
    })
}

/// Behind a boundary its line ends, or `--` closes the body; anything else is text that merely begins alike.
fn is_alone(after: &[u8]) -> bool {
    after.starts_with(b"--") || memmem::find(after, b"\r\n").is_some_and(|end| trimmed(&after[..end]).is_empty())
}

/// What stands before the next delimiter (without its line break) and behind it.
fn delimiter<'a>(text: &'a [u8], boundary: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut from = 0;
    loop {
        let dashes = from + memmem::find(&text[from..], b"--")?;
        let before = &text[..dashes];
        let at_line = before.is_empty() || before.ends_with(b"\r\n");
        if let Some(after) = text[dashes + 2..].strip_prefix(boundary).filter(|after| at_line && is_alone(after)) {
            return Some((before.strip_suffix(b"\r\n").unwrap_or(before), after));
        }
        from = dashes + 2;
    }
}

fn split(part: &[u8]) -> (&[u8], &[u8]) {
    if let Some(content) = part.strip_prefix(b"\r\n") {
        return (b"", content);
    }
    match memmem::find(part, b"\r\n\r\n") {
        Some(at) => (&part[..at], &part[at + 4..]),
        None => (part, b""),
    }
}

fn raw_fields(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    head.split(|byte| *byte == b'\n').filter_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = memchr::memchr(b':', line)?;
        Some((trimmed(&line[..colon]), trimmed(&line[colon + 1..])))
    })
}

fn fields(head: &[u8]) -> impl Iterator<Item = (HeaderName, &[u8])> {
    raw_fields(head).map(|(name, value)| (HeaderName::read(name), value))
}

fn fields_named<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    raw_fields(head).find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(content_type: &str, body: &str) -> Option<String> {
        let of = ContentType::read(content_type.as_bytes()).unwrap();
        sdp(of, body.as_bytes(), 4).map(|sdp| String::from_utf8(sdp.to_vec()).unwrap())
    }

    #[test]
    fn the_session_description_is_found_wherever_it_stands() {
        assert_eq!(found("application/SDP", "v=0\r\n").as_deref(), Some("v=0\r\n"));
        let body = "preamble\r\n--b\r\nContent-Type: text/plain\r\n\r\n--bad\r\n--b \r\nc: application/sdp\r\n\r\nv=0\r\n\r\n--b--\r\n";
        assert_eq!(found("multipart/mixed;boundary=b", body).as_deref(), Some("v=0\r\n"));
        assert_eq!(found("multipart/mixed; boundary=\"b\"", body).as_deref(), Some("v=0\r\n"));
        let nested = "--o\r\nContent-Type: multipart/alternative;boundary=b\r\n\r\n".to_string() + body + "\r\n--o--";
        assert_eq!(found("multipart/mixed;boundary=o", &nested).as_deref(), Some("v=0\r\n"));
    }

    #[test]
    fn what_must_be_understood_and_is_not_makes_the_whole_unknown() {
        let known = |content_type: &str, body: &str| {
            is_known(ContentType::read(content_type.as_bytes()).unwrap(), body.as_bytes(), 4)
        };
        let mixed = |beside: &str, content: &str| {
            let sdp = "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n";
            format!("{sdp}--b\r\nContent-Type: {beside}\r\n\r\n{content}\r\n--b--")
        };
        let kind = "multipart/mixed;boundary=b";
        assert!(known(kind, &mixed("application/isup", "x")), "a carrier's own matter may be passed over");
        let optional = mixed("application/isup\r\nContent-Disposition: signal; handling=optional", "x");
        assert!(known(kind, &optional));
        let required = mixed("application/isup\r\nContent-Disposition: signal; handling=REQUIRED", "x");
        assert!(!known(kind, &required));
        assert!(known("multipart/alternative;boundary=b", &required), "of alternatives one is enough");
        let alone = "--c\r\nContent-Type: text/plain\r\n\r\nhello\r\n--c--";
        assert!(known(kind, &mixed("multipart/mixed;boundary=c", alone)), "nobody says that it is needed");
        assert!(!known("multipart/mixed;boundary=c", alone));
        assert!(!known("text/plain", "hello"));
        let encoded = "--b\r\nc: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\ndj0w\r\n--b--";
        assert!(!known(kind, encoded), "it would be taken for an INVITE without an offer");
    }

    #[test]
    fn what_is_no_session_description_is_not_taken_for_one() {
        assert_eq!(found("application/dtmf-relay", "Signal=1"), None);
        assert_eq!(found("multipart/mixed", "--b\r\nc: application/sdp\r\n\r\nv=0\r\n--b--"), None);
        assert_eq!(found("multipart/mixed;boundary=b", "--b\r\nc: application/sdp\r\n\r\nv=0\r\n"), None);
        assert_eq!(found("multipart/mixed;boundary=b", "--b\r\n\r\nv=0\r\n--b--"), None);
        let encoded = "--b\r\nc: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\ndj0w\r\n--b--";
        assert_eq!(found("multipart/mixed;boundary=b", encoded), None);
    }
}
