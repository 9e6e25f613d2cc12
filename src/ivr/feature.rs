//! Somebody has dialled a feature code: what it sets is set, and said; a number that it needs and that was not dialled is
//! asked for.
//!
//! ```text
//!            Ready, nothing to ask                  Played
//!   (begun) ───────────────────────► Set ─► Saying ────────► over
//!      │ Ready                        ▲
//!      └──────► Asking ── keys, then `#` or a pause
//! ```

use super::{Heard, Setting, Wish};
use crate::clock::Duration;
use crate::config::ForwardWhen;
use crate::sound::Sound;

/// Who has begun to dial a number is done when no key comes for so long.
const PAUSE: Duration = Duration::from_secs(4);
/// Whoever is asked for a number has so long for its first key.
const PATIENCE: Duration = Duration::from_secs(12);
/// An echo ends by itself.
const ECHO: Duration = Duration::from_secs(300);
/// As long as any number can be.
const MOST_KEYS: usize = 32;

/// A conversation about a code.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    about: About,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq)]
enum About {
    Set(Setting),
    /// A number is needed.
    AskForward(ForwardWhen),
    Say(Vec<Sound>),
    Echo,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    Begun,
    /// The keys so far.
    Asking(String),
    Setting(Setting),
    Saying,
    Echoing,
}

impl Feature {
    /// Sets this, and says so.
    pub fn set(setting: Setting) -> Feature {
        Feature::about(About::Set(setting))
    }

    /// Asks for the number to which the own calls are to go.
    pub fn ask_forward(when: ForwardWhen) -> Feature {
        Feature::about(About::AskForward(when))
    }

    /// Says these.
    pub fn say(sounds: Vec<Sound>) -> Feature {
        Feature::about(About::Say(sounds))
    }

    /// The caller hears what they say, after a word about it.
    pub fn echo() -> Feature {
        Feature::about(About::Echo)
    }

    fn about(about: About) -> Feature {
        Feature { about, stage: Stage::Begun }
    }

    pub(super) fn hear(&mut self, heard: &Heard, wishes: &mut Vec<Wish>) {
        let stage = std::mem::replace(&mut self.stage, Stage::Saying);
        self.stage = match (stage, heard) {
            (Stage::Begun, Heard::Ready) => self.begin(wishes),
            (Stage::Asking(keys), Heard::Played) => {
                let wait = if keys.is_empty() { PATIENCE } else { PAUSE };
                wishes.push(Wish::Wake(wait));
                Stage::Asking(keys)
            }
            (Stage::Asking(keys), Heard::Digit('#') | Heard::TimeUp) => self.asked(keys, wishes),
            (Stage::Asking(mut keys), Heard::Digit(key)) => {
                if keys.is_empty() {
                    wishes.push(Wish::Quiet);
                }
                keys.push(*key);
                wishes.push(Wish::Wake(PAUSE));
                if keys.len() < MOST_KEYS { Stage::Asking(keys) } else { self.asked(keys, wishes) }
            }
            (Stage::Setting(setting), Heard::Set(done)) => {
                wishes.push(Wish::Play(if *done { said(setting) } else { vec![Sound::prompt("not-allowed")] }));
                Stage::Saying
            }
            (Stage::Saying, Heard::Played) if self.about == About::Echo => {
                wishes.extend([Wish::Echo, Wish::Wake(ECHO)]);
                Stage::Echoing
            }
            (stage @ Stage::Saying, Heard::Played) | (stage @ Stage::Echoing, Heard::TimeUp) => {
                wishes.push(Wish::Done);
                stage
            }
            (stage, _) => stage,
        };
    }

    fn begin(&self, wishes: &mut Vec<Wish>) -> Stage {
        match &self.about {
            About::Set(setting) => {
                wishes.push(Wish::Set(setting.clone()));
                Stage::Setting(setting.clone())
            }
            About::AskForward(_) => {
                wishes.push(Wish::Play(vec![Sound::prompt("enter-number")]));
                Stage::Asking(String::new())
            }
            About::Say(sounds) => {
                wishes.push(Wish::Play(sounds.clone()));
                Stage::Saying
            }
            About::Echo => {
                wishes.push(Wish::Play(vec![Sound::prompt("echo")]));
                Stage::Saying
            }
        }
    }

