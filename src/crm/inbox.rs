//! What CRMs order of us and ask us, at the addresses where their existing side looks for its telephone system. Who asks is
//! known by what only one `[[crm]]` of the config shares with us, so no address names it.
//!
//! | address | who | what |
//! |---|---|---|
//! | `/crmapi/v1/makecall`, `…/users`, `…/history/json` | MegaFon's CRMs, `X-API-KEY` or a field `crm_token` | a call, who there is, the call list |
//! | `/sys/crm_api.wcgp` | the same, older: `cmd` and `token` in a form | the same |
//! | `/vpbx/commands/callback`, `…/call/hangup`, `…/route`, `…/transfer` | Mango's, signed | a call, its end, where it goes |
//! | `/bitrix24` | Bitrix24, `auth[application_token]` | a click on a number, a form that asks to be called back |
//! | `/crm/NAME/recordings/CALL.wav` | whoever was given the address | a recording |
//!
//! Verified in public connectors: `makecall` with `phone`, `user` (login or extension) and `clid`, the `items` of `users`,
//! the fields of `history/json`; `callback` with `from.extension`, `to_number` and `command_id`; the fields of
//! `ONEXTERNALCALLSTART` in Bitrix24's documentation. From general knowledge: the words of refusals, `result: 1000`, and the
//! answer of `makecall`.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::bitrix24::text;
use super::mango::sign;
use super::recording;
use super::wire::fields_of;
use crate::clerk::{Clerk, NotDone};
use crate::clock::Timestamp;
use crate::config::{Config, Crm, Dialect, Secret};
use crate::drive::Clock;
use crate::key::CallId;
use crate::media::library::within;
use crate::outbox::Current;
use crate::route::Direction;
use crate::store::{CallFilter, CallRow, RecordingFilter};
use crate::switch::Question;

/// What the inbox works with.
#[derive(Clone)]
pub struct Reception {
    /// Has things done.
    pub clerk: Clerk,
    /// The config in force.
    pub current: Current,
    /// The clock.
    pub clock: Clock,
}

/// The addresses of CRMs.
pub fn router(reception: Reception) -> Router {
    Router::new()
        .route("/crmapi/v1/{*command}", any(megafon))
        .route("/sys/crm_api.wcgp", post(megafon_of_old))
        .route("/vpbx/commands/{*command}", post(mango))
        .route("/bitrix24", post(bitrix24))
        .route("/crm/{name}/recordings/{file}", get(recorded))
        .with_state(reception)
}

/// Why an order was not followed.
#[derive(Debug)]
struct No(StatusCode, String);

impl No {
    fn unreadable(why: impl Into<String>) -> No {
        No(StatusCode::BAD_REQUEST, why.into())
    }

    /// Nobody of the config shares what was shown.
    fn stranger() -> No {
        No(StatusCode::UNAUTHORIZED, "no [[crm]] of the config has this key".into())
    }
}

impl From<NotDone> for No {
    fn from(why: NotDone) -> No {
        match why {
            NotDone::Missing(why) => No(StatusCode::NOT_FOUND, why),
            NotDone::Refused(why) | NotDone::Conflict(why) => No(StatusCode::CONFLICT, why),
            NotDone::NoAnswer => No(StatusCode::SERVICE_UNAVAILABLE, why.to_string()),
        }
    }
}

impl From<crate::store::StoreError> for No {
    fn from(error: crate::store::StoreError) -> No {
        tracing::error!(%error, "a CRM asked");
        No(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer".into())
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        // Every dialect reads one of these.
        (self.0, axum::Json(json!({ "error": self.1, "message": self.1 }))).into_response()
    }
}

fn fields(headers: &HeaderMap, query: Option<&str>, body: &[u8]) -> BTreeMap<String, String> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    fields_as(kind, query, body)
}

/// The fields of a request, from its query and its body: a form, or, where its content type says so, a flat JSON object. What
/// is no field of text or a whole number is passed over; a body that cannot be read has none.
pub fn fields_as(kind: &str, query: Option<&str>, body: &[u8]) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = fields_of(query.unwrap_or_default()).into_iter().collect();
    if kind.starts_with("application/json") {
        let object: Value = serde_json::from_slice(body).unwrap_or_default();
        let flat = object.as_object().into_iter().flatten();
        all.extend(flat.filter_map(|(name, value)| Some((name.clone(), text(value)?))));
    } else {
        all.extend(fields_of(&String::from_utf8_lossy(body)));
    }
    all
}

