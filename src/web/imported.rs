//! Many customers at once, as another program exports them.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::extract::Query;
use super::office::Office;
use super::once::LARGEST;
use super::problem::{Finding, NotChanged, Problem};
use super::token::Asker;
use crate::control;
use crate::import::{self, Sheet};
use crate::store::Writer;

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new().routes(routes!(import).layer(DefaultBodyLimit::max(LARGEST)))
}

/// How to import.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
struct How {
    /// Only say what would happen.
    dry_run: bool,
    /// Leave out what cannot be read, instead of refusing everything.
    skip_bad: bool,
}

/// What became of an import.
#[derive(Debug, Serialize, ToSchema)]
struct Imported {
    /// Customers that were read.
    customers: usize,
    /// … with so many numbers.
    numbers: usize,
    /// It was only asked what would happen.
    dry_run: bool,
    /// Customers that were not there before.
    added: usize,
    /// Customers that were there and are different now.
    changed: usize,
    /// Customers that were there, just like this.
    unchanged: usize,
    /// What was left out (`skip_bad`), and what its sender should know: responsibles that are no extension, numbers that stand
    /// with several customers.
    problems: Vec<Finding>,
}

fn findings(sheet: &Sheet) -> Vec<Finding> {
    let of = |severity| {
        move |found: &import::Finding| Finding {
            severity,
            line: usize::try_from(found.line).unwrap_or(0),
            column: 0,
            field: found.column.clone(),
            value: found.value.clone(),
            reason: found.reason.clone(),
            fix: None,
        }
    };
    let several = |twice: &import::Duplicate| {
        let holders: Vec<_> = twice.holders.iter().map(|one| format!("{} {}", one.kind.word(), one.id)).collect();
        Finding {
            severity: "warning",
            line: twice.holders.first().map_or(0, |one| usize::try_from(one.line).unwrap_or(0)),
            column: 0,
            field: "number".into(),
            value: twice.number.to_string(),
            reason: format!("it stands with several, and the first one is shown: {}", holders.join(", ")),
            fix: None,
        }
    };
    let bad = sheet.bad.iter().map(of("error"));
    bad.chain(sheet.unknown_responsible.iter().map(of("warning"))).chain(sheet.duplicates.iter().map(several)).collect()
}

/// What a body is, by its content type.
#[derive(Clone, Copy, Debug)]
enum Form {
    Csv,
    Vcard,
    Ndjson,
}

impl Form {
    fn of(request: &Request) -> Result<Form, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "text/csv" => Ok(Form::Csv),
            "text/vcard" | "text/x-vcard" => Ok(Form::Vcard),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Form::Ndjson),
            _ => Err(Problem::wrong_kind(
                "send text/csv, text/vcard or application/x-ndjson, and say which in Content-Type",
            )),
        }
    }
}

/// Import customers, all of them or nothing: a table (CSV, headings in the first line), vCards, or a JSON object on each line
/// (`id`, `kind`, `name`, `numbers`, `responsible`). A customer of the same kind and id is changed, one that is not named stays.
/// At most 16 MB.
#[utoipa::path(
    post,
    path = "/contacts/order:import",
    tag = "contacts",
    params(
        How,
        ("Idempotency-Key" = Option<String>, Header, description = "Another for each order; sent again with the same one, it is not done again")
    ),
    request_body(content((String = "text/csv"), (String = "text/vcard"), (String = "application/x-ndjson"))),
    responses((status = 200, description = "What became of it", body = Imported), NotChanged)
)]
async fn import(
    State(office): State<Office>,
    asker: Asker,
    Query(how): Query<How>,
    request: Request,
) -> Result<Json<Imported>, Problem> {
    asker.may_for_all("contacts:write")?;
    let form = Form::of(&request)?;
    let config = office.config()?;
    let bytes = Bytes::from_request(request, &office).await.map_err(|why| match why.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large("an import has at most 16 MB; send it in parts"),
        _ => Problem::unreadable(why.body_text()),
    })?;
    let (directory, now) = (office.clerk.directory().to_owned(), office.clock.now().wall);
    let done = tokio::task::spawn_blocking(move || {
        let sheet = match form {
            Form::Csv => Sheet::read(&bytes, &config).map_err(Problem::unreadable)?,
            Form::Vcard => Sheet::of_vcard(&bytes, &config),
            Form::Ndjson => Sheet::of_ndjson(&bytes, &config),
        };
        let problems = findings(&sheet);
        if !sheet.bad.is_empty() && !how.skip_bad {
            let count = sheet.bad.len();
            let detail =
                format!("nothing was imported: {count} values cannot be read; mend them, or say skip_bad=true");
            return Err(Problem::senseless(detail).with(problems));
        }
        let imported = match how.dry_run {
            true => crate::store::Reader::open(&directory)?.compare_customers(&sheet.rows)?,
            false => Writer::open(&directory)?.put_customers(&sheet.rows, now)?,
        };
        Ok(Imported {
            customers: sheet.rows.len(),
            numbers: sheet.rows.iter().map(|row| row.numbers.len()).sum(),
            dry_run: how.dry_run,
            added: imported.added,
            changed: imported.changed,
            unchanged: imported.unchanged,
            problems,
        })
    });
    let done = done.await.map_err(|_| Problem::broken())??;
    if !done.dry_run && done.added + done.changed > 0 {
        office.order(control::Order::Customers).await?;
    }
    Ok(Json(done))
}
