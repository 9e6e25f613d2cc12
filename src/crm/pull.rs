//! Customers in: every `pull` a CRM is asked whom it has changed since the last time, page by page, and what is different
//! here is written down. Nobody who calls waits for any of it: the core knows customers by heart, and learns of changes as
//! they are on the disk.
//!
//! The first round may bring a hundred thousand: those are imported in parts beside the journal, and the index is made anew
//! in the end. Later rounds bring a few: those are facts like any other. A round that breaks off begins again where it
//! began, and what it brings again changes nothing. Whoever is deleted in the CRM stays here (neither of them tells).
//!
//! Verified in Bitrix24's documentation: `crm.contact.list`, `crm.company.list`, `crm.lead.list` with `filter`, `order`,
//! `select` and `start`, 50 a page, `next` where there are more. In clients of amoCRM: pages of 250 by `page`, `_links.next`
//! where there are more, 204 where there is nobody, `filter[updated_at][from]`, `responsible_user_id`.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::amocrm::numbers_of;
use super::bitrix24::{self, text};
use super::courier::{Courier, Line};
use super::wire::{Answer, Failed, Request, Wire, encoded};
use crate::address_book::AddressBook;
use crate::clerk::Clerk;
use crate::clock::{Duration, Timestamp};
use crate::config::{Config, Crm, Dialect};
use crate::customer::Kind;
use crate::drive::Clock;
use crate::outbox::{Current, Http};
use crate::store::{CrmNotes, CustomerRow, StoreError, Writer};

/// How often it is looked whose time has come.
const LOOK: Duration = Duration::from_secs(5);
/// After a round that broke off.
const AGAIN: Duration = Duration::from_secs(60);
/// So many are imported in one transaction: the journal waits for it, some ten milliseconds.
const AT_ONCE: usize = 2_000;
/// More pages than this are a CRM that counts in circles.
const MOST_PAGES: usize = 50_000;

/// Fetches customers, for the life of the process.
pub struct Puller {
    /// Writes down the few that changed.
    pub clerk: Clerk,
    /// Hands all of them to the core after many changed.
    pub address_book: AddressBook,
    /// The config in force.
    pub current: Current,
    /// The clock.
    pub clock: Clock,
    /// How often each CRM may be asked.
    pub courier: Arc<Courier>,
}

