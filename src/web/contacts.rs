//! The customers: looked up, written down, and what was with them.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::calls::Call;
use super::extract::{Body, Path, Query};
use super::office::Office;
use super::page::{Page, Part};
use super::problem::{NotChanged, NotShown, Problem};
use super::token::Asker;
use super::words::moment;
use crate::config::Config;
use crate::customer::Kind;
use crate::fact::{CustomerCard, Fact};
use crate::number::PhoneNumber;
use crate::store::{CallFilter, CustomerState, CustomersWanted, Happened, Reader, StoreError, TimelineEntry};

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one, put, delete)).routes(routes!(timeline))
}

/// Longest id, in bytes, and most numbers of one customer, as the index takes them.
const LONGEST_ID: usize = 255;
const MOST_NUMBERS: usize = 255;

/// A customer.
#[derive(Debug, Serialize, ToSchema)]
struct Contact {
    /// What the CRM calls it; unique within its kind.
    id: String,
    /// What it is.
    kind: ContactKind,
    /// As people read it.
    name: String,
    /// The extension responsible.
    responsible: Option<String>,
    /// The numbers, the one to call back on first.
    numbers: Vec<String>,
    /// Made by the router of a number that nobody knew; the name is still the number.
    provisional: bool,
    /// Somebody is to call them back.
    callback_required: bool,
    /// When it was changed last.
    #[schema(format = DateTime)]
    changed: String,
}

/// What a customer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ContactKind {
    /// A person.
    #[default]
    Contact,
    /// A company.
    Company,
    /// Somebody who is no customer yet.
    Lead,
}

impl From<ContactKind> for Kind {
    fn from(kind: ContactKind) -> Kind {
        match kind {
            ContactKind::Contact => Kind::Contact,
            ContactKind::Company => Kind::Company,
            ContactKind::Lead => Kind::Lead,
        }
    }
}

impl From<Kind> for ContactKind {
    fn from(kind: Kind) -> ContactKind {
        match kind {
            Kind::Contact => ContactKind::Contact,
            Kind::Company => ContactKind::Company,
            Kind::Lead => ContactKind::Lead,
        }
    }
}

impl From<CustomerState> for Contact {
    fn from(state: CustomerState) -> Contact {
        Contact {
            id: state.row.id.to_string(),
            kind: state.row.kind.into(),
            name: state.row.name.to_string(),
            responsible: state.row.responsible.as_deref().map(Into::into),
            numbers: state.row.numbers.iter().map(ToString::to_string).collect(),
            provisional: state.row.provisional,
            callback_required: state.callback_required,
            changed: moment(state.changed),
        }
    }
}

/// An employee sees the customers who are theirs, and those who are nobody's.
fn may_see(asker: &Asker, state: &CustomerState) -> bool {
    asker.user().is_none_or(|user| state.row.responsible.as_deref().is_none_or(|responsible| responsible == user))
}

