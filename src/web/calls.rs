//! The calls: the list, one of them in full, and what is ordered of one.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Body, Path, Query, moment as read_moment};
use super::office::Office;
use super::page::{Page, Part};
use super::problem::{NotChanged, NotShown, Problem};
use super::token::Asker;
use super::words::{CalledCustomer, Somebody, moment, word};
use crate::key::CallId;
use crate::store::{CallDetail, CallFilter, CallNoteRow, CallRow, CallState, LegRow, StreamRow, Talker, Turn};
use crate::switch::Question;

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(ladder))
        .routes(routes!(hang_up))
        .routes(routes!(transfer))
        .routes(routes!(note))
        .routes(routes!(disposition))
}

/// A call of the list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Call {
    /// Its id, one from start to end.
    #[schema(example = "0d5t3gh7k2m9p")]
    id: String,
    /// When it was offered.
    #[schema(format = DateTime)]
    began: String,
    /// `inbound`, `outbound`, `internal`.
    direction: String,
    /// Where it stands.
    state: State_,
    /// Who called.
    from: Somebody,
    /// What was dialled.
    to: Somebody,
    /// The DID it came in on.
    did: Option<String>,
    /// That DID's `source`.
    source: Option<String>,
    /// The trunk it came in on.
    trunk: Option<String>,
    /// The customer, as known when it began.
    customer: Option<CalledCustomer>,
    /// An emergency number was dialled.
    emergency: bool,
    /// When the first human answered.
    #[schema(format = DateTime)]
    answered: Option<String>,
    /// The extension, or the number outside, that answered first.
    answered_by: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    ended: Option<String>,
    /// Who ended it.
    ended_by: Option<String>,
    /// The final SIP status that the caller heard; 0 where none was sent.
    status: Option<u16>,
    /// Why nobody talked, where that is a miss.
    missed: Option<String>,
    /// How long two people were connected, in milliseconds.
    talk_ms: u64,
    /// How many recordings of talks there are of it.
    talks_recorded: u32,
    /// How many messages were left in it.
    messages_left: u32,
    /// What came of it, in the company's own words.
    disposition: Option<String>,
    /// It waits for somebody to say what came of it.
    needs_disposition: bool,
    /// The Call-ID on the caller's side.
    sip_call_id: String,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CallState)]
enum State_ {
    /// It has not ended.
    Open,
    /// A human answered.
    Answered,
    /// A customer reached nobody.
    Missed,
    /// No answer, and no miss: outbound, internal, blocked.
    Unanswered,
}

impl From<State_> for CallState {
    fn from(state: State_) -> CallState {
        match state {
            State_::Open => CallState::Open,
            State_::Answered => CallState::Answered,
            State_::Missed => CallState::Missed,
            State_::Unanswered => CallState::Unanswered,
        }
    }
}

impl From<CallState> for State_ {
    fn from(state: CallState) -> State_ {
        match state {
            CallState::Open => State_::Open,
            CallState::Answered => State_::Answered,
            CallState::Missed => State_::Missed,
            CallState::Unanswered => State_::Unanswered,
        }
    }
}

impl From<CallRow> for Call {
    fn from(row: CallRow) -> Call {
        Call {
            id: row.id.to_string(),
            began: moment(row.began),
            direction: word(row.direction),
            state: row.state.into(),
            from: row.from.into(),
            to: row.to.into(),
            did: row.did,
            source: row.source,
            trunk: row.trunk,
            customer: row.customer.map(Into::into),
            emergency: row.emergency,
            answered: row.answered.map(moment),
            answered_by: row.answered_by,
            ended: row.ended.map(moment),
            ended_by: row.ended_by.map(word),
            status: row.status,
            missed: row.missed.map(word),
            talk_ms: row.talk_ms,
            talks_recorded: row.talks_recorded,
            messages_left: row.messages_left,
            disposition: row.disposition.as_deref().map(Into::into),
            needs_disposition: row.needs_disposition,
            sip_call_id: row.sip_call_id,
        }
    }
}

