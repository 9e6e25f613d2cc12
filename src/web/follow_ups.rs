//! Who is to be called back: the promises, and what is done about them by hand.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::calls::words;
use super::extract::{Body, Path, Query};
use super::office::Office;
use super::page::{Page, Part};
use super::problem::{NotChanged, NotShown, Problem};
use super::token::Asker;
use super::words::{Somebody, moment, word};
use crate::fact::Hand;
use crate::store::{FollowUpFilter, FollowUpRow, FollowUpsWanted};

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(missed))
        .routes(routes!(counts))
        .routes(routes!(one))
        .routes(routes!(claim))
        .routes(routes!(assign))
        .routes(routes!(comment))
        .routes(routes!(close))
}

/// A promise to call back.
#[derive(Debug, Serialize, ToSchema)]
struct FollowUp {
    /// Its number.
    id: i64,
    /// Who is to be called back.
    who: Somebody,
    /// The CRM's id of the customer.
    customer: Option<String>,
    /// The DID that they called first.
    did: Option<String>,
    /// The first missed call.
    call: String,
    /// Why it was missed.
    cause: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    opened: String,
    /// Until when they are to be called back.
    #[schema(format = DateTime)]
    due: String,
    /// It is open, and that moment is over.
    overdue: bool,
    /// Who is to call; `null`: whoever finds the time.
    assignee: Option<String>,
    /// How it became theirs: `responsible`, `last_talker`, `list`, `unassigned`; `claimed` and `by_hand`; `escalated`.
    assigned: String,
    /// Since when it is theirs.
    #[schema(format = DateTime)]
    given: String,
    /// How often they called and reached nobody.
    attempts: u32,
    /// When they last did.
    #[schema(format = DateTime)]
    last_miss: String,
    /// How often we called and they did not answer.
    tried: u32,
    /// When we last did.
    #[schema(format = DateTime)]
    last_tried: Option<String>,
    /// When the supervisor was told, because its time was over for long.
    #[schema(format = DateTime)]
    escalated: Option<String>,
    /// When it was done.
    #[schema(format = DateTime)]
    closed: Option<String>,
    /// The call in which they were talked with; `null` where it was closed by hand.
    closed_by: Option<String>,
    /// Who closed it by hand.
    closed_hand: Option<String>,
    /// … and why, in their words.
    closed_why: Option<String>,
    /// What happened meanwhile, in order.
    comments: Vec<Comment>,
}

/// What happened to a follow-up after it was opened.
#[derive(Debug, Serialize, ToSchema)]
struct Comment {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// In a call: `missed`, they called again; `tried`, we called, and they did not answer; `brief`, a talk too short to
    /// settle it. By hand: `claimed`, `assigned`, `remarked`, `closed`. By time: `overdue`, `escalated`, `reassigned`.
    what: String,
    /// The call.
    call: Option<String>,
    /// Why it was missed.
    cause: Option<String>,
    /// The employee whose hand it was; `null`: a call, an admin, or time.
    by: Option<String>,
    /// Whose it is since then, or who was told.
    to: Option<String>,
    /// In free words.
    text: Option<String>,
}

impl FollowUp {
    fn of(row: FollowUpRow, now: crate::clock::Timestamp) -> FollowUp {
        FollowUp {
            id: row.id,
            who: row.who.into(),
            customer: row.customer.map(|id| id.to_string()),
            did: row.did,
            call: row.call.to_string(),
            cause: row.cause.map(word),
            opened: moment(row.opened),
            due: moment(row.due),
            overdue: row.closed.is_none() && row.due < now,
            assignee: row.assignee.map(|who| who.to_string()),
            assigned: row.assigned,
            given: moment(row.given),
            attempts: row.attempts,
            last_miss: moment(row.last_miss),
            tried: row.tried,
            last_tried: row.last_tried.map(moment),
            escalated: row.escalated.map(moment),
            closed: row.closed.map(moment),
            closed_by: row.closed_by.map(|call| call.to_string()),
            closed_hand: row.closed_hand.map(|who| who.to_string()),
            closed_why: row.closed_why,
            comments: row
                .comments
                .into_iter()
                .map(|comment| Comment {
                    at: moment(comment.at),
                    what: comment.what,
                    call: comment.call.map(|call| call.to_string()),
                    cause: comment.cause.map(word),
                    by: comment.by.map(|by| by.to_string()),
                    to: comment.to.map(|to| to.to_string()),
                    text: comment.text,
                })
                .collect(),
        }
    }
}

/// How a follow-up stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// They wait.
    Open,
    /// It is done.
    Closed,
}

/// Which promises to list. Everything that is said must hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    /// Stands so. Open ones come with the first due first, all others with the newest first.
    #[param(inline)]
    status: Option<Status>,
    /// Open, and its time is over, or (`false`) not.
    overdue: Option<bool>,
    /// This extension is to call; `nobody`: whoever finds the time.
    #[param(example = "201")]
    assignee: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Where the part begins: `next` of the part before.
    cursor: Option<String>,
}

