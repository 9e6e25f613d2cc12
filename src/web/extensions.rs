//! The employees: their numbers, where they are, where their calls go; and a new one, whose phone works at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::configured::{replace, text};
use super::extract::{Body, Path, moment as read_moment};
use super::live::Live;
use super::office::Office;
use super::once::NotKept;
use super::problem::{NotChanged, NotShown, Problem};
use super::provision::{self, Provisioning};
use super::token::{Asker, chance};
use super::words::moment;
use crate::config::edit::{self, NewExtension};
use crate::config::{Config, DeviceRule, ExtensionIx, ForwardWhen};
use crate::control::Order;
use crate::switch::Question;

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(one))
        .routes(routes!(provisioned))
        .routes(routes!(away, back))
        .routes(routes!(forward, unforward))
}

/// An employee.
#[derive(Debug, Serialize, ToSchema)]
struct Extension {
    /// The number; also the SIP user.
    number: String,
    /// The name.
    name: String,
    /// False: has left; the phones may not register.
    active: bool,
    /// What rings for it: `sip`, a mobile's number, an address.
    devices: Vec<String>,
    /// How many phones are registered.
    registered: usize,
    /// Is on the phone, or being rung.
    on_calls: usize,
    /// The hunt groups it is a member of.
    groups: Vec<String>,
    /// Rung instead when away.
    deputy: Option<String>,
    /// Its own hours.
    schedule: Option<String>,
    /// Is away.
    away: bool,
    /// Until when; `null`: until taken back, or not away.
    #[schema(format = DateTime)]
    away_until: Option<String>,
    /// Where its calls go, by when they do.
    forwards: Vec<Forward>,
}

/// Where an employee's calls go.
#[derive(Debug, Serialize, ToSchema)]
struct Forward {
    /// When they do.
    when: When,
    /// Where to, as it was dialled.
    to: String,
}

/// When a forward is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum When {
    /// At once: the own phones do not ring.
    Always,
    /// When the employee is on the phone, or declines.
    Busy,
    /// When nobody answers, or no phone can be reached.
    NoAnswer,
}

impl From<When> for ForwardWhen {
    fn from(when: When) -> ForwardWhen {
        match when {
            When::Always => ForwardWhen::Always,
            When::Busy => ForwardWhen::Busy,
            When::NoAnswer => ForwardWhen::NoAnswer,
        }
    }
}

fn show(config: &Config, live: &Live, ix: ExtensionIx) -> Extension {
    let extension = config.extension(ix);
    let own = |number: &str| *extension.number == *number;
    let away = live.by_hand.away.iter().find(|one| own(&one.extension));
    let when = |word: &str| match word {
        "always" => When::Always,
        "busy" => When::Busy,
        _ => When::NoAnswer,
    };
    let forwards = live.by_hand.forwards.iter().filter(|one| own(&one.extension));
    let device = |device: &DeviceRule| match device {
        DeviceRule::Sip => "sip".to_owned(),
        DeviceRule::Gsm { number, .. } => number.to_string(),
        DeviceRule::Address(address) => address.to_string(),
    };
    let groups = config.groups().filter(|(_, group)| group.members.contains(&ix));
    Extension {
        number: extension.number.to_string(),
        name: extension.name.to_string(),
        active: extension.active,
        devices: extension.devices.iter().map(device).collect(),
        registered: live.bindings.iter().filter(|one| own(&one.extension)).count(),
        on_calls: live.calls.iter().filter(|call| own(&call.from) || call.with.iter().any(|who| own(who))).count(),
        groups: groups.map(|(_, group)| group.name.to_string()).collect(),
        deputy: extension.deputy.map(|deputy| config.extension(deputy).number.to_string()),
        schedule: extension.schedule.map(|schedule| config.schedule(schedule).name.to_string()),
        away: away.is_some(),
        away_until: away.and_then(|away| away.until).map(moment),
        forwards: forwards.map(|one| Forward { when: when(&one.when), to: one.to.clone() }).collect(),
    }
}

/// The extension of this number, where it is whoever asks's own.
fn found(config: &Config, asker: &Asker, number: &str) -> Result<ExtensionIx, Problem> {
    let own = asker.user().is_none_or(|user| user == number);
    let found = config.extension_by_number(number).filter(|_| own);
    found.ok_or_else(|| {
        Problem::not_found(format!("there is no extension {number:?}; GET /api/v1/extensions lists them"))
    })
}