/// A call in full.
#[derive(Debug, Serialize, ToSchema)]
struct CallInFull {
    /// Its line of the list.
    call: Call,
    /// Every rule in the order of decision with its outcome.
    considered: Vec<Rule>,
    /// Why it was decided as it was, in words.
    because: Vec<String>,
    /// The plan, a line for each step.
    plan: String,
    /// The legs that were rung, in that order.
    legs: Vec<Leg>,
    /// Who talked, from when to when.
    talkers: Vec<Talked>,
    /// What happened on the way, and why.
    turns: Vec<TurnTaken>,
    /// How well each of those who were connected was heard.
    streams: Vec<Heard>,
    /// The call that it went on as part of, after an attended transfer.
    merged_into: Option<String>,
    /// What was written down by hand.
    notes: Vec<Note>,
}

/// A rule of the decision.
#[derive(Debug, Serialize, ToSchema)]
struct Rule {
    /// Which.
    rule: String,
    /// What it found.
    found: String,
}

/// A leg that was rung.
#[derive(Debug, Serialize, ToSchema)]
struct Leg {
    /// Its number within the call.
    leg: u16,
    /// The extension, or the number outside.
    whom: String,
    /// The trunk, for a number outside.
    trunk: Option<String>,
    /// The device's address.
    device: String,
    /// When its INVITE left.
    #[schema(format = DateTime)]
    invited: String,
    /// When it said that it rings.
    #[schema(format = DateTime)]
    ringing: Option<String>,
    /// When it answered.
    #[schema(format = DateTime)]
    answered: Option<String>,
    /// When it was over without an answer.
    #[schema(format = DateTime)]
    dropped: Option<String>,
    /// The final SIP status it gave, where it was not answered.
    status: Option<u16>,
}

/// Somebody who talked.
#[derive(Debug, Serialize, ToSchema)]
struct Talked {
    /// The extension, or the number outside.
    who: String,
    /// From the answer on.
    #[schema(format = DateTime)]
    from: String,
    /// Until somebody else took over or the call ended.
    #[schema(format = DateTime)]
    until: Option<String>,
}

/// A turn the call took.
#[derive(Debug, Serialize, ToSchema)]
struct TurnTaken {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Why, in words.
    because: Vec<String>,
}

/// How well one leg was heard.
#[derive(Debug, Serialize, ToSchema)]
struct Heard {
    /// Its number within the call; the caller's is 0.
    leg: u16,
    /// Whose voice.
    who: String,
    /// RTP packets that came in.
    packets: u64,
    /// … and that were lost on the way.
    lost: u64,
    /// Interarrival jitter, in microseconds (RFC 3550).
    jitter_us: u64,
    /// Nothing came from this one, while the other side was heard: for so long, in milliseconds.
    unheard_ms: Option<u64>,
}

/// Something an employee wrote down about a call.
#[derive(Debug, Serialize, ToSchema)]
struct Note {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Who; `null`: an admin, or a program.
    by: Option<String>,
    /// In free words.
    text: Option<String>,
    /// What came of the call, in the company's own words.
    disposition: Option<String>,
}