/// List the promises to call back.
#[utoipa::path(
    get,
    path = "/follow-ups",
    tag = "follow-ups",
    params(Wanted),
    responses((status = 200, description = "A part of the list", body = Page<FollowUp>), NotShown)
)]
async fn list(
    State(office): State<Office>,
    asker: Asker,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<FollowUp>>, Problem> {
    asker.may("follow-ups:read")?;
    Ok(Json(part_of(&office, &asker, wanted).await?))
}

async fn part_of(office: &Office, asker: &Asker, wanted: Wanted) -> Result<Page<FollowUp>, Problem> {
    let part = Part::new(wanted.limit, wanted.cursor);
    let (limit, now) = (part.limit()?, office.clock.now().wall);
    let filter = FollowUpFilter {
        open: wanted.status.map(|status| status == Status::Open),
        overdue: wanted.overdue.map(|overdue| (overdue, now)),
        assignee: wanted.assignee.map(|who| Some(who).filter(|who| who != "nobody")),
        of: asker.user().map(Into::into),
        numbers: None,
        by_due: wanted.status == Some(Status::Open) || wanted.overdue == Some(true),
        after: part.after()?,
        limit: limit + 1,
    };
    let rows = office.clerk.read(move |reader| reader.follow_up_page(&filter)).await?;
    Ok(Page::of(rows, limit, FollowUpRow::place, |row| FollowUp::of(row, now)))
}

/// An employee sees those that are theirs, and those that are nobody's yet.
fn is_seen(row: &FollowUpRow, user: Option<&str>) -> bool {
    user.is_none_or(|user| row.assignee.as_deref().is_none_or(|assignee| assignee == user))
}

/// Which missed customers to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
struct Missed {
    /// Somebody has talked with them since, or (`false`) nobody has, the most urgent first.
    called_back: Option<bool>,
    /// At most so many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Where the part begins: `next` of the part before.
    cursor: Option<String>,
}

/// List the customers who called and reached nobody, each once until they were talked with.
#[utoipa::path(
    get,
    path = "/missed",
    tag = "follow-ups",
    params(Missed),
    responses((status = 200, description = "A part of the list", body = Page<FollowUp>), NotShown)
)]
async fn missed(
    State(office): State<Office>,
    asker: Asker,
    Query(wanted): Query<Missed>,
) -> Result<Json<Page<FollowUp>>, Problem> {
    asker.may("follow-ups:read")?;
    let status = wanted.called_back.map(|back| if back { Status::Closed } else { Status::Open });
    let wanted = Wanted { status, limit: wanted.limit, cursor: wanted.cursor, ..Wanted::default() };
    Ok(Json(part_of(&office, &asker, wanted).await?))
}

/// Show one promise to call back.
#[utoipa::path(
    get,
    path = "/follow-ups/{id}",
    tag = "follow-ups",
    params(("id" = i64, Path, description = "Its number", example = 1, minimum = 1)),
    responses((status = 200, description = "The promise", body = FollowUp), NotShown)
)]
async fn one(State(office): State<Office>, asker: Asker, Path(id): Path<i64>) -> Result<Json<FollowUp>, Problem> {
    asker.may("follow-ups:read")?;
    let now = office.clock.now().wall;
    Ok(Json(FollowUp::of(seen(&office, &asker, id).await?, now)))
}

/// The follow-up of this number, where it may be seen by whoever asks.
pub(super) async fn seen(office: &Office, asker: &Asker, id: i64) -> Result<FollowUpRow, Problem> {
    let found = office.clerk.read(move |reader| reader.follow_up(id)).await?.filter(|row| is_seen(row, asker.user()));
    found.ok_or_else(|| Problem::not_found(format!("there is no follow-up {id}; GET /api/v1/follow-ups lists them")))
}

/// How many wait.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Counts {
    /// Open ones.
    open: usize,
    /// … whose time is over.
    overdue: usize,
    /// … that are nobody's yet.
    unassigned: usize,
    /// … by the extension that is to call.
    by_assignee: std::collections::BTreeMap<String, usize>,
}

/// Count the promises that are open.
#[utoipa::path(
    get,
    path = "/follow-ups/counts",
    tag = "follow-ups",
    responses((status = 200, description = "How many", body = Counts), NotShown)
)]
async fn counts(State(office): State<Office>, asker: Asker) -> Result<Json<Counts>, Problem> {
    asker.may("follow-ups:read")?;
    let now = office.clock.now().wall;
    let rows = office.clerk.read(|reader| reader.follow_ups(FollowUpsWanted::Open, 0)).await?;
    let mut counts = Counts::default();
    for row in rows.iter().filter(|row| is_seen(row, asker.user())) {
        counts.open += 1;
        counts.overdue += usize::from(row.due < now);
        match &row.assignee {
            Some(assignee) => *counts.by_assignee.entry(assignee.to_string()).or_default() += 1,
            None => counts.unassigned += 1,
        }
    }
    Ok(Json(counts))
}