/// Names a version: what is written on the card.
fn tag(state: &CustomerState) -> String {
    let card = serde_json::to_vec(&state.row).unwrap_or_default();
    let hex: String = Sha256::digest(card)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

fn tagged(state: CustomerState, status: StatusCode) -> Response {
    let tag = HeaderValue::from_str(&tag(&state));
    let mut response = (status, Json(Contact::from(state))).into_response();
    if let Ok(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Which customers to list. Everything that is said must hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    /// With this number, as anybody writes it: in order of priority, the first one is who calls.
    #[param(example = "8 916 123-45-67")]
    phone: Option<String>,
    /// Whose name holds this, or whose id it is.
    text: Option<String>,
    /// Made by the router of a number that nobody knew, or (`false`) not.
    provisional: Option<bool>,
    /// At most so many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Where the part begins: `next` of the part before.
    cursor: Option<String>,
}

/// List the customers, or look a number up.
#[utoipa::path(
    get,
    path = "/contacts",
    tag = "contacts",
    params(Wanted),
    responses((status = 200, description = "A part of the list", body = Page<Contact>), NotShown)
)]
async fn list(
    State(office): State<Office>,
    asker: Asker,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<Contact>>, Problem> {
    asker.may("contacts:read")?;
    let part = Part::new(wanted.limit, wanted.cursor);
    let (limit, after) = (part.limit()?, part.after::<(Kind, String)>()?);
    let place = |state: &CustomerState| (state.row.kind, state.row.id.to_string());
    let seen = |states: Vec<CustomerState>| states.into_iter().filter(|state| may_see(&asker, state));
    if let Some(text) = wanted.phone {
        let number = number(&*office.config()?, "phone", &text)?;
        let read = move |reader: &Reader| {
            let rows = reader.customers_with(number)?;
            let states = rows.into_iter().filter_map(|row| reader.customer(row.kind, &row.id).transpose());
            states.collect::<Result<Vec<_>, _>>()
        };
        let states = seen(office.clerk.read(read).await?);
        let states = states.filter(|state| wanted.provisional.is_none_or(|wanted| wanted == state.row.provisional));
        return Ok(Json(Page { items: states.take(limit).map(Contact::from).collect(), next: None }));
    }
    let mut filter = CustomersWanted { after, text: wanted.text, provisional: wanted.provisional };
    let mut found = Vec::new();
    // What is not theirs takes no place on an employee's page.
    loop {
        let (asked, some) = (filter.clone(), limit + 1);
        let states = office.clerk.read(move |reader| reader.customers(&asked, some)).await?;
        let (last, full) = (states.last().map(place), states.len() == some);
        found.extend(seen(states));
        if found.len() > limit || !full {
            break;
        }
        filter.after = last;
    }
    Ok(Json(Page::of(found, limit, place, Contact::from)))
}

fn number(config: &Config, field: &str, text: &str) -> Result<PhoneNumber, Problem> {
    let read = config.site.numbering.read(text);
    read.ok_or_else(|| {
        Problem::unreadable(format!("{field}: {text:?} cannot be read as a number; +COUNTRY… always can"))
    })
}

/// Which kind of customer.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
struct OfKind {
    /// Ids are unique within a kind.
    #[param(inline, default = "contact")]
    kind: ContactKind,
}

/// Show one customer.
#[utoipa::path(
    get,
    path = "/contacts/{id}",
    tag = "contacts",
    params(("id" = String, Path, description = "What the CRM calls it", example = "crm-1"), OfKind),
    responses((status = 200, description = "The customer", body = Contact, headers(("ETag" = String, description = "Its version"))), NotShown)
)]
async fn one(
    State(office): State<Office>,
    asker: Asker,
    Path(id): Path<String>,
    Query(of): Query<OfKind>,
) -> Result<Response, Problem> {
    asker.may("contacts:read")?;
    Ok(tagged(seen(&office, &asker, of.kind, &id).await?, StatusCode::OK))
}

fn missing(id: &str) -> Problem {
    Problem::not_found(format!("there is no customer {id:?} of this kind; GET /api/v1/contacts lists them"))
}

async fn seen(office: &Office, asker: &Asker, kind: ContactKind, id: &str) -> Result<CustomerState, Problem> {
    found(office, kind, id).await?.filter(|state| may_see(asker, state)).ok_or_else(|| missing(id))
}

async fn found(office: &Office, kind: ContactKind, id: &str) -> Result<Option<CustomerState>, Problem> {
    let name = id.to_owned();
    Ok(office.clerk.read(move |reader| reader.customer(kind.into(), &name)).await?)
}

/// What is to be written down of a customer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Card {
    /// As people read it.
    #[schema(max_length = 200, example = "Ada Byron")]
    name: String,
    /// The extension responsible.
    #[serde(default)]
    #[schema(example = "201")]
    responsible: Option<String>,
    /// The numbers as anybody writes them, the one to call back on first.
    #[serde(default)]
    #[schema(max_items = 255, example = json!(["8 916 123-45-67"]))]
    numbers: Vec<String>,
}

/// Reads a card; everything that cannot be taken is said.
fn card(config: &Config, id: &str, card: &Card) -> Result<CustomerCard, Problem> {
    if id.is_empty() || id.len() > LONGEST_ID || id.chars().any(char::is_control) {
        return Err(Problem::senseless(format!("id: 1 to {LONGEST_ID} bytes, no control characters")));
    }
    if card.name.chars().count() > 200 || card.name.chars().any(char::is_control) {
        return Err(Problem::senseless("name: at most 200 characters on one line"));
    }
    if card.numbers.len() > MOST_NUMBERS {
        return Err(Problem::senseless(format!("numbers: at most {MOST_NUMBERS}")));
    }
    if let Some(responsible) = card.responsible.as_deref().filter(|one| config.extension_by_number(one).is_none()) {
        return Err(Problem::senseless(format!("responsible: there is no extension {responsible:?}")));
    }
    let read = |text: &String| {
        let why = || format!("numbers: {text:?} cannot be read as a number; +COUNTRY… always can");
        config.site.numbering.read(text).ok_or_else(|| Problem::senseless(why()))
    };
    Ok(CustomerCard {
        name: card.name.trim().into(),
        responsible: card.responsible.as_deref().map(Into::into),
        numbers: card.numbers.iter().map(read).collect::<Result<_, _>>()?,
        provisional: false,
    })
}