impl Puller {
    /// Starts the thread; it ends with the process, at any moment.
    ///
    /// # Errors
    /// The system gives no thread, or the machine's certificates cannot be read.
    pub fn start(self) -> std::io::Result<()> {
        let http = Http::new().map_err(std::io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let rounds = move || {
            let mut due: std::collections::BTreeMap<Arc<str>, Timestamp> = Default::default();
            loop {
                if let Some(config) = (self.current)() {
                    for crm in config.crms.iter() {
                        let Some(every) = crm.pull else { continue };
                        let now = self.clock.now().wall;
                        if due.get(&crm.name).is_some_and(|due| *due > now) {
                            continue;
                        }
                        let next = match self.round(crm, &config, &http, &handle) {
                            Ok(changed) => {
                                tracing::info!(crm = %crm.name, changed, "customers were fetched");
                                every
                            }
                            Err(why) => {
                                tracing::warn!(crm = %crm.name, why, "customers were not fetched");
                                AGAIN.min(every)
                            }
                        };
                        let now = self.clock.now().wall;
                        due.insert(crm.name.clone(), now.checked_add(next).unwrap_or(now));
                    }
                }
                std::thread::sleep(LOOK);
            }
        };
        // A round is plain code that waits for each answer; this thread moves the bytes meanwhile.
        let body = move || drop(runtime.block_on(runtime.spawn_blocking(rounds)));
        std::thread::Builder::new().name("crm-pull".into()).spawn(body).map(drop)
    }

    /// One round; how many are different now.
    fn round(&self, crm: &Crm, config: &Config, http: &Http, handle: &Handle) -> Result<usize, String> {
        let words = |error: StoreError| error.to_string();
        let notes = CrmNotes::open(self.clerk.directory()).map_err(words)?;
        notes.forget(self.clock.now().wall).map_err(words)?;
        let pace = self.courier.pace(&crm.name, crm.dialect);
        let grant = self.courier.grant(crm, self.clerk.directory());
        let mut changed = 0;
        let mut imported = 0;
        for list in lists(crm.dialect) {
            let since = notes.mark(&crm.name, list.word).map_err(words)?;
            let is_first = since.is_none();
            let mut newest = since.clone();
            let mut waiting = Vec::new();
            let mut next = Some(Next::First);
            for _ in 0..MOST_PAGES {
                let Some(at) = next.take() else { break };
                let mut line = Line::new(http.clone(), handle.clone(), pace.clone(), grant.clone());
                let answer = line.send(list.request(crm, since.as_deref(), &at)).map_err(why)?;
                let page = list.read(crm, config, answer, &at).map_err(why)?;
                newest = newest.max(page.newest);
                next = page.next;
                if is_first {
                    waiting.extend(page.rows);
                    if waiting.len() >= AT_ONCE {
                        imported += self.import(std::mem::take(&mut waiting))?;
                    }
                } else {
                    changed += handle.block_on(self.put(page.rows))?;
                }
            }
            imported += self.import(waiting)?;
            if let Some(newest) = newest.filter(|newest| since.as_ref() != Some(newest)) {
                notes.set_mark(&crm.name, list.word, &newest).map_err(words)?;
            }
        }
        if imported > 0 {
            self.address_book.renew().map_err(words)?;
        }
        Ok(changed + imported)
    }

    fn import(&self, rows: Vec<CustomerRow>) -> Result<usize, String> {
        if rows.is_empty() {
            return Ok(0);
        }
        let put = || Writer::open(self.clerk.directory())?.put_customers(&rows, self.clock.now().wall);
        let imported = put().map_err(|error| error.to_string())?;
        Ok(imported.added + imported.changed)
    }

    async fn put(&self, rows: Vec<CustomerRow>) -> Result<usize, String> {
        let all = rows.into_iter().map(|row| (row.kind, row.id.clone(), Some(row.card()))).collect();
        let put = self.clerk.put_customers(all).await.map_err(|error| error.to_string())?;
        Ok(put.iter().filter(|put| **put != crate::clerk::Put::Unchanged).count())
    }
}

fn why(failed: Failed) -> String {
    match failed {
        Failed::Later { why, .. } | Failed::Never(why) => why,
    }
}

/// A list of customers that a CRM keeps.
struct List {
    dialect: Dialect,
    kind: Kind,
    word: &'static str,
}

fn lists(dialect: Dialect) -> &'static [List] {
    const BITRIX24: [List; 3] = [
        List { dialect: Dialect::Bitrix24, kind: Kind::Contact, word: "contact" },
        List { dialect: Dialect::Bitrix24, kind: Kind::Company, word: "company" },
        List { dialect: Dialect::Bitrix24, kind: Kind::Lead, word: "lead" },
    ];
    const AMOCRM: [List; 2] = [
        List { dialect: Dialect::Amocrm, kind: Kind::Contact, word: "contacts" },
        List { dialect: Dialect::Amocrm, kind: Kind::Company, word: "companies" },
    ];
    match dialect {
        Dialect::Bitrix24 => &BITRIX24,
        Dialect::Amocrm => &AMOCRM,
        Dialect::Megafon | Dialect::Mango => &[],
    }
}

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    First,
    At(u64),
}

/// What a page holds.
struct Page {
    rows: Vec<CustomerRow>,
    /// When the last of them was changed, as the CRM writes it.
    newest: Option<String>,
    next: Option<Next>,
}

impl List {
    /// Asks for a page of those changed at that moment or later.
    fn request(&self, crm: &Crm, since: Option<&str>, at: &Next) -> Request {
        let token = crm.token.as_ref().map_or("", |token| token.expose());
        match self.dialect {
            Dialect::Bitrix24 => {
                let mut body = json!({
                    "order": { "DATE_MODIFY": "ASC", "ID": "ASC" },
                    "select": ["ID", "NAME", "SECOND_NAME", "LAST_NAME", "TITLE", "COMPANY_TITLE", "PHONE",
                        "ASSIGNED_BY_ID", "DATE_MODIFY"],
                    "start": match at { Next::First => 0, Next::At(start) => *start },
                });
                if let Some(since) = since {
                    body["filter"] = json!({ ">=DATE_MODIFY": since });
                }
                if !token.is_empty() {
                    body["auth"] = json!(token);
                }
                Request::json(format!("{}/crm.{}.list", crm.url, self.word), &body)
            }
            _ => {
                let page = match at {
                    Next::First => 1,
                    Next::At(page) => *page,
                };
                let since = since.map(|since| format!("&filter[updated_at][from]={}", encoded(since)));
                let since = since.unwrap_or_default();
                let query = format!("limit=250&page={page}&order[updated_at]=asc{since}");
                Request::get(format!("{}/api/v4/{}?{query}", crm.url, self.word)).bearer(token)
            }
        }
    }

