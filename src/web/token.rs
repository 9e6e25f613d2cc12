//! Who asks, and what they may: bearer tokens (RFC 6750), of which only the hash is kept.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use sha2::{Digest, Sha256};

use super::office::Office;
use super::problem::Problem;
use crate::fact::Token;

/// What a token can be good for.
pub const SCOPES: &[&str] = &[
    "calls:read",
    "calls:control",
    "contacts:read",
    "contacts:write",
    "follow-ups:read",
    "follow-ups:write",
    "voicemail:read",
    "voicemail:write",
    "recordings:read",
    "events:read",
    "reports:read",
    "config:read",
    "config:write",
    "metrics:read",
    "admin",
];

/// How every token begins, so that one that lies about is known for what it is.
const MARK: &str = "hl_";

/// A token that was just made, from 32 bytes of chance: the token itself, shown once, and the hash that is kept.
pub fn mint(chance: [u8; 32]) -> (String, String) {
    use base64::Engine;
    let token = format!("{MARK}{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(chance));
    let hash = hash_of(&token);
    (token, hash)
}

/// 32 bytes of chance from the operating system.
///
/// # Errors
/// It gives none.
pub fn chance() -> std::io::Result<[u8; 32]> {
    use std::io::Read;
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The SHA-256 of a token, as 64 hex digits.
pub fn hash_of(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The scopes that name nothing.
///
/// # Errors
/// A sentence that names them, and those there are.
pub fn check_scopes<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    let unknown: Vec<_> = scopes.into_iter().filter(|scope| !SCOPES.contains(scope)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(format!("there is no scope {:?}; there is {}", unknown.join(", "), SCOPES.join(", ")))
}

/// The address of whoever asks, or of the proxy before them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Whoever asks, with what their token is good for.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    token: Arc<Token>,
}

impl Asker {
    /// Whose token it is; `None`: the company's.
    pub(super) fn user(&self) -> Option<&str> {
        self.token.user.as_deref()
    }

    /// The same, for a fact.
    pub(super) fn by(&self) -> Option<Arc<str>> {
        self.token.user.clone()
    }

    /// Names the token in logs and tables.
    pub(super) fn id(&self) -> &Arc<str> {
        &self.token.id
    }

    /// What people call the token.
    pub(super) fn name(&self) -> &str {
        &self.token.name
    }

    /// Refuses whoever's token is not good for this.
    pub(super) fn may(&self, scope: &str) -> Result<(), Problem> {
        let good = self.token.scopes.iter().any(|one| **one == *scope || **one == *"admin");
        let why = || format!("this takes a token with the scope \"{scope}\"; make one with `huntline token add`");
        good.then_some(()).ok_or_else(|| Problem::forbidden(why()))
    }

    /// The same, for what is the whole company's: no employee's token is good for that.
    pub(super) fn may_for_all(&self, scope: &str) -> Result<(), Problem> {
        self.may(scope)?;
        match self.user() {
            None => Ok(()),
            Some(_) => Err(Problem::forbidden("this is the whole company's, and the token is an employee's")),
        }
    }

    /// Whoever shows this token.
    async fn known(token: &str, peer: IpAddr, office: &Office) -> Result<Asker, Problem> {
        let now = office.clock.now();
        match office.tokens.find(&hash_of(token), &office.clerk, now).await? {
            Some(token) => Ok(Asker { token }),
            None => Err(match office.tokens.wrong(peer, now.mono) {
                None => Problem::unauthorized("this token is not known here, or its time is over"),
                Some(wait) => Problem::too_many(wait),
            }),
        }
    }
}

impl Asker {
    /// False once the token is revoked or its time is over: for answers that take longer than that.
    pub(super) async fn is_still_known(&self, office: &Office) -> Result<bool, Problem> {
        let now = office.clock.now().wall;
        let known = office.clerk.read(|reader| reader.tokens()).await?;
        let same = |one: &Token| one.hash == self.token.hash && one.until.is_none_or(|until| until > now);
        Ok(known.iter().any(same))
    }
}

impl FromRequestParts<Office> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, office: &Office) -> Result<Asker, Problem> {
        if let Some(asker) = parts.extensions.get::<Asker>() {
            return Ok(asker.clone());
        }
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        // RFC 9110 §11.1: the scheme's case does not matter.
        let token =
            header.and_then(|value| value.split_once(' ')).filter(|(how, _)| how.eq_ignore_ascii_case("bearer"));
        let token = token.map(|(_, token)| token.trim()).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| Problem::unauthorized("send \"Authorization: Bearer TOKEN\""))?;
        let asker = Asker::known(token, peer(parts), office).await?;
        parts.extensions.insert(asker.clone());
        Ok(asker)
    }
}

/// Whoever asks for a report with the token in its address (`?token=`), for programs that can do no better: a sheet that
/// fetches figures. Only a token that is good for reports and for nothing else may stand there, because addresses end up in
/// logs. A bearer token does as well.
pub(super) struct ReportAsker(pub(super) Asker);

impl FromRequestParts<Office> for ReportAsker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, office: &Office) -> Result<ReportAsker, Problem> {
        #[derive(serde::Deserialize)]
        struct Shown {
            token: Option<String>,
        }
        let shown = axum::extract::Query::<Shown>::try_from_uri(&parts.uri).ok().and_then(|shown| shown.0.token);
        let Some(token) = shown.filter(|_| !parts.headers.contains_key(header::AUTHORIZATION)) else {
            let asker = Asker::from_request_parts(parts, office).await?;
            asker.may("reports:read")?;
            return Ok(ReportAsker(asker));
        };
        let asker = Asker::known(&token, peer(parts), office).await?;
        asker.may("reports:read")?;
        let only_reports = asker.token.scopes.iter().all(|scope| **scope == *"reports:read");
        let why = "in an address only a token stands that has the scope \"reports:read\" and no other";
        only_reports.then_some(ReportAsker(asker)).ok_or_else(|| Problem::forbidden(why))
    }
}

fn peer(parts: &Parts) -> IpAddr {
    parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_of_chance_and_its_hash_is_what_is_kept() {
        let (token, hash) = mint([7; 32]);
        assert_eq!(token, "hl_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc");
        assert_eq!((hash.len(), hash_of(&token)), (64, hash.clone()));
        assert!(!hash.contains("Bwc"));
    }

    #[test]
    fn a_scope_that_is_none_is_named_with_those_there_are() {
        assert_eq!(check_scopes(["calls:read", "admin"]), Ok(()));
        let why = check_scopes(["calls:read", "call:read"]).unwrap_err();
        assert!(why.starts_with("there is no scope \"call:read\"; there is calls:read, calls:control"), "{why}");
    }
}
