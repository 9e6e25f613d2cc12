//! What is on the shelf, what is made anew, and what is heard where a file is missing or broken.

use std::f64::consts::TAU;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::media::codec::{Decoder, rate};

/// A folder that is there as long as the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("huntline-library-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(folder.join("prompts/digits")).unwrap();
        Folder(folder)
    }

    fn prompt(&self, name: &str, content: &[u8]) {
        fs::write(self.0.join("prompts").join(name), content).unwrap();
    }

    fn library(&self) -> Library {
        Library::open(&self.0, Language::En, shipped).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A WAV file: one tone.
fn wav(rate: u32, channels: u16, hertz: f64, ms: u32) -> Vec<u8> {
    let spec =
        hound::WavSpec { channels, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut file = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    for sample in 0..rate * ms / 1_000 {
        let value = 8_000.0 * (TAU * hertz * f64::from(sample) / f64::from(rate)).sin();
        for _ in 0..channels {
            writer.write_sample(value as i16).unwrap();
        }
    }
    writer.finalize().unwrap();
    file.into_inner()
}

/// English "closed" is 500 Hz, Russian 700 Hz, every digit 900 Hz; nothing else is shipped.
fn shipped(language: Language, name: &str) -> Option<&'static [u8]> {
    let hertz = match (language, name) {
        (Language::En, "closed") => 500.0,
        (Language::Ru, "closed") => 700.0,
        (Language::En, digit) if digit.starts_with("digits/") => 900.0,
        _ => return None,
    };
    Some(wav(16_000, 1, hertz, 300).leak())
}

/// Decodes the whole track: its pitch in Hz (of what is no silence) and its length in packets.
fn heard(track: &Track, codec: Codec) -> (usize, usize) {
    let (mut decoder, mut sound, mut packets) = (Decoder::new(codec), Vec::new(), 0);
    for number in 0.. {
        let chunk = loop {
            match track.part(number) {
                Part::There(chunk) => break Some(chunk),
                Part::NotYet => std::thread::sleep(Duration::from_millis(1)),
                Part::Over => break None,
            }
        };
        let Some(chunk) = chunk else { break };
        for place in 0..chunk.len() {
            decoder.decode(chunk.payload(place).unwrap(), &mut sound).unwrap();
            packets += 1;
        }
    }
    let skip = sound.len() / 8;
    let middle = &sound[skip..sound.len() - skip];
    let rising = middle.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
    let pitch = if middle.is_empty() { 0 } else { rising * rate(codec) as usize / middle.len() };
    (pitch, packets)
}

fn plays(library: &Library, sound: Sound, codec: Codec) -> (usize, usize) {
    let tracks = library.tracks(&[sound], codec);
    heard(&tracks[0], codec)
}

fn closed() -> Sound {
    Sound::prompt("closed")
}

const ALL: [Codec; 4] = [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Opus];

/// Within a wave or two.
fn near(pitch: usize, hertz: usize) -> bool {
    pitch.abs_diff(hertz) < 25
}

#[test]
fn a_prompt_is_heard_in_every_codec_from_any_file() {
    let folder = Folder::new("every-codec");
    folder.prompt("hello.wav", &wav(44_100, 2, 1_000.0, 2_500));
    let library = folder.library();
    for codec in ALL {
        let (pitch, packets) = plays(&library, closed(), codec);
        assert!(near(pitch, 500) && packets == 15, "{codec:?}: {pitch} Hz, {packets} packets");
        // With its ending, as `greeting` writes it.
        let (pitch, packets) = plays(&library, Sound::Prompt("hello.wav".into(), "closed"), codec);
        assert!(near(pitch, 1_000) && packets == 125, "{codec:?}: {pitch} Hz, {packets} packets");
    }
}

#[test]
fn the_admins_file_is_heard_as_soon_as_it_is_there_and_the_shipped_one_when_it_is_gone() {
    let folder = Folder::new("replaced");
    let library = folder.library();
    let until = |hertz| {
        for _ in 0..500 {
            if near(plays(&library, closed(), Codec::Pcma).0, hertz) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{hertz} Hz is never heard");
    };
    until(500);
    folder.prompt("closed.wav", &wav(22_050, 1, 300.0, 300));
    until(300);
    folder.prompt("closed.wav", &wav(22_050, 1, 1_200.0, 400));
    until(1_200);
    fs::remove_file(folder.0.join("prompts/closed.wav")).unwrap();
    until(500);
}

#[test]
fn a_missing_or_broken_file_is_replaced_by_what_is_shipped() {
    let folder = Folder::new("broken");
    folder.prompt("broken.wav", b"this is no sound");
    let library = folder.library();
    for name in ["broken.wav", "missing", "../../../etc/passwd"] {
        let (pitch, packets) = plays(&library, Sound::Prompt(name.into(), "closed"), Codec::Pcmu);
        assert!(near(pitch, 500) && packets == 15, "{name}: {pitch} Hz, {packets} packets");
    }
    assert_eq!(plays(&library, Sound::prompt("nowhere"), Codec::Pcmu), (0, 0));
    assert_eq!(plays(&library, Sound::File("../closed.wav".into()), Codec::Pcmu), (0, 0));
    assert_eq!(plays(&library, Sound::File("gone.wav".into()), Codec::Pcmu), (0, 0));
}

#[test]
fn prompts_speak_the_sites_language_and_english_where_it_lacks_one() {
    let folder = Folder::new("language");
    let library = folder.library();
    assert!(near(plays(&library, closed(), Codec::Pcma).0, 500));
    library.speak(Language::Ru);
    assert!(near(plays(&library, closed(), Codec::Pcma).0, 700));
    assert!(near(plays(&library, Sound::Prompt("digits/1".into(), "digits/1"), Codec::Pcma).0, 900));
    library.speak(Language::Uk);
    assert!(near(plays(&library, closed(), Codec::Pcma).0, 500));
}

#[test]
fn the_config_knows_every_prompt_that_is_shipped_but_digits() {
    let mut known = crate::config::destination::SHIPPED_PROMPTS.to_vec();
    let names = crate::media::prompts::NAMES.iter().copied().filter(|name| !name.contains('/'));
    let mut shipped: Vec<_> = names.chain(["music"]).collect();
    known.sort_unstable();
    shipped.sort_unstable();
    assert_eq!(known, shipped);
}

#[test]
fn a_number_is_its_digits_and_silence_has_its_length() {
    let folder = Folder::new("digits");
    let library = folder.library();
    let tracks =
        library.tracks(&[Sound::Digits("2*0x".into()), Sound::Silence(Duration::from_millis(710))], Codec::G722);
    let heard: Vec<_> = tracks.iter().map(|track| heard(track, Codec::G722)).collect();
    assert!(
        heard.len() == 4 && heard[..3].iter().all(|(pitch, packets)| near(*pitch, 900) && *packets == 15),
        "{heard:?}"
    );
    assert_eq!(heard[3].1, 36);
}

#[test]
fn what_was_made_once_is_not_made_again_unless_it_is_a_recording() {
    let folder = Folder::new("kept");
    fs::write(folder.0.join("message.wav"), wav(8_000, 1, 400.0, 200)).unwrap();
    let library = folder.library();
    let twice = |sound: Sound, codec| {
        let [once, again] = [(); 2].map(|()| library.tracks(std::slice::from_ref(&sound), codec).remove(0));
        assert!(heard(&once, codec).1 > 0);
        Arc::ptr_eq(&once, &again)
    };
    assert!(twice(closed(), Codec::Pcma) && twice(Sound::Tone(Tone::Beep), Codec::Opus));
    assert!(!twice(Sound::File("message.wav".into()), Codec::Pcma));
}

#[test]
fn a_long_sound_can_be_heard_before_it_is_whole() {
    let folder = Folder::new("growing");
    folder.prompt("music.wav", &wav(48_000, 2, 440.0, 60_000));
    let library = folder.library();
    let music = library.tracks(&[Sound::Tone(Tone::Music)], Codec::Opus).remove(0);
    while matches!(music.part(0), Part::NotYet) {
        std::thread::sleep(Duration::from_micros(200));
    }
    assert!(matches!(music.part(0), Part::There(_)) && !music.is_whole());
    // And nobody waits behind it.
    let word = library.tracks(&[closed()], Codec::Pcma).remove(0);
    assert_eq!(heard(&word, Codec::Pcma).1, 15);
    assert!(!music.is_whole());
}