impl CallInFull {
    fn of(detail: CallDetail, notes: Vec<CallNoteRow>) -> CallInFull {
        let leg = |leg: LegRow| Leg {
            leg: leg.leg,
            whom: leg.whom,
            trunk: leg.trunk,
            device: leg.device,
            invited: moment(leg.invited),
            ringing: leg.ringing.map(moment),
            answered: leg.answered.map(moment),
            dropped: leg.dropped.map(moment),
            status: leg.status,
        };
        let talked = |Talker { who, from, until }: Talker| Talked { who, from: moment(from), until: until.map(moment) };
        let turn = |Turn { at, because }: Turn| TurnTaken {
            at: moment(at),
            because: because.iter().map(ToString::to_string).collect(),
        };
        let heard = |StreamRow { leg, who, streamed, unheard_ms }: StreamRow| Heard {
            leg,
            who,
            packets: streamed.packets,
            lost: streamed.lost,
            jitter_us: streamed.jitter_us,
            unheard_ms,
        };
        let rule = |considered: &crate::route::Considered| Rule {
            rule: considered.rule.to_string(),
            found: considered.found.to_string(),
        };
        CallInFull {
            considered: detail.considered.iter().map(rule).collect(),
            because: detail.because.iter().map(ToString::to_string).collect(),
            plan: detail.plan,
            legs: detail.legs.into_iter().map(leg).collect(),
            talkers: detail.talkers.into_iter().map(talked).collect(),
            turns: detail.turns.into_iter().map(turn).collect(),
            streams: detail.streams.into_iter().map(heard).collect(),
            merged_into: detail.merged_into.map(|call| call.to_string()),
            notes: notes
                .into_iter()
                .map(|note| Note {
                    at: moment(note.at),
                    by: note.by.map(|by| by.to_string()),
                    text: note.text.map(|text| text.to_string()),
                    disposition: note.disposition.map(|said| said.to_string()),
                })
                .collect(),
            call: detail.row.into(),
        }
    }
}

/// Which calls to list. Everything that is said must hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    /// Began at this moment or later: RFC 3339, or a day of the site's calendar.
    #[param(example = "2026-11-23T09:00:00Z")]
    from: Option<String>,
    /// Began before this moment.
    #[param(example = "2026-11-24")]
    to: Option<String>,
    /// This extension called, was dialled, rang or answered.
    #[param(example = "201")]
    user: Option<String>,
    /// The call went to this hunt group.
    #[param(example = "sales")]
    group: Option<String>,
    /// Came in on this DID, as anybody writes it.
    #[param(example = "+74951234567")]
    did: Option<String>,
    /// Stands so.
    #[param(inline)]
    state: Option<State_>,
    /// Missed, or (`false`) not missed.
    missed: Option<bool>,
    /// Waits for somebody to say what came of it, or (`false`) does not.
    needs_disposition: Option<bool>,
    /// From or to this number, as anybody writes it.
    #[param(example = "8 916 123-45-67")]
    number: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Where the part begins: `next` of the part before.
    cursor: Option<String>,
}

/// List the calls, the newest first.
#[utoipa::path(
    get,
    path = "/calls",
    tag = "calls",
    params(Wanted),
    responses((status = 200, description = "A part of the list", body = Page<Call>), NotShown)
)]
async fn list(
    State(office): State<Office>,
    asker: Asker,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<Call>>, Problem> {
    asker.may("calls:read")?;
    let config = office.config()?;
    let part = Part::new(wanted.limit, wanted.cursor);
    let limit = part.limit()?;
    let numbering = &config.site.numbering;
    let number = wanted.number.as_deref().and_then(|text| numbering.read(text));
    let did = |text: String| numbering.read(&text).map_or(text, |number| number.to_string());
    let filter = CallFilter {
        from: read_moment("from", wanted.from.as_deref(), &config)?,
        to: read_moment("to", wanted.to.as_deref(), &config)?,
        user: wanted.user,
        group: wanted.group,
        did: wanted.did.map(did),
        state: wanted.state.map(Into::into),
        missed: wanted.missed,
        needs_disposition: wanted.needs_disposition,
        text: wanted.number.filter(|_| number.is_none()),
        number,
        of: asker.user().map(Into::into),
        before: part.after()?,
        limit: limit + 1,
        ..CallFilter::default()
    };
    let rows = office.clerk.read(move |reader| reader.calls(&filter)).await?;
    Ok(Json(Page::of(rows, limit, |row| row.id, Call::from)))
}

/// The call of this id, where it may be seen by whoever asks.
pub(super) async fn seen(office: &Office, asker: &Asker, id: &str) -> Result<CallRow, Problem> {
    let missing = || Problem::not_found(format!("there is no call {id:?}; GET /api/v1/calls lists them"));
    let call: CallId = id.parse().map_err(|_| missing())?;
    let filter = CallFilter { id: Some(call), of: asker.user().map(Into::into), limit: 1, ..CallFilter::default() };
    let found = office.clerk.read(move |reader| reader.calls(&filter)).await?;
    found.into_iter().next().ok_or_else(missing)
}

/// Show one call in full: legs, talkers, reasons, notes.
#[utoipa::path(
    get,
    path = "/calls/{id}",
    tag = "calls",
    params(("id" = String, Path, description = "The call's id", example = "0d5t3gh7k2m9p")),
    responses((status = 200, description = "The call", body = CallInFull), NotShown)
)]
async fn one(State(office): State<Office>, asker: Asker, Path(id): Path<String>) -> Result<Json<CallInFull>, Problem> {
    asker.may("calls:read")?;
    shown(&office, &asker, &id).await
}

