//! One mail: a message's text and its sound, or a few words, and its way to the server.

use std::path::Path;
use std::time::SystemTime;

use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{SmtpTransport, Transport};
use sha2::{Digest, Sha256};

use super::carry::Errand;
use super::failure::Failure;
use super::words::{Enclosed, Words};
use crate::clock::Duration;
use crate::config::{Config, Mail, MailTls};
use crate::media::library::within;
use crate::store::{OutboxRow, Reader, RecordingFilter};

/// How long the server may take for each of its answers.
const PATIENCE: Duration = Duration::from_secs(30);
/// Larger files are not enclosed: many servers refuse them.
const LARGEST: u64 = 10 << 20;

/// A mail that is ready.
struct Message(lettre::Message);

/// One mail. The client waits on a thread of its own.
pub(super) async fn deliver(errand: Errand) -> Result<(), Failure> {
    let carried = tokio::task::spawn_blocking(move || {
        let mail = errand.config.mail.as_ref();
        let mail = mail.ok_or_else(|| Failure::never("there is no [mail] in the config any more"))?;
        let message = Message::read(&errand.directory, &errand.letter, &errand.config).map_err(Failure::Refused)?;
        message.send(mail).map_err(|why| Failure::Refused(format!("{}:{}: {why}", mail.server, mail.port)))
    });
    carried.await.unwrap_or_else(|_| Err(Failure::Refused("the program failed over it; its log says where".into())))
}

impl Message {
    /// Writes the mail of a letter: a few words; or who called, whom, when, for how long, and the message itself.
    fn read(directory: &Path, letter: &OutboxRow, config: &Config) -> Result<Message, String> {
        let mail = config.mail.as_ref().ok_or("there is no [mail] in the config any more")?;
        let from: Mailbox = Mailbox::new(Some(config.site.name.to_string()), address(&mail.from)?);
        let body: Body = serde_json::from_str(&letter.body).map_err(|error| error.to_string())?;
        let (subject, parts) = match (body.subject, body.text) {
            (Some(subject), Some(text)) => (subject, MultiPart::mixed().singlepart(SinglePart::plain(text))),
            _ => of_message(directory, body.message.as_deref().unwrap_or(&letter.about), config)?,
        };
        let message = lettre::Message::builder()
            .from(from)
            .to(Mailbox::new(None, address(&letter.to)?))
            .subject(subject)
            .date(SystemTime::from(letter.made))
            .message_id(Some(message_id(letter, &mail.from)))
            .multipart(parts)
            .map_err(|error| error.to_string())?;
        Ok(Message(message))
    }

    /// Gives it to the server. `Ok` where the server has taken it over.
    fn send(&self, mail: &Mail) -> Result<(), String> {
        let tls = || TlsParameters::new(mail.server.to_string()).map_err(|error| error.to_string());
        let tls = match mail.tls {
            MailTls::StartTls => Tls::Required(tls()?),
            MailTls::Tls => Tls::Wrapper(tls()?),
            MailTls::None => Tls::None,
        };
        let mut server =
            SmtpTransport::builder_dangerous(mail.server.to_string()).port(mail.port).tls(tls).timeout(Some(PATIENCE));
        if let Some(user) = &mail.user {
            let password = mail.password.as_ref().ok_or("the password of the mail account is not there")?;
            server = server.credentials(Credentials::new(user.to_string(), password.expose().to_owned()));
        }
        let sent = server.build().send(&self.0);
        sent.map(drop).map_err(|error| error.to_string())
    }
}

/// What a mail says, as it was written down.
#[derive(serde::Deserialize)]
struct Body {
    message: Option<String>,
    subject: Option<String>,
    text: Option<String>,
}

/// Subject and parts of a mail about a message in a box.
fn of_message(directory: &Path, file: &str, config: &Config) -> Result<(String, MultiPart), String> {
    let filter = RecordingFilter { file: Some(file.into()), gone: true, ..Default::default() };
    let rows = Reader::open(directory).and_then(|reader| reader.recordings(&filter));
    let row = rows.map_err(|error| error.to_string())?.pop();
    let row = row.ok_or_else(|| format!("there is no message {file:?} any more"))?;
    let path = within(directory, &row.file).ok_or_else(|| format!("{:?} is no message of ours", row.file))?;
    let enclosed = match std::fs::metadata(&path) {
        Ok(file) if file.len() > LARGEST => Enclosed::TooLarge,
        Ok(_) => Enclosed::Yes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Enclosed::Gone,
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let words = Words::of(&row, config, enclosed);
    let mut parts = MultiPart::mixed().singlepart(SinglePart::plain(words.text));
    if enclosed == Enclosed::Yes {
        let sound = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        // Short: a long one is written in pieces (RFC 2231 §3), which not every mail program puts together.
        let name = row.began.to_zoned(config.site.timezone.clone()).strftime("%Y-%m-%d-%H%M.wav").to_string();
        let kind = ContentType::parse("audio/x-wav").map_err(|error| error.to_string())?;
        parts = parts.singlepart(Attachment::new(name).body(sound, kind));
    }
    Ok((words.subject, parts))
}

fn address(text: &str) -> Result<lettre::Address, String> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}

/// The same for every try, so that whoever gets it twice knows it.
fn message_id(letter: &OutboxRow, from: &str) -> String {
    let digest = Sha256::digest(format!("{}\n{}", letter.about, letter.to));
    let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let host = from.rsplit('@').next().unwrap_or("localhost");
    format!("<{name}@{host}>")
}