/// The CRM of a dialect whose key this is.
fn whose<'a>(config: &'a Config, dialect: Dialect, key: Option<&str>) -> Result<&'a Crm, No> {
    let key = key.filter(|key| !key.is_empty()).ok_or_else(No::stranger)?;
    let has_it = |secret: &Secret| bool::from(secret.expose().as_bytes().ct_eq(key.as_bytes()));
    let crms = config.crms.iter().filter(|crm| crm.dialect == dialect);
    // All are looked at, so that the time it takes says nothing.
    let found = crms.fold(None, |found, crm| if crm.key.as_ref().is_some_and(has_it) { Some(crm) } else { found });
    found.ok_or_else(No::stranger)
}

/// The extension that a CRM means: one of its own users, or an extension's number.
fn extension(config: &Config, crm: &Crm, user: &str) -> Result<Arc<str>, No> {
    let by_number = || config.extension_by_number(user).map(|ix| config.extension(ix).number.clone());
    let unknown = || No::unreadable(format!("nobody is called \"{user}\" here"));
    crm.extension(user).cloned().or_else(by_number).ok_or_else(unknown)
}

impl Reception {
    fn config(&self) -> Result<Arc<Config>, No> {
        (self.current)().ok_or_else(|| No(StatusCode::SERVICE_UNAVAILABLE, "there is no config".into()))
    }

    /// Rings an employee and then the customer; the call's id.
    async fn call(
        &self,
        user: Arc<str>,
        to: &str,
        shown: Option<&str>,
        reference: Option<String>,
    ) -> Result<String, No> {
        let caller_id = shown.filter(|shown| !shown.is_empty()).map(str::to_owned);
        let question = Question::Originate {
            user,
            to: to.to_owned(),
            caller_id,
            reference: reference.map(Into::into),
            timeout: None,
            auto_answer: false,
        };
        let answer = self.clerk.ask(question).await?;
        Ok(answer["call"].as_str().unwrap_or_default().to_owned())
    }
}

