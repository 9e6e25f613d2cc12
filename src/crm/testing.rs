//! A scripted CRM for the tables of the dialects: what it is asked is kept, what it answers was said before.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};

use super::news::News;
use super::teller::{Desk, Teller};
use super::wire::{Answer, Failed, Found, Request, Told, Wire, fields_of};
use crate::config::{Config, Nothing};

/// An office with one CRM, and everything that happened between them.
pub struct Scene {
    config: Arc<Config>,
    pub(super) told: Told,
    pub(super) answers: VecDeque<(u16, Value)>,
    pub(super) asked: Vec<String>,
    pub(super) found: Vec<Found>,
    pub(super) stale: bool,
    kept: usize,
    seq: u32,
    /// The picture of the call, as the next event will have it.
    pub call: Value,
}

struct Script<'a> {
    answers: &'a mut VecDeque<(u16, Value)>,
    asked: &'a mut Vec<String>,
}

impl Wire for Script<'_> {
    fn send(&mut self, request: Request) -> Result<Answer, Failed> {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let form = request.headers.iter().any(|(_, value)| value.contains("urlencoded"));
        let shown = if form {
            let shown = |(name, value): (String, String)| format!("{name}={value}");
            fields_of(&body).into_iter().map(shown).collect::<Vec<_>>().join(" ")
        } else {
            body
        };
        self.asked.push(format!("{} {} {shown}", request.method, request.url).trim_end().to_owned());
        let (status, body) = self.answers.pop_front().unwrap_or((200, json!({})));
        if status == 0 {
            return Err(Failed::later("nobody answers"));
        }
        Ok(Answer { status, retry_after: None, body: body.to_string().into_bytes() })
    }
}

struct Paper<'a> {
    kept: &'a mut usize,
    told: Option<Told>,
    found: &'a mut Vec<Found>,
    call: Value,
}

impl Desk for Paper<'_> {
    fn keep(&mut self, told: &Told) -> Result<(), Failed> {
        *self.kept += 1;
        self.told = Some(told.clone());
        Ok(())
    }
    fn recording(&mut self, file: &str) -> Result<Option<Vec<u8>>, Failed> {
        Ok((!file.contains("gone")).then(|| b"RIFF".to_vec()))
    }
    fn found(&mut self, customer: Found) {
        self.found.push(customer);
    }
    fn link(&self) -> Option<String> {
        Some(format!("https://router.example/{}.wav", self.call["id"].as_str().unwrap_or_default()))
    }
}

impl Scene {
    /// An office whose one CRM is configured so.
    pub fn of(crm: &str) -> Scene {
        let text = format!(
            "[site]\ntimezone = \"Europe/Moscow\"\nnumbering = {{ country = \"7\", area = \"495\", national_prefix = \"8\" }}\n\
             [sip]\nrealm = \"office.example\"\n\
             [[extension]]\nnumber = \"201\"\npassword = \"x\"\n[[extension]]\nnumber = \"202\"\npassword = \"x\"\n\
             [[extension]]\nnumber = \"203\"\npassword = \"x\"\n\
             [[trunk]]\nname = \"t\"\nserver = \"sip:192.0.2.1\"\n\
             [[outbound]]\nmatch = \"+7*\"\ntrunks = [\"t\"]\ncaller_id = \"+74951234567\"\n[[crm]]\nname = \"main\"\n{crm}"
        );
        let config = match Config::read(std::path::Path::new("office.toml"), &text, &Nothing) {
            Ok(loaded) => Arc::new(loaded.config),
            Err(why) => panic!("{why}"),
        };
        let call = json!({
            "id": "c1", "direction": "inbound", "began": "2026-11-24T07:00:00Z",
            "from": { "number": "+79161234567" }, "to": { "number": "+74951234567" }, "did": "+74951234567",
            "talkers": [], "recording": { "on": false, "files": [] },
        });
        Scene {
            config,
            told: Told::default(),
            answers: VecDeque::new(),
            asked: Vec::new(),
            found: Vec::new(),
            stale: false,
            kept: 0,
            seq: 0,
            call,
        }
    }

    /// Tells the CRM of an event; what it was asked. After a failure only what was kept is remembered, as after a crash.
    pub fn tell(&mut self, kind: &str, at: u32, data: Value) -> Result<Vec<String>, Failed> {
        self.seq += 1;
        let time = format!("2026-11-24T07:{:02}:{:02}Z", at / 60, at % 60);
        let envelope =
            json!({ "id": format!("{}-0", self.seq), "type": kind, "time": time, "call": self.call, "data": data });
        let mut news = News::read(&envelope).unwrap();
        news.seen_by(&self.config);
        self.asked.clear();
        let mut script = Script { answers: &mut self.answers, asked: &mut self.asked };
        let mut paper = Paper { kept: &mut self.kept, told: None, found: &mut self.found, call: self.call.clone() };
        let outcome = super::tell(Teller {
            crm: &self.config.crms[0],
            config: &self.config,
            news: &news,
            call: news.call.as_ref().unwrap(),
            stale: self.stale,
            told: self.told.clone(),
            wire: &mut script,
            desk: &mut paper,
        });
        if let Some(told) = paper.told {
            self.told = told;
        }
        self.told = outcome?;
        Ok(self.asked.clone())
    }

    /// The same with an answer to each request.
    pub fn answered(&mut self, answers: &[(u16, Value)]) -> &mut Scene {
        self.answers = answers.iter().cloned().collect();
        self
    }

    /// Somebody talks from now on, until (where it is said) somebody else did.
    pub fn talk(&mut self, extension: &str, from: u32, until: Option<u32>) {
        let time = |at: u32| format!("2026-11-24T07:{:02}:{:02}Z", at / 60, at % 60);
        let talker = json!({ "who": extension, "from": time(from), "until": until.map(time), "seconds": until.map(|until| until - from) });
        let talkers = self.call["talkers"].as_array_mut().unwrap();
        talkers.retain(|one| one["who"] != extension);
        talkers.push(talker);
        let seconds: u64 = talkers.iter().map(|one| one["seconds"].as_u64().unwrap_or(0)).sum();
        self.call["talk_ms"] = json!(seconds * 1_000);
        if self.call["answered"].is_null() {
            self.call["answered"] = json!(time(from));
        }
    }
}
