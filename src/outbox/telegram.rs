//! Messages to employees and chats, by a bot (Telegram's Bot API, `sendMessage`).

use reqwest::Method;
use serde_json::{Value, json};

use super::carry::Errand;
use super::failure::Failure;
use super::http::within_bounds;
use crate::clock::Duration;

/// Longer texts are refused; their beginning says it, too.
const LONGEST: usize = 4_096;

pub(super) async fn deliver(errand: Errand) -> Result<(), Failure> {
    let telegram = errand
        .config
        .telegram
        .as_ref()
        .ok_or_else(|| Failure::never("there is no [telegram] in the config any more"))?;
    let token = telegram.token.as_ref().ok_or_else(|| Failure::Unwell("the bot's token is not there".into(), None))?;
    // Telegram counts in UTF-16.
    let mut room = LONGEST;
    let text: String = errand
        .text("text")?
        .chars()
        .take_while(|letter| room.checked_sub(letter.len_utf16()).map(|left| room = left).is_some())
        .collect();
    let body = json!({
        "chat_id": errand.letter.to,
        "text": text,
        "link_preview_options": { "is_disabled": true },
    });
    let url = format!("{}/bot{}/sendMessage", telegram.api, token.expose());
    let request =
        errand.http.request(Method::POST, &url).header("content-type", "application/json").body(body.to_string());
    let answer = errand.http.ask(request).await?;
    if answer.is_ok() {
        return Ok(());
    }
    let said: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let why = match said.get("description").and_then(Value::as_str) {
        Some(description) => format!("it answered {}: {description}", answer.status),
        None => answer.to_string(),
    };
    let rest = said.pointer("/parameters/retry_after").and_then(Value::as_u64).map(Duration::from_secs);
    Err(match (rest.map(within_bounds).or(answer.rest), answer.status) {
        (rest, 429 | 500..) => Failure::Unwell(why, rest),
        // The token is not the bot's: nobody is reached.
        (_, 401 | 404) => Failure::Unwell(why, None),
        _ => Failure::Refused(why),
    })
}
