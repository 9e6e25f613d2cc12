//! Bitrix24: a call is registered once, shown to whoever it rings at, finished once at its real end, and then given its
//! recording.
//!
//! ```text
//!  rings ─► register (whoever rings first) ─► show, hide ─► … ─► finish (who talked last) ─► attachRecord
//! ```
//!
//! Verified in Bitrix24's own REST documentation (its pages on GitHub, 2026): every method, parameter, answer and error
//! below; that a second `register` within 30 minutes gives the same `CALL_ID` where number, type, user, line and
//! `EXTERNAL_CALL_ID` are the same; that `register` and `finish` want the context of an application while the others take a
//! webhook's; the list of `STATUS_CODE`s; `show` with `result: false` for an unknown call; `QUERY_LIMIT_EXCEEDED` with 503;
//! that only one recording is kept, and that it replaces the one before. From general knowledge: that a `finish` which was
//! done already is answered like one of an unknown call, and `OPERATION_TIME_LIMIT` with 429.
//!
//! So `EXTERNAL_CALL_ID` is always our own id (else a second call of the same people within half an hour would be the first
//! one), there is one registration a call whoever else is rung (else the responsible employee flips), and the recording is
//! pushed: an address of ours would be tried once and then forgotten in silence.

use std::sync::Arc;

use base64::Engine as _;
use serde_json::{Map, Value, json};

use super::news::Call;
use super::teller::Teller;
use super::wire::{Answer, Failed, Found, LegNow, Recorded, Request, Told};
use crate::clock::{Duration, Timestamp};
use crate::customer::Kind;
use crate::event::EventKind;

/// Larger recordings are uploaded in a request of their own.
const LARGEST_INLINE: usize = 5 << 20;
/// After `QUERY_LIMIT_EXCEEDED`: by then two more requests have leaked out of their bucket.
const A_MOMENT: Duration = Duration::from_secs(1);
/// After `OPERATION_TIME_LIMIT`, which counts over ten minutes.
const A_WHILE: Duration = Duration::from_secs(60);

/// Tells of one event.
///
/// # Errors
/// Bitrix24 does not take it.
pub fn tell(mut teller: Teller<'_>) -> Result<Told, Failed> {
    let Some(phone) = teller.phone() else { return Ok(teller.told) };
    match teller.news.kind {
        EventKind::CallStarted if teller.stale => {}
        EventKind::CallStarted if teller.call.is_inbound() => teller.search(&phone)?,
        EventKind::CallStarted => {
            if let Some(extension) = teller.call.from.extension.clone() {
                let came_from_there = teller.theirs().is_some();
                teller.register(&phone, Some(&extension))?;
                if !came_from_there {
                    teller.show(&[extension])?;
                }
            }
        }
        EventKind::CallRinging => {
            let fresh = teller.begin_ringing();
            let gone = teller.stop_ringing(false);
            if !teller.stale && teller.call.is_inbound() && !(fresh.is_empty() && gone.is_empty()) {
                teller.register(&phone, fresh.first())?;
                teller.hide(&gone)?;
                teller.show(&fresh)?;
            }
            teller.keep()?;
        }
        EventKind::CallAnswered | EventKind::CallTransferred => {
            let rang: Vec<_> = teller.told.legs.iter().filter(|(_, leg)| leg.now != LegNow::Over).collect();
            let rang: Vec<Arc<str>> = rang.into_iter().map(|(extension, _)| extension.clone()).collect();
            let (now, before) = teller.change_of_talkers();
            let mut gone = teller.stop_ringing(now.is_some());
            gone.extend(before);
            if !teller.stale && teller.call.is_inbound() && !(now.is_none() && gone.is_empty()) {
                teller.register(&phone, now.as_ref().or(rang.first()))?;
                teller.hide(&gone)?;
                let new: Vec<_> = now.into_iter().filter(|now| !rang.contains(now)).collect();
                teller.show(&new)?;
            }
            teller.keep()?;
        }
        EventKind::CallEnded if !teller.told.ended => {
            teller.stop_ringing(true);
            teller.finish(&phone)?;
            teller.attach()?;
        }
        EventKind::RecordingReady => {
            teller.told.recordings.extend(talk_of(&teller.news.data));
            teller.keep()?;
            if teller.told.ended {
                teller.attach()?;
            }
        }
        _ => {}
    }
    Ok(teller.told)
}

