//! `Idempotency-Key`: a program that did not hear the answer to its order sends it again with the same key, and is answered
//! as it would have been, without the order being carried out a second time.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::office::Office;
use super::problem::Problem;
use super::token::Asker;
use crate::store::{Answer, Before};

/// The header that names an order.
const KEY: &str = "idempotency-key";
const LONGEST_KEY: usize = 200;
/// The largest body that any room takes.
pub(super) const LARGEST: usize = 16 << 20;

/// An answer with this among its extensions is shown once and kept nowhere: it holds a secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotKept;

/// Carries an order with a key out once.
pub(super) async fn once(State(office): State<Office>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    ordered(&office, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

async fn ordered(office: &Office, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let key =
        parts.headers.get(KEY).and_then(|value| value.to_str().ok()).map(str::trim).unwrap_or_default().to_owned();
    if !(1..=LONGEST_KEY).contains(&key.len()) {
        let why = format!("Idempotency-Key: 1 to {LONGEST_KEY} printable characters of ASCII, another for each order");
        return Err(Problem::unreadable(why));
    }
    let asker = Asker::from_request_parts(&mut parts, office).await?;
    let body =
        to_bytes(body, LARGEST).await.map_err(|_| Problem::too_large("this body is larger than any that is taken"))?;
    let mut hash = Sha256::new();
    hash.update(parts.uri.to_string());
    hash.update([0]);
    hash.update(&body);
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let (token, now) = (asker.id().clone(), office.clock.now().wall);
    let begin = {
        let (token, key) = (token.clone(), key.clone());
        office.answered.with(move |answers| answers.begin(&token, &key, &hash, now))
    };
    match begin.await? {
        Before::Fresh => {}
        Before::Answered(answer) => return Ok(again(answer)),
        Before::Other => {
            return Err(Problem::senseless(
                "this Idempotency-Key came with another order; every order has a key of its own",
            ));
        }
        Before::Begun => {
            let why = "the order of this Idempotency-Key is under way, or the router ended over it; look whether it was done before you send it with another key";
            return Err(Problem::conflict(why));
        }
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, LARGEST).await.map_err(|_| Problem::broken())?;
    let status = parts.status;
    let kind =
        parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let secret = parts.extensions.get::<NotKept>().is_some();
    let answer = Answer { status: status.as_u16(), kind, body: body.to_vec() };
    let kept = office.answered.with(move |answers| match status {
        // Whoever sends it again hears that it was begun, and looks.
        _ if secret || status.is_server_error() => Ok(()),
        _ if status.is_success() => answers.answered(&token, &key, &answer),
        _ => answers.not_done(&token, &key),
    });
    if let Err(error) = kept.await {
        tracing::error!(%error, "the API");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn again(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, answer.body).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    if let Ok(kind) = HeaderValue::from_str(&answer.kind) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    response
}