/// List the employees; an employee's token shows that employee.
#[utoipa::path(
    get,
    path = "/extensions",
    tag = "extensions",
    responses((status = 200, description = "The employees", body = Vec<Extension>), NotShown)
)]
async fn list(State(office): State<Office>, asker: Asker) -> Result<Json<Vec<Extension>>, Problem> {
    asker.may("config:read")?;
    let (config, live) = (office.config()?, Live::of(&office).await?);
    let own = |extension: &crate::config::Extension| asker.user().is_none_or(|user| *extension.number == *user);
    let all = config.extensions().filter(|(_, extension)| own(extension));
    Ok(Json(all.map(|(ix, _)| show(&config, &live, ix)).collect()))
}

/// Show one employee.
#[utoipa::path(
    get,
    path = "/extensions/{number}",
    tag = "extensions",
    params(("number" = String, Path, description = "The number", example = "201")),
    responses((status = 200, description = "The employee", body = Extension), NotShown)
)]
async fn one(
    State(office): State<Office>,
    asker: Asker,
    Path(number): Path<String>,
) -> Result<Json<Extension>, Problem> {
    asker.may("config:read")?;
    let config = office.config()?;
    let ix = found(&config, &asker, &number)?;
    Ok(Json(show(&config, &Live::of(&office).await?, ix)))
}

/// An employee to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct New {
    /// The number: 1 to 32 of letters, digits, `.`, `_`, `-`.
    #[schema(min_length = 1, max_length = 32, example = "214")]
    number: String,
    /// The name.
    #[serde(default)]
    #[schema(max_length = 100, example = "Ada Byron")]
    name: Option<String>,
    /// The hunt groups to be a member of.
    #[serde(default)]
    groups: Vec<String>,
    /// A mobile phone that rings along.
    #[serde(default)]
    #[schema(example = "+79160000014")]
    mobile: Option<String>,
}

/// An employee who was added.
#[derive(Debug, Serialize, ToSchema)]
struct Added {
    /// The employee.
    extension: Extension,
    /// What a phone needs to register.
    provisioning: Provisioning,
}

/// Add an employee: an account for phones, with a password of our own making, and a place in hunt groups; written into the
/// config file in one piece, comments and order kept, and in force when this is answered. The password is shown once.
#[utoipa::path(
    post,
    path = "/extensions",
    tag = "extensions",
    params(("Idempotency-Key" = Option<String>, Header, description = "Another for each order; sent again with the same one, it is not done again, and the password not shown again (409)")),
    request_body = New,
    responses((status = 201, description = "The employee, and what a phone needs", body = Added), NotChanged)
)]
async fn add(
    State(office): State<Office>,
    asker: Asker,
    headers: HeaderMap,
    Body(new): Body<New>,
) -> Result<Response, Problem> {
    asker.may_for_all("config:write")?;
    let config = office.config()?;
    if config.extension_by_number(&new.number).is_some() {
        return Err(Problem::conflict(format!("there is an extension {:?} already", new.number)));
    }
    let mobile = match &new.mobile {
        None => None,
        Some(text) => Some(config.site.numbering.read(text).ok_or_else(|| {
            Problem::senseless(format!("mobile: {text:?} cannot be read as a number; +COUNTRY… always can"))
        })?),
    };
    let (old, version) = text(&office).await?;
    let password = password()?;
    let mobile = mobile.map(|number| number.to_string());
    let wanted = NewExtension {
        number: &new.number,
        name: new.name.as_deref(),
        password: &password,
        mobile: mobile.as_deref(),
        groups: &new.groups,
    };
    let added = edit::add_extension(&old, &wanted).map_err(Problem::senseless)?;
    replace(&office, &asker, version, added).await?;
    office.order(Order::Reload).await?;
    let config = office.config()?;
    let ix = found(&config, &asker, &new.number)?;
    let extension = show(&config, &Live::of(&office).await?, ix);
    let provisioning = provision::of(&office, &config, ix, &headers)?;
    let mut response = (StatusCode::CREATED, Json(Added { extension, provisioning })).into_response();
    response.extensions_mut().insert(NotKept);
    Ok(response)
}

/// A password that nobody guesses and every phone takes: 24 letters and digits that look like nothing else, 120 bits.
fn password() -> Result<String, Problem> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let chance = chance().map_err(|error| Problem::unavailable(format!("the system gives no chance: {error}")))?;
    Ok(chance.iter().take(24).map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}