async fn megafon(
    State(reception): State<Reception>,
    Path(command): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Response, No> {
    let fields = fields(&headers, query.as_deref(), &body);
    let shown = headers.get("x-api-key").and_then(|key| key.to_str().ok());
    let key = shown.or_else(|| fields.get("crm_token").or_else(|| fields.get("token")).map(|key| &**key));
    reception.megafon(&command, key, &fields).await
}

async fn megafon_of_old(State(reception): State<Reception>, headers: HeaderMap, body: Bytes) -> Result<Response, No> {
    let fields = fields(&headers, None, &body);
    let command = fields.get("cmd").cloned().unwrap_or_default();
    reception.megafon(&command, fields.get("token").map(|key| &**key), &fields).await
}

impl Reception {
    async fn megafon(
        &self,
        command: &str,
        key: Option<&str>,
        fields: &BTreeMap<String, String>,
    ) -> Result<Response, No> {
        let config = self.config()?;
        let crm = whose(&config, Dialect::Megafon, key)?;
        let field = |name: &str| fields.get(name).map(|value| &**value).filter(|value| !value.is_empty());
        let answer = match command.to_ascii_lowercase().as_str() {
            "makecall" => {
                let phone = field("phone").ok_or_else(|| No::unreadable("`phone` is missing"))?;
                let user = field("user").or(field("ext")).ok_or_else(|| No::unreadable("`user` is missing"))?;
                let user = extension(&config, crm, user)?;
                let call = self.call(user, phone, field("clid"), None).await?;
                json!({ "callid": call, "uuid": call })
            }
            "users" => {
                let items: Vec<Value> = people(&config, crm);
                json!({ "total": items.len(), "items": items })
            }
            "accounts" => Value::Array(people(&config, crm)),
            "history" | "history/json" => self.history(&config, crm, &field).await?,
            other => return Err(No::unreadable(format!("\"{other}\" is no command here"))),
        };
        Ok(axum::Json(answer).into_response())
    }

    async fn history<'a>(
        &self,
        config: &Config,
        crm: &Crm,
        field: &impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Value, No> {
        let now = self.clock.now().wall;
        let (from, to) = match (field("start"), field("end"), field("period")) {
            (None, _, period) => period_of(period.unwrap_or("today"), now, config)?,
            (Some(start), end, _) => (moment(start)?, end.map(moment).transpose()?.unwrap_or(now)),
        };
        let kind = field("type").unwrap_or("all");
        let limit = field("limit").and_then(|limit| limit.parse().ok()).unwrap_or(1_000_usize).min(10_000);
        let filter = CallFilter { from: Some(from), to: Some(to), limit: 10_000, ..CallFilter::default() };
        let rows = self.clerk.read(move |reader| reader.calls(&filter)).await?;
        let wanted = |row: &&CallRow| match (row.direction, kind) {
            (Direction::Internal, _) => false,
            (Direction::Inbound, "in" | "all") | (Direction::Outbound, "out" | "all") => true,
            (Direction::Inbound, "missed") => row.missed.is_some(),
            _ => false,
        };
        let one = |row: &CallRow| history_row(config, crm, row);
        Ok(rows.iter().filter(wanted).take(limit).map(one).collect())
    }
}

/// The employees, as MegaFon's platform lists them.
fn people(config: &Config, crm: &Crm) -> Vec<Value> {
    let one = |(_, extension): (_, &crate::config::Extension)| {
        let login = crm.user(&extension.number);
        json!({ "login": login, "name": login, "realName": extension.name, "ext": extension.number })
    };
    config.extensions().filter(|(_, extension)| extension.active).map(one).collect()
}

fn history_row(config: &Config, crm: &Crm, row: &CallRow) -> Value {
    let inbound = row.direction == Direction::Inbound;
    let (outside, inside) = match inbound {
        true => (&row.from, row.answered_by.as_deref()),
        false => (&row.to, row.from.extension.as_deref()),
    };
    let number = |number: crate::number::PhoneNumber| number.to_string().trim_start_matches('+').to_owned();
    let known = inside.filter(|extension| config.extension_by_number(extension).is_some());
    let seconds = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs().max(0);
    json!({
        "uid": row.id.to_string(),
        "type": if inbound { "in" } else { "out" },
        "status": if row.answered.is_some() { "success" } else { "missed" },
        "client": outside.number.map(number).unwrap_or_default(),
        "diversion": row.did.as_deref().unwrap_or_default().trim_start_matches('+'),
        "user": known.map(|extension| crm.user(extension)).unwrap_or_default(),
        "ext": known,
        "start": row.began,
        "wait": seconds(row.began, row.answered.or(row.ended).unwrap_or(row.began)),
        "duration": row.talk_ms.div_ceil(1_000),
        "record": recording::link(crm, row.id).unwrap_or_default(),
    })
}

/// `20261124T100000Z`.
fn moment(text: &str) -> Result<Timestamp, No> {
    let read = || jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let read = read().map(|zoned| zoned.timestamp()).or_else(|| text.parse().ok());
    read.ok_or_else(|| No::unreadable(format!("\"{text}\" is no time; write YYYYmmddTHHMMSSZ")))
}

fn period_of(period: &str, now: Timestamp, config: &Config) -> Result<(Timestamp, Timestamp), No> {
    let local = now.to_zoned(config.site.timezone.clone());
    let days = i64::from(local.weekday().to_monday_zero_offset());
    let today = local.date();
    let back = |days: i64| today.checked_sub(jiff::Span::new().days(days)).unwrap_or(today);
    let this_month = today.first_of_month();
    let last_month = this_month.yesterday().map_or(this_month, |day| day.first_of_month());
    let (from, to) = match period {
        "today" => (today, None),
        "yesterday" => (back(1), Some(today)),
        "this_week" => (back(days), None),
        "last_week" => (back(days + 7), Some(back(days))),
        "this_month" => (this_month, None),
        "last_month" => (last_month, Some(this_month)),
        other => return Err(No::unreadable(format!("\"{other}\" is no period"))),
    };
    let start = |day: jiff::civil::Date| {
        day.to_zoned(config.site.timezone.clone()).map(|zoned| zoned.timestamp()).unwrap_or(now)
    };
    Ok((start(from), to.map_or(now, start)))
}

async fn mango(
    State(reception): State<Reception>,
    Path(command): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, No> {
    let fields = fields(&headers, None, &body);
    let field = |name: &str| fields.get(name).map_or("", |value| &**value);
    let config = reception.config()?;
    let crm = whose(&config, Dialect::Mango, Some(field("vpbx_api_key")))?;
    let salt = crm.salt.as_ref().ok_or_else(No::stranger)?;
    let expected = sign(field("vpbx_api_key"), field("json"), salt.expose());
    if !bool::from(expected.as_bytes().ct_eq(field("sign").to_ascii_lowercase().as_bytes())) {
        return Err(No(StatusCode::UNAUTHORIZED, "the signature does not fit".into()));
    }
    let order: Value = serde_json::from_str(field("json")).map_err(|error| No::unreadable(format!("json: {error}")))?;
    let order = |path: &str| order.pointer(path).and_then(text);
    let needed = |path: &str| order(path).ok_or_else(|| No::unreadable(format!("`{}` is missing", &path[1..])));
    match command.as_str() {
        "callback" => {
            let user = extension(&config, crm, &needed("/from/extension")?)?;
            let reference = order("/command_id").map(|id| format!("{}:{id}", crm.name));
            let line = order("/line_number");
            reception.call(user, &needed("/to_number")?, line.as_deref(), reference).await?;
        }
        "call/hangup" => {
            let (call, _) = needed_leg(&needed("/call_id")?)?;
            reception.clerk.ask(Question::HangUp { call }).await?;
        }
        "route" | "transfer" => {
            let (call, talks) = needed_leg(&needed("/call_id")?)?;
            let by = order("/initiator").or(talks);
            let by = by.map(|user| extension(&config, crm, &user)).transpose()?;
            reception.clerk.ask(Question::Transfer { call, by, to: needed("/to_number")? }).await?;
        }
        other => return Err(No::unreadable(format!("\"{other}\" is no command here"))),
    }
    Ok(axum::Json(json!({ "result": 1000, "command_id": order("/command_id") })).into_response())
}

fn needed_leg(text: &str) -> Result<(CallId, Option<String>), No> {
    leg(text).ok_or_else(|| No::unreadable(format!("\"{text}\" is no call of ours")))
}

/// The call, and whose leg, as Mango's CRMs name it: `ID:201`. What stands behind a further colon is passed over.
pub fn leg(text: &str) -> Option<(CallId, Option<String>)> {
    let mut parts = text.split(':');
    let call = parts.next()?.parse().ok()?;
    Some((call, parts.next().map(str::to_owned)))
}

async fn bitrix24(State(reception): State<Reception>, headers: HeaderMap, body: Bytes) -> Result<Response, No> {
    let fields = fields(&headers, None, &body);
    let field = |name: &str| fields.get(name).map(|value| &**value).filter(|value| !value.is_empty());
    let config = reception.config()?;
    let crm = whose(&config, Dialect::Bitrix24, field("auth[application_token]"))?;
    let number = field("data[PHONE_NUMBER_INTERNATIONAL]").or(field("data[PHONE_NUMBER]"));
    let number = || number.ok_or_else(|| No::unreadable("`PHONE_NUMBER` is missing"));
    match field("event").unwrap_or_default().to_ascii_uppercase().as_str() {
        "ONEXTERNALCALLSTART" => {
            let user = field("data[USER_ID]").ok_or_else(|| No::unreadable("`USER_ID` is missing"))?;
            let user = extension(&config, crm, user)?;
            // It is registered there already: this is the name under which it is finished.
            let reference = field("data[CALL_ID]").map(|id| format!("{}:{id}", crm.name));
            reception.call(user, number()?, field("data[LINE_NUMBER]"), reference).await?;
        }
        "ONEXTERNALCALLBACKSTART" => {
            let number = number()?;
            let user = reception.who_calls_back(&config, crm, number).await?;
            reception.call(user, number, field("data[LINE_NUMBER]"), None).await?;
        }
        // Whatever else it was told to send.
        _ => {}
    }
    Ok(StatusCode::OK.into_response())
}

impl Reception {
    /// Whoever is responsible for the customer; else whoever stands for everybody; else the first whom the CRM knows.
    async fn who_calls_back(&self, config: &Config, crm: &Crm, number: &str) -> Result<Arc<str>, No> {
        let number = config.site.numbering.read(number);
        let known = match number {
            Some(number) => self.clerk.read(move |reader| reader.customers_with(number)).await?,
            None => Vec::new(),
        };
        let active =
            |extension: &Arc<str>| config.extension_by_number(extension).is_some_and(|ix| config.extension(ix).active);
        let responsible = known.into_iter().find_map(|row| row.responsible).filter(active);
        let standing = || crm.default_user.as_deref().and_then(|user| crm.extension(user).cloned()).filter(active);
        let first = || crm.users.keys().find(|extension| active(extension)).cloned();
        let nobody = || No(StatusCode::CONFLICT, "nobody is named who could call back".into());
        responsible.or_else(standing).or_else(first).ok_or_else(nobody)
    }
}

async fn recorded(
    State(reception): State<Reception>,
    Path((name, file)): Path<(String, String)>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, No> {
    let config = reception.config()?;
    let query: BTreeMap<String, String> = fields_of(query.as_deref().unwrap_or_default()).into_iter().collect();
    let key = query.get("key").map_or("", |key| &**key);
    let nowhere = || No(StatusCode::NOT_FOUND, "there is no such recording".into());
    let (_, call) = recording::opened(&config, &name, &file, key).ok_or_else(nowhere)?;
    let filter = RecordingFilter { call: Some(call), messages: Some(false), ..RecordingFilter::default() };
    let rows = reception.clerk.read(move |reader| reader.recordings(&filter)).await?;
    let talk = rows.into_iter().filter(|row| row.ended.is_some()).max_by_key(|row| row.length_ms);
    let Some(talk) = talk else {
        // It may be written at this moment.
        let later = [(header::RETRY_AFTER, "10")];
        return Ok((StatusCode::NOT_FOUND, later, "there is no recording, or not yet").into_response());
    };
    let path = within(reception.clerk.directory(), &talk.file).ok_or_else(nowhere)?;
    let opened = tokio::task::spawn_blocking(move || {
        let file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        std::io::Result::Ok((file, length))
    });
    let (file, length) = opened.await.ok().and_then(Result::ok).ok_or_else(nowhere)?;
    Ok(part(&headers, file, length))
}

/// All of it, or the part that a player asks for (RFC 9110 §14.2; one range, as players ask).
fn part(headers: &HeaderMap, file: std::fs::File, whole: u64) -> Response {
    let kind = [(header::CONTENT_TYPE, "audio/x-wav".to_owned()), (header::ACCEPT_RANGES, "bytes".to_owned())];
    let asked = headers.get(header::RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes="));
    let range = asked.and_then(|range| {
        let (from, to) = range.split_once('-')?;
        match (from.parse::<u64>().ok(), to.parse::<u64>().ok()) {
            (Some(from), to) => Some((from, to.unwrap_or(u64::MAX).min(whole.saturating_sub(1)))),
            (None, Some(last)) => Some((whole.saturating_sub(last), whole.saturating_sub(1))),
            (None, None) => None,
        }
    });
    match range {
        None => {
            let length = [(header::CONTENT_LENGTH, whole.to_string())];
            (kind, length, stretch(file, 0, whole)).into_response()
        }
        Some((from, to)) if from <= to && from < whole => {
            let length = to - from + 1;
            let range = [
                (header::CONTENT_RANGE, format!("bytes {from}-{to}/{whole}")),
                (header::CONTENT_LENGTH, length.to_string()),
            ];
            (StatusCode::PARTIAL_CONTENT, kind, range, stretch(file, from, length)).into_response()
        }
        Some(_) => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{whole}"))];
            (StatusCode::RANGE_NOT_SATISFIABLE, range).into_response()
        }
    }
}

/// So much of a file from there on, as it is taken.
fn stretch(file: std::fs::File, from: u64, length: u64) -> Body {
    const PIECE: u64 = 128 << 10;
    let pieces = futures_util::stream::try_unfold((file, from, length), |(file, at, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; usize::try_from(left.min(PIECE)).unwrap_or(0)];
            file.read_exact_at(&mut piece, at)?;
            std::io::Result::Ok((file, piece))
        });
        let (file, piece) = read.await.map_err(std::io::Error::other)??;
        let length = piece.len() as u64;
        std::io::Result::Ok(Some((Bytes::from(piece), (file, at + length, left - length))))
    });
    Body::from_stream(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Nothing;

    fn config() -> Config {
        let text = "[site]\ntimezone = \"Europe/Moscow\"\n[[extension]]\nnumber = \"201\"\npassword = \"x\"\n\
            [[crm]]\nname = \"m\"\ndialect = \"megafon\"\nurl = \"https://a.example\"\ntoken = \"t\"\nusers = { 201 = \"ivan\" }\n\
            [[crm]]\nname = \"b\"\ndialect = \"bitrix24\"\nurl = \"https://b.example\"\n";
        Config::read(std::path::Path::new("x"), text, &Nothing).unwrap().config
    }

    #[test]
    fn who_asks_is_known_by_a_key_that_is_never_empty() {
        let config = config();
        assert_eq!(whose(&config, Dialect::Megafon, Some("t")).ok().map(|crm| &*crm.name), Some("m"));
        for (dialect, key) in [
            (Dialect::Megafon, Some("T")),
            (Dialect::Megafon, Some("")),
            (Dialect::Megafon, None),
            (Dialect::Bitrix24, Some("t")),
            (Dialect::Bitrix24, Some("")),
        ] {
            assert_eq!(whose(&config, dialect, key).unwrap_err().0, StatusCode::UNAUTHORIZED, "{dialect:?} {key:?}");
        }
        let user = |name: &str| extension(&config, &config.crms[0], name).ok();
        assert_eq!((user("ivan"), user("201"), user("petr")), (Some("201".into()), Some("201".into()), None));
    }

    #[test]
    fn periods_are_the_offices_own_days() {
        let config = config();
        // A Tuesday, 00:30 in Moscow.
        let now = "2026-11-23T21:30:00Z".parse().unwrap();
        let period = |word: &str| {
            let (from, to) = period_of(word, now, &config).unwrap();
            (from.to_string(), to.to_string())
        };
        let now = "2026-11-23T21:30:00Z".to_owned();
        assert_eq!(period("today"), ("2026-11-23T21:00:00Z".into(), now.clone()));
        assert_eq!(period("yesterday"), ("2026-11-22T21:00:00Z".into(), "2026-11-23T21:00:00Z".into()));
        assert_eq!(period("this_week"), ("2026-11-22T21:00:00Z".into(), now.clone()));
        assert_eq!(period("last_week"), ("2026-11-15T21:00:00Z".into(), "2026-11-22T21:00:00Z".into()));
        assert_eq!(period("this_month"), ("2026-10-31T21:00:00Z".into(), now));
        assert_eq!(period("last_month"), ("2026-09-30T21:00:00Z".into(), "2026-10-31T21:00:00Z".into()));
        assert_eq!(moment("20261124T100000Z").unwrap().to_string(), "2026-11-24T10:00:00Z");
        assert!(moment("soon").is_err() && period_of("tea", moment("20261124T100000Z").unwrap(), &config).is_err());
    }

    #[test]
    fn fields_come_as_a_form_or_as_json() {
        let of = |kind: &str, body: &str| {
            let headers = [(header::CONTENT_TYPE, kind.parse().unwrap())].into_iter().collect();
            fields(&headers, Some("a=1"), body.as_bytes()).into_iter().collect::<Vec<_>>()
        };
        let both = vec![("a".to_owned(), "1".to_owned()), ("phone".to_owned(), "7916".to_owned())];
        assert_eq!(of("application/x-www-form-urlencoded", "phone=7916"), both);
        assert_eq!(of("application/json; charset=utf-8", "{\"phone\":7916,\"x\":null}"), both);
    }

    #[tokio::test]
    async fn a_player_gets_the_part_it_asks_for() {
        let folder = crate::store::fixture::Folder::new();
        std::fs::create_dir_all(&folder.0).unwrap();
        let path = folder.0.join("a.wav");
        std::fs::write(&path, b"0123456789").unwrap();
        for (asked, status, range, body) in [
            ("bytes=0-3", 206, Some("bytes 0-3/10"), "0123"),
            ("bytes=8-", 206, Some("bytes 8-9/10"), "89"),
            ("bytes=-2", 206, Some("bytes 8-9/10"), "89"),
            ("bytes=10-", 416, Some("bytes */10"), ""),
            ("lines=1-", 200, None, "0123456789"),
        ] {
            let headers = [(header::RANGE, asked.parse().unwrap())].into_iter().collect();
            let response = part(&headers, std::fs::File::open(&path).unwrap(), 10);
            let shown = response.headers().get(header::CONTENT_RANGE).map(|range| range.to_str().unwrap().to_owned());
            assert_eq!((response.status().as_u16(), shown.as_deref()), (status, range), "{asked}");
            let bytes = axum::body::to_bytes(response.into_body(), 99).await.unwrap();
            assert_eq!(bytes, body.as_bytes(), "{asked}");
        }
    }
}
