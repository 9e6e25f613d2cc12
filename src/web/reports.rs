//! Reports: what the calls of a time add up to, for programs and for sheets that fetch their figures.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Body, Path, Query, moment};
use super::office::Office;
use super::problem::{NotChanged, NotShown, Problem};
use super::token::{Asker, ReportAsker};
use crate::fact::{Fact, SavedReport};
use crate::report::{Ask, Kind, Plan, Span, Table, columns_of, plan_of};

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, save, delete))
}

/// A report that can be asked for.
#[derive(Debug, Serialize, ToSchema)]
struct Described {
    /// Its name.
    name: String,
    /// What it shows.
    about: String,
    /// Which figures; the name itself, where it was not saved by somebody.
    report: String,
    /// A row for each of these, where nothing else is said.
    by: String,
    /// Of which days, where nothing else is said.
    period: String,
    /// Somebody saved it.
    saved: bool,
    /// Its columns, and what they mean.
    columns: Vec<Meaning>,
}

/// A column.
#[derive(Debug, Serialize, ToSchema)]
struct Meaning {
    /// Its name, which does not change.
    name: String,
    /// What it counts.
    means: String,
}

impl Described {
    fn of(name: String, ask: &Ask, saved: bool) -> Described {
        let words = ask.to_saved();
        let column = |column: crate::report::Column| Meaning { name: column.name.into(), means: column.means.into() };
        Described {
            name,
            about: ask.kind.about().into(),
            report: words.report.to_string(),
            by: words.by.to_string(),
            period: words.period.to_string(),
            saved,
            columns: columns_of(ask).into_iter().map(column).collect(),
        }
    }
}

/// Which reports there are, and what their columns mean.
#[utoipa::path(
    get,
    path = "/reports",
    tag = "reports",
    responses((status = 200, description = "Every report", body = Vec<Described>), NotShown)
)]
async fn list(State(office): State<Office>, asker: Asker) -> Result<Json<Vec<Described>>, Problem> {
    asker.may("reports:read")?;
    let saved = office.clerk.read(|reader| reader.saved_reports()).await?;
    let usual = Kind::ALL.iter().map(|kind| Described::of(kind.to_string(), &Ask::usual(*kind), false));
    let own =
        saved.iter().filter_map(|(name, saved)| Some(Described::of(name.to_string(), &Ask::of(saved).ok()?, true)));
    Ok(Json(usual.chain(own).collect()))
}

/// What a report is of, where that is not what was saved or is usual.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    /// A row for each: day, weekday, hour, user, group, did, source, trunk; two with a comma between.
    #[param(example = "day,user")]
    by: Option<String>,
    /// today, yesterday, this-week, last-week, this-month, last-month, 7d, 2026-11-01..2026-11-30.
    #[param(example = "last-month")]
    period: Option<String>,
    /// Instead of a period: began then or later.
    #[param(example = "2026-11-01")]
    from: Option<String>,
    /// Instead of a period: began before then.
    #[param(example = "2026-12-01")]
    to: Option<String>,
    /// Only of this extension's row.
    user: Option<String>,
    /// Only of this group's row.
    group: Option<String>,
    /// Only of this number's row.
    did: Option<String>,
    /// Only of this source's row.
    source: Option<String>,
    /// The CSV begins with the mark by which some sheets know UTF-8.
    bom: Option<bool>,
    /// A token that has the scope `reports:read` and no other, for sheets that can send no header.
    token: Option<String>,
}

/// A report carried out.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "it is made as a value, and described by this")]
struct Report {
    /// Which figures.
    report: String,
    /// A row for each of these.
    by: Vec<String>,
    /// Of calls that began then or later, …
    #[schema(format = DateTime)]
    from: String,
    /// … and before then.
    #[schema(format = DateTime)]
    to: String,
    /// The columns, and what they mean.
    columns: Vec<Meaning>,
    /// A row by the names of the columns.
    rows: Vec<BTreeMap<String, Value>>,
    /// The figures of all rows together.
    total: BTreeMap<String, Value>,
}

