//! Which key was pressed? Finds the presses among a phone's RTP events (RFC 4733).
//!
//! A press is many packets with one timestamp: it is told at the first of them, so a lost end or a lost beginning harms
//! nothing. The next press has a timestamp of its own, be it the same key.

use super::rtp::Rtp;

/// The keys in the order of their event codes (RFC 4733 §3.2).
const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// The event code of a key; `None` for what is no key.
pub fn code(digit: char) -> Option<u8> {
    KEYS.iter().position(|key| *key == digit).map(|code| code as u8)
}

/// The longest duration that one timestamp can say. A key that is held longer goes on under the next timestamp
/// (RFC 4733 §2.5.1.3).
const LONGEST: u16 = u16::MAX;

/// The presses of one phone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keypad {
    last: Option<Press>,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    ssrc: u32,
    timestamp: u32,
    code: u8,
    /// How long it was when last heard.
    duration: u16,
}

impl Keypad {
    /// Hears a packet of events; the key where a press begins with it.
    pub fn hear(&mut self, packet: &Rtp<'_>) -> Option<char> {
        let (&[code, _, high, low], _) = packet.payload.split_first_chunk()?;
        let duration = u16::from_be_bytes([high, low]);
        let key = *KEYS.get(usize::from(code))?;
        let press = Press { ssrc: packet.ssrc, timestamp: packet.timestamp, code, duration };
        let Some(last) = self.last.as_mut().filter(|last| last.ssrc == press.ssrc) else {
            self.last = Some(press);
            return Some(key);
        };
        let later = press.timestamp.wrapping_sub(last.timestamp);
        if later == 0 {
            last.duration = last.duration.max(duration);
            return None;
        }
        // A packet of an earlier press that comes late.
        if later > u32::MAX / 2 {
            return None;
        }
        let goes_on = !packet.marker && last.code == code && last.duration == LONGEST && later == u32::from(LONGEST);
        *last = press;
        (!goes_on).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(ssrc: u32, timestamp: u32, code: u8, end: bool, duration: u16) -> Vec<u8> {
        let [high, low] = duration.to_be_bytes();
        crate::media::rtp::packet(101, 0, timestamp, ssrc, &[code, if end { 0x8a } else { 10 }, high, low])
    }

    fn heard(packets: &[Vec<u8>]) -> String {
        let mut keypad = Keypad::default();
        packets.iter().filter_map(|packet| keypad.hear(&Rtp::read(packet).unwrap())).collect()
    }

    #[test]
    fn a_press_is_told_once_at_its_first_packet() {
        let press = |timestamp, code| {
            [(false, 160), (false, 320), (true, 480), (true, 480), (true, 480)]
                .map(|(end, duration)| event(1, timestamp, code, end, duration))
                .to_vec()
        };
        assert_eq!(heard(&press(8000, 11)), "#");
        assert_eq!(heard(&[press(8000, 1), press(9600, 1), press(12_000, 15)].concat()), "11D");
    }

    #[test]
    fn lost_packets_harm_nothing_as_long_as_one_arrives() {
        assert_eq!(heard(&[event(1, 8000, 5, true, 480), event(1, 9600, 5, false, 160)]), "55");
    }

    #[test]
    fn a_late_packet_of_an_earlier_press_is_no_new_one() {
        let packets = [event(1, 8000, 1, false, 160), event(1, 9600, 2, false, 160), event(1, 8000, 1, true, 480)];
        assert_eq!(heard(&packets), "12");
        let wrapped = [event(1, u32::MAX - 99, 1, false, 160), event(1, 900, 1, false, 160)];
        assert_eq!(heard(&wrapped), "11");
    }

    #[test]
    fn a_key_held_for_longer_than_one_timestamp_can_say_is_one_press() {
        let held = [event(1, 1000, 3, false, LONGEST), event(1, 1000 + 65_535, 3, false, 160)];
        assert_eq!(heard(&held), "3");
    }

    #[test]
    fn another_stream_begins_anew() {
        assert_eq!(heard(&[event(1, 8000, 1, false, 160), event(2, 8000, 1, false, 160)]), "11");
    }

    #[test]
    fn a_flash_and_a_cut_packet_are_no_keys() {
        let mut cut = event(1, 8000, 1, false, 160);
        cut.truncate(15);
        assert_eq!(heard(&[event(1, 8000, 16, false, 160), cut]), "");
    }
}
