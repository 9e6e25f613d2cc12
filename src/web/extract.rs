//! What a request says, read at the door: a query, a place, a body. What cannot be read is answered with its place and what
//! to write instead.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::office::Office;
use super::problem::Problem;
use crate::clock::Timestamp;
use crate::config::Config;

/// What stands behind the question mark. A name that is not known there is refused: a filter that is misspelt would show
/// everything.
pub(super) struct Query<T>(pub(super) T);

/// What stands in the place of the braces of a path.
pub(super) struct Path<T>(pub(super) T);

/// A body of JSON.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Office> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Office) -> Result<Query<T>, Problem> {
        let read = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        read.map(|read| Query(read.0)).map_err(|why: QueryRejection| Problem::unreadable(why.body_text()))
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<Office> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, office: &Office) -> Result<Path<T>, Problem> {
        let read = axum::extract::Path::<T>::from_request_parts(parts, office).await;
        // What is no number names no follow-up: that is not there, rather than unreadable.
        read.map(|read| Path(read.0)).map_err(|why: PathRejection| Problem::not_found(why.body_text()))
    }
}

impl<T: DeserializeOwned> FromRequest<Office> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, office: &Office) -> Result<Body<T>, Problem> {
        match axum::Json::<T>::from_request(request, office).await {
            Ok(read) => Ok(Body(read.0)),
            Err(JsonRejection::JsonDataError(why)) => Err(Problem::senseless(why.body_text())),
            Err(JsonRejection::MissingJsonContentType(_)) => {
                Err(Problem::wrong_kind("send JSON, with \"Content-Type: application/json\""))
            }
            Err(why) if why.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Problem::too_large("a body has at most 1 MB"))
            }
            Err(why) => Err(Problem::unreadable(why.body_text())),
        }
    }
}

/// A body of text that is no JSON: a config.
pub(super) struct Text(pub(super) String);

impl FromRequest<Office> for Text {
    type Rejection = Problem;

    async fn from_request(request: Request, office: &Office) -> Result<Text, Problem> {
        let kind = request.headers().get(axum::http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).map(|kind| kind.trim().to_ascii_lowercase());
        if !matches!(kind.as_deref(), Some("application/toml" | "text/plain")) {
            return Err(Problem::wrong_kind("send the text, with \"Content-Type: application/toml\""));
        }
        match axum::body::Bytes::from_request(request, office).await {
            Ok(bytes) => {
                String::from_utf8(bytes.into()).map(Text).map_err(|_| Problem::unreadable("this is not UTF-8"))
            }
            Err(why) if why.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Problem::too_large("a body has at most 1 MB"))
            }
            Err(why) => Err(Problem::unreadable(why.body_text())),
        }
    }
}

/// A moment as programs write it (RFC 3339), or a day of the site's own calendar.
pub(super) fn moment(field: &str, text: Option<&str>, config: &Config) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let day = || {
        let day: jiff::civil::Date = (text.len() == 10).then(|| text.parse().ok()).flatten()?;
        day.to_zoned(config.site.timezone.clone()).ok().map(|day| day.timestamp())
    };
    let read = text.parse().ok().or_else(day).map(Some);
    read.ok_or_else(|| {
        Problem::unreadable(format!("{field}: {text:?} is no moment; write 2026-11-23T09:00:00Z or a day, 2026-11-23"))
    })
}