    fn read(&self, crm: &Crm, config: &Config, answer: Answer, at: &Next) -> Result<Page, Failed> {
        match self.dialect {
            Dialect::Bitrix24 => {
                let next = answer.json()["next"].as_u64().map(Next::At);
                let rows = bitrix24::read(answer)?;
                let rows = rows.as_array().map_or(&[][..], Vec::as_slice);
                let newest = rows.iter().filter_map(|row| row["DATE_MODIFY"].as_str()).max().map(str::to_owned);
                // A page that is counted on from must be further on.
                let next = next.filter(|next| match (at, next) {
                    (Next::At(before), Next::At(next)) => next > before,
                    _ => true,
                });
                let one = |row: &Value| {
                    let numbers = row["PHONE"].as_array().into_iter().flatten().filter_map(|one| text(&one["VALUE"]));
                    let names = ["LAST_NAME", "NAME", "SECOND_NAME"].map(|key| row[key].as_str().unwrap_or_default());
                    let name = names.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
                    let title = row["TITLE"].as_str().unwrap_or_default();
                    let name = if name.is_empty() || self.kind == Kind::Company { title.to_owned() } else { name };
                    self.row(crm, config, text(&row["ID"])?, &name, text(&row["ASSIGNED_BY_ID"]), numbers)
                };
                Ok(Page { rows: rows.iter().filter_map(one).collect(), newest, next })
            }
            _ => {
                let body = answer.good()?.json();
                let rows = body["_embedded"][self.word].as_array().cloned().unwrap_or_default();
                let newest = rows.iter().filter_map(|row| row["updated_at"].as_u64()).max().map(|at| at.to_string());
                let page = match at {
                    Next::First => 1,
                    Next::At(page) => *page,
                };
                let next = body["_links"]["next"]["href"].as_str().map(|_| Next::At(page + 1));
                let one = |row: &Value| {
                    let name = row["name"].as_str().unwrap_or_default();
                    self.row(crm, config, text(&row["id"])?, name, text(&row["responsible_user_id"]), numbers_of(row))
                };
                Ok(Page { rows: rows.iter().filter_map(one).collect(), newest, next })
            }
        }
    }