    fn asked(&self, keys: String, wishes: &mut Vec<Wish>) -> Stage {
        match &self.about {
            About::AskForward(when) if !keys.is_empty() => {
                let setting = Setting::Forward(*when, Some(keys.into()));
                wishes.push(Wish::Set(setting.clone()));
                Stage::Setting(setting)
            }
            _ => {
                wishes.push(Wish::Play(vec![Sound::prompt("invalid"), Sound::prompt("goodbye")]));
                Stage::Saying
            }
        }
    }
}

/// What has been set, in words.
fn said(setting: Setting) -> Vec<Sound> {
    let prompt = match setting {
        Setting::Forward(_, Some(to)) => return vec![Sound::prompt("forward-on"), Sound::Digits(to)],
        Setting::Forward(_, None) => "forward-off",
        Setting::Away(true) => "away-on",
        Setting::Away(false) => "away-off",
        Setting::Hours(Some(true)) => "hours-open",
        Setting::Hours(Some(false)) => "hours-closed",
        Setting::Hours(None) => "hours-schedule",
    };
    vec![Sound::prompt(prompt)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hears(mut feature: Feature, heard: &[Heard]) -> Vec<Wish> {
        let mut wishes = Vec::new();
        heard.iter().for_each(|heard| feature.hear(heard, &mut wishes));
        wishes
    }

    fn play(prompts: &[&'static str]) -> Wish {
        Wish::Play(prompts.iter().map(|prompt| Sound::prompt(prompt)).collect())
    }

    #[test]
    fn what_is_set_is_said_and_what_may_not_be_set_too() {
        let away = Setting::Away(true);
        let done = hears(Feature::set(away.clone()), &[Heard::Ready, Heard::Set(true), Heard::Played]);
        assert_eq!(done, [Wish::Set(away.clone()), play(&["away-on"]), Wish::Done]);
        let refused = hears(Feature::set(away.clone()), &[Heard::Ready, Heard::Set(false), Heard::Played]);
        assert_eq!(refused, [Wish::Set(away), play(&["not-allowed"]), Wish::Done]);
    }

    #[test]
    fn a_number_is_asked_for_and_ends_with_a_hash_or_a_pause() {
        let set = Setting::Forward(ForwardWhen::Busy, Some("14".into()));
        for end in [Heard::Digit('#'), Heard::TimeUp] {
            let heard = [Heard::Ready, Heard::Digit('1'), Heard::Digit('4'), end, Heard::Set(true), Heard::Played];
            let wishes = hears(Feature::ask_forward(ForwardWhen::Busy), &heard);
            let expected = [
                play(&["enter-number"]),
                Wish::Quiet,
                Wish::Wake(PAUSE),
                Wish::Wake(PAUSE),
                Wish::Set(set.clone()),
                Wish::Play(vec![Sound::prompt("forward-on"), Sound::Digits("14".into())]),
                Wish::Done,
            ];
            assert_eq!(wishes, expected);
        }
    }

    #[test]
    fn who_presses_nothing_hears_goodbye() {
        let wishes = hears(
            Feature::ask_forward(ForwardWhen::Always),
            &[Heard::Ready, Heard::Played, Heard::TimeUp, Heard::Played],
        );
        let expected = [play(&["enter-number"]), Wish::Wake(PATIENCE), play(&["invalid", "goodbye"]), Wish::Done];
        assert_eq!(wishes, expected);
    }

    #[test]
    fn an_echo_comes_after_a_word_and_ends_by_itself() {
        let wishes = hears(Feature::echo(), &[Heard::Ready, Heard::Digit('5'), Heard::Played, Heard::TimeUp]);
        assert_eq!(wishes, [play(&["echo"]), Wish::Echo, Wish::Wake(ECHO), Wish::Done]);
    }
}