/// The recording of a talk that an event tells of; a message in a voicemail box is none.
fn talk_of(data: &Value) -> Option<Recorded> {
    if data["mailbox"].is_string() {
        return None;
    }
    Some(Recorded { file: data["file"].as_str()?.into(), length_ms: data["length_ms"].as_u64().unwrap_or(0) })
}

impl Teller<'_> {
    /// What Bitrix24 calls this call, where it has a name: it was registered, or began there with a click.
    fn theirs(&self) -> Option<String> {
        let clicked = || self.call.reference.as_deref()?.strip_prefix(&*self.crm.name)?.strip_prefix(':');
        self.told.theirs.clone().or_else(|| clicked().map(Into::into))
    }

    /// Registers the call, once.
    fn register(&mut self, phone: &str, whom: Option<&Arc<str>>) -> Result<String, Failed> {
        if let Some(theirs) = self.theirs() {
            return Ok(theirs);
        }
        let call = self.call;
        let began = call.began.unwrap_or(self.news.time);
        let mut body = self.named(whom.or(call.employee()))?;
        let set = [
            ("PHONE_NUMBER", json!(phone)),
            ("TYPE", json!(if call.is_inbound() { 2 } else { 1 })),
            ("CALL_START_DATE", json!(self.local(began))),
            ("CRM_CREATE", json!(u8::from(self.crm.create))),
            ("SHOW", json!(0)),
            ("LINE_NUMBER", json!(call.line())),
            ("EXTERNAL_CALL_ID", json!(call.id)),
        ];
        body.extend(set.map(|(name, value)| (name.to_owned(), value)));
        let answer = self.order_for("telephony.externalcall.register", body)?;
        let theirs = answer["CALL_ID"].as_str().ok_or_else(|| Failed::Never("it gave the call no CALL_ID".into()))?;
        self.told.theirs = Some(theirs.to_owned());
        self.told.registered = whom.cloned();
        self.keep()?;
        Ok(theirs.to_owned())
    }

    fn show(&mut self, extensions: &[Arc<str>]) -> Result<(), Failed> {
        self.window("telephony.externalcall.show", extensions)
    }

    fn hide(&mut self, extensions: &[Arc<str>]) -> Result<(), Failed> {
        self.window("telephony.externalcall.hide", extensions)
    }

    /// Only of users that the config names: a window is opened by their id.
    fn window(&mut self, method: &str, extensions: &[Arc<str>]) -> Result<(), Failed> {
        let users = extensions.iter().filter_map(|extension| self.crm.users.get(extension));
        let users: Vec<Value> = users.map(|user| id(user)).collect();
        let (false, Some(theirs)) = (users.is_empty(), self.theirs()) else { return Ok(()) };
        let body = [("CALL_ID".to_owned(), json!(theirs)), ("USER_ID".to_owned(), json!(users))];
        match self.order(method, body.into_iter().collect()) {
            // The window is of no use any more, and the call goes on without it.
            Err(Failed::Never(why)) => tracing::info!(crm = %self.crm.name, method, why, "a window was not changed"),
            Err(later) => return Err(later),
            Ok(_) => {}
        }
        Ok(())
    }

    /// Finishes the call, once.
    fn finish(&mut self, phone: &str) -> Result<(), Failed> {
        let mut registered_here = self.theirs().is_none();
        loop {
            let rung = self.told.registered.clone();
            let whom = self.call.employee().cloned().or(rung);
            let theirs = self.register(phone, whom.as_ref())?;
            let may_be_done = self.told.doing.is_some();
            self.told.doing = Some("finish".into());
            self.keep()?;
            let call = self.call;
            let mut body = self.named(whom.as_ref())?;
            let set = [
                ("CALL_ID", json!(theirs)),
                ("DURATION", json!(call.talk_seconds())),
                ("STATUS_CODE", json!(status(call, &self.news.data))),
            ];
            body.extend(set.map(|(name, value)| (name.to_owned(), value)));
            match self.order_for("telephony.externalcall.finish", body) {
                Ok(_) => break,
                Err(Failed::Never(why)) if why.contains("is not found (call should be registered") => {
                    if may_be_done {
                        break;
                    }
                    if registered_here {
                        return Err(Failed::Never(why));
                    }
                    // It has forgotten the call: it was told of its beginning long ago.
                    registered_here = true;
                    (self.told.theirs, self.told.doing) = (None, None);
                }
                Err(failed) => return Err(failed),
            }
        }
        self.told.theirs = self.theirs();
        self.told.doing = None;
        self.told.ended = true;
        self.keep()
    }

    /// Gives the call the longest of its recordings.
    fn attach(&mut self) -> Result<(), Failed> {
        let longest = self.told.recordings.iter().max_by_key(|recorded| recorded.length_ms).cloned();
        let (Some(recorded), Some(theirs)) = (longest, self.theirs()) else { return Ok(()) };
        if self.told.attached_ms.is_none_or(|attached| attached < recorded.length_ms) {
            if let Some(bytes) = self.desk.recording(&recorded.file)? {
                self.push(&theirs, &bytes)?;
            }
            self.told.attached_ms = Some(recorded.length_ms);
        }
        self.told.recordings.clear();
        self.keep()
    }

    fn push(&mut self, theirs: &str, bytes: &[u8]) -> Result<(), Failed> {
        let name = format!("{}.wav", self.call.id);
        let mut body = Map::from_iter([("CALL_ID".into(), json!(theirs)), ("FILENAME".into(), json!(name))]);
        if bytes.len() <= LARGEST_INLINE {
            body.insert("FILE_CONTENT".into(), json!(base64::engine::general_purpose::STANDARD.encode(bytes)));
        }
        let answer = match self.order("telephony.externalCall.attachRecord", body) {
            Err(Failed::Never(why)) if why.contains("not finished yet") => return Err(Failed::later(why)),
            other => other?,
        };
        let Some(url) = answer["uploadUrl"].as_str() else { return Ok(()) };
        let field = answer["fieldName"].as_str().unwrap_or("file");
        let boundary = format!("huntline-{}", self.call.id);
        let mut form = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
             Content-Type: audio/x-wav\r\n\r\n"
        )
        .into_bytes();
        form.extend_from_slice(bytes);
        form.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={boundary}");
        let request =
            Request { method: "POST", url: url.into(), headers: vec![("content-type", kind)], body: form.into() };
        read(self.wire.send(request)?).map(drop)
    }

    /// Asks whose number it is, where nobody here knows.
    fn search(&mut self, phone: &str) -> Result<(), Failed> {
        let number = self.call.from.number.as_ref().and_then(|text| text.parse().ok());
        let unknown = self.call.contact.as_ref().is_none_or(|contact| contact.provisional);
        let (Some(number), true) = (number, unknown) else { return Ok(()) };
        let body = Map::from_iter([("PHONE_NUMBER".into(), json!(phone))]);
        let entities = self.order("telephony.externalCall.searchCrmEntities", body)?;
        for entity in entities.as_array().into_iter().flatten() {
            let kind = match entity["CRM_ENTITY_TYPE"].as_str() {
                Some("CONTACT") => Kind::Contact,
                Some("COMPANY") => Kind::Company,
                Some("LEAD") => Kind::Lead,
                _ => continue,
            };
            let Some(id) = text(&entity["CRM_ENTITY_ID"]) else { continue };
            let inner = entity["ASSIGNED_BY"]["USER_PHONE_INNER"].as_str();
            let inner = inner.filter(|inner| self.config.extension_by_number(inner).is_some()).map(Into::into);
            let assigned = text(&entity["ASSIGNED_BY_ID"]).and_then(|user| self.crm.extension(&user).cloned());
            let name = entity["NAME"].as_str().unwrap_or_default().trim().into();
            let found = Found { kind, id: id.into(), name, responsible: assigned.or(inner), numbers: vec![number] };
            self.desk.found(found);
        }
        Ok(())
    }

    /// A user by their id, or where the config does not name it by their internal number.
    fn named(&self, extension: Option<&Arc<str>>) -> Result<Map<String, Value>, Failed> {
        let by_id = extension.and_then(|extension| self.crm.users.get(extension));
        let nobody = || Failed::Never("nobody had to do with the call, and the config names no `default_user`".into());
        let (key, value) = match (by_id, extension) {
            (Some(user), _) => ("USER_ID", id(user)),
            (None, Some(extension)) if self.config.extension_by_number(extension).is_some() => {
                ("USER_PHONE_INNER", json!(extension))
            }
            _ => ("USER_ID", id(self.crm.default_user.as_ref().ok_or_else(nobody)?)),
        };
        Ok(Map::from_iter([(key.into(), value)]))
    }

    /// The same in the name of a user; of one who is not there any more in that of whoever stands for everybody.
    fn order_for(&mut self, method: &str, mut body: Map<String, Value>) -> Result<Value, Failed> {
        match (self.order(method, body.clone()), self.crm.default_user.as_deref().map(id)) {
            (Err(Failed::Never(why)), Some(standing))
                if why.contains("User is not found") && body.get("USER_ID") != Some(&standing) =>
            {
                body.remove("USER_PHONE_INNER");
                body.insert("USER_ID".into(), standing);
                self.order(method, body)
            }
            (outcome, _) => outcome,
        }
    }

    /// Calls a method; what is in `result`.
    fn order(&mut self, method: &str, mut body: Map<String, Value>) -> Result<Value, Failed> {
        if let Some(token) = &self.crm.token {
            body.insert("auth".into(), json!(token.expose()));
        }
        let request = Request::json(format!("{}/{method}", self.crm.url), &Value::Object(body));
        read(self.wire.send(request)?)
    }

    /// With the site's own offset: `2026-11-24T10:00:00+03:00`.
    fn local(&self, at: Timestamp) -> String {
        at.to_zoned(self.config.site.timezone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }
}

