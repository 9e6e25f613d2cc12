//! What would happen to a call.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Body, moment};
use super::office::Office;
use super::problem::{NotChanged, Problem};
use super::token::Asker;
use crate::clerk::NotDone;
use crate::hypothesis::{AssumedCustomer, Hypothesis};
use crate::switch::Question;

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new().routes(routes!(explain))
}

/// A call that did not happen.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Call {
    /// Who calls: a number as anybody writes it, an extension, or `anonymous`.
    #[schema(example = "8 916 123-45-67")]
    from: String,
    /// What is dialled: a DID, or from an extension anything.
    #[schema(example = "+74951234567")]
    to: String,
    /// When: RFC 3339, or a day of the site's calendar; otherwise now.
    #[serde(default)]
    at: Option<String>,
    /// The trunk it comes in on; otherwise the first of the config.
    #[serde(default)]
    trunk: Option<String>,
    /// What is to be assumed of the office; otherwise it is as it is.
    #[serde(default)]
    assume: Assume,
}

/// What is to be assumed of the office.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Assume {
    /// Who the caller is: `unknown`, `unassigned`, or the extension responsible.
    customer: Option<String>,
    /// Extensions that are on the phone.
    busy: Vec<String>,
    /// Extensions that another call rings.
    ringing: Vec<String>,
    /// Extensions that are away.
    away: Vec<String>,
    /// Extensions of which no device can be reached.
    unreachable: Vec<String>,
    /// Schedules that are set open by hand.
    open: Vec<String>,
    /// Schedules that are set closed by hand.
    closed: Vec<String>,
}

/// Say what would happen to a call, rule by rule, with everybody as they are now. Nobody rings.
#[utoipa::path(
    post,
    path = "/explain",
    tag = "office",
    request_body = Call,
    responses((status = 200, description = "Every rule with its outcome, the plan, and who rings when", body = Value), NotChanged)
)]
async fn explain(State(office): State<Office>, asker: Asker, Body(call): Body<Call>) -> Result<Json<Value>, Problem> {
    asker.may_for_all("config:read")?;
    let config = office.config()?;
    let Assume { customer, busy, ringing, away, unreachable, open, closed } = call.assume;
    let customer = customer.map(|customer| match customer.as_str() {
        "unknown" => AssumedCustomer::Unknown,
        "unassigned" => AssumedCustomer::Unassigned,
        _ => AssumedCustomer::Of(customer),
    });
    let by_hand = |schedules: Vec<String>, open| schedules.into_iter().map(move |schedule| (schedule, open));
    let hypothesis = Hypothesis {
        from: call.from,
        to: call.to,
        at: moment("at", call.at.as_deref(), &config)?,
        trunk: call.trunk,
        customer,
        busy,
        ringing,
        away,
        unreachable,
        overrides: by_hand(open, true).chain(by_hand(closed, false)).collect(),
    };
    match office.clerk.ask(Question::Explain(Box::new(hypothesis))).await {
        Ok(answer) => Ok(Json(answer)),
        Err(NotDone::Refused(why)) => Err(Problem::senseless(why)),
        Err(why) => Err(why.into()),
    }
}
