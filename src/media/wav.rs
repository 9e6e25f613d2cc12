//! Reads a WAV file as an admin may have it: any rate, any number of channels (mixed to one), integers of 8 to 32 bits,
//! floats, and G.711, which telephone systems like to keep.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use hound::{SampleFormat, WavReader};

use super::codec::{FROM_ALAW, FROM_ULAW};

/// Samples per second that are believed.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;

/// Why a file cannot be played, in words for an admin.
#[derive(Debug)]
pub struct Unplayable(String);

impl fmt::Display for Unplayable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unplayable {}

impl From<hound::Error> for Unplayable {
    fn from(error: hound::Error) -> Unplayable {
        Unplayable(match error {
            hound::Error::IoError(error) => format!("it cannot be read: {error}"),
            hound::Error::FormatError(why) => format!("it is no WAV file: {why}"),
            hound::Error::Unsupported => "its encoding is not one of PCM, float and G.711".into(),
            error => format!("it is no whole WAV file: {error}"),
        })
    }
}

impl From<io::Error> for Unplayable {
    fn from(error: io::Error) -> Unplayable {
        hound::Error::from(error).into()
    }
}

/// A WAV file that is being read, from its beginning to its end.
pub struct Wav<R> {
    rate: u32,
    channels: u16,
    samples: Samples<R>,
}

enum Samples<R> {
    Linear(WavReader<R>),
    /// One byte each, and how many are left.
    G711(R, &'static [i16; 256], u64),
}

impl<R: Read + Seek> Wav<R> {
    /// Reads what the file says of itself.
    ///
    /// # Errors
    /// It is no WAV file, or one that nobody can make sound of.
    pub fn open(mut file: R) -> Result<Wav<R>, Unplayable> {
        let wav = match g711(&mut file)? {
            Some(G711 { rate, channels, table, bytes }) => {
                Wav { rate, channels, samples: Samples::G711(file, table, bytes) }
            }
            None => {
                file.rewind()?;
                let reader = WavReader::new(file)?;
                let spec = reader.spec();
                Wav { rate: spec.sample_rate, channels: spec.channels, samples: Samples::Linear(reader) }
            }
        };
        if !RATES.contains(&wav.rate) || wav.channels == 0 {
            return Err(Unplayable(format!("{} channels of {} Hz are no sound", wav.channels, wav.rate)));
        }
        Ok(wav)
    }

