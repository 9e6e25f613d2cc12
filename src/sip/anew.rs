//! Sessions that are offered anew, to somebody for whom they were not made: after a transfer two people speak who did not
//! call each other (RFC 3264 §8).

use bytes::Bytes;

use super::sdp::{BadSdp, Sdp};

/// The session without anybody's hold: streams go both ways again (RFC 3264 §8.4).
pub fn unheld(session: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(session.len() + 8);
    for line in session.split_inclusive(|byte| *byte == b'\n') {
        match line.trim_ascii_end() {
            b"a=sendonly" | b"a=recvonly" | b"a=inactive" => out.extend_from_slice(b"a=sendrecv\r\n"),
            _ => out.extend_from_slice(line),
        }
    }
    out.into()
}

/// The session with as many `m=` lines as `earlier` has: their number never shrinks (RFC 3264 §8), so what is missing
/// comes at the end, refused.
///
/// # Errors
/// One of the two is no SDP.
pub fn with_lines_of(session: &Bytes, earlier: &[u8]) -> Result<Bytes, BadSdp> {
    let (now, before) = (Sdp::read(session)?.media.len(), Sdp::read(earlier)?.media.len());
    if now >= before {
        return Ok(session.clone());
    }
    let mut out = session.to_vec();
    if !out.ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
    let lines = earlier.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"m="));
    for line in lines.skip(now) {
        let mut words = line.trim_ascii_end().split(|byte| *byte == b' ');
        let kind = words.next().unwrap_or(b"m=audio");
        out.extend_from_slice(kind);
        out.extend_from_slice(b" 0");
        for word in words.skip(1) {
            out.push(b' ');
            out.extend_from_slice(word);
        }
        out.extend_from_slice(b"\r\n");
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=inactive\r\n\
                        m=audio 4000 RTP/AVP 0\r\na=recvonly\r\na=ptime:20\r\n";

    #[test]
    fn a_held_session_is_offered_as_if_nobody_held_it() {
        let unheld = unheld(HELD.as_bytes());
        assert_eq!(
            &unheld[..],
            b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=sendrecv\r\n\
              m=audio 4000 RTP/AVP 0\r\na=sendrecv\r\na=ptime:20\r\n"
        );
        assert!(!Sdp::read(&unheld).unwrap().is_hold());
    }

    #[test]
    fn the_number_of_lines_never_shrinks() {
        let one = Bytes::from(HELD);
        let two = format!("{HELD}m=video 4002 RTP/AVP 96 97\r\na=rtpmap:96 VP8/90000\r\n");
        let grown = with_lines_of(&one, two.as_bytes()).unwrap();
        assert_eq!(&grown[..], format!("{HELD}m=video 0 RTP/AVP 96 97\r\n").as_bytes());
        assert_eq!(with_lines_of(&grown, one.as_ref()).unwrap(), grown);
    }
}
