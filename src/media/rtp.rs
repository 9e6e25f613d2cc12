//! What an RTP packet says about itself (RFC 3550 §5.1).

/// An RTP packet, read where it lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rtp<'a> {
    /// The marker bit: for sound, the first packet after a silence.
    pub marker: bool,
    /// What the payload is, 0 to 127.
    pub kind: u8,
    /// Counts packets, and wraps.
    pub sequence: u16,
    /// When the first sample was taken, by the payload's clock; wraps.
    pub timestamp: u32,
    /// Tells one stream from another.
    pub ssrc: u32,
    /// The payload, without padding.
    pub payload: &'a [u8],
}

impl<'a> Rtp<'a> {
    /// Reads a packet; `None` for RTCP on a shared port (RFC 5761 §4) and for anything that is no RTP.
    pub fn read(packet: &'a [u8]) -> Option<Rtp<'a>> {
        let (&[first, second, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3], rest) = packet.split_first_chunk()?;
        if first >> 6 != 2 || (192..=223).contains(&second) {
            return None;
        }
        let mut payload = rest.get(4 * usize::from(first & 0x0f)..)?;
        if first & 0x10 != 0 {
            let (&[_, _, high, low], after) = payload.split_first_chunk()?;
            payload = after.get(4 * usize::from(u16::from_be_bytes([high, low]))..)?;
        }
        if first & 0x20 != 0 {
            let padding = usize::from(*payload.last()?);
            payload = payload.get(..payload.len().checked_sub(padding)?)?;
        }
        Some(Rtp {
            marker: second & 0x80 != 0,
            kind: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([r0, r1, r2, r3]),
            payload,
        })
    }
}

/// A packet as a phone would send it, for tests.
#[cfg(test)]
pub(crate) fn packet(kind: u8, sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, kind];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_says_what_it_is() {
        let bytes = packet(0x80 | 101, 7, 160, 9, b"voice");
        let read = Rtp::read(&bytes).unwrap();
        assert_eq!(read, Rtp { marker: true, kind: 101, sequence: 7, timestamp: 160, ssrc: 9, payload: b"voice" });
    }

    #[test]
    fn sources_extension_and_padding_are_no_voice() {
        let mut bytes = packet(8, 1, 2, 3, b"");
        bytes[0] = 0x80 | 0x20 | 0x10 | 2;
        bytes.extend([0; 8]);
        bytes.extend([0xbe, 0xde, 0, 1, 1, 1, 1, 1]);
        bytes.extend(b"voice\0\0\x03");
        assert_eq!(Rtp::read(&bytes).unwrap().payload, b"voice");
    }

    #[test]
    fn what_is_no_rtp_or_is_cut_short_is_not_read() {
        let mut extended = packet(8, 1, 2, 3, &[0, 0, 0, 9]);
        extended[0] |= 0x10;
        let mut padded = packet(8, 1, 2, 3, &[200]);
        padded[0] |= 0x20;
        let mut sources = packet(8, 1, 2, 3, b"");
        sources[0] |= 1;
        let rtcp = packet(200, 1, 2, 3, b"");
        for bytes in [&extended[..], &padded, &sources, &rtcp, &packet(8, 1, 2, 3, b"")[..11], b"", &[0; 20]] {
            assert_eq!(Rtp::read(bytes), None, "{bytes:?}");
        }
    }
}