    /// Samples per second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Appends up to `most` samples, all channels mixed into one, and says how many those were: none at the end of the
    /// file, also where its header promises more than is there.
    ///
    /// # Errors
    /// The file cannot be read any further.
    pub fn read(&mut self, most: usize, sound: &mut Vec<i16>) -> Result<usize, Unplayable> {
        let channels = usize::from(self.channels);
        let begins = sound.len();
        match &mut self.samples {
            Samples::G711(file, table, left) => {
                let wanted = (most * channels).min(usize::try_from(*left).unwrap_or(usize::MAX));
                let mut bytes = Vec::with_capacity(wanted);
                file.take(wanted as u64).read_to_end(&mut bytes)?;
                *left -= bytes.len() as u64;
                let frames = bytes.chunks_exact(channels);
                sound.extend(frames.map(|frame| mixed(frame.iter().map(|byte| i32::from(table[usize::from(*byte)])))));
            }
            Samples::Linear(reader) => {
                let spec = reader.spec();
                match spec.sample_format {
                    SampleFormat::Int => {
                        let bits = u32::from(spec.bits_per_sample);
                        let to_16 =
                            move |sample: i32| if bits > 16 { sample >> (bits - 16) } else { sample << (16 - bits) };
                        mix(reader.samples::<i32>().map(|sample| sample.map(to_16)), channels, most, sound)?;
                    }
                    SampleFormat::Float => {
                        let to_16 = |sample: f32| (sample.clamp(-1.0, 1.0) * 32_767.0) as i32;
                        mix(reader.samples::<f32>().map(|sample| sample.map(to_16)), channels, most, sound)?;
                    }
                }
            }
        }
        Ok(sound.len() - begins)
    }
}

/// One sample of each channel becomes one of all: their mean.
fn mixed(frame: impl ExactSizeIterator<Item = i32>) -> i16 {
    let channels = frame.len() as i64;
    (frame.map(i64::from).sum::<i64>() / channels) as i16
}

fn mix(
    mut samples: impl Iterator<Item = hound::Result<i32>>,
    channels: usize,
    most: usize,
    sound: &mut Vec<i16>,
) -> Result<(), Unplayable> {
    let mut frame = Vec::with_capacity(channels);
    for _ in 0..most {
        frame.clear();
        for sample in samples.by_ref().take(channels) {
            match sample {
                Ok(sample) => frame.push(sample),
                // The file ends before its header says so, as one whose writer was cut off; hound has no word of its own
                // for that.
                Err(hound::Error::IoError(error)) if error.kind() == io::ErrorKind::Other => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        if frame.len() < channels {
            return Ok(());
        }
        sound.push(mixed(frame.iter().copied()));
    }
    Ok(())
}

/// What a file with G.711 says of itself; `hound` does not know it.
struct G711 {
    rate: u32,
    channels: u16,
    table: &'static [i16; 256],
    bytes: u64,
}

/// Reads up to the samples where the file holds G.711 (format tag 6 or 7).
fn g711(file: &mut (impl Read + Seek)) -> Result<Option<G711>, Unplayable> {
    let mut riff = [0; 12];
    file.read_exact(&mut riff)?;
    if &riff[..4] != b"RIFF" || &riff[8..] != b"WAVE" {
        return Err(Unplayable("it is no WAV file".into()));
    }
    let mut found = None;
    loop {
        let mut head = [0; 8];
        file.read_exact(&mut head)?;
        let [a, b, c, d, length @ ..] = head;
        let length = u32::from_le_bytes(length);
        match &[a, b, c, d] {
            b"fmt " if length >= 16 => {
                let mut format = [0; 16];
                file.read_exact(&mut format)?;
                let [tag, 0, channels, _, rate @ ..] = format else { return Ok(None) };
                found = match tag {
                    6 => Some(&FROM_ALAW),
                    7 => Some(&FROM_ULAW),
                    _ => return Ok(None),
                }
                .map(|table| (table, u16::from(channels), rate));
                file.seek(SeekFrom::Current(i64::from(length) - 16 + i64::from(length % 2)))?;
            }
            b"data" => {
                return Ok(found.map(|(table, channels, rate)| {
                    let [a, b, c, d, ..] = rate;
                    G711 { rate: u32::from_le_bytes([a, b, c, d]), channels, table, bytes: length.into() }
                }));
            }
            // Chunks are padded to even lengths.
            _ => drop(file.seek(SeekFrom::Current(i64::from(length) + i64::from(length % 2)))?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn file(spec: hound::WavSpec, write: impl Fn(&mut hound::WavWriter<&mut Cursor<Vec<u8>>>)) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
        write(&mut writer);
        writer.finalize().unwrap();
        file.into_inner()
    }

    fn read(file: &[u8]) -> Result<(u32, Vec<i16>), Unplayable> {
        let mut wav = Wav::open(Cursor::new(file))?;
        let mut sound = Vec::new();
        while wav.read(3, &mut sound)? > 0 {}
        Ok((wav.rate(), sound))
    }

    /// Two channels that say 1000 and 3000, then -20000 both.
    fn stereo(bits_per_sample: u16, sample_format: SampleFormat) -> Vec<u8> {
        let spec = hound::WavSpec { channels: 2, sample_rate: 44_100, bits_per_sample, sample_format };
        file(spec, |writer| {
            for sample in [1_000i32, 3_000, -20_000, -20_000] {
                match (sample_format, bits_per_sample) {
                    (SampleFormat::Float, _) => writer.write_sample(sample as f32 / 32_768.0).unwrap(),
                    (_, 8) => writer.write_sample(sample >> 8).unwrap(),
                    (_, bits) => writer.write_sample(sample << (bits - 16)).unwrap(),
                }
            }
        })
    }

    #[test]
    fn every_kind_of_sample_is_the_same_sound() {
        use SampleFormat::{Float, Int};
        for (bits, format, within) in [(8, Int, 256), (16, Int, 0), (24, Int, 0), (32, Int, 0), (32, Float, 1)] {
            let (rate, sound) = read(&stereo(bits, format)).unwrap();
            assert_eq!((rate, sound.len()), (44_100, 2));
            for (sample, expected) in sound.into_iter().zip([2_000i16, -20_000]) {
                assert!(sample.abs_diff(expected) <= within, "{bits} bits: {sample} for {expected}");
            }
        }
    }

    #[test]
    fn g711_in_a_wav_file() {
        for (tag, silence) in [(6, 0xd5u8), (7, 0xff)] {
            let mut file = b"RIFF\0\0\0\0WAVEfmt \x12\0\0\0".to_vec();
            file.extend([tag, 0, 1, 0, 0x40, 0x1f, 0, 0, 0x40, 0x1f, 0, 0, 1, 0, 8, 0, 0, 0]);
            file.extend(b"fact\x04\0\0\0\x05\0\0\0data\x05\0\0\0");
            file.extend([silence; 5]);
            let (rate, sound) = read(&file).unwrap();
            assert_eq!((rate, sound.len()), (8_000, 5), "tag {tag}");
            assert!(sound.iter().all(|sample| sample.abs() <= 8), "{sound:?}");
        }
    }

    #[test]
    fn a_file_that_was_cut_off_is_played_as_far_as_it_goes() {
        let whole = stereo(16, SampleFormat::Int);
        let (_, sound) = read(&whole[..whole.len() - 3]).unwrap();
        assert_eq!(sound, [2_000]);
    }

    #[test]
    fn what_is_no_sound_is_said() {
        let whole = stereo(16, SampleFormat::Int);
        for (broken, why) in [
            (b"".to_vec(), "it cannot be read"),
            (b"ID3\x04 this is an MP3 file".to_vec(), "it is no WAV file"),
            (whole[..30].to_vec(), "it cannot be read"),
            ([&whole[..24], &[0; 4], &whole[28..]].concat(), "it is no WAV file"),
        ] {
            let said = read(&broken).unwrap_err().to_string();
            assert!(said.starts_with(why), "{said}");
        }
    }
}
