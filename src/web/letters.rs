//! The outbox: what is to be told outside and has not arrived, and what was given up.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Path, Query};
use super::office::Office;
use super::page::{Page, Part};
use super::problem::{NotChanged, NotShown, Problem};
use super::token::Asker;
use super::words::moment;
use crate::control::Order;
use crate::letter::Carrier;
use crate::store::{Outbox, OutboxFilter, OutboxRow};

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(retry)).routes(routes!(retry_dead))
}

/// A letter: a mail, an SMS, a message to a chat, an event for a webhook or a CRM.
#[derive(Debug, Serialize, ToSchema)]
struct Letter {
    /// Its number.
    id: i64,
    /// How it travels.
    carrier: By,
    /// Whereto: an address, a number, a chat, the name of a webhook or CRM.
    to: String,
    /// What it tells of.
    about: String,
    /// The call it belongs to.
    call: Option<String>,
    /// When it was written.
    #[schema(format = DateTime)]
    made: String,
    /// How many times it was tried.
    tries: u32,
    /// `sent`, `dead` (given up), `under_way`, `closed` (its receiver wants no more), `behind` (waits its turn), `due`.
    state: String,
    /// When it is tried (again).
    #[schema(format = DateTime)]
    due: Option<String>,
    /// When it was acknowledged.
    #[schema(format = DateTime)]
    sent: Option<String>,
    /// What the last try met.
    error: Option<String>,
}

/// How a letter travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Carrier)]
enum By {
    Mail,
    Sms,
    Telegram,
    Webhook,
    Crm,
}

impl From<By> for Carrier {
    fn from(by: By) -> Carrier {
        match by {
            By::Mail => Carrier::Mail,
            By::Sms => Carrier::Sms,
            By::Telegram => Carrier::Telegram,
            By::Webhook => Carrier::Webhook,
            By::Crm => Carrier::Crm,
        }
    }
}

impl From<Carrier> for By {
    fn from(carrier: Carrier) -> By {
        match carrier {
            Carrier::Mail => By::Mail,
            Carrier::Sms => By::Sms,
            Carrier::Telegram => By::Telegram,
            Carrier::Webhook => By::Webhook,
            Carrier::Crm => By::Crm,
        }
    }
}

impl From<OutboxRow> for Letter {
    fn from(row: OutboxRow) -> Letter {
        let state = match (row.sent, row.due) {
            (Some(_), _) => "sent",
            (None, None) => "dead",
            (None, Some(_)) if row.taken => "under_way",
            (None, Some(_)) if row.closed.is_some() => "closed",
            (None, Some(_)) if row.behind => "behind",
            (None, Some(_)) => "due",
        };
        Letter {
            id: row.id,
            carrier: row.carrier.into(),
            to: row.to,
            about: row.about,
            call: row.call.map(|call| call.to_string()),
            made: moment(row.made),
            tries: row.tries,
            state: state.to_owned(),
            due: row.due.map(moment),
            sent: row.sent.map(moment),
            error: row.error,
        }
    }
}

/// Which letters to list. Everything that is said must hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    /// Only those that were given up.
    dead: bool,
    /// Those that have arrived, too: they are kept for 30 days.
    sent: bool,
    /// Only what travels so.
    #[param(inline)]
    carrier: Option<By>,
    /// Only what goes there.
    to: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Where the part begins: `next` of the part before.
    cursor: Option<String>,
}

/// List the letters that have not arrived, the newest first.
#[utoipa::path(
    get,
    path = "/outbox",
    tag = "outbox",
    params(Wanted),
    responses((status = 200, description = "A part of the list", body = Page<Letter>), NotShown)
)]
async fn list(
    State(office): State<Office>,
    asker: Asker,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<Letter>>, Problem> {
    asker.may_for_all("admin")?;
    let part = Part::new(wanted.limit, wanted.cursor);
    let (limit, after) = (part.limit()?, part.after::<i64>()?);
    let carrier = wanted.carrier.map(Into::into);
    let filter = OutboxFilter { sent: wanted.sent, dead: wanted.dead, id: None, carrier, to: wanted.to };
    let rows = office.clerk.read(move |reader| reader.outbox(&filter)).await?;
    let rows = rows.into_iter().filter(|row| after.is_none_or(|after| row.id < after)).take(limit + 1).collect();
    Ok(Json(Page::of(rows, limit, |row| row.id, Letter::from)))
}

/// How many letters are tried again.
#[derive(Debug, Serialize, ToSchema)]
struct Retried {
    /// So many are due now, with all their tries before them.
    due: usize,
}

async fn due(office: &Office, filter: OutboxFilter) -> Result<usize, Problem> {
    let (directory, now) = (office.clerk.directory().to_owned(), office.clock.now().wall);
    let retried = tokio::task::spawn_blocking(move || Outbox::open(&directory)?.retry(&filter, now)).await;
    let count = retried.map_err(|_| Problem::broken())??;
    office.order(Order::Outbox).await?;
    Ok(count)
}

/// Try a letter again now, with all its tries before it.
#[utoipa::path(
    post,
    path = "/outbox/{id}/order:retry",
    tag = "outbox",
    params(
        ("id" = i64, Path, description = "Its number", example = 1, minimum = 1),
        ("Idempotency-Key" = Option<String>, Header, description = "Another for each order; sent again with the same one, it is not done again")
    ),
    responses((status = 200, description = "It is due", body = Retried), NotChanged)
)]
async fn retry(State(office): State<Office>, asker: Asker, Path(id): Path<i64>) -> Result<Json<Retried>, Problem> {
    asker.may_for_all("admin")?;
    match due(&office, OutboxFilter { id: Some(id), ..OutboxFilter::default() }).await? {
        0 => Err(Problem::not_found(format!("no letter {id} waits; GET /api/v1/outbox lists them"))),
        due => Ok(Json(Retried { due })),
    }
}

/// Try every letter again that was given up.
#[utoipa::path(
    post,
    path = "/outbox/order:retry",
    tag = "outbox",
    params(("Idempotency-Key" = Option<String>, Header, description = "Another for each order; sent again with the same one, it is not done again")),
    responses((status = 200, description = "They are due", body = Retried), NotChanged)
)]
async fn retry_dead(State(office): State<Office>, asker: Asker) -> Result<Json<Retried>, Problem> {
    asker.may_for_all("admin")?;
    let due = due(&office, OutboxFilter { dead: true, ..OutboxFilter::default() }).await?;
    Ok(Json(Retried { due }))
}