/// Carry a report out. NAME gives JSON; NAME.csv gives CSV (RFC 4180) with the same columns in every period, in which text that
/// a sheet would take for a formula begins with an apostrophe. An employee's token gives what stands in that employee's
/// row.
#[utoipa::path(
    get,
    path = "/reports/{name}",
    tag = "reports",
    params(("name" = String, Path, description = "Its name, with `.csv` behind it for CSV", example = "calls"), Wanted),
    responses(
        (status = 200, description = "The report", content((Report = "application/json"), (String = "text/csv"))),
        NotShown,
    )
)]
async fn show(
    State(office): State<Office>,
    ReportAsker(asker): ReportAsker,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let (name, csv) = name.strip_suffix(".csv").map_or((name.as_str(), false), |name| (name, true));
    let bom = wanted.bom.unwrap_or(false);
    let table = carried_out(&office, &asker, name, wanted).await?;
    if !csv {
        return Ok(Json(table.json()).into_response());
    }
    let kind = [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((kind, table.csv(bom)).into_response())
}

async fn carried_out(office: &Office, asker: &Asker, name: &str, wanted: Wanted) -> Result<Table, Problem> {
    let config = office.config()?;
    let now = office.clock.now().wall;
    let zone = config.site.timezone.clone();
    let mut ask = named(office, name).await?;
    if let Some(by) = &wanted.by {
        ask = ask.by(by).map_err(|why| Problem::unreadable(format!("by: {why}")))?;
    }
    if let Some(period) = &wanted.period {
        ask.period = period.parse().map_err(|why| Problem::unreadable(format!("period: {why}")))?;
    }
    let did = |text: String| config.site.numbering.read(&text).map_or(text, |number| number.to_string());
    let only = &mut ask.only;
    only.user = wanted.user.or(only.user.take());
    only.group = wanted.group.or(only.group.take());
    only.did = wanted.did.map(did).or(only.did.take());
    only.source = wanted.source.or(only.source.take());
    if let Some(user) = asker.user() {
        // How busy the office's trunks are is nobody's own.
        if ask.kind == Kind::Capacity || only.user.as_deref().is_some_and(|other| other != user) {
            return Err(unknown(name));
        }
        only.user = Some(user.to_owned());
    }
    let usual = ask.period.span(now, &zone);
    let (from, to) = (moment("from", wanted.from.as_deref(), &config)?, moment("to", wanted.to.as_deref(), &config)?);
    if wanted.period.is_some() && (from.is_some() || to.is_some()) {
        return Err(Problem::unreadable("period: with from or to it says two things; leave one of them out"));
    }
    let (from, to) = match (from, to) {
        (Some(from), None) => (from, usual.to.max(now)),
        (from, to) => (from.unwrap_or(usual.from), to.unwrap_or(usual.to)),
    };
    let span = Span::new(from, to).map_err(|why| Problem::unreadable(format!("from, to: {why}")))?;
    let plan = if ask.kind == Kind::Plan { plan_of(&config, span, now, &zone) } else { Plan::new() };
    Ok(office.clerk.read(move |reader| reader.report(&ask, span, &zone, now, &plan)).await?)
}

async fn named(office: &Office, name: &str) -> Result<Ask, Problem> {
    if let Ok(kind) = name.parse() {
        return Ok(Ask::usual(kind));
    }
    let saved = office.clerk.read(|reader| reader.saved_reports()).await?;
    let (_, saved) = saved.into_iter().find(|(known, _)| **known == *name).ok_or_else(|| unknown(name))?;
    Ask::of(&saved).map_err(Problem::unavailable)
}

fn unknown(name: &str) -> Problem {
    Problem::not_found(format!("there is no report {name:?}; GET /api/v1/reports lists them"))
}

/// A report to be saved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Definition {
    /// Which figures: lost, calls, missed, service, hours, capacity, plan, followups.
    #[schema(example = "calls")]
    report: String,
    /// A row for each: `day,user`. Not said: what is usual.
    #[serde(default)]
    by: Option<String>,
    /// Of which days. Not said: `7d`.
    #[serde(default)]
    #[schema(example = "last-month")]
    period: Option<String>,
    /// Only of this extension's row.
    #[serde(default)]
    user: Option<String>,
    /// Only of this group's row.
    #[serde(default)]
    group: Option<String>,
    /// Only of this number's row.
    #[serde(default)]
    did: Option<String>,
    /// Only of this source's row.
    #[serde(default)]
    source: Option<String>,
}

/// Save a report under a name of its own, or differently from now on. Takes a company's token with `config:write`.
#[utoipa::path(
    put,
    path = "/reports/{name}",
    tag = "reports",
    params(("name" = String, Path, description = "1 to 64 of a-z, 0-9 and -", example = "sales-last-month")),
    request_body = Definition,
    responses((status = 200, description = "Saved", body = Described), NotChanged)
)]
async fn save(
    State(office): State<Office>,
    asker: Asker,
    Path(name): Path<String>,
    Body(definition): Body<Definition>,
) -> Result<Json<Described>, Problem> {
    asker.may_for_all("config:write")?;
    Ask::check_name(&name).map_err(Problem::senseless)?;
    let kind: Kind = definition.report.parse().map_err(|why| Problem::senseless(format!("report: {why}")))?;
    let usual = Ask::usual(kind).to_saved();
    let own = |text: Option<String>| text.map(Into::into);
    let saved = SavedReport {
        report: usual.report,
        by: own(definition.by).unwrap_or(usual.by),
        period: own(definition.period).unwrap_or(usual.period),
        user: own(definition.user),
        group: own(definition.group),
        did: own(definition.did),
        source: own(definition.source),
    };
    let ask = Ask::of(&saved).map_err(Problem::senseless)?;
    let now = Some(Box::new(ask.to_saved()));
    office.clerk.write_down(Fact::Report { name: name.as_str().into(), now }).await?;
    Ok(Json(Described::of(name, &ask, true)))
}

/// Throw the definition of a saved report away. Takes a company's token with `config:write`.
#[utoipa::path(
    delete,
    path = "/reports/{name}",
    tag = "reports",
    params(("name" = String, Path, description = "Its name", example = "sales-last-month")),
    responses((status = 204, description = "It is gone"), NotChanged)
)]
async fn delete(
    State(office): State<Office>,
    asker: Asker,
    Path(name): Path<String>,
) -> Result<axum::http::StatusCode, Problem> {
    asker.may_for_all("config:write")?;
    let saved = office.clerk.read(|reader| reader.saved_reports()).await?;
    if !saved.iter().any(|(known, _)| **known == *name) {
        return Err(unknown(&name));
    }
    office.clerk.write_down(Fact::Report { name: name.as_str().into(), now: None }).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}