/// RFC 9110 §13.1: only where it is as whoever asks has seen it.
fn as_seen(headers: &HeaderMap, there: Option<&CustomerState>) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let tag = there.map(tag);
    let is = |list: &str| {
        list.split(',').map(str::trim).any(|one| tag.as_deref().is_some_and(|tag| one == "*" || one == tag))
    };
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (Some(list), _) if !is(list) => {
            Err(Problem::changed("the customer is different by now, or not there; get it, and change that"))
        }
        (_, Some(list)) if is(list) => Err(Problem::changed("the customer is there already")),
        _ => Ok(()),
    }
}

/// Write a customer down: as it is from now on, new or changed. A call that comes a moment later knows it.
#[utoipa::path(
    put,
    path = "/contacts/{id}",
    tag = "contacts",
    params(
        ("id" = String, Path, description = "What the CRM calls it", example = "crm-1"),
        OfKind,
        ("If-Match" = Option<String>, Header, description = "Only where it is of this version (ETag)"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only where it is not there yet")
    ),
    request_body = Card,
    responses(
        (status = 200, description = "It was there, and is so now", body = Contact, headers(("ETag" = String, description = "Its version"))),
        (status = 201, description = "It is new", body = Contact, headers(("ETag" = String, description = "Its version"))),
        NotChanged
    )
)]
async fn put(
    State(office): State<Office>,
    asker: Asker,
    Path(id): Path<String>,
    Query(of): Query<OfKind>,
    headers: HeaderMap,
    Body(wanted): Body<Card>,
) -> Result<Response, Problem> {
    asker.may("contacts:write")?;
    let card = card(&*office.config()?, &id, &wanted)?;
    let before = found(&office, of.kind, &id).await?;
    if before.as_ref().is_some_and(|before| !may_see(&asker, before)) {
        return Err(missing(&id));
    }
    if asker.user().is_some_and(|user| card.responsible.as_deref().is_some_and(|responsible| responsible != user)) {
        return Err(Problem::forbidden("an employee's token makes nobody else responsible"));
    }
    as_seen(&headers, before.as_ref())?;
    let now = Some(Box::new(card));
    office.clerk.write_down(Fact::Customer { kind: of.kind.into(), id: id.as_str().into(), now }).await?;
    let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let after = found(&office, of.kind, &id).await?.ok_or_else(|| missing(&id))?;
    Ok(tagged(after, status))
}

