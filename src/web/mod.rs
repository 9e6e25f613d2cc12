//! The API under `/api/v1`, for people's programs: what the office knows, and what it can be told to do.
//!
//! It has a thread of its own and meets the core only through the [`Clerk`](crate::clerk::Clerk) (orders, things to write
//! down) and the database (everything that is only looked at). A slow or hostile client makes other clients wait at worst.
//! Each room is a file with its routes; the document that describes them ([`openapi`]) is written by the code.
//!
//! No page of another origin may ask (no CORS headers are sent): programs ask from their own servers.
//!
//! | file | what is asked there |
//! |---|---|
//! | `door` | the port |
//! | `office` | what every room works with |
//! | `manners` | what holds for every request |
//! | `known`, `token` | who asks, and what they may (RFC 6750) |
//! | `answered`, `once` | an order that is sent twice is done once (`Idempotency-Key`) |
//! | `problem` | how a refusal looks (RFC 9457) |
//! | `extract`, `page`, `words` | how requests are read, how lists and things look |
//! | `calls`, `recordings` | calls, what is ordered of one, what was recorded of one |
//! | `originate` | click-to-call |
//! | `follow_ups` | who is to be called back |
//! | `events` | what happens, as it happens |
//! | `contacts`, `imported` | the customers, one by one and many at once |
//! | `letters` | the outbox |
//! | `reports` | what the calls of a time add up to |
//! | `voicemail` | boxes and messages |
//! | `live`, `status` | how the router stands |
//! | `lines` | phones, trunks, hunt groups, public numbers |
//! | `hours` | opening hours, and how they are overridden |
//! | `extensions`, `provision` | the employees; a new one, and what the phone needs |
//! | `blocked` | the block list |
//! | `explain` | what would happen to a call |
//! | `configured`, `versions` | the config, as it is and as it was |
//! | `metrics`, `watched` | the figures, for programs that watch |
//! | `exposition`, `process` | how they are written; what the machine says of this process |

mod answered;
mod blocked;
mod calls;
mod configured;
mod contacts;
mod door;
mod events;
mod explain;
mod extensions;
mod exposition;
mod extract;
mod follow_ups;
mod hours;
mod imported;
mod known;
mod lines;
mod letters;
mod live;
mod manners;
mod metrics;
mod office;
mod once;
mod originate;
mod page;
mod problem;
mod process;
mod provision;
mod recordings;
mod reports;
mod status;
mod token;
mod versions;
mod voicemail;
mod watched;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

pub use self::answered::Answered;
pub use self::door::Door;
pub use self::known::Tokens;
pub use self::office::Office;
pub use self::token::{SCOPES, chance, check_scopes, hash_of, mint};
pub use self::watched::Watched;

use self::problem::Problem;

/// The largest body that a room takes which says nothing else.
const BODY: usize = 1 << 20;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Huntline",
        description = "The call router of an office: what it knows, and what it can be told to do.\n\n\
            Whoever asks shows a token (`huntline token add`): `Authorization: Bearer TOKEN`. An employee's token shows and \
            does what is that employee's; everything else is not there for it (404).\n\n\
            Lists come in parts: `next` of one is the `cursor` of the following one. A refusal is `application/problem+json` \
            (RFC 9457). A `POST` may carry an `Idempotency-Key`: sent again with the same one within a day, it is answered \
            again and not done again. `HEAD` works wherever `GET` does."
    ),
    components(schemas(Problem)),
    security(("token" = [])),
    modifiers(&Tokened)
)]
struct Document;

struct Tokened;

impl Modify for Tokened {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("hl_…").build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// Every room with its routes.
fn rooms() -> OpenApiRouter<Office> {
    let rooms = OpenApiRouter::new()
        .merge(calls::routes())
        .merge(recordings::routes())
        .merge(originate::routes())
        .merge(follow_ups::routes())
        .merge(contacts::routes())
        .merge(imported::routes())
        .merge(voicemail::routes())
        .merge(lines::routes())
        .merge(hours::routes())
        .merge(extensions::routes())
        .merge(provision::routes())
        .merge(blocked::routes())
        .merge(explain::routes())
        .merge(letters::routes())
        .merge(reports::routes())
        .merge(configured::routes())
        .merge(versions::routes())
        .merge(events::routes())
        .merge(status::routes());
    OpenApiRouter::with_openapi(Document::openapi()).nest("/api/v1", rooms)
}

/// The document, with orders as they are asked.
fn document(mut document: utoipa::openapi::OpenApi) -> String {
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths.into_iter().map(|(path, item)| (manners::as_asked(&path), item)).collect();
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// The document that describes the API (OpenAPI 3.1), as JSON.
pub fn openapi() -> String {
    document(rooms().into_openapi())
}

/// The API over this office.
pub fn router(office: Office) -> Router {
    let (router, described) = rooms().split_for_parts();
    let text: Arc<str> = document(described).into();
    let described = move || {
        let text = text.clone();
        async move { ([("content-type", "application/json")], text.to_string()) }
    };
    let router = router
        .route("/api/v1/openapi.json", axum::routing::get(described))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn_with_state(office.clone(), once::once))
        .with_state(office);
    // An order's path is rewritten before it is routed, so the routes stand in a router of their own.
    Router::new().fallback_service(router).layer(from_fn(manners::ordered)).layer(from_fn(manners::kept))
}

/// The API, and beside it the addresses at which CRMs look for their telephone system.
fn with_crms(office: Office) -> Router {
    let Office { clerk, current, clock, .. } = office.clone();
    let figures = metrics::router(office.clone());
    router(office).merge(figures).merge(crate::crm::inbox::router(crate::crm::inbox::Reception {
        clerk,
        current,
        clock,
    }))
}

async fn nowhere(uri: axum::http::Uri) -> Problem {
    Problem::not_found(format!("nothing is at {}; GET /api/v1/openapi.json says what is", uri.path()))
}

async fn not_so(method: axum::http::Method, uri: axum::http::Uri) -> Problem {
    Problem::not_allowed(format!("{method} cannot be done at {}; GET /api/v1/openapi.json says what can", uri.path()))
}

impl Door {
    /// Serves the API over this office on a thread of its own, which ends with the process, at any moment: what was ordered
    /// is on record by then or not done, and a program that did not hear which sends it again with its key.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn serve(self, office: Office) -> std::io::Result<()> {
        self.serve_router(with_crms(office))
    }
}
