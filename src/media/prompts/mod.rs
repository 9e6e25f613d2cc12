//! The prompts that every house has: words in each language, and music; files made by the script beside this one, carried
//! inside the binary. `README.md` beside it says in which format they are and how they are made anew.

/// Declares the table of all files: every name in every language.
macro_rules! spoken {
    ($($name:literal),+ $(,)?) => {
        /// The names of all prompts that are spoken.
        pub const NAMES: &[&str] = &[$($name),+];

        /// In the order of [`NAMES`]: English, Russian, Ukrainian.
        static SPOKEN: &[[&[u8]; 3]] = &[$([
            include_bytes!(concat!("en/", $name, ".wav")),
            include_bytes!(concat!("ru/", $name, ".wav")),
            include_bytes!(concat!("uk/", $name, ".wav")),
        ]),+];
    };
}

spoken![
    "closed",
    "busy",
    "call-back",
    "unavailable",
    "hello",
    "voicemail",
    "recorded",
    "confirm",
    "hold-on",
    "transfer",
    "goodbye",
    "invalid",
    "done",
    "not-allowed",
    "not-available",
    "enter-number",
    "enter-mailbox",
    "enter-pin",
    "wrong-pin",
    "no-messages",
    "you-have",
    "new-messages",
    "old-messages",
    "message",
    "mailbox-menu",
    "deleted",
    "no-more",
    "from-number",
    "anonymous",
    "forward-on",
    "forward-off",
    "away-on",
    "away-off",
    "hours-open",
    "hours-closed",
    "hours-schedule",
    "your-number-is",
    "echo",
    "record-on",
    "record-off",
    "digits/0",
    "digits/1",
    "digits/2",
    "digits/3",
    "digits/4",
    "digits/5",
    "digits/6",
    "digits/7",
    "digits/8",
    "digits/9",
    "digits/star",
    "digits/hash",
];

/// The languages that are spoken, as ISO 639-1 writes them.
pub const LANGUAGES: [&str; 3] = ["en", "ru", "uk"];

static MUSIC: &[u8] = include_bytes!("music.wav");

/// The WAV file of a shipped prompt, by language and name without ending; `music` is the same in every language, also in
/// those that are not spoken. `None`: there is no such prompt, or no such language.
pub fn shipped(language: &str, name: &str) -> Option<&'static [u8]> {
    if name == "music" {
        return Some(MUSIC);
    }
    let row = NAMES.iter().position(|known| *known == name)?;
    let column = LANGUAGES.iter().position(|known| *known == language)?;
    Some(SPOKEN[row][column])
}

#[cfg(test)]
mod tests;