async fn shown(office: &Office, asker: &Asker, id: &str) -> Result<Json<CallInFull>, Problem> {
    let detail = in_full(office, asker, id).await?;
    let call = detail.row.id;
    let notes = office.clerk.read(move |reader| reader.call_notes(call)).await?;
    Ok(Json(CallInFull::of(detail, notes)))
}

/// The call of this id with everything that is known of it, where it may be seen by whoever asks.
pub(super) async fn in_full(office: &Office, asker: &Asker, id: &str) -> Result<CallDetail, Problem> {
    let call = seen(office, asker, id).await?.id;
    let detail = office.clerk.read(move |reader| reader.call(call)).await?;
    detail.ok_or_else(|| Problem::not_found(format!("there is no call {id:?}")))
}

/// Show what was said on the wire, a line for each message; empty until the last leg has said goodbye.
#[utoipa::path(
    get,
    path = "/calls/{id}/ladder",
    tag = "calls",
    params(("id" = String, Path, description = "The call's id", example = "0d5t3gh7k2m9p")),
    responses((status = 200, description = "The ladder", body = String, content_type = "text/plain"), NotShown)
)]
async fn ladder(State(office): State<Office>, asker: Asker, Path(id): Path<String>) -> Result<Response, Problem> {
    asker.may("calls:read")?;
    let detail = in_full(&office, &asker, &id).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], detail.ladder).into_response())
}

/// Hang a live call up.
#[utoipa::path(
    post,
    path = "/calls/{id}/order:hangup",
    tag = "calls",
    params(
        ("id" = String, Path, description = "The call's id", example = "0d5t3gh7k2m9p"),
        ("Idempotency-Key" = Option<String>, Header, description = "Another for each order; sent again with the same one, it is not done again")
    ),
    responses((status = 200, description = "It is being hung up", body = Value), NotChanged)
)]
async fn hang_up(State(office): State<Office>, asker: Asker, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    asker.may("calls:control")?;
    let call = live(&office, &asker, &id).await?;
    Ok(Json(office.clerk.ask(Question::HangUp { call }).await?))
}

/// A call that has not ended.
pub(super) async fn live(office: &Office, asker: &Asker, id: &str) -> Result<CallId, Problem> {
    let row = seen(office, asker, id).await?;
    match row.ended {
        None => Ok(row.id),
        Some(at) => Err(Problem::conflict(format!("the call {id} ended at {at}"))),
    }
}

/// To whom a talk is to be handed on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Transfer {
    /// As the employee would dial it.
    #[schema(min_length = 1, max_length = 64, example = "202")]
    to: String,
    /// Who hands it on; an employee's token says so itself. Otherwise: the one employee who is in it.
    #[serde(default)]
    #[schema(example = "201")]
    by: Option<String>,
}

