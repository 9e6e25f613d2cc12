//! Click-to-call: an employee's own phones ring first, then whom they want.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Body, Path};
use super::office::Office;
use super::problem::{NotChanged, Problem};
use super::token::Asker;
use crate::clerk::NotDone;
use crate::switch::Question;

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new().routes(routes!(originate)).routes(routes!(call_back))
}

/// A call that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The employee whose phones ring first; an employee's token says so itself.
    #[serde(default)]
    #[schema(example = "201")]
    user: Option<String>,
    /// Whom to call, as the employee would dial it. No code and no emergency number.
    #[schema(min_length = 1, max_length = 64, example = "8 916 123-45-67")]
    to: String,
    /// Our number towards the called, one that the outbound rule could show as well. Otherwise: as the rule says.
    #[serde(default)]
    #[schema(example = "+74951234567")]
    caller_id: Option<String>,
    /// What the program that asks calls it: it comes back in every event and in the record. At most 200 bytes.
    #[serde(default, rename = "ref")]
    #[schema(max_length = 200, example = "deal-4711")]
    reference: Option<String>,
    /// For how many seconds the employee's phones ring.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 300, default = 30)]
    timeout: Option<u64>,
    /// The employee's desk phones are asked to answer by themselves.
    #[serde(default)]
    auto_answer: bool,
}

/// A call that was begun.
#[derive(Debug, Serialize, ToSchema)]
struct Begun {
    /// Its id.
    #[schema(example = "0d5t3gh7k2m9p")]
    call_id: String,
}

/// How a follow-up is called back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct CallBack {
    /// The employee who calls; an employee's token says so itself, and where nobody is named it is whose follow-up it is.
    #[schema(example = "201")]
    user: Option<String>,
    /// Our number towards the called. Otherwise: as the outbound rule says.
    caller_id: Option<String>,
    /// The employee's desk phones are asked to answer by themselves.
    auto_answer: bool,
}

/// Call somebody for an employee: their own phones ring first, then the number is called, as if they had dialled it. The id is
/// given before anybody has answered.
#[utoipa::path(
    post,
    path = "/originate",
    tag = "calls",
    params(("Idempotency-Key" = Option<String>, Header, description = "Another for each order; sent again with the same one, it is not done again")),
    request_body = Wanted,
    responses((status = 202, description = "The phones ring", body = Begun), NotChanged)
)]
async fn originate(
    State(office): State<Office>,
    asker: Asker,
    Body(wanted): Body<Wanted>,
) -> Result<(StatusCode, Json<Begun>), Problem> {
    asker.may("calls:control")?;
    let missing = || Problem::senseless("user: say whose phones are to ring; the token is nobody's in particular");
    let user = who(&asker, wanted.user)?.ok_or_else(missing)?;
    begin(&office, Wanted { user: Some(user), ..wanted }).await
}

/// Whose phones are to ring: an employee's token is good for that employee's only.
fn who(asker: &Asker, user: Option<String>) -> Result<Option<String>, Problem> {
    match (asker.user(), user) {
        (Some(own), Some(user)) if own != user => {
            Err(Problem::forbidden(format!("user: this token is {own}'s, and nobody else's")))
        }
        (Some(own), _) => Ok(Some(own.to_owned())),
        (None, user) => Ok(user),
    }
}

async fn begin(office: &Office, wanted: Wanted) -> Result<(StatusCode, Json<Begun>), Problem> {
    if wanted.timeout.is_some_and(|seconds| !(1..=300).contains(&seconds)) {
        return Err(Problem::senseless("timeout: 1 to 300 seconds"));
    }
    if wanted.to.trim().is_empty() || wanted.to.len() > 64 {
        return Err(Problem::senseless("to: 1 to 64 bytes"));
    }
    if wanted.reference.as_ref().is_some_and(|reference| reference.len() > 200) {
        return Err(Problem::senseless("ref: at most 200 bytes"));
    }
    let order = Question::Originate {
        user: wanted.user.unwrap_or_default().into(),
        to: wanted.to,
        caller_id: wanted.caller_id,
        reference: wanted.reference.map(Into::into),
        timeout: wanted.timeout,
        auto_answer: wanted.auto_answer,
    };
    match office.clerk.ask(order).await {
        Ok(answer) => {
            let call_id = answer["call"].as_str().unwrap_or_default().to_owned();
            Ok((StatusCode::ACCEPTED, Json(Begun { call_id })))
        }
        Err(NotDone::Refused(why)) => Err(Problem::senseless(why)),
        Err(why) => Err(why.into()),
    }
}

/// Call a missed customer back with one click: the employee's own phones ring first, then the customer's.
#[utoipa::path(
    post,
    path = "/follow-ups/{id}/order:call",
    tag = "follow-ups",
    params(
        ("id" = i64, Path, description = "Its number", example = 1, minimum = 1),
        ("Idempotency-Key" = Option<String>, Header, description = "Another for each order; sent again with the same one, it is not done again")
    ),
    request_body = CallBack,
    responses((status = 202, description = "The phones ring", body = Begun), NotChanged)
)]
async fn call_back(
    State(office): State<Office>,
    asker: Asker,
    Path(id): Path<i64>,
    Body(wanted): Body<CallBack>,
) -> Result<(StatusCode, Json<Begun>), Problem> {
    asker.may("calls:control")?;
    asker.may("follow-ups:read")?;
    let row = super::follow_ups::seen(&office, &asker, id).await?;
    let user = who(&asker, wanted.user)?.or_else(|| row.assignee.as_deref().map(Into::into));
    let user = user.ok_or_else(|| Problem::senseless("user: it is nobody's yet; say whose phones are to ring"))?;
    let Some(number) = row.who.number else {
        return Err(Problem::conflict("they gave no number that could be called back"));
    };
    let wanted = Wanted {
        user: Some(user),
        to: number.to_string(),
        caller_id: wanted.caller_id,
        reference: Some(format!("follow-up-{id}")),
        timeout: None,
        auto_answer: wanted.auto_answer,
    };
    begin(&office, wanted).await
}
