//! What a mail says, in the language of the office.

use crate::config::{self, Config};
use crate::store::RecordingRow;

/// Whether the message itself is in the mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Enclosed {
    /// It is.
    Yes,
    /// It would not get through.
    TooLarge,
    /// It was thrown away meanwhile.
    Gone,
}

/// Subject and text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Words {
    pub(super) subject: String,
    pub(super) text: String,
}

/// What is said in one language.
struct Language {
    anonymous: &'static str,
    subject: &'static str,
    mailbox: &'static str,
    from: &'static str,
    called: &'static str,
    when: &'static str,
    length: &'static str,
    cut_off: &'static str,
    too_large: &'static str,
    gone: &'static str,
    file: &'static str,
}

const ENGLISH: Language = Language {
    anonymous: "anonymous caller",
    subject: "Voice message from",
    mailbox: "Box",
    from: "From",
    called: "Called",
    when: "When",
    length: "Length",
    cut_off: "The end of this message is missing",
    too_large: "The message is too large for a mail. Listen to it by phone, or take the file:",
    gone: "The message was deleted before this mail could be sent.",
    file: "File",
};

const RUSSIAN: Language = Language {
    anonymous: "неизвестный абонент",
    subject: "Голосовое сообщение:",
    mailbox: "Ящик",
    from: "От кого",
    called: "Звонили на",
    when: "Когда",
    length: "Длительность",
    cut_off: "Конец этого сообщения не записан",
    too_large: "Сообщение слишком велико для письма. Прослушайте его по телефону или возьмите файл:",
    gone: "Сообщение было удалено прежде, чем это письмо удалось отправить.",
    file: "Файл",
};

const UKRAINIAN: Language = Language {
    anonymous: "невідомий абонент",
    subject: "Голосове повідомлення:",
    mailbox: "Скринька",
    from: "Від кого",
    called: "Дзвонили на",
    when: "Коли",
    length: "Тривалість",
    cut_off: "Кінець цього повідомлення не записано",
    too_large: "Повідомлення завелике для листа. Прослухайте його телефоном або візьміть файл:",
    gone: "Повідомлення було видалено раніше, ніж цей лист вдалося надіслати.",
    file: "Файл",
};

impl Words {
    /// Of a message.
    pub(super) fn of(row: &RecordingRow, config: &Config, enclosed: Enclosed) -> Words {
        let say = language(config);
        let number = match (&row.from.extension, row.from.number) {
            (Some(extension), _) => extension.to_string(),
            (None, Some(number)) => number.to_string(),
            (None, None) if row.from.text.is_empty() || row.from.anonymous => String::new(),
            (None, None) => row.from.text.replace(char::is_control, " "),
        };
        let who = match row.from.name.as_deref().filter(|name| !name.is_empty()) {
            _ if number.is_empty() => say.anonymous.to_owned(),
            // Who calls chooses this name: it must not begin a header of its own.
            Some(name) => format!("{} ({number})", name.replace(char::is_control, " ")),
            None => number,
        };
        let when = row.began.to_zoned(config.site.timezone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string();
        let seconds = row.length_ms / 1_000;
        let length = format!("{}:{:02}", seconds / 60, seconds % 60);
        let mailbox = row.mailbox.as_deref().unwrap_or_default().to_owned();
        let called = row.did.clone().unwrap_or_default();
        let lines = [
            (say.from, who.clone()),
            (say.called, called),
            (say.mailbox, mailbox),
            (say.when, when),
            (say.length, length),
            (say.cut_off, row.failed.clone().unwrap_or_default()),
        ];
        let mut text: String = lines
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}: {value}\n"))
            .collect();
        match enclosed {
            Enclosed::Yes => {}
            Enclosed::TooLarge => text.push_str(&format!("\n{}\n{}: {}\n", say.too_large, say.file, row.file)),
            Enclosed::Gone => text.push_str(&format!("\n{}\n", say.gone)),
        }
        Words { subject: format!("{} {who}", say.subject), text }
    }
}

/// As the office's prompts speak.
fn language(config: &Config) -> &'static Language {
    match config.site.language {
        config::Language::Ru => &RUSSIAN,
        config::Language::Uk => &UKRAINIAN,
        config::Language::En => &ENGLISH,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Nothing;
    use crate::fact::{MessageState, Party};
    use crate::key::CallId;

    fn office(country: &str) -> Config {
        let text = format!(
            "[site]\nname = \"Office\"\ntimezone = \"Europe/Moscow\"\nnumbering = {{ country = \"{country}\" }}\n"
        );
        Config::read(Path::new("office.toml"), &text, &Nothing).unwrap().config
    }

    fn row(from: Party) -> RecordingRow {
        let began = "2026-11-23T07:00:05Z".parse().unwrap();
        RecordingRow {
            file: "voicemail/sales/a.wav".into(),
            call: CallId::new(began, 1),
            mailbox: Some("sales".into()),
            from,
            did: Some("+74951234567".into()),
            began,
            ended: Some(began),
            length_ms: 65_400,
            empty: false,
            lost_ms: 0,
            failed: None,
            state: Some(MessageState::New),
            erased: None,
            erased_because: None,
        }
    }

    #[test]
    fn a_mail_says_who_called_whom_when_and_for_how_long() {
        let number = Some("+79161234567".parse().unwrap());
        let ada = row(Party { number, name: Some("Ada Byron".into()), ..Party::default() });
        let words = Words::of(&ada, &office("44"), Enclosed::Yes);
        assert_eq!(words.subject, "Voice message from Ada Byron (+79161234567)");
        assert_eq!(
            words.text,
            "From: Ada Byron (+79161234567)\nCalled: +74951234567\nBox: sales\nWhen: 2026-11-23 10:00 MSK\nLength: 1:05\n"
        );
        let forger = row(Party { number, name: Some("Ada\r\nBcc: all@office.example".into()), ..Party::default() });
        let words = Words::of(&forger, &office("44"), Enclosed::Yes);
        assert_eq!(words.subject, "Voice message from Ada  Bcc: all@office.example (+79161234567)");
        let unknown = row(Party { anonymous: true, text: "anonymous".into(), ..Party::default() });
        let words = Words::of(&unknown, &office("7"), Enclosed::TooLarge);
        assert_eq!(words.subject, "Голосовое сообщение: неизвестный абонент");
        assert!(words.text.ends_with("возьмите файл:\nФайл: voicemail/sales/a.wav\n"), "{}", words.text);
        let cut = RecordingRow { failed: Some("the process died".into()), ..ada };
        let words = Words::of(&cut, &office("380"), Enclosed::Gone);
        assert!(words.text.contains("Кінець цього повідомлення не записано: the process died\n"), "{}", words.text);
    }
}