/// Hand a live talk on, as an employee who is in it could from the phone: the other one goes there.
#[utoipa::path(
    post,
    path = "/calls/{id}/order:transfer",
    tag = "calls",
    params(
        ("id" = String, Path, description = "The call's id", example = "0d5t3gh7k2m9p"),
        ("Idempotency-Key" = Option<String>, Header, description = "Another for each order; sent again with the same one, it is not done again")
    ),
    request_body = Transfer,
    responses((status = 200, description = "It is being handed on", body = Value), NotChanged)
)]
async fn transfer(
    State(office): State<Office>,
    asker: Asker,
    Path(id): Path<String>,
    Body(wanted): Body<Transfer>,
) -> Result<Json<Value>, Problem> {
    asker.may("calls:control")?;
    if wanted.to.trim().is_empty() || wanted.to.len() > 64 {
        return Err(Problem::senseless("to: 1 to 64 bytes"));
    }
    let call = live(&office, &asker, &id).await?;
    let by = match (asker.user(), wanted.by) {
        (Some(own), Some(by)) if own != by => {
            return Err(Problem::forbidden(format!("by: this token is {own}'s, and nobody else's")));
        }
        (Some(own), _) => Some(own.into()),
        (None, by) => by.map(Into::into),
    };
    Ok(Json(office.clerk.ask(Question::Transfer { call, by, to: wanted.to }).await?))
}

/// A note in free words.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewNote {
    /// What is to be known about the call: 1 to 4000 characters.
    #[schema(min_length = 1, max_length = 4000, example = "wants the drawings first")]
    text: String,
}

/// Write something down about a call.
#[utoipa::path(
    post,
    path = "/calls/{id}/order:note",
    tag = "calls",
    params(
        ("id" = String, Path, description = "The call's id", example = "0d5t3gh7k2m9p"),
        ("Idempotency-Key" = Option<String>, Header, description = "Another for each order; sent again with the same one, it is not done again")
    ),
    request_body = NewNote,
    responses((status = 200, description = "It is written down: the call in full", body = CallInFull), NotChanged)
)]
async fn note(
    State(office): State<Office>,
    asker: Asker,
    Path(id): Path<String>,
    Body(note): Body<NewNote>,
) -> Result<Json<CallInFull>, Problem> {
    asker.may("calls:control")?;
    let text = words("text", &note.text, 4000)?;
    noted(&office, &asker, &id, Some(text), None).await
}

/// What came of a call.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDisposition {
    /// In the company's own words: 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100, example = "order")]
    disposition: String,
}

/// Say what came of a call.
#[utoipa::path(
    post,
    path = "/calls/{id}/order:disposition",
    tag = "calls",
    params(
        ("id" = String, Path, description = "The call's id", example = "0d5t3gh7k2m9p"),
        ("Idempotency-Key" = Option<String>, Header, description = "Another for each order; sent again with the same one, it is not done again")
    ),
    request_body = NewDisposition,
    responses((status = 200, description = "It is written down: the call in full", body = CallInFull), NotChanged)
)]
async fn disposition(
    State(office): State<Office>,
    asker: Asker,
    Path(id): Path<String>,
    Body(said): Body<NewDisposition>,
) -> Result<Json<CallInFull>, Problem> {
    asker.may("calls:control")?;
    let said = words("disposition", &said.disposition, 100)?;
    noted(&office, &asker, &id, None, Some(said)).await
}

async fn noted(
    office: &Office,
    asker: &Asker,
    id: &str,
    text: Option<&str>,
    disposition: Option<&str>,
) -> Result<Json<CallInFull>, Problem> {
    let call = seen(office, asker, id).await?.id;
    office.clerk.note_call(call, asker.by(), text, disposition).await?;
    shown(office, asker, id).await
}

/// Free words within bounds.
pub(super) fn words<'a>(field: &str, text: &'a str, most: usize) -> Result<&'a str, Problem> {
    let text = text.trim();
    let count = text.chars().count();
    if count == 0 || count > most {
        return Err(Problem::senseless(format!("{field}: 1 to {most} characters, here are {count}")));
    }
    if text.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t') {
        return Err(Problem::senseless(format!("{field}: no control characters but line breaks and tabs")));
    }
    Ok(text)
}
