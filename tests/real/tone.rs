//! Tones: what each side says, and whether the other side heard it.

use std::path::Path;

/// Samples per second of everything here.
pub const RATE: usize = 8000;
/// One packet's worth: 20 ms.
pub const BLOCK: usize = 160;

/// A sine of this many hertz, 16 bit.
pub fn sine(hertz: f64, seconds: usize) -> Vec<i16> {
    let step = std::f64::consts::TAU * hertz / RATE as f64;
    (0..seconds * RATE).map(|i| ((i as f64 * step).sin() * 12_000.0) as i16).collect()
}

/// Whether a block consists mostly (four fifths of its energy) of this tone, and is not silent.
pub fn is_tone(block: &[i16], hertz: f64) -> bool {
    is_tone_at(block, hertz, RATE)
}

/// The same for so many samples per second.
pub fn is_tone_at(block: &[i16], hertz: f64, rate: usize) -> bool {
    let step = std::f64::consts::TAU * hertz / rate as f64;
    let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
    for (i, sample) in block.iter().enumerate() {
        let (sample, angle) = (f64::from(*sample), i as f64 * step);
        re += sample * angle.cos();
        im += sample * angle.sin();
        energy += sample * sample;
    }
    let length = block.len() as f64;
    energy / length > 100.0 * 100.0 && (re * re + im * im) * 2.0 / length > 0.8 * energy
}

/// Where the tone begins: the first millisecond of the first 20 ms block that holds it.
pub fn first_ms(samples: &[i16], hertz: f64) -> Option<usize> {
    samples.chunks_exact(BLOCK).position(|block| is_tone(block, hertz)).map(|i| i * BLOCK * 1000 / RATE)
}

/// G.711 µ-law, as RTP payload type 0 carries it.
pub fn from_ulaw(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = ((i16::from(byte & 0x0f) << 3) + 0x84) << ((byte >> 4) & 7);
    if byte & 0x80 == 0 { magnitude - 0x84 } else { 0x84 - magnitude }
}

/// G.711 A-law, as RTP payload type 8 carries it.
pub fn from_alaw(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let (exponent, mantissa) = ((byte >> 4) & 7, i16::from(byte & 0x0f) << 4);
    let magnitude = if exponent == 0 { mantissa + 8 } else { (mantissa + 0x108) << (exponent - 1) };
    if byte & 0x80 == 0 { -magnitude } else { magnitude }
}

/// The nearest µ-law byte.
pub fn to_ulaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(32_635) + 0x84;
    let exponent = (7 - (magnitude << 17).leading_zeros().min(7)) as u8;
    let mantissa = (magnitude >> (exponent + 3)) as u8 & 0x0f;
    !(sign | exponent << 4 | mantissa)
}

/// Writes 16-bit mono, as baresip's `aufile` reads it.
pub fn write_wav(path: &Path, samples: &[i16]) {
    let size = samples.len() as u32 * 2;
    let mut out = Vec::with_capacity(44 + samples.len() * 2);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&(size + 36).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    out.extend_from_slice(&(RATE as u32).to_le_bytes());
    out.extend_from_slice(&(RATE as u32 * 2).to_le_bytes());
    out.extend_from_slice(b"\x02\0\x10\0data");
    out.extend_from_slice(&size.to_le_bytes());
    out.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
    std::fs::write(path, out).expect("a tone can be written");
}

/// Reads 16-bit mono, as baresip's `sndfile` writes it; a file cut short gives what it has.
pub fn read_wav(path: &Path) -> Vec<i16> {
    let bytes = std::fs::read(path).expect("a recording can be read");
    let data = bytes.windows(4).position(|w| w == b"data").map_or(bytes.len(), |i| i + 8);
    bytes.get(data..).unwrap_or_default().chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}
