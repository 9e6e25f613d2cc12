//! SMS through whichever provider the config describes: one HTTP request, filled in.
//!
//! A customer is not to read the same thing twice. A provider that is told an `{id}` knows what it was asked before, so it
//! is asked again until it answers. Any other is asked again only where it surely has not heard: an SMS in doubt (no answer
//! in time, the router killed during the try) is given up, and listed.

use reqwest::Method;
use sha2::{Digest, Sha256};

use super::carry::Errand;
use super::failure::Failure;
use super::http::{Answer, InDoubt};
use crate::config::{Sms, SmsBody, SmsMethod, SmsOk, Template};

pub(super) async fn deliver(errand: Errand) -> Result<(), Failure> {
    let sms = errand.config.sms.as_ref().ok_or_else(|| Failure::never("there is no [sms] in the config any more"))?;
    let (text, letter) = (errand.text("text")?, &errand.letter);
    let filling = Filling { sms, number: &letter.to, text: &text, id: &id(&errand) };
    let is_known_again = filling.uses("id");
    if letter.interrupted() && !is_known_again {
        return Err(in_doubt("the router ended during the last try"));
    }
    if filling.lacks_password() {
        return Err(Failure::Unwell("the provider's password is not there".into(), None));
    }
    let method = match sms.method {
        SmsMethod::Get => Method::GET,
        SmsMethod::Post => Method::POST,
    };
    let mut request = errand.http.request(method, &filling.fill(&sms.url, percent));
    for (name, value) in &sms.headers {
        request = request.header(&**name, filling.fill(value.expose(), str::to_owned));
    }
    if let Some(body) = &sms.body {
        let (content_type, body) = match sms.content_type {
            SmsBody::Form => ("application/x-www-form-urlencoded", filling.fill(body, percent)),
            SmsBody::Json => ("application/json", filling.fill(body, within_quotes)),
        };
        request = request.header("content-type", content_type).body(body);
    }
    let answer = errand.http.ask_once(request).await.map_err(|(failure, InDoubt(doubt))| match failure {
        Failure::Unwell(why, _) if doubt && !is_known_again => in_doubt(&why),
        failure => failure,
    })?;
    if is_ok(&sms.ok, &answer) {
        return Ok(());
    }
    if answer.is_ok() {
        // The provider is well, and did not take this one.
        return Err(Failure::Refused(answer.to_string()));
    }
    Err(answer.failure())
}

fn in_doubt(why: &str) -> Failure {
    Failure::Never(format!(
        "{why}: it may have been sent, and is not sent twice (`{{id}}` in [sms] lets it be tried again)"
    ))
}

fn is_ok(ok: &SmsOk, answer: &Answer) -> bool {
    let status = if ok.status.is_empty() { answer.is_ok() } else { ok.status.contains(&answer.status) };
    status && ok.text.as_ref().is_none_or(|text| answer.text.contains(&**text))
}

/// The same for every try, so that a provider may know it again.
fn id(errand: &Errand) -> String {
    let digest = Sha256::digest(format!("{}\n{}", errand.letter.to, errand.letter.about));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// What goes into the holes of a request.
struct Filling<'a> {
    sms: &'a Sms,
    number: &'a str,
    text: &'a str,
    id: &'a str,
}

impl Filling<'_> {
    fn fill(&self, template: &Template, escape: impl Fn(&str) -> String) -> String {
        template.fill(|hole| {
            escape(match hole {
                "number" => self.number,
                "plain_number" => self.number.trim_start_matches('+'),
                "text" => self.text,
                "from" => &self.sms.from,
                "id" => self.id,
                "password" => self.sms.password.as_ref().map_or("", |password| password.expose()),
                _ => "",
            })
        })
    }

    /// It is written where a variable or file is not there.
    fn lacks_password(&self) -> bool {
        self.sms.password.is_none() && self.uses("password")
    }

    /// True where the request has this hole.
    fn uses(&self, name: &str) -> bool {
        let headers = self.sms.headers.iter().map(|(_, value)| value.expose());
        let mut templates = [&self.sms.url].into_iter().chain(&self.sms.body).chain(headers);
        templates.any(|template| template.holes().any(|hole| hole == name))
    }
}

/// As a part of an address or a form (RFC 3986 §2.1): everything but letters that mean themselves.
fn percent(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => (byte as char).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// As a part of a JSON text that stands within quotes already.
fn within_quotes(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fills_a_hole_cannot_leave_it() {
        assert_eq!(percent("+7 916&text=x"), "%2B7%20916%26text%3Dx");
        assert_eq!(percent("Ада"), "%D0%90%D0%B4%D0%B0");
        assert_eq!(within_quotes("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
