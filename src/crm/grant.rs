//! Leave to speak with Bitrix24 as an application: it lasts an hour, is renewed with a token that changes each time, and the
//! newest of those is kept on disk.
//!
//! Verified in public clients: `POST …/oauth/token/` with `grant_type=refresh_token`, `client_id`, `client_secret` and
//! `refresh_token` gives `access_token` and the next `refresh_token`; the access goes with each request as `auth`;
//! `expired_token` and `invalid_token` ask for a new one; a refresh token that nobody used for long is `invalid_grant`.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::wire::{Answer, Failed, Request, encoded};
use crate::config::{Crm, OAuth};
use crate::store::{CrmNotes, StoreError};

/// What the notes call it.
const MARK: &str = "oauth";

/// Leave to speak with one CRM.
#[derive(Debug)]
pub struct Grant {
    directory: PathBuf,
    crm: Arc<str>,
    url: Arc<str>,
    oauth: OAuth,
    /// One who asks renews it for all.
    tokens: Mutex<Option<Tokens>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tokens {
    /// Which refresh token of the config this began with: another one there begins anew.
    of: String,
    access: String,
    refresh: String,
}

impl Grant {
    /// For a CRM whose config has `oauth`; the notes are in this directory.
    pub fn of(crm: &Crm, directory: PathBuf) -> Option<Grant> {
        let oauth = crm.oauth.clone()?;
        Some(Grant { directory, crm: crm.name.clone(), url: crm.url.clone(), oauth, tokens: Mutex::default() })
    }

    /// True where the config still says the same.
    pub fn is_of(&self, crm: &Crm) -> bool {
        crm.oauth.as_ref() == Some(&self.oauth) && crm.url == self.url
    }

    /// The request with this access; one that goes elsewhere (an upload) has its own.
    pub fn sign(&self, request: &Request, access: &str) -> Request {
        let mut request = request.clone();
        if request.url.starts_with(&*self.url) {
            let joint = if request.url.contains('?') { '&' } else { '?' };
            request.url = format!("{}{joint}auth={}", request.url, encoded(access));
        }
        request
    }

    /// The access that was good last; empty where there never was one.
    pub async fn access(&self) -> Result<String, Failed> {
        let mut tokens = self.tokens.lock().await;
        Ok(self.known(&mut tokens)?.access)
    }

    /// A new access instead of this one; whoever was slower gets the one that was made meanwhile. `ask` sends a request.
    ///
    /// # Errors
    /// There is none to be had, or it cannot be kept.
    pub async fn renew(
        &self,
        stale: &str,
        ask: impl AsyncFnOnce(Request) -> Result<Answer, Failed>,
    ) -> Result<String, Failed> {
        let mut tokens = self.tokens.lock().await;
        let known = self.known(&mut tokens)?;
        if known.access != stale {
            return Ok(known.access);
        }
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", &*self.oauth.client),
            ("client_secret", self.oauth.secret.expose()),
            ("refresh_token", &known.refresh),
        ];
        let answer = ask(Request::form(format!("{}/oauth/token/", self.oauth.server), fields)).await?;
        let body = answer.json();
        let both = body["access_token"].as_str().zip(body["refresh_token"].as_str());
        let Some((access, refresh)) = both else {
            let said = body["error"].as_str().unwrap_or("it gave no token");
            let why = format!("access is not renewed ({said}); give `oauth.refresh` a new token of the application");
            return Err(Failed::later(why));
        };
        let fresh = Tokens { access: access.to_owned(), refresh: refresh.to_owned(), ..known };
        let text = serde_json::to_string(&fresh).map_err(|error| Failed::Never(error.to_string()))?;
        CrmNotes::open(&self.directory).and_then(|notes| notes.set_mark(&self.crm, MARK, &text)).map_err(disk)?;
        *tokens = Some(fresh);
        Ok(access.to_owned())
    }

    /// What is known, from the notes or from the config.
    fn known(&self, tokens: &mut Option<Tokens>) -> Result<Tokens, Failed> {
        if let Some(tokens) = tokens {
            return Ok(tokens.clone());
        }
        let digest = Sha256::digest(self.oauth.refresh.expose());
        let of: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let noted = CrmNotes::open(&self.directory).and_then(|notes| notes.mark(&self.crm, MARK)).map_err(disk)?;
        let noted = noted.and_then(|text| serde_json::from_str::<Tokens>(&text).ok()).filter(|noted| noted.of == of);
        let first = || Tokens { of, access: String::new(), refresh: self.oauth.refresh.expose().to_owned() };
        Ok(tokens.insert(noted.unwrap_or_else(first)).clone())
    }
}

fn disk(error: StoreError) -> Failed {
    Failed::later(error.to_string())
}

/// The CRM says that this access is none any more.
pub fn is_stale(answer: &Answer) -> bool {
    matches!(answer.status, 400..404)
        && matches!(answer.json()["error"].as_str(), Some("expired_token" | "invalid_token" | "NO_AUTH_FOUND"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Config, Nothing};
    use crate::store::fixture::Folder;

    fn grant(folder: &Folder, refresh: &str) -> Grant {
        let text = format!(
            "[[crm]]\nname = \"b\"\ndialect = \"bitrix24\"\nurl = \"https://b.example/rest\"\n\
             oauth = {{ client = \"app\", secret = \"s\", refresh = \"{refresh}\" }}\n"
        );
        let config = Config::read(std::path::Path::new("x"), &text, &Nothing).unwrap().config;
        Grant::of(&config.crms[0], folder.0.clone()).unwrap()
    }

    fn said(value: serde_json::Value) -> Answer {
        Answer { status: 200, retry_after: None, body: value.to_string().into_bytes() }
    }

    #[tokio::test]
    async fn access_is_renewed_once_for_all_and_the_newest_token_is_kept() {
        let folder = Folder::new();
        drop(folder.writer());
        let first = grant(&folder, "r0");
        assert_eq!(first.access().await.unwrap(), "");
        let made = first.renew("", async |request: Request| {
            let body = String::from_utf8(request.body.into()).unwrap();
            assert_eq!(body, "grant_type=refresh_token&client_id=app&client_secret=s&refresh_token=r0");
            assert_eq!(request.url, "https://oauth.bitrix.info/oauth/token/");
            Ok(said(json!({ "access_token": "a1", "refresh_token": "r1" })))
        });
        assert_eq!(made.await.unwrap(), "a1");
        let late = first.renew("", async |_| panic!("somebody else was faster"));
        assert_eq!(late.await.unwrap(), "a1");
        // Another run of the router.
        let again = grant(&folder, "r0");
        assert_eq!(again.access().await.unwrap(), "a1");
        let refused = again.renew("a1", async |request: Request| {
            assert!(String::from_utf8(request.body.into()).unwrap().ends_with("refresh_token=r1"));
            Ok(said(json!({ "error": "invalid_grant" })))
        });
        assert!(matches!(refused.await, Err(Failed::Later { why, .. }) if why.contains("invalid_grant")));
        // The admin has installed the application anew.
        assert_eq!(grant(&folder, "r9").access().await.unwrap(), "");
        let signed = |url: &str| again.sign(&Request::get(url), "a 1").url;
        assert_eq!(signed("https://b.example/rest/x"), "https://b.example/rest/x?auth=a%201");
        assert_eq!(signed("https://b.example/rest/x?y"), "https://b.example/rest/x?y&auth=a%201");
        assert_eq!(signed("https://upload.example/"), "https://upload.example/");
    }
}
