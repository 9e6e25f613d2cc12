//! The office's lines: phones, trunks, hunt groups, public numbers, each with how it stands.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::live::Live;
use super::office::Office;
use super::problem::{NotShown, Problem};
use super::token::Asker;
use crate::config::{Config, Destinations, ExtensionIx};

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new().routes(routes!(devices)).routes(routes!(trunks)).routes(routes!(groups)).routes(routes!(dids))
}

/// A phone that is registered.
#[derive(Debug, Serialize, ToSchema)]
struct Device {
    /// Whose.
    extension: String,
    /// Its address.
    contact: String,
    /// It answers.
    reachable: bool,
    /// What it says it is.
    user_agent: Option<String>,
    /// Its registration holds for so many seconds.
    expires_s: u64,
}

/// List the phones that are registered; an employee's token shows that employee's.
#[utoipa::path(
    get,
    path = "/devices",
    tag = "office",
    responses((status = 200, description = "The phones", body = Vec<Device>), NotShown)
)]
async fn devices(State(office): State<Office>, asker: Asker) -> Result<Json<Vec<Device>>, Problem> {
    asker.may("config:read")?;
    let live = Live::of(&office).await?;
    let own = live.bindings.into_iter().filter(|one| asker.user().is_none_or(|user| one.extension == user));
    let device = |one: super::live::LiveBinding| Device {
        extension: one.extension,
        contact: one.contact,
        reachable: one.reachable,
        user_agent: one.user_agent,
        expires_s: one.expires_s,
    };
    Ok(Json(own.map(device).collect()))
}

/// A provider's connection.
#[derive(Debug, Serialize, ToSchema)]
struct Trunk {
    /// Its name.
    name: String,
    /// Where our calls go.
    server: String,
    /// `up`, `down`, or `new` where nothing was heard yet.
    standing: String,
    /// A registration of ours holds.
    registered: bool,
    /// Calls in progress, both directions.
    calls: u32,
    /// It carries so many at most.
    max_calls: Option<u32>,
}

/// List the providers' connections.
#[utoipa::path(
    get,
    path = "/trunks",
    tag = "office",
    responses((status = 200, description = "The connections", body = Vec<Trunk>), NotShown)
)]
async fn trunks(State(office): State<Office>, asker: Asker) -> Result<Json<Vec<Trunk>>, Problem> {
    asker.may_for_all("config:read")?;
    let (config, live) = (office.config()?, Live::of(&office).await?);
    let trunk = |(_, trunk): (_, &crate::config::Trunk)| {
        let stands = live.trunks.iter().find(|one| one.name == trunk.name);
        Trunk {
            name: trunk.name.to_string(),
            server: trunk.server.to_string(),
            standing: stands.map_or("new", |stands| &stands.standing).to_owned(),
            registered: stands.is_some_and(|stands| stands.registered),
            calls: stands.map_or(0, |stands| stands.calls),
            max_calls: trunk.max_calls,
        }
    };
    Ok(Json(config.trunks().map(trunk).collect()))
}

/// A hunt group.
#[derive(Debug, Serialize, ToSchema)]
struct Group {
    /// Its name.
    name: String,
    /// `ring-all`, `sequential`, `escalating`.
    strategy: String,
    /// In which order its members ring.
    order: String,
    /// Its members' extensions.
    members: Vec<String>,
    /// For how many seconds it rings at most.
    patience_s: u64,
    /// What comes after it, in order.
    then: Vec<String>,
}

/// List the hunt groups; an employee's token shows those that the employee is in.
#[utoipa::path(
    get,
    path = "/groups",
    tag = "office",
    responses((status = 200, description = "The groups", body = Vec<Group>), NotShown)
)]
async fn groups(State(office): State<Office>, asker: Asker) -> Result<Json<Vec<Group>>, Problem> {
    asker.may("config:read")?;
    let config = office.config()?;
    let group = |(_, group): (_, &crate::config::HuntGroup)| Group {
        name: group.name.to_string(),
        strategy: match group.strategy {
            crate::config::Strategy::RingAll => "ring-all",
            crate::config::Strategy::Sequential => "sequential",
            crate::config::Strategy::Escalating => "escalating",
        }
        .to_owned(),
        order: group.order.word().to_owned(),
        members: numbers(&config, &group.members),
        patience_s: group.patience.as_secs(),
        then: names(&config, &group.then),
    };
    let all = config.groups().map(group);
    Ok(Json(all.filter(|group| asker.user().is_none_or(|user| group.members.iter().any(|one| one == user))).collect()))
}

pub(super) fn numbers(config: &Config, extensions: &[ExtensionIx]) -> Vec<String> {
    extensions.iter().map(|ix| config.extension(*ix).number.to_string()).collect()
}

fn names(config: &Config, destinations: &Destinations) -> Vec<String> {
    destinations.iter().map(|destination| config.name_of(destination)).collect()
}

/// A public number of the company.
#[derive(Debug, Serialize, ToSchema)]
struct Did {
    /// As it is written.
    number: String,
    /// What it is advertised by, as reports name it.
    source: Option<String>,
    /// The schedule whose hours it keeps; `null`: always open.
    schedule: Option<String>,
    /// It is open now; `null`: always.
    open: Option<bool>,
    /// The employee whose personal number it is.
    personal: Option<String>,
    /// Where it goes while open, in order.
    to: Vec<String>,
    /// Where it goes while closed, in order.
    closed: Vec<String>,
    /// It carries so many calls at most.
    max_calls: Option<u32>,
}

/// List the public numbers.
#[utoipa::path(
    get,
    path = "/dids",
    tag = "office",
    responses((status = 200, description = "The numbers", body = Vec<Did>), NotShown)
)]
async fn dids(State(office): State<Office>, asker: Asker) -> Result<Json<Vec<Did>>, Problem> {
    asker.may_for_all("config:read")?;
    let (config, live) = (office.config()?, Live::of(&office).await?);
    let now = office.clock.now().wall;
    let ways = |answer: &Option<crate::config::Answer>| {
        answer.as_ref().map(|answer| names(&config, &answer.to)).unwrap_or_default()
    };
    let did = |(_, did): (_, &crate::config::Did)| {
        let schedule = did.schedule.map(|ix| config.schedule(ix));
        Did {
            number: did.number.to_string(),
            source: did.source.as_deref().map(Into::into),
            schedule: schedule.map(|schedule| schedule.name.to_string()),
            open: schedule.map(|schedule| {
                let by_hand = live.by_hand.overrides.iter().find(|one| one.schedule == *schedule.name);
                by_hand.map_or_else(|| schedule.is_open(now), |by_hand| by_hand.is == "open")
            }),
            personal: did.personal.map(|ix| config.extension(ix).number.to_string()),
            to: ways(&did.open),
            closed: ways(&did.closed),
            max_calls: did.max_calls,
        }
    };
    Ok(Json(config.dids().map(did).collect()))
}