    /// Numbers that cannot be read are left out; whoever has none left is of no use when somebody calls.
    fn row(
        &self,
        crm: &Crm,
        config: &Config,
        id: String,
        name: &str,
        user: Option<String>,
        numbers: impl Iterator<Item = String>,
    ) -> Option<CustomerRow> {
        let mut read = Vec::new();
        for number in numbers.filter_map(|text| config.site.numbering.read(&text)) {
            if !read.contains(&number) && read.len() < 255 {
                read.push(number);
            }
        }
        if read.is_empty() {
            return None;
        }
        let name: String =
            name.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(250).collect();
        let responsible = user.and_then(|user| crm.extension(&user).cloned());
        let name = name.trim().into();
        Some(CustomerRow { id: id.into(), kind: self.kind, name, responsible, numbers: read, provisional: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Nothing;

    fn config() -> Config {
        let text = "[site]\nnumbering = { country = \"7\", area = \"495\", national_prefix = \"8\" }\n\
            [[extension]]\nnumber = \"201\"\npassword = \"x\"\n\
            [[crm]]\nname = \"b\"\ndialect = \"bitrix24\"\nurl = \"https://b.example/rest/1/x\"\nusers = { 201 = \"11\" }\n\
            [[crm]]\nname = \"a\"\ndialect = \"amocrm\"\nurl = \"https://a.example\"\ntoken = \"t\"\nusers = { 201 = \"21\" }\n";
        Config::read(std::path::Path::new("x"), text, &Nothing).unwrap().config
    }

    fn answer(status: u16, body: Value) -> Answer {
        Answer { status, retry_after: None, body: body.to_string().into_bytes() }
    }

    fn shown(page: &Page) -> Vec<String> {
        let one = |row: &CustomerRow| {
            let numbers: Vec<String> = row.numbers.iter().map(ToString::to_string).collect();
            format!(
                "{} {} {} {:?} {}",
                row.kind.word(),
                row.id,
                row.name,
                row.responsible.as_deref(),
                numbers.join(" ")
            )
        };
        page.rows.iter().map(one).collect()
    }

    #[test]
    fn bitrix24_tells_what_changed_page_by_page() {
        let config = config();
        let (crm, list) = (&config.crms[0], &lists(Dialect::Bitrix24)[0]);
        let request = list.request(crm, Some("2026-11-24T10:00:00+03:00"), &Next::At(50));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(request.url, "https://b.example/rest/1/x/crm.contact.list");
        assert_eq!(
            (&body["start"], &body["filter"][">=DATE_MODIFY"]),
            (&json!(50), &json!("2026-11-24T10:00:00+03:00"))
        );
        let phone = |value: &str| json!([{ "VALUE": value }, { "VALUE": "no number" }]);
        let rows = json!({ "next": 100, "result": [
            { "ID": "651", "NAME": "Ада", "LAST_NAME": "Байрон", "PHONE": phone("8 (916) 123-45-67"),
              "ASSIGNED_BY_ID": "11", "DATE_MODIFY": "2026-11-24T10:00:05+03:00" },
            { "ID": "652", "NAME": "Без телефона", "DATE_MODIFY": "2026-11-24T10:00:01+03:00" },
        ] });
        let page = list.read(crm, &config, answer(200, rows), &Next::At(50)).unwrap();
        assert_eq!(shown(&page), ["contact 651 Байрон Ада Some(\"201\") +79161234567"]);
        assert_eq!((page.newest.as_deref(), page.next), (Some("2026-11-24T10:00:05+03:00"), Some(Next::At(100))));
        let company = json!({ "next": 50, "result": [{ "ID": 7, "TITLE": "Engines", "NAME": "x", "PHONE": phone("+74951112233"), "ASSIGNED_BY_ID": 99 }] });
        let page = lists(Dialect::Bitrix24)[1].read(crm, &config, answer(200, company), &Next::At(50)).unwrap();
        assert_eq!((shown(&page), page.next), (vec!["company 7 Engines None +74951112233".into()], None), "no circle");
        let limit = answer(503, json!({ "error": "QUERY_LIMIT_EXCEEDED" }));
        assert!(list.read(crm, &config, limit, &Next::First).is_err());
    }

    #[test]
    fn amocrm_tells_what_changed_page_by_page() {
        let config = config();
        let (crm, list) = (&config.crms[1], &lists(Dialect::Amocrm)[0]);
        let request = list.request(crm, Some("1795503600"), &Next::At(2));
        let url = "https://a.example/api/v4/contacts?limit=250&page=2&order[updated_at]=asc&filter[updated_at][from]=1795503600";
        assert_eq!((request.url.as_str(), request.headers[0].1.as_str()), (url, "Bearer t"));
        let rows = json!({ "_links": { "next": { "href": "https://elsewhere.example" } }, "_embedded": { "contacts": [
            { "id": 5, "name": "Ada", "responsible_user_id": 21, "updated_at": 1_795_503_700,
              "custom_fields_values": [{ "field_code": "PHONE", "values": [{ "value": "+7 916 123 45 67" }] }] },
        ] } });
        let page = list.read(crm, &config, answer(200, rows), &Next::At(2)).unwrap();
        assert_eq!(shown(&page), ["contact 5 Ada Some(\"201\") +79161234567"]);
        assert_eq!((page.newest.as_deref(), page.next), (Some("1795503700"), Some(Next::At(3))));
        let nobody = Answer { status: 204, retry_after: None, body: Vec::new() };
        let page = list.read(crm, &config, nobody, &Next::First).unwrap();
        assert_eq!((page.rows.len(), page.newest, page.next), (0, None, None));
    }
}