/// Forget a customer. Calls and follow-ups stay.
#[utoipa::path(
    delete,
    path = "/contacts/{id}",
    tag = "contacts",
    params(
        ("id" = String, Path, description = "What the CRM calls it", example = "crm-1"),
        OfKind,
        ("If-Match" = Option<String>, Header, description = "Only where it is of this version (ETag)")
    ),
    responses((status = 204, description = "It is forgotten"), NotChanged)
)]
async fn delete(
    State(office): State<Office>,
    asker: Asker,
    Path(id): Path<String>,
    Query(of): Query<OfKind>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    asker.may("contacts:write")?;
    let before = seen(&office, &asker, of.kind, &id).await?;
    as_seen(&headers, Some(&before))?;
    office.clerk.write_down(Fact::Customer { kind: of.kind.into(), id: id.as_str().into(), now: None }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One thing that was with a customer.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Entry {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// `call`, `voicemail`, `sms`, `follow_up`, `note`.
    what: &'static str,
    /// The call it is, or came of.
    call_id: Option<String>,
    /// Of a call: its line of the list.
    call: Option<Call>,
    /// Of a voicemail: the box; the message is named as `GET /voicemail/{mailbox}` names it.
    mailbox: Option<String>,
    /// … which message.
    message: Option<String>,
    /// … how long it is, in milliseconds.
    length_ms: Option<u64>,
    /// Of a follow-up: its number.
    follow_up: Option<i64>,
    /// … `opened`, `claimed`, `assigned`, `remarked`, `overdue`, `escalated`, `reassigned`, `closed`.
    happened: Option<String>,
    /// Of a follow-up or a note: by whose hand.
    by: Option<String>,
    /// Of a follow-up: whose it is since then.
    to: Option<String>,
    /// Of an SMS, a follow-up, a note: what it says.
    text: Option<String>,
    /// Of a note: what came of the call.
    disposition: Option<String>,
    /// Of an SMS: when the provider had taken it.
    #[schema(format = DateTime)]
    sent: Option<String>,
    /// … or why it was given up.
    failed: Option<String>,
}

impl From<TimelineEntry> for Entry {
    fn from(entry: TimelineEntry) -> Entry {
        let words = |words: Option<std::sync::Arc<str>>| words.map(|words| words.to_string());
        let at = moment(entry.at);
        match entry.what {
            Happened::Call { call } => {
                let call_id = Some(call.id.to_string());
                Entry { at, what: "call", call_id, call: Some((*call).into()), ..Entry::default() }
            }
            Happened::Voicemail { call, file, mailbox, length_ms } => {
                let name = file.rsplit('/').next().unwrap_or_default();
                let message = Some(name.strip_suffix(".wav").unwrap_or(name).to_owned());
                let (call_id, mailbox) = (Some(call.to_string()), Some(mailbox));
                Entry { at, what: "voicemail", call_id, mailbox, message, length_ms, ..Entry::default() }
            }
            Happened::Sms { call, text, sent, failed } => {
                let (call_id, text, sent) = (Some(call.to_string()), Some(text), sent.map(moment));
                Entry { at, what: "sms", call_id, text, sent, failed, ..Entry::default() }
            }
            Happened::FollowUp { follow_up, happened, call, by, to, text } => Entry {
                at,
                what: "follow_up",
                call_id: call.map(|call| call.to_string()),
                follow_up: Some(follow_up),
                happened: Some(happened),
                by: words(by),
                to: words(to),
                text,
                ..Entry::default()
            },
            Happened::Note { call, note } => Entry {
                at,
                what: "note",
                call_id: Some(call.to_string()),
                by: words(note.by),
                text: words(note.text),
                disposition: words(note.disposition),
                ..Entry::default()
            },
        }
    }
}

/// Which customer, and which part of what was.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
struct PartOfKind {
    /// Ids are unique within a kind.
    #[param(inline, default = "contact")]
    kind: ContactKind,
    /// At most so many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Where the part begins: `next` of the part before.
    cursor: Option<String>,
}

/// Show what was with a customer, the newest first: calls and misses, messages, SMS, promises to call back and what became of
/// them, notes. Found by number, so it reaches back to before anybody knew the customer.
#[utoipa::path(
    get,
    path = "/contacts/{id}/timeline",
    tag = "contacts",
    params(("id" = String, Path, description = "What the CRM calls it", example = "crm-1"), PartOfKind),
    responses((status = 200, description = "A part of what was", body = Page<Entry>), NotShown)
)]
async fn timeline(
    State(office): State<Office>,
    asker: Asker,
    Path(id): Path<String>,
    Query(wanted): Query<PartOfKind>,
) -> Result<Json<Page<Entry>>, Problem> {
    asker.may("contacts:read")?;
    let contact = seen(&office, &asker, wanted.kind, &id).await?;
    let part = Part::new(wanted.limit, wanted.cursor);
    let (limit, after) = (part.limit()?, part.after::<String>()?);
    let wrong = |_| {
        Problem::unreadable("cursor: this is no cursor of this list; take `next` of the part before, or leave it out")
    };
    let mut before = after.map(|text| text.parse()).transpose().map_err(wrong)?;
    let (numbers, user) = (contact.row.numbers, asker.user().map(String::from));
    let read = move |reader: &Reader| {
        let mut found = Vec::new();
        // What is not theirs takes no place on an employee's page.
        loop {
            let entries = reader.timeline(&numbers, before, limit + 1)?;
            let (last, full) = (entries.last().map(|entry| entry.mark), entries.len() > limit);
            for entry in entries {
                if user.as_deref().map_or(Ok(true), |user| is_of(reader, &entry, user))? {
                    found.push(entry);
                }
            }
            if found.len() > limit || !full {
                return Ok(found);
            }
            before = last;
        }
    };
    let found = office.clerk.read(read).await?;
    Ok(Json(Page::of(found, limit, |entry| entry.mark.to_string(), Entry::from)))
}

/// True where an employee may see it: the call is theirs, or the follow-up is theirs or nobody's.
fn is_of(reader: &Reader, entry: &TimelineEntry, user: &str) -> Result<bool, StoreError> {
    let call = match &entry.what {
        Happened::FollowUp { follow_up, .. } => {
            let found = reader.follow_up(*follow_up)?;
            return Ok(found.is_some_and(|row| row.assignee.as_deref().is_none_or(|assignee| assignee == user)));
        }
        Happened::Call { call } => call.id,
        Happened::Voicemail { call, .. } | Happened::Sms { call, .. } | Happened::Note { call, .. } => *call,
    };
    let of = Some(user.to_owned());
    Ok(!reader.calls(&CallFilter { id: Some(call), of, limit: 1, ..CallFilter::default() })?.is_empty())
}
