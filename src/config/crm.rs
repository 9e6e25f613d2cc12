//! `[[crm]]`: a CRM that hears of calls in its own dialect, and tells us whose customers are whose.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::ExtensionIx;
use super::directory::Directory;
use super::read::{Fields, Spot};
use super::secret::Secret;
use super::spelling::did_you_mean;
use super::web_address::web_address;

/// One `[[crm]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crm {
    /// Names it in the outbox, in logs, and in the address at which it reaches us (`/crm/NAME/…`).
    pub name: Arc<str>,
    /// How it wants to be spoken to.
    pub dialect: Dialect,
    /// Where it listens, without a slash at the end.
    pub url: Arc<str>,
    /// What we show it: MegaFon's `crm_token`, Bitrix24's access token (none where the address is that of an incoming
    /// webhook), amoCRM's long-lived token.
    pub token: Option<Secret>,
    /// What it shows us: MegaFon's `X-API-KEY` (default: `token`), Bitrix24's `application_token`, Mango's
    /// `vpbx_api_key` (which we show, too). Where it is not there, orders from this CRM are refused.
    pub key: Option<Secret>,
    /// Bitrix24's: we speak as an application there, as registering calls takes.
    pub oauth: Option<OAuth>,
    /// Mango's `vpbx_api_salt`.
    pub salt: Option<Secret>,
    /// What the CRM calls an employee, by the extension's number. Whoever is not named here is called by that number.
    pub users: BTreeMap<Arc<str>, Arc<str>>,
    /// Who stands for calls that nobody of `users` had to do with, where the dialect must name somebody.
    pub default_user: Option<Arc<str>>,
    /// How often customers are fetched; `None`: never. Only Bitrix24 and amoCRM can be asked for them.
    pub pull: Option<Duration>,
    /// A caller whom the CRM does not know becomes a lead there.
    pub create: bool,
    /// Where the router's `[web]` is reached from the CRM, without a slash at the end: links to recordings begin with it.
    /// `None`: the CRM gets no links.
    pub public: Option<Arc<str>>,
}

/// An application of Bitrix24's, whose access lasts an hour and is renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth {
    /// Who renews it, without a slash at the end. Default: `https://oauth.bitrix.info`.
    pub server: Arc<str>,
    /// The application's `client_id`.
    pub client: Arc<str>,
    /// Its `client_secret`.
    pub secret: Secret,
    /// The `refresh_token` that it was given when it was installed. It is used once; those that follow are in the database.
    pub refresh: Secret,
}

/// How a CRM wants to be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// MegaFon's virtual PBX, and those of other operators on the same platform: `cmd=event|history|contact`.
    Megafon,
    /// Bitrix24: `telephony.externalcall.…`.
    Bitrix24,
    /// Mango Office: `/events/…`, signed.
    Mango,
    /// amoCRM (Kommo), API v4.
    Amocrm,
}

const DIALECTS: [(&str, Dialect); 4] = [
    ("megafon", Dialect::Megafon),
    ("bitrix24", Dialect::Bitrix24),
    ("mango", Dialect::Mango),
    ("amocrm", Dialect::Amocrm),
];

/// Rarer than that nobody would call fresh; more often no CRM bears.
const PULL: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(7 * 86_400));

impl Dialect {
    /// As it is written.
    pub fn word(self) -> &'static str {
        DIALECTS.iter().find(|(_, dialect)| *dialect == self).map_or("", |(word, _)| word)
    }

    /// True where customers can be fetched.
    fn can_be_pulled(self) -> bool {
        matches!(self, Dialect::Bitrix24 | Dialect::Amocrm)
    }
}

impl Crm {
    /// What this CRM calls an employee.
    pub fn user<'a>(&'a self, extension: &'a str) -> &'a str {
        self.users.get(extension).map_or(extension, |user| user)
    }

    /// The extension of whom this CRM calls so; `None` where nobody is named so in `users`.
    pub fn extension(&self, user: &str) -> Option<&Arc<str>> {
        self.users.iter().find(|(_, theirs)| ***theirs == *user).map(|(extension, _)| extension)
    }

