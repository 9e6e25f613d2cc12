//! Talks that were recorded, and messages, as files: what a browser plays, from whichever second it likes (RFC 9110 §14).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path as FilePath;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::calls::in_full;
use super::extract::{Path, Query};
use super::office::Office;
use super::problem::{NotShown, Problem};
use super::token::Asker;
use super::words::moment;
use crate::store::{CallDetail, RecordingRow};

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(play))
}

/// A talk that was recorded.
#[derive(Debug, Serialize, ToSchema)]
struct Recording {
    /// Which of the call's, from 0, as `recording?index=` takes it.
    index: usize,
    /// When it began.
    #[schema(format = DateTime)]
    began: String,
    /// When it was over; `null` while it runs.
    #[schema(format = DateTime)]
    ended: Option<String>,
    /// How long it is, in milliseconds.
    length_ms: u64,
    /// How much could not be written, in milliseconds.
    lost_ms: u64,
    /// Why writing failed in the end.
    failed: Option<String>,
    /// When its file went.
    #[schema(format = DateTime)]
    erased: Option<String>,
    /// Why it did.
    erased_because: Option<String>,
}

/// The talks of a call that were recorded, where they are whoever asks's own: an employee's are those of calls in which they
/// talked.
fn talks(detail: &CallDetail, asker: &Asker) -> Vec<RecordingRow> {
    let talked = |user: &str| {
        let caller = detail.row.from.extension.as_deref() == Some(user);
        caller || detail.talkers.iter().any(|talker| talker.who == user)
    };
    if !asker.user().is_none_or(talked) {
        return Vec::new();
    }
    detail.recordings.iter().filter(|row| row.mailbox.is_none()).cloned().collect()
}

/// List what was recorded of a call, the oldest first; also what is gone by now.
#[utoipa::path(
    get,
    path = "/calls/{id}/recordings",
    tag = "recordings",
    params(("id" = String, Path, description = "The call's id", example = "0d5t3gh7k2m9p")),
    responses((status = 200, description = "The recordings", body = Vec<Recording>), NotShown)
)]
async fn list(
    State(office): State<Office>,
    asker: Asker,
    Path(id): Path<String>,
) -> Result<Json<Vec<Recording>>, Problem> {
    asker.may("recordings:read")?;
    let detail = in_full(&office, &asker, &id).await?;
    let show = |(index, row): (usize, RecordingRow)| Recording {
        index,
        began: moment(row.began),
        ended: row.ended.map(moment),
        length_ms: row.length_ms,
        lost_ms: row.lost_ms,
        failed: row.failed,
        erased: row.erased.map(moment),
        erased_because: row.erased_because,
    };
    Ok(Json(talks(&detail, &asker).into_iter().enumerate().map(show).collect()))
}

/// Which of several.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
struct Which {
    /// From 0, as the list of the call's recordings counts them.
    #[param(default = 0)]
    index: usize,
}

/// Play a talk that was recorded: the caller on the left, the company on the right. Parts of it are given to who asks for a
/// `Range`.
#[utoipa::path(
    get,
    path = "/calls/{id}/recording",
    tag = "recordings",
    params(
        ("id" = String, Path, description = "The call's id", example = "0d5t3gh7k2m9p"),
        Which,
        ("Range" = Option<String>, Header, description = "Which bytes", example = "bytes=0-1023"),
        ("If-Range" = Option<String>, Header, description = "Only of this version (ETag); otherwise the whole")
    ),
    responses(
        (status = 200, description = "The whole", body = Vec<u8>, content_type = "audio/wav"),
        (status = 206, description = "The part", body = Vec<u8>, content_type = "audio/wav"),
        (status = 304, description = "It is the one you have (If-None-Match)"),
        (status = 409, description = "It still runs", body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "There are no such bytes", body = Problem, content_type = "application/problem+json"),
        NotShown
    )
)]
async fn play(
    State(office): State<Office>,
    asker: Asker,
    Path(id): Path<String>,
    Query(which): Query<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    asker.may("recordings:read")?;
    let detail = in_full(&office, &asker, &id).await?;
    let talks = talks(&detail, &asker);
    let Some(row) = talks.get(which.index) else {
        let count = talks.len();
        return Err(Problem::not_found(format!(
            "there is no recording {} of the call {id}; it has {count}",
            which.index
        )));
    };
    file(&office, row, &headers).await
}

/// A recording's file, or the part of it that is asked for.
pub(super) async fn file(office: &Office, row: &RecordingRow, headers: &HeaderMap) -> Result<Response, Problem> {
    let gone = |why: &str| Problem::not_found(format!("the file is gone: {why}"));
    if row.erased.is_some() {
        return Err(gone(row.erased_because.as_deref().unwrap_or("it was erased")));
    }
    if row.ended.is_none() {
        return Err(Problem::conflict("it still runs; ask again when it is over"));
    }
    let path = office.clerk.directory().join(&*row.file);
    let opened = tokio::task::spawn_blocking(move || open(&path)).await.ok().flatten();
    let Some((file, length)) = opened else { return Err(gone("it is not where the record says")) };
    let name = row.file.rsplit('/').next().unwrap_or("recording.wav").to_owned();
    let tag = tag(&row.file, length);
    serve(file, length, &tag, &name, headers)
}

