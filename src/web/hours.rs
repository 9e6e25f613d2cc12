//! Opening hours, and how they are overridden by hand.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Body, Path, moment as read_moment};
use super::live::{Live, LiveOverride};
use super::office::Office;
use super::problem::{NotChanged, NotShown, Problem};
use super::token::Asker;
use super::words::moment;
use crate::config;
use crate::switch::Question;

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one)).routes(routes!(set, unset))
}

/// Opening hours.
#[derive(Debug, Serialize, ToSchema)]
struct Schedule {
    /// Its name.
    name: String,
    /// It is open now, whoever says so.
    open: bool,
    /// When its own hours change next.
    #[schema(format = DateTime)]
    next_change: Option<String>,
    /// What somebody has set by hand.
    #[serde(rename = "override")]
    by_hand: Option<ByHand>,
}

/// What somebody has set by hand.
#[derive(Debug, Serialize, ToSchema)]
struct ByHand {
    /// Open or closed.
    state: Stands,
    /// When it ends by itself; `null`: when it is taken back.
    #[schema(format = DateTime)]
    until: Option<String>,
}

/// Open or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Stands {
    /// Calls go where they go in opening hours.
    Open,
    /// … and where they go outside them.
    Closed,
}

/// What is to be set by hand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Override {
    /// Open or closed.
    state: Stands,
    /// When it ends by itself: RFC 3339, or a day of the site's calendar. Otherwise: when it is taken back.
    #[serde(default)]
    #[schema(example = "2026-11-23T17:00:00Z")]
    until: Option<String>,
}

async fn show(office: &Office, schedule: &config::Schedule) -> Result<Schedule, Problem> {
    let live = Live::of(office).await?;
    Ok(shown(office, schedule, &live.by_hand.overrides))
}

fn shown(office: &Office, schedule: &config::Schedule, by_hand: &[LiveOverride]) -> Schedule {
    let now = office.clock.now().wall;
    let by_hand = by_hand.iter().find(|one| one.schedule == *schedule.name);
    let is_open = |by_hand: &LiveOverride| by_hand.is == "open";
    Schedule {
        name: schedule.name.to_string(),
        open: by_hand.map_or_else(|| schedule.is_open(now), is_open),
        next_change: schedule.next_change(now).map(moment),
        by_hand: by_hand.map(|by_hand| ByHand {
            state: if is_open(by_hand) { Stands::Open } else { Stands::Closed },
            until: by_hand.until.map(moment),
        }),
    }
}

/// List the opening hours.
#[utoipa::path(
    get,
    path = "/schedules",
    tag = "office",
    responses((status = 200, description = "The schedules", body = Vec<Schedule>), NotShown)
)]
async fn list(State(office): State<Office>, asker: Asker) -> Result<Json<Vec<Schedule>>, Problem> {
    asker.may_for_all("config:read")?;
    let (config, live) = (office.config()?, Live::of(&office).await?);
    let all = config.schedules().map(|(_, schedule)| shown(&office, schedule, &live.by_hand.overrides));
    Ok(Json(all.collect()))
}

/// Show one schedule.
#[utoipa::path(
    get,
    path = "/schedules/{name}",
    tag = "office",
    params(("name" = String, Path, description = "Its name", example = "office")),
    responses((status = 200, description = "The schedule", body = Schedule), NotShown)
)]
async fn one(State(office): State<Office>, asker: Asker, Path(name): Path<String>) -> Result<Json<Schedule>, Problem> {
    asker.may_for_all("config:read")?;
    let config = office.config()?;
    Ok(Json(show(&office, found(&config, &name)?).await?))
}

fn found<'a>(config: &'a config::Config, name: &str) -> Result<&'a config::Schedule, Problem> {
    let missing = || {
        let known: Vec<_> = config.schedules().map(|(_, schedule)| &*schedule.name).collect();
        Problem::not_found(format!("there is no schedule {name:?}; there is {}", known.join(", ")))
    };
    config.schedule_by_name(name).map(|ix| config.schedule(ix)).ok_or_else(missing)
}

/// Set a schedule open or closed by hand.
#[utoipa::path(
    put,
    path = "/schedules/{name}/override",
    tag = "office",
    params(("name" = String, Path, description = "Its name", example = "office")),
    request_body = Override,
    responses((status = 200, description = "The schedule", body = Schedule), NotChanged)
)]
async fn set(
    State(office): State<Office>,
    asker: Asker,
    Path(name): Path<String>,
    Body(wanted): Body<Override>,
) -> Result<Json<Schedule>, Problem> {
    asker.may_for_all("config:write")?;
    let config = office.config()?;
    let schedule = found(&config, &name)?;
    let until = read_moment("until", wanted.until.as_deref(), &config)?;
    if until.is_some_and(|until| until <= office.clock.now().wall) {
        return Err(Problem::senseless("until: that is over already"));
    }
    let open = Some(wanted.state == Stands::Open);
    office.have_done(Question::Override { schedule: schedule.name.clone(), open, until }).await?;
    Ok(Json(show(&office, schedule).await?))
}

/// Take back what was set by hand: its own hours count.
#[utoipa::path(
    delete,
    path = "/schedules/{name}/override",
    tag = "office",
    params(("name" = String, Path, description = "Its name", example = "office")),
    responses((status = 204, description = "Its own hours count"), NotChanged)
)]
async fn unset(State(office): State<Office>, asker: Asker, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    asker.may_for_all("config:write")?;
    let config = office.config()?;
    let schedule = found(&config, &name)?.name.clone();
    office.have_done(Question::Override { schedule, open: None, until: None }).await?;
    Ok(StatusCode::NO_CONTENT)
}
