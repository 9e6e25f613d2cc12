//! What holds for every request, whatever room it goes to: it is answered in time, what breaks over it breaks alone, its
//! answer is kept by nobody on the way, and an order's name (`/calls/ID:hangup`) leads to it.

use std::panic::AssertUnwindSafe;

use axum::extract::Request;
use axum::http::{HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use super::problem::Problem;
use crate::clock::Duration;

/// How long a request may take to be answered.
const PATIENCE: Duration = Duration::from_secs(15);

/// Answered in time, alone where it breaks, said in the log.
pub(super) async fn kept(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answered = tokio::time::timeout(PATIENCE, AssertUnwindSafe(next.run(request)).catch_unwind()).await;
    let mut response = match answered {
        Ok(Ok(response)) => response,
        // The panic itself stands in the log already.
        Ok(Err(_)) => Problem::broken().into_response(),
        Err(_) => Problem::unavailable(format!("this took longer than {PATIENCE:?}")).into_response(),
    };
    tracing::debug!(%method, path, status = response.status().as_u16(), "the API");
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// How an order stands in the paths of our own routes, where its thing and its name must be two segments: what is asked as
/// `/calls/ID:hangup` is routed as `/calls/ID/order:hangup`.
const ORDER: &str = "/order:";

/// Leads an order to its route.
pub(super) async fn ordered(mut request: Request, next: Next) -> Response {
    if let Some(uri) = routed(request.uri()) {
        *request.uri_mut() = uri;
    }
    next.run(request).await
}

fn routed(uri: &Uri) -> Option<Uri> {
    let (thing, order) = uri.path().rsplit_once(':')?;
    let is_name = !order.is_empty() && order.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if !is_name || thing.ends_with('/') {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{thing}{ORDER}{order}{query}").parse().ok()
}

/// A route's path as it is asked for.
pub(super) fn as_asked(path: &str) -> String {
    path.replace(ORDER, ":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_asked_by_its_name_and_routed_as_two_segments() {
        let routed = |path: &str| routed(&path.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(routed("/api/v1/calls/0d5:hangup?x=1").as_deref(), Some("/api/v1/calls/0d5/order:hangup?x=1"));
        assert_eq!(routed("/api/v1/contacts:import").as_deref(), Some("/api/v1/contacts/order:import"));
        assert_eq!(routed("/api/v1/contacts/a:b:claim").as_deref(), Some("/api/v1/contacts/a:b/order:claim"));
        assert_eq!(routed("/api/v1/calls/1/order:hangup").as_deref(), Some("/api/v1/calls/1/order/order:hangup"));
        for path in ["/api/v1/calls", "/api/v1/calls/a:", "/api/v1/calls/:x", "/a:B", "/a:1"] {
            assert_eq!(routed(path), None, "{path}");
        }
        assert_eq!(as_asked("/calls/{id}/order:hangup"), "/calls/{id}:hangup");
    }
}