fn open(path: &FilePath) -> Option<(File, u64)> {
    let file = File::open(path).ok()?;
    let about = file.metadata().ok()?;
    about.is_file().then_some((file, about.len()))
}

/// Names a version of a file: files are written once, and grow until they are whole.
fn tag(name: &str, length: u64) -> String {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(format!("{name} {length}"));
    let hex: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

fn serve(file: File, length: u64, tag: &str, name: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let matches = |list: &str| list.split(',').any(|one| one.trim() == tag || one.trim() == "*");
    let whole = StatusCode::OK;
    // RFC 9110 §13.1.5: a range of another version is no range.
    let same = text(header::IF_RANGE).is_none_or(|wanted| wanted.trim() == tag);
    let asked = text(header::RANGE).filter(|_| same).map_or(Asked::Whole, |range| Asked::read(range, length));
    let (status, range) = match asked {
        _ if text(header::IF_NONE_MATCH).is_some_and(matches) => (StatusCode::NOT_MODIFIED, 0..0),
        Asked::Whole => (whole, 0..length),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Beyond => {
            let mut refused = Problem::beyond(format!("it has {length} bytes")).into_response();
            if let Ok(value) = HeaderValue::from_str(&format!("bytes */{length}")) {
                refused.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            return Ok(refused);
        }
    };
    let mut response = (status, ()).into_response();
    let plain = |text: String| HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    let shown = name.replace(|letter: char| !letter.is_ascii_alphanumeric() && !".-_".contains(letter), "_");
    let head = response.headers_mut();
    head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    head.insert(header::ETAG, plain(tag.to_owned()));
    if status == StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static("audio/wav"));
    head.insert(header::CONTENT_DISPOSITION, plain(format!("inline; filename=\"{shown}\"")));
    head.insert(header::CONTENT_LENGTH, (range.end - range.start).into());
    if status == StatusCode::PARTIAL_CONTENT {
        let (first, last) = (range.start, range.end.saturating_sub(1));
        head.insert(header::CONTENT_RANGE, plain(format!("bytes {first}-{last}/{length}")));
    }
    *response.body_mut() = stream(file, range);
    Ok(response)
}

/// Which bytes are asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    Part(Range<u64>),
    Beyond,
}

impl Asked {
    /// RFC 9110 §14.1.2. Several ranges, and what cannot be read, are no range: the whole is sent.
    fn read(text: &str, length: u64) -> Asked {
        let Some(range) = text.trim().strip_prefix("bytes=") else { return Asked::Whole };
        let Some((first, last)) = range.split_once('-') else { return Asked::Whole };
        let number = |text: &str| match text.trim() {
            "" => Some(None),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(Some(digits.parse().unwrap_or(u64::MAX)))
            }
            _ => None,
        };
        match (number(first), number(last)) {
            (Some(Some(first)), Some(last)) if last.is_none_or(|last| first <= last) => {
                let end = last.map_or(length, |last: u64| last.saturating_add(1).min(length));
                if first < length { Asked::Part(first..end) } else { Asked::Beyond }
            }
            (Some(None), Some(Some(count))) => match count {
                0 => Asked::Beyond,
                _ if length == 0 => Asked::Beyond,
                count => Asked::Part(length.saturating_sub(count)..length),
            },
            _ => Asked::Whole,
        }
    }
}

/// How much is read at once.
const PIECE: u64 = 64 << 10;

fn stream(file: File, range: Range<u64>) -> Body {
    let pieces = futures_util::stream::unfold((Some(file), range), async |(file, range)| {
        let file = file?;
        if range.is_empty() {
            return None;
        }
        let (start, count) = (range.start, (range.end - range.start).min(PIECE));
        let read = tokio::task::spawn_blocking(move || read(file, start, count)).await;
        match read.map_err(std::io::Error::other).flatten() {
            Ok((file, piece)) => Some((Ok(piece), (Some(file), start + count..range.end))),
            Err(error) => Some((Err(error), (None, range))),
        }
    });
    Body::from_stream(pieces)
}

fn read(mut file: File, start: u64, count: u64) -> std::io::Result<(File, Bytes)> {
    file.seek(SeekFrom::Start(start))?;
    let mut piece = vec![0; usize::try_from(count).unwrap_or(0)];
    file.read_exact(&mut piece)?;
    Ok((file, piece.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_rfc_9110_has_it() {
        let cases = [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=0-", Asked::Part(0..100)),
            ("bytes=10-19", Asked::Part(10..20)),
            ("bytes=90-1000", Asked::Part(90..100)),
            ("bytes=-10", Asked::Part(90..100)),
            ("bytes=-1000", Asked::Part(0..100)),
            ("bytes=99999999999999999999-", Asked::Beyond),
            ("bytes=100-", Asked::Beyond),
            ("bytes=-0", Asked::Beyond),
            ("bytes=20-10", Asked::Whole),
            ("bytes=0-1,5-6", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("lines=0-1", Asked::Whole),
            ("", Asked::Whole),
        ];
        for (text, expected) in cases {
            assert_eq!(Asked::read(text, 100), expected, "{text}");
        }
        assert_eq!(Asked::read("bytes=-5", 0), Asked::Beyond);
    }
}
