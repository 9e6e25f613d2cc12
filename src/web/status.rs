//! How the router stands.

use axum::Json;
use axum::extract::State;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::office::Office;
use super::problem::{NotShown, Problem};
use super::token::Asker;
use crate::switch::Question;

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new().routes(routes!(status))
}

/// Calls, phones, trunks, tables: how the router stands.
#[utoipa::path(
    get,
    path = "/status",
    tag = "office",
    responses((status = 200, description = "How it stands", body = Value), NotShown)
)]
async fn status(State(office): State<Office>, asker: Asker) -> Result<Json<Value>, Problem> {
    asker.may_for_all("admin")?;
    Ok(Json(office.clerk.ask(Question::Status).await?))
}
