//! Brings a recording's header and samples together again after a crash.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::shape::{HEADER, Shape};
use super::speech::Meter;
use crate::clock::Duration;

/// What a recording came to that nobody ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mended {
    /// How long it is.
    pub length: Duration,
    /// How much of that is speech.
    pub speech: Duration,
}

/// Makes the file of a recording whole after a crash: its header says as much as there is, neither less (the process was
/// killed between writing samples and saying so) nor more (a power cut took samples that had been said). Reads it once,
/// to measure what is speech. What is whole already is left as it is.
///
/// # Errors
/// The file is not there, cannot be read or written, or is no recording of ours ([`io::ErrorKind::InvalidData`]).
pub fn mend(path: &Path) -> io::Result<Mended> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let size = file.metadata()?.len();
    if size < HEADER as u64 {
        // Killed while it was made. Nothing was said, so its shape is anybody's.
        file.write_all_at(&Shape { rate: 8_000, channels: 1 }.header(0), 0)?;
        file.sync_data()?;
        return Ok(Mended::default());
    }
    let mut header = [0; HEADER];
    file.read_exact_at(&mut header, 0)?;
    let (shape, said) = Shape::read(&header).ok_or(io::ErrorKind::InvalidData)?;
    let there = (size - HEADER as u64) / shape.frame() * shape.frame();
    if there != said || size != HEADER as u64 + there {
        file.set_len(HEADER as u64 + there)?;
        file.write_all_at(&shape.header(there), 0)?;
        file.sync_data()?;
    }
    Ok(Mended { length: shape.length(there), speech: speech_in(&mut file, shape)? })
}

fn speech_in(file: &mut File, shape: Shape) -> io::Result<Duration> {
    let mut meter = Meter::new(shape);
    let mut bytes = vec![0; 64 * 1024];
    let mut samples = Vec::with_capacity(bytes.len() / 2);
    file.seek(SeekFrom::Start(HEADER as u64))?;
    loop {
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if filled == 0 {
            return Ok(meter.speech());
        }
        samples.clear();
        samples.extend(bytes[..filled].as_chunks().0.iter().map(|sample| i16::from_le_bytes(*sample)));
        meter.hear(&samples);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO: Shape = Shape { rate: 8_000, channels: 2 };

    fn file(name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("huntline-mend-{}-{name}.wav", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Three seconds; the first is a tone on the left.
    fn sound() -> Vec<u8> {
        let sample = |at: u32| if at < 8_000 { if at % 20 < 10 { 8_000i16 } else { -8_000 } } else { 0 };
        (0..24_000).flat_map(|at| [sample(at).to_le_bytes(), [0; 2]].concat()).collect()
    }

    #[test]
    fn a_header_behind_its_samples_catches_up() {
        let path = file("behind", &[&STEREO.header(800)[..], &sound(), &[1, 2, 3]].concat());
        let mended = mend(&path).unwrap();
        assert_eq!(mended, Mended { length: Duration::from_secs(3), speech: Duration::from_secs(1) });
        let whole = std::fs::read(&path).unwrap();
        assert!(whole == [&STEREO.header(96_000)[..], &sound()].concat());
        assert_eq!(mend(&path).unwrap(), mended, "a second time changes nothing");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_header_ahead_of_its_samples_comes_back() {
        let path = file("ahead", &[&STEREO.header(1_000_000)[..], &sound()[..32_000]].concat());
        assert_eq!(mend(&path).unwrap().length, Duration::from_secs(1));
        assert_eq!(std::fs::read(&path).unwrap()[..HEADER], STEREO.header(32_000));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_that_has_hardly_begun_is_empty_and_another_program_s_is_left_alone() {
        let path = file("begun", b"RIFF");
        assert_eq!(mend(&path).unwrap(), Mended::default());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), HEADER as u64);
        std::fs::write(&path, [7; 100]).unwrap();
        assert_eq!(mend(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(std::fs::read(&path).unwrap(), [7; 100]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(mend(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
