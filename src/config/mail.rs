//! `[mail]`: by which server mails leave the house.

use std::sync::Arc;

use super::read::{Fields, Spot};
use super::secret::Secret;
use super::voicemail::{Voicemail, is_mail_address};

/// `[mail]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The server's name or address.
    pub server: Arc<str>,
    /// Its port. Default: 587 with STARTTLS, 465 with TLS, 25 with neither.
    pub port: u16,
    /// Default: STARTTLS.
    pub tls: MailTls,
    /// The account, where the server asks for one.
    pub user: Option<Arc<str>>,
    /// Its password; `None` where there is no account, or where the variable or file it names is not there (a warning).
    pub password: Option<Secret>,
    /// The address that mails come from.
    pub from: Arc<str>,
}

/// Whether a mail server is spoken to in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// It begins in the clear and goes on encrypted, or not at all (RFC 3207).
    StartTls,
    /// Encrypted from the first byte (RFC 8314).
    Tls,
    /// In the clear: for a server on this machine.
    None,
}

impl MailTls {
    fn port(self) -> u16 {
        match self {
            MailTls::StartTls => 587,
            MailTls::Tls => 465,
            MailTls::None => 25,
        }
    }
}

const TLS: [(&str, MailTls); 3] = [("starttls", MailTls::StartTls), ("tls", MailTls::Tls), ("none", MailTls::None)];

impl Mail {
    /// Reads `[mail]`.
    pub(super) fn read(fields: Option<Fields<'_>>) -> Option<Mail> {
        let fields = fields?;
        let server = fields.needed("server").and_then(|spot| server(&spot));
        let tls = fields.get("tls").and_then(|spot| spot.word(&TLS)).unwrap_or(MailTls::StartTls);
        let user = fields.get("user").and_then(|spot| spot.label());
        let password = fields.get("password").and_then(|spot| spot.secret());
        let from = fields.needed("from").and_then(|spot| from(&spot));
        if let (Some(_), None, Some(spot)) = (&user, fields.get("password"), fields.get("user")) {
            spot.error("this account has no password", "add `password = \"env:NAME\"`");
        }
        if let (Some(spot), MailTls::None, Some(_)) = (fields.get("tls"), tls, &password) {
            spot.warning("the password goes over the network in the clear", "write \"starttls\" or \"tls\"");
        }
        fields.finish();
        let (server, port) = server?;
        Some(Mail { server, port: port.unwrap_or(tls.port()), tls, user, password, from: from? })
    }
}

/// `mail.example`, `mail.example:587`, `[::1]:25`.
fn server(spot: &Spot<'_>) -> Option<(Arc<str>, Option<u16>)> {
    let read = |text: &str| {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = port.map(str::parse::<u16>).transpose().ok().filter(|port| *port != Some(0));
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
        let host = Some(host).filter(|host| !host.is_empty() && host.bytes().all(letter));
        host.zip(port).map(|(host, port)| (host.into(), port)).ok_or_else(|| format!("{text:?} is no server"))
    };
    spot.parse(read, "write its name, and its port where it is not the usual one: \"mail.example:587\"")
}

fn from(spot: &Spot<'_>) -> Option<Arc<str>> {
    let text = spot.text()?;
    if !is_mail_address(text) {
        spot.error(format!("\"{text}\" is no mail address"), "write \"NAME@HOST\"");
        return None;
    }
    Some(text.into())
}

/// Boxes whose news nobody could carry.
pub(super) fn warn_of_unsent_notices(rows: &[Fields<'_>], boxes: &[Voicemail], mail: Option<&Mail>) {
    let unsent = rows.iter().zip(boxes).find(|(_, mailbox)| mail.is_none() && !mailbox.notify.is_empty());
    if let Some(spot) = unsent.and_then(|(row, _)| row.get("notify")) {
        spot.warning("no mail is sent: there is no mail server", "add [mail] with `server` and `from`");
    }
}
