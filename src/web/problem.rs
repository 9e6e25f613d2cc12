//! How a refusal looks: `application/problem+json` (RFC 9457), with words that say what to do about it.

use std::collections::BTreeMap;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::response::{Response as Described, ResponseBuilder};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{IntoResponses, ToSchema};

use crate::clerk::NotDone;
use crate::clock::Duration;
use crate::store::StoreError;

/// Why a request was not answered with what it asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Problem {
    /// What kind of problem, in a word that programs can compare: `not-found`, `unreadable`, `conflict`, ….
    #[serde(rename = "type")]
    kind: &'static str,
    /// The same for people.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What exactly, and what to do about it.
    detail: String,
    /// Where several things are wrong with what was sent: each of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    problems: Vec<Finding>,
    /// Send it again after so many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

/// One of several things that are wrong with a text that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Finding {
    /// `error`: it cannot be taken with this; `warning`: it can, but probably not as meant.
    pub(super) severity: &'static str,
    /// Line, from 1.
    pub(super) line: usize,
    /// Column in characters, from 1; 0: the whole line.
    pub(super) column: usize,
    /// Which field, or which column of a table.
    pub(super) field: String,
    /// The value, cut after 80 characters; passwords are not shown.
    pub(super) value: String,
    /// What is wrong.
    pub(super) reason: String,
    /// What to write instead, where that is known.
    pub(super) fix: Option<String>,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Problem {
        let detail = detail.into();
        Problem { kind, title, status: status.as_u16(), detail, problems: Vec::new(), retry_after: None }
    }

    pub(super) fn unreadable(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "unreadable", "The request cannot be understood", detail)
    }

    pub(super) fn unauthorized(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Nobody knows who asks", detail)
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "forbidden", "This token is not good for that", detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail)
    }

    pub(super) fn not_allowed(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "not-allowed", "That cannot be done here", detail)
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::CONFLICT, "conflict", "Things are not so", detail)
    }

    /// RFC 9110 §15.5.13.
    pub(super) fn changed(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::PRECONDITION_FAILED, "changed", "Somebody was faster", detail)
    }

    pub(super) fn too_large(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "That is too much", detail)
    }

    pub(super) fn wrong_kind(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong-kind", "That is not what is read here", detail)
    }

    pub(super) fn beyond(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "beyond", "There is nothing there", detail)
    }

    /// RFC 9110 §15.5.21: it can be read, and makes no sense.
    pub(super) fn senseless(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "senseless", "That makes no sense here", detail)
    }

    /// RFC 6585 §3.
    pub(super) fn unconditional(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::PRECONDITION_REQUIRED, "unconditional", "Say which version you have seen", detail)
    }

    pub(super) fn too_many(wait: Duration) -> Problem {
        let detail = "too many wrong tokens came from this address; send the right one, or wait";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many", "Slower, please", detail);
        Problem { retry_after: Some(wait.as_secs().max(1)), ..problem }
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not now", detail)
    }

    pub(super) fn broken() -> Problem {
        let detail = "the program failed over this request; the router's log says where, and calls go on";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "broken", "That is our fault", detail)
    }

    /// With each thing that is wrong.
    pub(super) fn with(self, problems: Vec<Finding>) -> Problem {
        Problem { problems, ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if status == StatusCode::UNAUTHORIZED {
            // RFC 6750 §3
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<NotDone> for Problem {
    fn from(why: NotDone) -> Problem {
        match why {
            NotDone::Missing(why) => Problem::not_found(why),
            NotDone::Refused(why) | NotDone::Conflict(why) => Problem::conflict(why),
            NotDone::NoAnswer => Problem::unavailable(why.to_string()),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        tracing::error!(%error, "the API");
        Problem::unavailable("the database does not answer; the router's log says why")
    }
}

/// How whoever looks can be refused, for the document.
pub(super) struct NotShown;

/// How whoever changes something can be refused, for the document.
pub(super) struct NotChanged;

const NOT_SHOWN: &[(&str, &str)] = &[
    ("400", "The request cannot be understood"),
    ("401", "Nobody knows who asks"),
    ("403", "This token is not good for that"),
    ("404", "There is no such thing, or it is not yours"),
    ("429", "Too many wrong tokens from this address"),
    ("503", "Not now"),
];

const NOT_CHANGED: &[(&str, &str)] = &[
    ("409", "Things are not so that this can be done, or the same Idempotency-Key is under way"),
    ("412", "Somebody has changed it since (If-Match)"),
    ("413", "That is too much"),
    ("415", "That is not what is read here"),
    ("422", "It can be read, and makes no sense here; or this Idempotency-Key came with something else"),
];

fn described<'a>(list: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> BTreeMap<String, RefOr<Described>> {
    let content = || ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let one = |(status, what): &(&str, &str)| {
        let response = ResponseBuilder::new().description(*what).content("application/problem+json", content());
        (status.to_string(), RefOr::T(response.build()))
    };
    list.into_iter().map(one).collect()
}

impl IntoResponses for NotShown {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        described(NOT_SHOWN)
    }
}

impl IntoResponses for NotChanged {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        described(NOT_SHOWN.iter().chain(NOT_CHANGED))
    }
}
