//! `[sms]`: by which provider an SMS leaves the house, and what it says. Providers differ in one HTTP request, which is
//! written here as a template.

use std::sync::Arc;
use std::time::Duration;

use super::read::{Fields, Place, Spot};
use super::secret::Secret;
use super::site::{Language, Site};
use super::template::{Template, template};
use super::web_address::web_template;
use crate::number::PhoneNumber;

/// `[sms]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sms {
    /// The provider's address, with holes (below); what fills them is escaped as a part of an address.
    pub url: Template,
    /// Default: POST.
    pub method: SmsMethod,
    /// What goes along besides `Content-Type`; their values may have holes, too.
    pub headers: Vec<(Arc<str>, SmsHeader)>,
    /// How [`Sms::body`] is written and what fills its holes is escaped. Default: a form.
    pub content_type: SmsBody,
    /// What is posted. Holes, here and in address and headers: `{number}` (+79161234567), `{plain_number}` (79161234567),
    /// `{text}`, `{from}`, `{password}`, `{id}` (the same at every try, so that the provider knows it again: without it an SMS
    /// of which it is not known whether it was taken is not sent again).
    pub body: Option<Template>,
    /// Fills `{password}`; `None` where there is none, or where the variable or file it names is not there (a warning).
    pub password: Option<Secret>,
    /// The sender's name; fills `{from}`.
    pub from: Arc<str>,
    /// The answers that mean: taken. Default: each from 200 to 299.
    pub ok: SmsOk,
    /// What the customer reads. Holes: `{customer}` (the name, or the number), `{number}`, `{manager}` (the responsible's
    /// name, or the company's), `{did}` (which of our numbers was called), `{company}`, `{chat}` (below), `{card}` (as
    /// `web.card` says). Default: a sentence in the office's language, with the chat where there is one.
    pub text: Template,
    /// The address of a chat in which customers can write to the company, with holes: `{number}` (+79161234567),
    /// `{plain_number}` (79161234567), `{did}`; what fills them is escaped as a part of an address. Default: none.
    pub chat: Option<Template>,
    /// One number gets at most one SMS in so long. Default: 10 min.
    pub every: Duration,
    /// What the numbers begin with that can read an SMS, `+` first. Default: the mobile numbers of Russia and Kazakhstan
    /// or of Ukraine, where `numbering.country` is theirs; elsewhere it must be said. `"+"` means everybody.
    pub mobile: Vec<Arc<str>>,
}

/// How a provider is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmsMethod {
    /// Everything is in the address.
    Get,
    /// … or in a body.
    Post,
}

/// How the body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmsBody {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`.
    Json,
}

/// A header's value: it often is a secret, so it prints as one.
#[derive(Clone, PartialEq, Eq)]
pub struct SmsHeader(Template);

impl SmsHeader {
    /// The value with its holes. Never log it.
    pub fn expose(&self) -> &Template {
        &self.0
    }
}

impl std::fmt::Debug for SmsHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\"…\"")
    }
}

/// Which answers mean that an SMS was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmsOk {
    /// These statuses; empty: 200 to 299.
    pub status: Vec<u16>,
    /// … if this text is in the answer.
    pub text: Option<Arc<str>>,
}

const EVERY: Duration = Duration::from_secs(10 * 60);
/// What the holes of the request may be called.
const REQUEST: [&str; 6] = ["number", "plain_number", "text", "from", "id", "password"];
/// What the holes of the text may be called.
const TEXT: [&str; 7] = ["customer", "number", "manager", "did", "company", "chat", "card"];
/// What the holes of the chat's address may be called.
const CHAT: [&str; 3] = ["number", "plain_number", "did"];
const RUSSIA_AND_KAZAKHSTAN: [&str; 8] = ["+79", "+770", "+7747", "+7771", "+7775", "+7776", "+7777", "+7778"];
const UKRAINE: [&str; 19] = [
    "+38039", "+38050", "+38063", "+38066", "+38067", "+38068", "+38073", "+38075", "+38077", "+38091", "+38092",
    "+38093", "+38094", "+38095", "+38096", "+38097", "+38098", "+38099", "+38089",
];