/// Show what a phone needs to register as this employee, with a fresh link.
#[utoipa::path(
    post,
    path = "/extensions/{number}/order:provision",
    tag = "extensions",
    params(("number" = String, Path, description = "The number", example = "201")),
    responses((status = 200, description = "What a phone needs", body = Provisioning), NotChanged)
)]
async fn provisioned(
    State(office): State<Office>,
    asker: Asker,
    headers: HeaderMap,
    Path(number): Path<String>,
) -> Result<Response, Problem> {
    asker.may_for_all("config:write")?;
    let config = office.config()?;
    let ix = found(&config, &asker, &number)?;
    let mut response = Json(provision::of(&office, &config, ix, &headers)?).into_response();
    response.extensions_mut().insert(NotKept);
    Ok(response)
}

/// An absence.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Away {
    /// When it ends by itself: RFC 3339, or a day of the site's calendar. Otherwise: when it is taken back.
    #[schema(example = "2026-11-30T06:00:00Z")]
    until: Option<String>,
}

/// Say that an employee is away.
#[utoipa::path(
    put,
    path = "/extensions/{number}/away",
    tag = "extensions",
    params(("number" = String, Path, description = "The number", example = "201")),
    request_body = Away,
    responses((status = 200, description = "The employee", body = Extension), NotChanged)
)]
async fn away(
    State(office): State<Office>,
    asker: Asker,
    Path(number): Path<String>,
    Body(wanted): Body<Away>,
) -> Result<Json<Extension>, Problem> {
    asker.may("config:write")?;
    let config = office.config()?;
    let ix = found(&config, &asker, &number)?;
    let until = read_moment("until", wanted.until.as_deref(), &config)?;
    if until.is_some_and(|until| until <= office.clock.now().wall) {
        return Err(Problem::senseless("until: that is over already"));
    }
    let extension: Arc<str> = config.extension(ix).number.clone();
    office.have_done(Question::Away { extension, away: true, until }).await?;
    Ok(Json(show(&config, &Live::of(&office).await?, ix)))
}

/// Say that an employee is back.
#[utoipa::path(
    delete,
    path = "/extensions/{number}/away",
    tag = "extensions",
    params(("number" = String, Path, description = "The number", example = "201")),
    responses((status = 204, description = "Is back"), NotChanged)
)]
async fn back(State(office): State<Office>, asker: Asker, Path(number): Path<String>) -> Result<StatusCode, Problem> {
    asker.may("config:write")?;
    let config = office.config()?;
    let extension = config.extension(found(&config, &asker, &number)?).number.clone();
    office.have_done(Question::Away { extension, away: false, until: None }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where calls are to go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct To {
    /// A colleague, or a number that this employee may call.
    #[schema(min_length = 1, example = "202")]
    to: String,
}

/// Send an employee's calls elsewhere.
#[utoipa::path(
    put,
    path = "/extensions/{number}/forwards/{when}",
    tag = "extensions",
    params(
        ("number" = String, Path, description = "The number", example = "201"),
        ("when" = inline(When), Path, description = "Which calls", example = "busy")
    ),
    request_body = To,
    responses((status = 200, description = "The employee", body = Extension), NotChanged)
)]
async fn forward(
    State(office): State<Office>,
    asker: Asker,
    Path((number, when)): Path<(String, When)>,
    Body(To { to }): Body<To>,
) -> Result<Json<Extension>, Problem> {
    asker.may("config:write")?;
    let config = office.config()?;
    let ix = found(&config, &asker, &number)?;
    let extension = config.extension(ix).number.clone();
    office.have_done(Question::Forward { extension, when: when.into(), to: Some(to) }).await?;
    Ok(Json(show(&config, &Live::of(&office).await?, ix)))
}

/// Send an employee's calls elsewhere no longer.
#[utoipa::path(
    delete,
    path = "/extensions/{number}/forwards/{when}",
    tag = "extensions",
    params(
        ("number" = String, Path, description = "The number", example = "201"),
        ("when" = inline(When), Path, description = "Which calls", example = "busy")
    ),
    responses((status = 204, description = "They ring here again"), NotChanged)
)]
async fn unforward(
    State(office): State<Office>,
    asker: Asker,
    Path((number, when)): Path<(String, When)>,
) -> Result<StatusCode, Problem> {
    asker.may("config:write")?;
    let config = office.config()?;
    let extension = config.extension(found(&config, &asker, &number)?).number.clone();
    office.have_done(Question::Forward { extension, when: when.into(), to: None }).await?;
    Ok(StatusCode::NO_CONTENT)
}
