//! How the router stands.

use axum::Json;
use axum::extract::State;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::office::Office;
use super::problem::Problem;
use super::token::Asker;
use crate::switch::Question;

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new().routes(routes!(status))
}

/// Calls, phones, trunks, tables: how the router stands.
#[utoipa::path(
    get,
    path = "/status",
    responses(
        (status = 200, description = "How it stands", body = Value),
        (status = 401, description = "Nobody knows who asks", body = Problem),
        (status = 403, description = "This token is not good for that", body = Problem),
        (status = 503, description = "Not now", body = Problem),
    )
)]
async fn status(State(office): State<Office>, asker: Asker) -> Result<Json<Value>, Problem> {
    asker.may("admin")?;
    Ok(Json(office.clerk.ask(Question::Status).await?))
}
