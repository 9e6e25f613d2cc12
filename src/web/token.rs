//! Who asks, and what they may: bearer tokens (RFC 6750), of which only the hash is kept.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use sha2::{Digest, Sha256};

use super::office::Office;
use super::problem::Problem;
use crate::fact::Token;

/// Whoever asks, with what their token is good for.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    token: Arc<Token>,
}

impl Asker {
    /// Whose token it is; `None`: the company's.
    #[allow(dead_code, reason = "rooms are being built")]
    pub(super) fn user(&self) -> Option<&str> {
        self.token.user.as_deref()
    }

    /// Refuses whoever's token is not good for this.
    pub(super) fn may(&self, scope: &str) -> Result<(), Problem> {
        let good = self.token.scopes.iter().any(|one| **one == *scope || **one == *"admin");
        let why = || format!("this takes a token with the scope \"{scope}\"; make one with `huntline token add`");
        good.then_some(()).ok_or_else(|| Problem::forbidden(why()))
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
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim).filter(|t| !t.is_empty());
        let token = token.ok_or_else(|| Problem::unauthorized("send \"Authorization: Bearer TOKEN\""))?;
        let hash: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
        let now = office.clock.now().wall;
        let known = office.clerk.read(move |reader| reader.tokens()).await?;
        let valid = |one: &Token| *one.hash == *hash && one.until.is_none_or(|until| until > now);
        let found = known.into_iter().find(valid);
        let token = found.ok_or_else(|| Problem::unauthorized("this token is not known here, or its time is over"))?;
        Ok(Asker { token: Arc::new(token) })
    }
}