/// Carries out what somebody does about a follow-up.
async fn done(
    office: &Office,
    asker: &Asker,
    id: i64,
    by: Option<String>,
    what: Hand,
) -> Result<Json<FollowUp>, Problem> {
    asker.may("follow-ups:write")?;
    seen(office, asker, id).await?;
    let by = match (asker.by(), by) {
        (Some(user), Some(by)) if *user != *by => {
            return Err(Problem::forbidden(format!("by: this token is {user}'s, and nobody else's")));
        }
        (Some(user), _) => Some(user),
        (None, by) => by.map(Into::into),
    };
    let row = office.clerk.follow_up(&*office.config()?, id, by, what).await?;
    Ok(Json(FollowUp::of(row, office.clock.now().wall)))
}

/// Who claims it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Claim {
    /// The employee who calls them back; an employee's token says so itself.
    #[schema(example = "201")]
    by: Option<String>,
}

/// Whose it is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Assign {
    /// The employee who is to call; `null`: whoever finds the time.
    #[schema(required = true, example = "202")]
    #[serde(deserialize_with = "Option::deserialize")]
    to: Option<String>,
    /// The employee who says so.
    #[serde(default)]
    by: Option<String>,
}

/// Something to know about it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewComment {
    /// In free words: 1 to 4000 characters.
    #[schema(min_length = 1, max_length = 4000, example = "is at lunch until two")]
    text: String,
    /// The employee who says so.
    #[serde(default)]
    by: Option<String>,
}

/// Why it is done without a talk that the router has seen.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Close {
    /// In free words: 1 to 4000 characters.
    #[schema(min_length = 1, max_length = 4000, example = "answered by mail")]
    why: String,
    /// The employee who says so.
    #[serde(default)]
    by: Option<String>,
}

/// Claim a follow-up: whoever claims it calls them back. Of several who claim at once one has it, and the others hear who (409).
#[utoipa::path(
    post,
    path = "/follow-ups/{id}/order:claim",
    tag = "follow-ups",
    params(
        ("id" = i64, Path, description = "Its number", example = 1, minimum = 1),
        ("Idempotency-Key" = Option<String>, Header, description = "Another for each order; sent again with the same one, it is not done again")
    ),
    request_body = Claim,
    responses((status = 200, description = "It is theirs", body = FollowUp), NotChanged)
)]
async fn claim(
    State(office): State<Office>,
    asker: Asker,
    Path(id): Path<i64>,
    Body(said): Body<Claim>,
) -> Result<Json<FollowUp>, Problem> {
    done(&office, &asker, id, said.by, Hand::Claimed).await
}

/// Give a follow-up to somebody, or to whoever finds the time.
#[utoipa::path(
    post,
    path = "/follow-ups/{id}/order:assign",
    tag = "follow-ups",
    params(
        ("id" = i64, Path, description = "Its number", example = 1, minimum = 1),
        ("Idempotency-Key" = Option<String>, Header, description = "Another for each order; sent again with the same one, it is not done again")
    ),
    request_body = Assign,
    responses((status = 200, description = "It is theirs", body = FollowUp), NotChanged)
)]
async fn assign(
    State(office): State<Office>,
    asker: Asker,
    Path(id): Path<i64>,
    Body(said): Body<Assign>,
) -> Result<Json<FollowUp>, Problem> {
    done(&office, &asker, id, said.by, Hand::Assigned { to: said.to.map(Into::into) }).await
}

/// Write something down about a follow-up.
#[utoipa::path(
    post,
    path = "/follow-ups/{id}/order:comment",
    tag = "follow-ups",
    params(
        ("id" = i64, Path, description = "Its number", example = 1, minimum = 1),
        ("Idempotency-Key" = Option<String>, Header, description = "Another for each order; sent again with the same one, it is not done again")
    ),
    request_body = NewComment,
    responses((status = 200, description = "It is written down", body = FollowUp), NotChanged)
)]
async fn comment(
    State(office): State<Office>,
    asker: Asker,
    Path(id): Path<i64>,
    Body(said): Body<NewComment>,
) -> Result<Json<FollowUp>, Problem> {
    let text = words("text", &said.text, 4000)?.into();
    done(&office, &asker, id, said.by, Hand::Remarked { text }).await
}

/// Close a follow-up without a talk that the router has seen.
#[utoipa::path(
    post,
    path = "/follow-ups/{id}/order:close",
    tag = "follow-ups",
    params(
        ("id" = i64, Path, description = "Its number", example = 1, minimum = 1),
        ("Idempotency-Key" = Option<String>, Header, description = "Another for each order; sent again with the same one, it is not done again")
    ),
    request_body = Close,
    responses((status = 200, description = "It is closed", body = FollowUp), NotChanged)
)]
async fn close(
    State(office): State<Office>,
    asker: Asker,
    Path(id): Path<i64>,
    Body(said): Body<Close>,
) -> Result<Json<FollowUp>, Problem> {
    let why = words("why", &said.why, 4000)?.into();
    done(&office, &asker, id, said.by, Hand::Closed { why }).await
}