impl Sms {
    /// True where this number can read an SMS, as far as is known.
    pub fn reaches(&self, number: PhoneNumber) -> bool {
        let number = number.to_string();
        self.mobile.iter().any(|start| number.starts_with(&**start))
    }

    /// Reads `[sms]`.
    pub(super) fn read(fields: Option<Fields<'_>>, site: &Site) -> Option<Sms> {
        let fields = fields?;
        let password = fields.get("password");
        let from = fields.get("from").and_then(|spot| spot.label());
        let url = fields.needed("url").and_then(|spot| web_template(&spot, &REQUEST));
        let methods = [("GET", SmsMethod::Get), ("POST", SmsMethod::Post)];
        let method = fields.get("method").and_then(|spot| spot.word(&methods)).unwrap_or(SmsMethod::Post);
        let kinds = [("form", SmsBody::Form), ("json", SmsBody::Json)];
        let content_type = fields.get("content_type").and_then(|spot| spot.word(&kinds)).unwrap_or(SmsBody::Form);
        let body = match method {
            SmsMethod::Post => fields.needed("body"),
            SmsMethod::Get => fields.get("body"),
        };
        if let (SmsMethod::Get, Some(spot)) = (method, &body) {
            spot.error("GET has no body", "write everything into `url`, or leave `method` out");
        }
        let whole = body.as_ref().and_then(|spot| request(spot, content_type));
        let headers = fields.get("headers").and_then(|spot| headers(&spot)).unwrap_or_default();
        let ok = fields.table("ok").map(ok).unwrap_or_default();
        let text = fields.get("text").and_then(|spot| template(&spot, &TEXT));
        let chat = fields.get("chat").and_then(|spot| web_template(&spot, &CHAT));
        if let (Some(spot), Some(text), None) = (fields.get("text"), &text, &fields.get("chat"))
            && text.holes().any(|hole| hole == "chat")
        {
            spot.error("{chat} is nothing: there is no `chat`", "add `chat = \"https://…\"`");
        }
        let every = fields
            .get("every")
            .and_then(|spot| spot.duration(Duration::from_secs(60), Duration::from_secs(86_400)))
            .unwrap_or(EVERY);
        let mobile = mobile(&fields, &site.numbering.country);
        let used = |hole: &str| {
            let headers = headers.iter().map(|(_, value)| value.expose());
            url.iter().chain(&whole).chain(headers).any(|template| template.holes().any(|name| name == hole))
        };
        // Of a request that cannot be read nothing is missing.
        let readable = url.is_some() && (body.is_none() || whole.is_some());
        if let Some(place) = body.or(fields.get("url")).filter(|_| readable) {
            if !used("number") && !used("plain_number") {
                place.error("nothing says whom the SMS is for", "write {number} or {plain_number} where it belongs");
            }
            if !used("text") {
                place.error("nothing says what the SMS says", "write {text} where it belongs");
            }
            if used("from") && from.is_none() {
                place.error("{from} is nothing: there is no `from`", "add `from = \"…\"`");
            }
            if used("password") && password.is_none() {
                place.error("{password} is nothing: there is no `password`", "add `password = \"env:NAME\"`");
            }
        }
        let password = password.and_then(|spot| spot.secret());
        fields.finish();
        Some(Sms {
            url: url?,
            method,
            headers,
            content_type,
            body: whole,
            password,
            from: from.unwrap_or_default(),
            ok,
            text: text.unwrap_or_else(|| Template::of(default_text(site.language, chat.is_some()))),
            chat,
            every,
            mobile,
        })
    }
}

