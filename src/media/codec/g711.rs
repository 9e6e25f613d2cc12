//! G.711: 8 kHz, a byte a sample, steps that grow with loudness. A-law and µ-law differ in where the steps lie.

/// What each byte of A-law (G.711 table 1) means as a 16-bit sample.
pub static FROM_ALAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = from_alaw(byte as u8);
        byte += 1;
    }
    table
};

/// What each byte of µ-law (G.711 table 2) means as a 16-bit sample.
pub static FROM_ULAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = from_ulaw(byte as u8);
        byte += 1;
    }
    table
};

/// On the wire the even bits of A-law are inverted.
const ALAW_WIRE: u8 = 0x55;

/// What µ-law adds before it looks for the segment, in steps of a 14-bit sample.
const ULAW_BIAS: i32 = 33;

/// The loudest that µ-law knows, in steps of a 14-bit sample.
const ULAW_LOUDEST: i32 = 8158;

const fn from_alaw(byte: u8) -> i16 {
    let byte = byte ^ ALAW_WIRE;
    let (segment, step) = ((byte >> 4) & 7, (byte & 15) as i32);
    // The middle of the step, in 13 bits.
    let middle = match segment {
        0 => 2 * step + 1,
        segment => (2 * step + 33) << (segment - 1),
    };
    // Bit 7 is the sign: set for positive.
    (if byte & 0x80 != 0 { middle << 3 } else { -(middle << 3) }) as i16
}

const fn from_ulaw(byte: u8) -> i16 {
    let byte = !byte;
    let (segment, step) = ((byte >> 4) & 7, (byte & 15) as i32);
    let middle = ((2 * step + ULAW_BIAS) << segment) - ULAW_BIAS;
    (if byte & 0x80 == 0 { middle << 2 } else { -(middle << 2) }) as i16
}

/// The nearest byte of A-law.
pub fn to_alaw(sample: i16) -> u8 {
    // Of a negative sample the complement, as in G.191: -1 lies in the first step below zero.
    let (sign, size) = if sample >= 0 { (0x80, sample) } else { (0, !sample) };
    // 12 bits without sign, of which the lowest decides nothing.
    let size = size >> 4;
    let segment = (size >> 4).checked_ilog2().map_or(0, |top| top + 1);
    let size = if segment > 1 { size >> (segment - 1) } else { size };
    let byte = if segment == 0 { size as u8 } else { (segment as u8) << 4 | (size as u8 & 15) };
    (sign | byte) ^ ALAW_WIRE
}

/// The nearest byte of µ-law.
pub fn to_ulaw(sample: i16) -> u8 {
    let (sign, size) = if sample >= 0 { (0, i32::from(sample)) } else { (0x80, i32::from(!sample)) };
    let size = (size >> 2).min(ULAW_LOUDEST) + ULAW_BIAS;
    let segment = size.ilog2() - 5;
    let step = (size >> (segment + 1)) as u8 & 15;
    !(sign | (segment as u8) << 4 | step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back_as_itself() {
        for byte in 0..=255 {
            assert_eq!(to_alaw(FROM_ALAW[usize::from(byte)]), byte, "A-law");
            // µ-law has two zeros; a sample has one.
            let expected = if byte == 0x7f { 0xff } else { byte };
            assert_eq!(to_ulaw(FROM_ULAW[usize::from(byte)]), expected, "µ-law");
        }
    }

    #[test]
    fn the_values_of_the_recommendation() {
        let alaw = [(0xd5, 8), (0x55, -8), (0xaa, 32_256), (0x2a, -32_256), (0x80, 5504), (0xc5, 264)];
        for (byte, sample) in alaw {
            assert_eq!(FROM_ALAW[byte], sample, "{byte:#x}");
        }
        let ulaw = [(0xff, 0), (0x7f, 0), (0x80, 32_124), (0x00, -32_124), (0xf0, 120), (0xef, 132)];
        for (byte, sample) in ulaw {
            assert_eq!(FROM_ULAW[byte], sample, "{byte:#x}");
        }
    }

    #[test]
    fn every_sample_becomes_a_byte_beside_it() {
        for sample in i16::MIN..=i16::MAX {
            let error = |value: i16| (i32::from(value) - i32::from(sample)).abs();
            for (table, byte) in [(&FROM_ALAW, to_alaw(sample)), (&FROM_ULAW, to_ulaw(sample))] {
                let nearest = table.iter().map(|value| error(*value)).min().expect("256 values");
                let chosen = error(table[usize::from(byte)]);
                // Where steps begin to be twice as wide, the recommendation's border is nearer to the smaller ones; and it
                // drops the lowest digits of 16 bits.
                assert!(chosen <= 2 * nearest + 8, "{sample}: {chosen} off, could be {nearest}");
            }
        }
    }
}
