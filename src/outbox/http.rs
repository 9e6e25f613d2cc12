//! One HTTP client for every carrier, with bounds: an answer takes 10 s at most, what is read of it fits a page, and nobody
//! is sent elsewhere.

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, redirect};

use super::failure::Failure;
use crate::clock::Duration;

/// How long an answer may take, from the first step of connecting to its last byte.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// So much of an answer is read; the rest stays where it is.
const PAGE: usize = 64 << 10;
/// Who says "later" is believed within these bounds.
const SHORTEST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(3_600);

/// How programs are asked. A clone shares its connections.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
    /// Why nobody can be asked by `https`.
    lacks: Option<Arc<str>>,
}

/// What a program answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// How long it wants to be left in peace.
    pub rest: Option<Duration>,
    /// What it said what time it is (RFC 9110 §6.6.1), as it came.
    pub date: Option<String>,
    /// The beginning of what it said; bytes that are no UTF-8 are replaced.
    pub text: String,
}

impl Http {
    /// Makes the client. A machine without certificates keeps nobody from anything but `https`.
    ///
    /// # Errors
    /// There can be no client at all.
    pub fn new() -> Result<Http, String> {
        // Whoever came first has installed the same one.
        _ = rustls::crypto::ring::default_provider().install_default();
        match client().build() {
            Ok(client) => Ok(Http { client, lacks: None }),
            Err(error) => {
                let why = chain(&error);
                tracing::warn!(why, "nobody can be asked by https");
                // Trusting nobody it can be made, and speaks in the clear.
                let client = client().tls_certs_only([]).build().map_err(|error| chain(&error))?;
                Ok(Http { client, lacks: Some(why.into()) })
            }
        }
    }

    /// A request to be filled in.
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends it, and reads the beginning of the answer, whatever its status.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn ask(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        self.ask_for(request, PAGE).await
    }

    /// The same, for what must not happen twice.
    ///
    /// # Errors
    /// There is no answer; and whether it may have been done nevertheless.
    pub async fn ask_once(&self, request: RequestBuilder) -> Result<Answer, (Failure, InDoubt)> {
        self.exchange(request, PAGE).await
    }

    /// The same, for longer answers.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn ask_for(&self, request: RequestBuilder, largest: usize) -> Result<Answer, Failure> {
        self.exchange(request, largest).await.map_err(|(failure, _)| failure)
    }

    async fn exchange(&self, request: RequestBuilder, largest: usize) -> Result<Answer, (Failure, InDoubt)> {
        let (client, request) = request.build_split();
        let request = request.map_err(failure)?;
        if let (Some(why), "https") = (&self.lacks, request.url().scheme()) {
            return Err((Failure::Unwell(format!("it cannot be asked by https: {why}"), None), InDoubt(false)));
        }
        let mut answer = client.execute(request).await.map_err(failure)?;
        let (status, rest) = (answer.status().as_u16(), rest(answer.headers()));
        let date = answer.headers().get(DATE).and_then(|date| Some(date.to_str().ok()?.to_owned()));
        let mut bytes = Vec::new();
        while bytes.len() < largest {
            match answer.chunk().await.map_err(failure)? {
                Some(chunk) => bytes.extend_from_slice(&chunk[..chunk.len().min(largest - bytes.len())]),
                None => break,
            }
        }
        Ok(Answer { status, rest, date, text: String::from_utf8_lossy(&bytes).into_owned() })
    }
}

/// True where a request may have been heard though there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InDoubt(pub bool);

fn client() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("huntline/", env!("CARGO_PKG_VERSION")))
        .timeout(PATIENCE)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(8)
}

impl Answer {
    /// Any of 200 to 299.
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What an answer that is no good means for who is asked over HTTP.
    pub fn failure(&self) -> Failure {
        let why = self.to_string();
        match self.status {
            300..400 => Failure::Refused(format!("{why}: nobody is followed elsewhere")),
            408 | 429 | 500.. => Failure::Unwell(why, self.rest),
            _ if self.rest.is_some() => Failure::Unwell(why, self.rest),
            _ => Failure::Refused(why),
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status = reqwest::StatusCode::from_u16(self.status).ok();
        let name = status.and_then(|status| status.canonical_reason()).unwrap_or_default();
        write!(f, "it answered {} {name}", self.status)?;
        let said: String = self.text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(160).collect();
        if !said.is_empty() && !said.starts_with('<') {
            write!(f, ": {said}")?;
        }
        Ok(())
    }
}

/// Seconds, or a date (RFC 9110 §10.2.3), which counts by the receiver's own clock: from the `Date` of its answer.
fn rest(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| Some(headers.get(name)?.to_str().ok()?.trim());
    let date = |text: &str| Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp());
    let asked = text(RETRY_AFTER)?;
    let rest = match asked.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let (until, now) = (date(asked)?, date(text(DATE)?)?);
            Duration::try_from(until.duration_since(now)).unwrap_or_default()
        }
    };
    Some(within_bounds(rest))
}

/// How long somebody who asks for it is left in peace.
pub(super) fn within_bounds(rest: Duration) -> Duration {
    rest.clamp(SHORTEST_REST, LONGEST_REST)
}

/// What went wrong on the way. The address is left out: it may be a secret.
fn failure(error: reqwest::Error) -> (Failure, InDoubt) {
    if error.is_builder() {
        return (Failure::Never(format!("it cannot be asked: {}", chain(&error.without_url()))), InDoubt(false));
    }
    let in_doubt = InDoubt(!error.is_connect());
    let why = match error.is_timeout() {
        true => format!("no answer within {} s", PATIENCE.as_secs()),
        false => chain(&error.without_url()),
    };
    (Failure::Unwell(why, None), in_doubt)
}

/// An error and its causes; the outermost says no more than that a request failed.
fn chain(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        _ = write!(text, "{}{error}", if text.is_empty() { "" } else { ": " });
        cause = error.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_later_is_believed_within_bounds() {
        let said = |text: &str| {
            let date = "Tue, 24 Nov 2026 10:00:00 GMT";
            rest(
                &[(RETRY_AFTER, text), (DATE, date)]
                    .map(|(name, text)| (name, text.parse().unwrap()))
                    .into_iter()
                    .collect(),
            )
        };
        assert_eq!(said("120"), Some(Duration::from_secs(120)));
        assert_eq!(said("0"), Some(SHORTEST_REST));
        assert_eq!(said("99999999"), Some(LONGEST_REST));
        assert_eq!(said("Tue, 24 Nov 2026 10:02:00 GMT"), Some(Duration::from_secs(120)));
        assert_eq!(said("Tue, 24 Nov 2026 09:00:00 GMT"), Some(SHORTEST_REST));
        assert_eq!(said("soon"), None);
    }
}
