use std::io::Cursor;
use std::path::{Path, PathBuf};

use super::*;
use crate::media::codec::FROM_ULAW;
use crate::media::wav::Wav;

const RATE: usize = 16_000;

/// All that is shipped: language, name, file.
fn all() -> impl Iterator<Item = (&'static str, &'static str, &'static [u8])> {
    let spoken = LANGUAGES.iter().flat_map(|language| NAMES.iter().map(move |name| (*language, *name)));
    spoken.chain([("", "music")]).map(|(language, name)| (language, name, shipped(language, name).unwrap()))
}

fn samples(file: &[u8]) -> Vec<f64> {
    let mut wav = Wav::open(Cursor::new(file)).unwrap();
    assert_eq!(wav.rate() as usize, RATE);
    let mut sound = Vec::new();
    while wav.read(RATE, &mut sound).unwrap() > 0 {}
    sound.into_iter().map(|sample| f64::from(sample) / 32_768.0).collect()
}

fn decibels(amplitude: f64) -> f64 {
    20.0 * amplitude.log10()
}

/// Root mean squares of pieces of 20 ms.
fn pieces(sound: &[f64]) -> Vec<f64> {
    let frames = sound.chunks(RATE / 50);
    frames.map(|frame| (frame.iter().map(|x| x * x).sum::<f64>() / frame.len() as f64).sqrt()).collect()
}

/// Loudness without the pauses: of pieces less than 30 dB below the loudest.
fn loudness(sound: &[f64]) -> f64 {
    let all = pieces(sound);
    let loudest = all.iter().copied().fold(0.0, f64::max);
    let loud: Vec<f64> = all.into_iter().filter(|piece| decibels(loudest / piece) < 30.0).collect();
    decibels((loud.iter().map(|x| x * x).sum::<f64>() / loud.len() as f64).sqrt())
}

fn peak(sound: &[f64]) -> f64 {
    decibels(sound.iter().fold(0.0, |peak, x| x.abs().max(peak)))
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/media/prompts")
}

#[test]
fn the_names_that_the_core_says_are_there_in_every_language() {
    let said = "closed busy call-back unavailable hello voicemail recorded confirm hold-on transfer goodbye invalid done \
                not-allowed not-available enter-number enter-mailbox enter-pin wrong-pin no-messages you-have \
                new-messages old-messages message mailbox-menu deleted no-more from-number anonymous forward-on \
                forward-off away-on away-off hours-open hours-closed hours-schedule your-number-is echo record-on \
                record-off digits/0 digits/1 digits/2 digits/3 digits/4 digits/5 digits/6 digits/7 digits/8 digits/9 \
                digits/star digits/hash music";
    for language in LANGUAGES {
        for name in said.split_whitespace() {
            assert!(shipped(language, name).is_some(), "{name} in {language}");
        }
    }
    assert_eq!((shipped("en", "nowhere"), shipped("fr", "closed")), (None, None));
}

#[test]
fn every_row_of_the_words_is_a_prompt_and_every_prompt_a_row() {
    let words = std::fs::read_to_string(here().join("words.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = words.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows[0], ["name", "en", "ru", "uk"]);
    assert!(rows.iter().all(|row| row.len() == 4 && row.iter().all(|cell| !cell.trim().is_empty())));
    assert_eq!(rows[1..].iter().map(|row| row[0]).collect::<Vec<_>>(), NAMES);
}

#[test]
fn no_file_lies_beside_them_that_is_no_prompt() {
    fn wavs(folder: &Path) -> usize {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| if path.is_dir() { wavs(&path) } else { path.extension().is_some_and(|e| e == "wav").into() })
            .sum()
    }
    assert_eq!(wavs(&here()), NAMES.len() * LANGUAGES.len() + 1);
}

#[test]
fn they_are_mono_ulaw_at_16_khz_and_small() {
    let mut bytes = 0;
    for (language, name, file) in all() {
        // Tag 7, one channel, 16,000 samples and bytes a second, one byte each of 8 bits.
        let format = [7, 0, 1, 0, 0x80, 0x3e, 0, 0, 0x80, 0x3e, 0, 0, 1, 0, 8, 0];
        assert_eq!(
            (&file[..4], &file[8..16], &file[20..36]),
            (&b"RIFF"[..], &b"WAVEfmt "[..], &format[..]),
            "{language}/{name}"
        );
        assert_eq!(
            u32::from_le_bytes([file[4], file[5], file[6], file[7]]) as usize + 8,
            file.len(),
            "{language}/{name}"
        );
        bytes += file.len();
    }
    assert!(bytes < 6_000_000, "{bytes}");
}

#[test]
fn they_are_equally_loud_and_nothing_is_clipped() {
    let full = f64::from(FROM_ULAW[0x80]) / 32_768.0;
    for (language, name, file) in all() {
        let sound = samples(file);
        let (loudness, peak) = (loudness(&sound), peak(&sound));
        let expected = if name == "music" { -22.0 } else { -16.0 };
        assert!((loudness - expected).abs() < 1.5, "{language}/{name} is at {loudness:.1} dBFS");
        assert!(peak <= -3.0, "{language}/{name} has a peak of {peak:.1} dBFS");
        assert!(sound.iter().all(|x| x.abs() < full), "{language}/{name}");
    }
}

#[test]
fn speech_begins_and_ends_in_silence_and_never_pauses_long() {
    for (language, name, file) in all().filter(|(_, name, _)| *name != "music") {
        let sound = samples(file);
        let edge = RATE / 20;
        assert!(sound[..edge].iter().chain(&sound[sound.len() - edge..]).all(|x| *x == 0.0), "{language}/{name}");
        // Whoever waits would take a second without a sound for the end.
        let mut quiet = 0;
        for piece in pieces(&sound) {
            quiet = if decibels(piece) < -50.0 { quiet + 20 } else { 0 };
            assert!(quiet < 800, "{language}/{name} pauses for {quiet} ms");
        }
        let seconds = sound.len() as f64 / RATE as f64;
        assert!((0.3..10.0).contains(&seconds), "{language}/{name} takes {seconds:.1} s");
    }
}

#[test]
fn the_music_goes_round_without_a_click() {
    let sound = samples(shipped("en", "music").unwrap());
    let seconds = sound.len() as f64 / RATE as f64;
    assert!((20.0..=40.0).contains(&seconds), "{seconds} s");
    assert_eq!(sound.len() % (RATE / 50), 0, "it ends with a whole frame");
    // The second difference is what a click is made of: at the seam it is as small as elsewhere.
    let bend = |at: usize| (sound[at] - 2.0 * sound[(at + 1) % sound.len()] + sound[(at + 2) % sound.len()]).abs();
    let mut elsewhere: Vec<f64> = (0..sound.len() - 2).map(bend).collect();
    elsewhere.sort_by(f64::total_cmp);
    let usual = elsewhere[elsewhere.len() * 999 / 1_000];
    let seam = bend(sound.len() - 2).max(bend(sound.len() - 1));
    assert!(seam <= usual, "{seam} at the seam, {usual} elsewhere");
    // Nor does it fall silent, there or anywhere.
    assert!(pieces(&sound).into_iter().all(|piece| decibels(piece) > -45.0));
}