fn default_text(language: Language, has_chat: bool) -> &'static str {
    match (language, has_chat) {
        (Language::En, false) => "{company}: sorry, we missed your call. We will call you back shortly.",
        (Language::En, true) => "{company}: sorry, we missed your call. We will call you back shortly. Chat: {chat}",
        (Language::Ru, false) => "{company}: извините, мы пропустили ваш звонок. Перезвоним в ближайшее время.",
        (Language::Ru, true) => {
            "{company}: извините, мы пропустили ваш звонок. Перезвоним в ближайшее время. Чат: {chat}"
        }
        (Language::Uk, false) => "{company}: вибачте, ми пропустили ваш дзвінок. Передзвонимо найближчим часом.",
        (Language::Uk, true) => {
            "{company}: вибачте, ми пропустили ваш дзвінок. Передзвонимо найближчим часом. Чат: {chat}"
        }
    }
}

fn request(spot: &Spot<'_>, content_type: SmsBody) -> Option<Template> {
    let body = template(spot, &REQUEST)?;
    if content_type == SmsBody::Json
        && let Err(error) = serde_json::from_str::<serde_json::Value>(&body.fill(|_| "0".into()))
    {
        spot.error(format!("this is no JSON: {error}"), "holes stand within quotes: '{\"to\": \"{number}\", …}'");
        return None;
    }
    Some(body)
}

fn headers(spot: &Spot<'_>) -> Option<Vec<(Arc<str>, SmsHeader)>> {
    let fields = spot.fields()?;
    let header = |(name, spot): (&str, Spot<'_>)| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if name.is_empty() || !name.bytes().all(letter) {
            spot.error(format!("\"{name}\" is no header"), "write letters, digits and dashes");
            return None;
        }
        let secret = spot.secret()?;
        if secret.expose().chars().any(char::is_control) {
            spot.error("a header is one line", "");
            return None;
        }
        let value = Template::of(secret.expose());
        let unknown = value.holes().find(|hole| !REQUEST.contains(hole));
        if let Some(hole) = unknown {
            spot.error(
                format!("nothing is known as {{{hole}}} here"),
                super::spelling::did_you_mean(hole, REQUEST.iter().copied()),
            );
            return None;
        }
        Some((name.into(), SmsHeader(value)))
    };
    Some(fields.entries().into_iter().filter_map(header).collect())
}

fn ok(fields: Fields<'_>) -> SmsOk {
    let status = fields.get("status").and_then(|spot| spot.some_of()).unwrap_or_default();
    let status = status.iter().filter_map(|spot| spot.number(200, 299)).filter_map(|one| u16::try_from(one).ok());
    let ok = SmsOk { status: status.collect(), text: fields.get("text").and_then(|spot| spot.label()) };
    fields.finish();
    ok
}

fn mobile(fields: &Fields<'_>, country: &str) -> Vec<Arc<str>> {
    let home = |list: &[&'static str]| list.iter().map(|start| Arc::from(*start)).collect();
    match (fields.get("mobile"), country) {
        (Some(spot), _) => spot.some_of().unwrap_or_default().iter().filter_map(prefix).collect(),
        (None, "7") => home(&RUSSIA_AND_KAZAKHSTAN),
        (None, "380") => home(&UKRAINE),
        (None, _) => {
            let place = Place { span: fields.place.span.clone(), field: format!("{}.mobile", fields.place.field) };
            fields.reader().error(
                &place,
                "nothing says which numbers can read an SMS",
                "add `mobile = [\"+4915\", …]`, or `[\"+\"]` for everybody",
            );
            Vec::new()
        }
    }
}

fn prefix(spot: &Spot<'_>) -> Option<Arc<str>> {
    let text = spot.text()?;
    let digits = text.strip_prefix('+');
    if !digits.is_some_and(|digits| digits.len() <= 15 && digits.bytes().all(|byte| byte.is_ascii_digit())) {
        spot.error(format!("\"{text}\" is not how a number begins"), "write + and digits, country code first: \"+79\"");
        return None;
    }
    Some(text.into())
}
