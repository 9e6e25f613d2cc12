//! `[telegram]`: the bot that writes to employees and to the company's chats.

use std::sync::Arc;

use super::read::{Fields, Spot};
use super::secret::Secret;
use super::web_address::web_address;

/// Where bots are spoken to where nothing else is said.
const OFFICIAL: &str = "https://api.telegram.org";

/// `[telegram]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telegram {
    /// What BotFather gave; `None` where the variable or file it is in is not there (a warning).
    pub token: Option<Secret>,
    /// The server that takes messages, without a slash at its end. Default: Telegram's own.
    pub api: Arc<str>,
    /// The chats that hear what concerns the whole company: numeric ids, or `@name` of a channel. Default: none.
    pub chats: Vec<Arc<str>>,
}

impl Telegram {
    /// Reads `[telegram]`.
    pub(super) fn read(fields: Option<Fields<'_>>) -> Option<Telegram> {
        let fields = fields?;
        let token = fields.needed("token").and_then(|spot| token(&spot));
        let api = fields.get("api").and_then(|spot| web_address(&spot));
        let chats = fields.get("chats").and_then(|spot| spot.list()).unwrap_or_default();
        let chats = chats.iter().filter_map(chat).collect();
        fields.finish();
        Some(Telegram { token, api: api.map_or(OFFICIAL.into(), |api| api.trim_end_matches('/').into()), chats })
    }
}

/// It stands in the path of an address, so it has no other letters than those that tokens have.
fn token(spot: &Spot<'_>) -> Option<Secret> {
    let secret = spot.secret()?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b":_-".contains(&byte);
    if !secret.expose().bytes().all(letter) {
        spot.error("this is no token of a bot", "write what BotFather gave: digits, a colon, letters");
        return None;
    }
    Some(secret)
}

/// `"-1001234567890"`, `"@channel"`.
pub(super) fn chat(spot: &Spot<'_>) -> Option<Arc<str>> {
    let text = spot.text()?;
    let is_id = text.strip_prefix('-').unwrap_or(text).parse::<u64>().is_ok();
    let name = |name: &str| {
        (4..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if !is_id && !text.strip_prefix('@').is_some_and(name) {
        spot.error(
            format!("\"{text}\" is no chat"),
            "write its numeric id, \"-1001234567890\", or a channel's \"@name\"",
        );
        return None;
    }
    Some(text.into())
}
