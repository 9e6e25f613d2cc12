//! The config: shown without its secrets, checked, exchanged for another.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Query, Text};
use super::office::Office;
use super::problem::{Finding, NotChanged, NotShown, Problem};
use super::token::Asker;
use crate::config::{Config, Problems, Severity, edit, redact};
use crate::config_file::{self, Change, Machine, NotReplaced, Versions};
use crate::control::Order;

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new().routes(routes!(show, put)).routes(routes!(check))
}

/// How the config is to be shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct How {
    /// With its comments, as it is sent back; takes `config:write`, because anything may stand in a comment.
    pub(super) comments: bool,
}

/// Show the config file without its secrets. Its `ETag` is its version.
#[utoipa::path(
    get,
    path = "/config",
    tag = "config",
    params(How),
    responses(
        (status = 200, description = "The text", body = String, content_type = "application/toml",
            headers(("ETag" = String, description = "Its version, for If-Match"))),
        NotShown
    )
)]
async fn show(State(office): State<Office>, asker: Asker, Query(how): Query<How>) -> Result<Response, Problem> {
    asker.may_for_all(if how.comments { "config:write" } else { "config:read" })?;
    let (text, version) = text(&office).await?;
    shown(&text, &version, &how)
}

/// A config without its secrets, and its version.
pub(super) fn shown(text: &str, version: &str, how: &How) -> Result<Response, Problem> {
    let shown = if how.comments { edit::masked(text) } else { redact(text) };
    let shown = shown
        .ok_or_else(|| Problem::conflict("the config file is no TOML at the moment; `huntline check` says where"))?;
    let mut response = ([(header::CONTENT_TYPE, "application/toml")], shown).into_response();
    response.headers_mut().insert(header::ETAG, tag(version)?);
    Ok(response)
}

pub(super) fn tag(version: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(&format!("\"{version}\"")).map_err(|_| Problem::broken())
}

pub(super) async fn text(office: &Office) -> Result<(String, Arc<str>), Problem> {
    let file = office.file.clone();
    let read = tokio::task::spawn_blocking(move || config_file::text(&file)).await;
    read.map_err(|_| Problem::broken())?.map_err(Problem::unavailable)
}

/// What was found in a config.
#[derive(Debug, Serialize, ToSchema)]
struct Checked {
    /// It can be followed.
    ok: bool,
    /// The version it has, or would have.
    version: String,
    /// Everything that was found, in the order of the file.
    problems: Vec<Finding>,
}

/// What became of a config that was sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Applied {
    /// The version that is in force now.
    pub(super) version: String,
    /// What its admin should know nevertheless.
    problems: Vec<Finding>,
    /// What of it takes effect after a restart only.
    after_restart: Vec<String>,
}

pub(super) fn findings(problems: &Problems) -> Vec<Finding> {
    let finding = |problem: &crate::config::Problem| Finding {
        severity: if problem.severity == Severity::Error { "error" } else { "warning" },
        line: problem.line,
        column: problem.column,
        field: problem.field.clone(),
        value: problem.value.clone(),
        reason: problem.reason.clone(),
        fix: problem.fix.clone(),
    };
    problems.iter().map(finding).collect()
}

/// Check a config without using it. What stands in a secret's place as it was shown stands for that secret.
#[utoipa::path(
    post,
    path = "/config/order:check",
    tag = "config",
    request_body(content = String, content_type = "application/toml"),
    responses((status = 200, description = "What was found", body = Checked), NotChanged)
)]
async fn check(State(office): State<Office>, asker: Asker, Text(new): Text) -> Result<Json<Checked>, Problem> {
    asker.may_for_all("config:write")?;
    let (old, _) = text(&office).await?;
    // What is no TOML is said by whoever reads it.
    let new = edit::with_secrets_of(&old, &new).unwrap_or(new);
    let file = office.file.clone();
    let read = tokio::task::spawn_blocking(move || {
        let version = config_file::version_of(&new).to_string();
        (Config::read(&file, &new, &Machine), version)
    });
    let (read, version) = read.await.map_err(|_| Problem::broken())?;
    Ok(Json(match read {
        Ok(loaded) => Checked { ok: true, version, problems: findings(&loaded.warnings) },
        Err(problems) => Checked { ok: false, version, problems: findings(&problems) },
    }))
}

