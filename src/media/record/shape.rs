//! The sound in a recording's file, and the WAV header that says so.

use crate::clock::Duration;

/// How many bytes stand before the samples.
pub const HEADER: usize = 44;

/// The sound in a file: 16-bit linear samples, little endian, the channels one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Samples per second and channel.
    pub rate: u32,
    /// 1: everybody; 2: the caller left, the company right.
    pub channels: u16,
}

impl Shape {
    /// How many bytes one sample of all channels takes.
    pub fn frame(self) -> u64 {
        2 * u64::from(self.channels)
    }

    /// How long so many bytes of samples sound.
    pub fn length(self, bytes: u64) -> Duration {
        Duration::from_micros(bytes / self.frame() * 1_000_000 / u64::from(self.rate))
    }

    /// The header before `data` bytes of samples. Where they are more than WAV can say (4 GiB: 18 hours of wideband in
    /// stereo), it says as much as it can.
    pub fn header(self, data: u64) -> [u8; HEADER] {
        let data = u32::try_from(data).unwrap_or(u32::MAX).min(u32::MAX - 36);
        let frame = 2 * self.channels;
        let mut header = [0; HEADER];
        let mut at = 0;
        for part in [
            &b"RIFF"[..],
            &(data + 36).to_le_bytes(),
            b"WAVEfmt ",
            &16u32.to_le_bytes(),
            &1u16.to_le_bytes(),
            &self.channels.to_le_bytes(),
            &self.rate.to_le_bytes(),
            &(self.rate * u32::from(frame)).to_le_bytes(),
            &frame.to_le_bytes(),
            &16u16.to_le_bytes(),
            b"data",
            &data.to_le_bytes(),
        ] {
            header[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        header
    }

    /// What a header of ours says, and how many bytes of samples; `None` for any other.
    pub fn read(header: &[u8; HEADER]) -> Option<(Shape, u64)> {
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let shape = Shape { rate: word(24), channels: u16::from_le_bytes([header[22], header[23]]) };
        let data = u64::from(word(40));
        ((1..=2).contains(&shape.channels) && shape.rate > 0 && *header == shape.header(data)).then_some((shape, data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO: Shape = Shape { rate: 8_000, channels: 2 };

    #[test]
    fn a_header_says_what_it_was_told() {
        assert_eq!(Shape::read(&STEREO.header(1234)), Some((STEREO, 1234)));
        assert_eq!(&STEREO.header(4)[..4], b"RIFF");
        let mut other = STEREO.header(4);
        other[34] = 8;
        assert_eq!(Shape::read(&other), None);
        assert_eq!(Shape::read(&STEREO.header(u64::MAX)).unwrap().1, u64::from(u32::MAX) - 36);
    }
}