/// What is in `result`, or what the error means.
///
/// # Errors
/// It is one.
pub fn read(answer: Answer) -> Result<Value, Failed> {
    let body = answer.json();
    let Some(error) = body["error"].as_str() else {
        return answer.good().map(|_| body["result"].clone());
    };
    let why = format!("{error}: {}", body["error_description"].as_str().unwrap_or_default());
    match error {
        "QUERY_LIMIT_EXCEEDED" => Err(Failed::Later { why, after: Some(A_MOMENT) }),
        "OPERATION_TIME_LIMIT" => Err(Failed::Later { why, after: Some(A_WHILE) }),
        // The admin mends it, and the letters that waited go out.
        _ if matches!(answer.status, 401 | 403 | 500..) => Err(Failed::Later { why, after: None }),
        _ => Err(Failed::Never(why)),
    }
}

/// An id is a number there.
fn id(user: &str) -> Value {
    user.parse::<u64>().map_or_else(|_| json!(user), |id| json!(id))
}

/// An id comes as a number or as text.
pub fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned).or_else(|| value.as_u64().map(|id| id.to_string())).filter(|id| !id.is_empty())
}

/// How the call ended, in Bitrix24's table.
fn status(call: &Call, data: &Value) -> &'static str {
    if call.was_answered() {
        return "200";
    }
    if call.is_inbound() {
        return if data["missed"].is_null() && data["status"] == 603 { "423" } else { "304" };
    }
    match data["status"].as_u64() {
        Some(486 | 600) => "486",
        Some(603) => "603",
        Some(487) => "603-S",
        Some(403) => "403",
        Some(404 | 410) => "404",
        Some(484) => "484",
        Some(402) => "402",
        Some(503) => "503",
        Some(408 | 480) => "480",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::Scene;
    use super::*;

    const CRM: &str = "dialect = \"bitrix24\"\nurl = \"https://b24.example/rest/1/hook\"\n\
        users = { 201 = \"11\", 202 = \"12\" }\ndefault_user = \"1\"\ncreate = true\n";

    /// The method and its parameters.
    fn short(asked: &[String]) -> Vec<(String, Value)> {
        let one = |line: &String| {
            let (method, body) =
                line.strip_prefix("POST https://b24.example/rest/1/hook/").unwrap().split_once(' ').unwrap();
            let method = method.strip_prefix("telephony.externalcall.").unwrap_or(method);
            (method.to_owned(), serde_json::from_str(body).unwrap())
        };
        asked.iter().map(one).collect()
    }

    fn registered(user: Value) -> (String, Value) {
        let mut body = json!({
            "PHONE_NUMBER": "79161234567", "TYPE": 2, "CALL_START_DATE": "2026-11-24T10:00:00+03:00", "CRM_CREATE": 1,
            "SHOW": 0, "LINE_NUMBER": "74951234567", "EXTERNAL_CALL_ID": "c1",
        });
        body.as_object_mut().unwrap().extend(user.as_object().unwrap().clone());
        ("register".into(), body)
    }

    fn named(id: &str) -> (u16, Value) {
        (200, json!({ "result": { "CALL_ID": id } }))
    }

    fn done() -> (u16, Value) {
        (200, json!({ "result": true }))
    }

    #[test]
    fn a_call_is_registered_once_shown_to_whom_it_rings_at_and_finished_by_who_talked_last() {
        let mut scene = Scene::of(CRM);
        let ringing = json!({ "ringing": ["201", "203"] });
        let asked = scene.answered(&[named("B1")]).tell("call.ringing", 1, ringing).unwrap();
        let show = |user: Value| ("show".to_owned(), json!({ "CALL_ID": "B1", "USER_ID": user }));
        let hide = |user: Value| ("hide".to_owned(), json!({ "CALL_ID": "B1", "USER_ID": user }));
        // 203 has no id of its own there: no window.
        assert_eq!(short(&asked), [registered(json!({ "USER_ID": 11 })), show(json!([11]))]);
        let moved = json!({ "ringing": ["202"], "withdrawn": ["201", "203"] });
        let asked = scene.tell("call.ringing", 9, moved).unwrap();
        assert_eq!(short(&asked), [hide(json!([11])), show(json!([12]))]);
        scene.talk("202", 12, None);
        assert_eq!(scene.tell("call.answered", 12, json!({})).unwrap(), [""; 0], "the window is open");
        scene.talk("202", 12, Some(30));
        assert_eq!(short(&scene.tell("call.transferred", 30, json!({})).unwrap()), [hide(json!([12]))]);
        let asked = scene.tell("call.ringing", 30, json!({ "ringing": ["201"] })).unwrap();
        assert_eq!(short(&asked), [show(json!([11]))]);
        scene.talk("201", 34, None);
        scene.tell("call.answered", 34, json!({})).unwrap();
        scene.talk("201", 34, Some(60));
        let asked = scene.tell("call.ended", 60, json!({ "status": 200 })).unwrap();
        let finish = json!({ "CALL_ID": "B1", "USER_ID": 11, "DURATION": 44, "STATUS_CODE": "200" });
        assert_eq!(short(&asked), [("finish".to_owned(), finish)]);
        assert_eq!(scene.tell("call.ended", 60, json!({})).unwrap(), [""; 0]);
        let data = json!({ "file": "recordings/c1.wav", "length_ms": 44_000 });
        let asked = scene.tell("recording.ready", 61, data.clone()).unwrap();
        let pushed = json!({ "CALL_ID": "B1", "FILENAME": "c1.wav", "FILE_CONTENT": "UklGRg==" });
        assert_eq!(short(&asked), [("telephony.externalCall.attachRecord".to_owned(), pushed)]);
        assert_eq!(scene.tell("recording.ready", 61, data).unwrap(), [""; 0], "attached once");
    }

    #[test]
    fn a_missed_call_that_never_rang_is_registered_at_its_end() {
        let mut scene = Scene::of(CRM);
        let ended = json!({ "status": 480, "missed": "after_hours" });
        let asked = scene.answered(&[named("B2")]).tell("call.ended", 9, ended.clone()).unwrap();
        let finish = json!({ "CALL_ID": "B2", "USER_ID": 1, "DURATION": 0, "STATUS_CODE": "304" });
        assert_eq!(short(&asked), [registered(json!({ "USER_ID": 1 })), ("finish".to_owned(), finish)]);
        let mut scene = Scene::of(CRM);
        scene.call["responsible"] = json!("203");
        let asked = scene.answered(&[named("B3")]).tell("call.ended", 9, ended).unwrap();
        assert_eq!(short(&asked)[0], registered(json!({ "USER_PHONE_INNER": "203" })));
    }

    #[test]
    fn a_finish_that_may_have_been_heard_is_not_done_twice() {
        let mut scene = Scene::of(CRM);
        scene.answered(&[named("B4")]).tell("call.ringing", 1, json!({ "ringing": ["201"] })).unwrap();
        let failed = scene.answered(&[(0, json!({}))]).tell("call.ended", 9, json!({ "missed": "abandoned" }));
        assert!(matches!(failed, Err(Failed::Later { .. })));
        let unknown = "Call is not found (call should be registered prior to finishing)";
        let no = (400, json!({ "error": "ERROR_CORE", "error_description": unknown }));
        let asked = scene.answered(&[no]).tell("call.ended", 9, json!({ "missed": "abandoned" })).unwrap();
        assert_eq!((asked.len(), scene.told.ended), (1, true));
    }

    #[test]
    fn a_call_that_it_has_forgotten_is_registered_anew() {
        let mut scene = Scene::of(CRM);
        scene.answered(&[named("B5")]).tell("call.ringing", 1, json!({ "ringing": ["201"] })).unwrap();
        let unknown = "Call is not found (call should be registered prior to finishing)";
        let no = (400, json!({ "error": "ERROR_CORE", "error_description": unknown }));
        let answers = [no.clone(), named("B6"), done()];
        let asked = scene.answered(&answers).tell("call.ended", 9, json!({ "missed": "abandoned" })).unwrap();
        let methods: Vec<_> =
            short(&asked).into_iter().map(|(method, body)| (method, body["CALL_ID"].clone())).collect();
        assert_eq!(
            methods,
            [("finish".into(), json!("B5")), ("register".into(), json!(null)), ("finish".into(), json!("B6"))]
        );
        let mut scene = Scene::of(CRM);
        let never = scene.answered(&[named("B7"), no]).tell("call.ended", 9, json!({ "missed": "abandoned" }));
        assert!(matches!(never, Err(Failed::Never(_))), "no circle");
    }

    #[test]
    fn for_an_employee_who_is_not_there_any_more_stands_somebody_else() {
        let mut scene = Scene::of(CRM);
        let gone =
            || (400, json!({ "error": "ERROR_CORE", "error_description": "User is not found or is not active" }));
        let answers = [gone(), named("B9"), done(), gone(), done()];
        scene.call["responsible"] = json!("203");
        let asked = scene.answered(&answers).tell("call.ringing", 1, json!({ "ringing": ["201"] })).unwrap();
        let users: Vec<_> = short(&asked).into_iter().map(|(method, body)| (method, body["USER_ID"].clone())).collect();
        let register = |user: u32| ("register".to_owned(), json!(user));
        assert_eq!(users, [register(11), register(1), ("show".into(), json!([11]))]);
        let asked = scene.tell("call.ended", 9, json!({ "missed": "abandoned" })).unwrap();
        let finishes: Vec<_> = short(&asked).into_iter().map(|(_, body)| body).collect();
        assert_eq!((&finishes[0]["USER_PHONE_INNER"], &finishes[1]["USER_ID"]), (&json!("203"), &json!(1)));
        assert_eq!((finishes[1].get("USER_PHONE_INNER"), scene.told.ended), (None, true));
    }

    #[test]
    fn a_call_that_was_clicked_for_is_theirs_already() {
        let mut scene = Scene::of(CRM);
        scene.call["direction"] = json!("outbound");
        scene.call["from"] = json!({ "extension": "201" });
        scene.call["to"] = json!({ "number": "+79161234567" });
        scene.call["ref"] = json!("main:externalCall.77");
        assert_eq!(scene.tell("call.started", 0, json!({})).unwrap(), [""; 0]);
        for (code, word) in [(486, "486"), (487, "603-S"), (480, "480"), (500, "OTHER"), (404, "404")] {
            scene.told = Told::default();
            let asked = short(&scene.tell("call.ended", 9, json!({ "status": code })).unwrap());
            let finish = json!({ "CALL_ID": "externalCall.77", "USER_ID": 11, "DURATION": 0, "STATUS_CODE": word });
            assert_eq!(asked, [("finish".to_owned(), finish)]);
        }
    }

    #[test]
    fn whom_nobody_here_knows_is_asked_for_and_known_from_then_on() {
        let mut scene = Scene::of(CRM);
        let entity = |kind: &str, id: u32, by: Value| {
            json!({ "CRM_ENTITY_TYPE": kind, "CRM_ENTITY_ID": id, "NAME": "Ada", "ASSIGNED_BY_ID": by,
                "ASSIGNED_BY": { "USER_PHONE_INNER": "203" } })
        };
        let answer = json!({ "result": [entity("CONTACT", 651, json!("12")), entity("COMPANY", 7, json!(99)), entity("TEA", 1, json!(1))] });
        let asked = scene.answered(&[(200, answer)]).tell("call.started", 0, json!({})).unwrap();
        assert_eq!(short(&asked)[0].0, "telephony.externalCall.searchCrmEntities");
        let found: Vec<_> = scene.found.iter().map(|one| (one.kind, &*one.id, one.responsible.as_deref())).collect();
        assert_eq!(found, [(Kind::Contact, "651", Some("202")), (Kind::Company, "7", Some("203"))]);
        scene.call["contact"] = json!({ "id": "651", "name": "Ada" });
        assert_eq!(scene.tell("call.started", 0, json!({})).unwrap(), [""; 0]);
    }

    #[test]
    fn a_recording_before_the_end_waits_for_it_and_the_longest_is_kept() {
        let mut scene = Scene::of(CRM);
        scene.answered(&[named("B8")]).tell("call.ringing", 1, json!({ "ringing": ["201"] })).unwrap();
        for (file, length) in [("a.wav", 3_000), ("b.wav", 9_000), ("gone.wav", 100)] {
            let data = json!({ "file": file, "length_ms": length });
            assert_eq!(scene.tell("recording.ready", 3, data).unwrap(), [""; 0]);
        }
        let message = json!({ "file": "message.wav", "length_ms": 99_000, "mailbox": "sales" });
        assert_eq!(scene.tell("recording.ready", 4, message).unwrap(), [""; 0]);
        scene.talk("201", 2, Some(9));
        let asked = scene.tell("call.ended", 9, json!({})).unwrap();
        assert_eq!((asked.len(), scene.told.attached_ms), (2, Some(9_000)));
        assert_eq!(scene.tell("recording.ready", 9, json!({ "file": "c.wav", "length_ms": 10 })).unwrap(), [""; 0]);
    }

    #[test]
    fn too_many_requests_are_a_matter_of_time() {
        let mut scene = Scene::of(CRM);
        let limit = (503, json!({ "error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests" }));
        let failed = scene.answered(&[limit]).tell("call.ringing", 1, json!({ "ringing": ["201"] }));
        assert!(matches!(failed, Err(Failed::Later { after: Some(A_MOMENT), .. })), "{failed:?}");
        let expired = (401, json!({ "error": "expired_token", "error_description": "" }));
        let failed = scene.answered(&[expired]).tell("call.ringing", 1, json!({ "ringing": ["201"] }));
        assert!(matches!(failed, Err(Failed::Later { after: None, .. })), "{failed:?}");
    }
}