/// Put another config in the place of the one whose version `If-Match` names, and put it into effect. All of it, or nothing.
#[utoipa::path(
    put,
    path = "/config",
    tag = "config",
    params(("If-Match" = Option<String>, Header, description = "The version that was seen: the ETag of GET /config; without it, 428", example = "\"0123456789ab\"")),
    request_body(content = String, content_type = "application/toml"),
    responses(
        (status = 200, description = "It is in force", body = Applied, headers(("ETag" = String, description = "Its version"))),
        (status = 428, description = "Say which version you have seen (If-Match)", body = Problem, content_type = "application/problem+json"),
        NotChanged
    )
)]
async fn put(
    State(office): State<Office>,
    asker: Asker,
    headers: HeaderMap,
    Text(new): Text,
) -> Result<Response, Problem> {
    asker.may_for_all("config:write")?;
    let (old, version) = seen(&office, &headers).await?;
    let new = edit::with_secrets_of(&old, &new).unwrap_or(new);
    let applied = exchange(&office, &asker, version, new).await?;
    let etag = tag(&applied.version)?;
    let mut response = Json(applied).into_response();
    response.headers_mut().insert(header::ETAG, etag);
    Ok(response)
}

/// The config file and its version, which must be the one that whoever asks has seen.
pub(super) async fn seen(office: &Office, headers: &HeaderMap) -> Result<(String, Arc<str>), Problem> {
    let Some(seen) = headers.get(header::IF_MATCH) else {
        return Err(Problem::unconditional(
            "If-Match: the ETag of GET /api/v1/config, so that nobody's change is lost",
        ));
    };
    let (old, version) = text(office).await?;
    let wanted = seen.to_str().unwrap_or_default();
    if !wanted.split(',').any(|one| one.trim() == format!("\"{version}\"")) {
        return Err(Problem::changed(format!(
            "the config is of version \"{version}\" by now; get it, and change that"
        )));
    }
    Ok((old, version))
}

/// Exchanges the file and has it read.
async fn exchange(office: &Office, asker: &Asker, seen: Arc<str>, new: String) -> Result<Applied, Problem> {
    replace(office, asker, seen, new).await?;
    applied(office).await
}

/// Has the file read.
pub(super) async fn applied(office: &Office) -> Result<Applied, Problem> {
    let said = office.order(Order::Reload).await?;
    let list = |name: &str| -> Vec<String> {
        let words = said[name].as_array().into_iter().flatten();
        words.filter_map(|word| word.as_str().map(Into::into)).collect()
    };
    Ok(Applied {
        version: said["version"].as_str().unwrap_or_default().to_owned(),
        problems: Vec::new(),
        after_restart: list("after_restart"),
    })
}

/// Exchanges the file.
pub(super) async fn replace(office: &Office, asker: &Asker, seen: Arc<str>, new: String) -> Result<(), Problem> {
    let (file, change) = (office.file.clone(), change(office, asker)?);
    let replaced = tokio::task::spawn_blocking(move || config_file::replace(&file, &seen, &new, &change)).await;
    replaced.map_err(|_| Problem::broken())?.map(drop).map_err(not_replaced)
}

/// Whose doing it is, for the record.
pub(super) fn change(office: &Office, asker: &Asker) -> Result<Change, Problem> {
    let versions = Versions::of(&office.config()?.storage.directory);
    Ok(Change { versions, by: format!("token {}", asker.name()), at: office.clock.now().wall })
}

pub(super) fn not_replaced(why: NotReplaced) -> Problem {
    match why {
        NotReplaced::Changed(version) => {
            Problem::changed(format!("the config is of version \"{version}\" by now; get it, and change that"))
        }
        NotReplaced::Refused(problems) => {
            let first = problems.iter().find(|problem| problem.severity == Severity::Error);
            let first = first.map(|problem| format!("line {}: {}: {}", problem.line, problem.field, problem.reason));
            let detail = format!("the config cannot be followed, and the old one stays: {}", first.unwrap_or_default());
            Problem::senseless(detail).with(findings(&problems))
        }
        NotReplaced::NoVersion(why) => Problem::not_found(why),
        NotReplaced::Machine(why) => Problem::unavailable(why),
    }
}
