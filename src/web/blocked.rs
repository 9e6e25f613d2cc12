//! The block list.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Body, Path};
use super::office::Office;
use super::problem::{NotChanged, NotShown, Problem};
use super::token::Asker;
use super::words::moment;
use crate::number::PhoneNumber;
use crate::switch::Question;

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(block, unblock))
}

/// A caller who is refused.
#[derive(Debug, Serialize, ToSchema)]
struct Blocked {
    /// Whose number.
    number: String,
    /// Why, in somebody's words.
    note: String,
    /// Since when.
    #[schema(format = DateTime)]
    since: String,
}

/// Why a caller is to be refused.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Block {
    /// In somebody's words, at most 200 characters.
    #[schema(max_length = 200, example = "sells windows")]
    note: String,
}

/// List the callers who are refused.
#[utoipa::path(
    get,
    path = "/blocked",
    tag = "office",
    responses((status = 200, description = "The block list", body = Vec<Blocked>), NotShown)
)]
async fn list(State(office): State<Office>, asker: Asker) -> Result<Json<Vec<Blocked>>, Problem> {
    asker.may_for_all("config:read")?;
    let rows = office.clerk.read(|reader| reader.blocked()).await?;
    let show = |(number, note, since): (PhoneNumber, String, _)| Blocked {
        number: number.to_string(),
        note,
        since: moment(since),
    };
    Ok(Json(rows.into_iter().map(show).collect()))
}

fn number(office: &Office, text: &str) -> Result<PhoneNumber, Problem> {
    let read = office.config()?.site.numbering.read(text);
    read.ok_or_else(|| Problem::not_found(format!("{text:?} cannot be read as a number; +COUNTRY… always can")))
}

/// Put a caller on the block list.
#[utoipa::path(
    put,
    path = "/blocked/{number}",
    tag = "office",
    params(("number" = String, Path, description = "Whose number, as anybody writes it", example = "+79160000009")),
    request_body = Block,
    responses((status = 204, description = "They are refused from now on"), NotChanged)
)]
async fn block(
    State(office): State<Office>,
    asker: Asker,
    Path(text): Path<String>,
    Body(Block { note }): Body<Block>,
) -> Result<StatusCode, Problem> {
    asker.may_for_all("config:write")?;
    if note.chars().count() > 200 || note.chars().any(char::is_control) {
        return Err(Problem::senseless("note: at most 200 characters on one line"));
    }
    let number = number(&office, &text)?.to_string();
    office.have_done(Question::Block { number, blocked: true, note }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a caller off the block list.
#[utoipa::path(
    delete,
    path = "/blocked/{number}",
    tag = "office",
    params(("number" = String, Path, description = "Whose number, as anybody writes it", example = "+79160000009")),
    responses((status = 204, description = "They are taken again"), NotChanged)
)]
async fn unblock(State(office): State<Office>, asker: Asker, Path(text): Path<String>) -> Result<StatusCode, Problem> {
    asker.may_for_all("config:write")?;
    let number = number(&office, &text)?.to_string();
    office.have_done(Question::Block { number, blocked: false, note: String::new() }).await?;
    Ok(StatusCode::NO_CONTENT)
}