    /// Reads every `[[crm]]`.
    pub(super) fn read_all(rows: &[Fields<'_>], directory: &Directory, web_is_on: bool) -> Vec<Crm> {
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut crms = Vec::new();
        for row in rows {
            let name = row.needed("name").and_then(|spot| name(&spot, &mut names));
            let read = Crm::read(row, directory);
            if let (Some(spot), false) = (row.get("public"), web_is_on) {
                spot.warning("nothing answers there: there is no [web]", "add [web] with `listen`");
            }
            crms.extend(name.zip(read).map(|(name, crm)| Crm { name, ..crm }));
        }
        crms
    }

    fn read(row: &Fields<'_>, directory: &Directory) -> Option<Crm> {
        let dialect = row.needed("dialect").and_then(|spot| spot.word(&DIALECTS));
        let url = row.needed("url").and_then(|spot| address(&spot));
        let [token, key, salt] = ["token", "key", "salt"].map(|key| row.get(key).and_then(|spot| spot.secret()));
        let oauth = row.get("oauth").and_then(|spot| Some((OAuth::read(&spot.fields()?)?, spot)));
        let users = row.table("users").map_or(BTreeMap::new(), |fields| users(&fields, directory));
        let default_user = row.get("default_user").and_then(|spot| spot.label());
        let pull = row.get("pull").and_then(|spot| Some((spot.duration(PULL.0, PULL.1)?, spot)));
        let create = row.get("create").and_then(|spot| spot.flag()).unwrap_or(false);
        let public = row.get("public").and_then(|spot| address(&spot));
        if let Some(dialect) = dialect {
            let needed: &[&'static str] = match dialect {
                Dialect::Megafon | Dialect::Amocrm => &["token"],
                Dialect::Mango => &["key", "salt"],
                Dialect::Bitrix24 => &[],
            };
            needed.iter().for_each(|key| _ = row.needed(key));
            if let (Some(spot), true) = (row.get("salt"), dialect != Dialect::Mango) {
                spot.error(format!("{} knows no salt", dialect.word()), "remove it");
            }
            if let (Some((_, spot)), true) = (&oauth, dialect != Dialect::Bitrix24) {
                spot.error(format!("{} is spoken to with a token", dialect.word()), "write `token = \"env:NAME\"`");
            }
            if let (Some((_, spot)), true) = (&oauth, dialect == Dialect::Bitrix24 && token.is_some()) {
                spot.error("there is a `token`, too", "remove one of them");
            }
            if let (Some((_, spot)), false) = (&pull, dialect.can_be_pulled()) {
                let fix = "remove it: whom this one knows is learnt as they call, or by `huntline contacts import`";
                spot.error(format!("{} cannot be asked for its customers", dialect.word()), fix);
            }
        }
        row.finish();
        let key = key.or_else(|| token.clone().filter(|_| dialect == Some(Dialect::Megafon)));
        let pull = pull.map(|(pull, _)| pull);
        let oauth = oauth.map(|(oauth, _)| oauth);
        let name = Arc::default();
        Some(Crm {
            name,
            dialect: dialect?,
            url: url?,
            token,
            key,
            oauth,
            salt,
            users,
            default_user,
            pull,
            create,
            public,
        })
    }
}

impl OAuth {
    fn read(fields: &Fields<'_>) -> Option<OAuth> {
        let server = match fields.get("server") {
            Some(spot) => address(&spot),
            None => Some("https://oauth.bitrix.info".into()),
        };
        let client = fields.needed("client").and_then(|spot| spot.label());
        let secret = fields.needed("secret").and_then(|spot| spot.secret());
        let refresh = fields.needed("refresh").and_then(|spot| spot.secret());
        fields.finish();
        Some(OAuth { server: server?, client: client?, secret: secret?, refresh: refresh? })
    }
}

/// Stands in addresses of the web, so it has no other letters than these.
fn name(spot: &Spot<'_>, taken: &mut Vec<Arc<str>>) -> Option<Arc<str>> {
    let text = spot.text()?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if text.is_empty() || text.len() > 32 || !text.bytes().all(letter) {
        spot.error(format!("\"{text}\" cannot stand in an address"), "write 1 to 32 of a-z, A-Z, 0-9, - and _");
        return None;
    }
    if taken.iter().any(|other| **other == *text) {
        spot.error(format!("there is another CRM \"{text}\""), "choose another name");
        return None;
    }
    taken.push(text.into());
    Some(text.into())
}

fn address(spot: &Spot<'_>) -> Option<Arc<str>> {
    web_address(spot).map(|text| text.trim_end_matches('/').into())
}

fn users(fields: &Fields<'_>, directory: &Directory) -> BTreeMap<Arc<str>, Arc<str>> {
    let mut users: BTreeMap<Arc<str>, Arc<str>> = BTreeMap::new();
    for (extension, spot) in fields.entries() {
        if directory.extensions.index(extension).is_none() {
            let names = directory.extensions.lookup(ExtensionIx);
            let mut there: Vec<&str> = names.keys().map(|name| &**name).collect();
            there.sort_unstable();
            spot.error(format!("there is no extension \"{extension}\""), did_you_mean(extension, there));
            continue;
        }
        let Some(user) = spot.label() else { continue };
        if let Some((other, _)) = users.iter().find(|(_, theirs)| **theirs == user) {
            spot.error(format!("\"{user}\" is extension {other} already"), "one user of the CRM is one extension");
            continue;
        }
        users.insert(extension.into(), user);
    }
    users
}
