//! MegaFon's virtual PBX and its sisters (the same platform runs at other operators): the CRM has one address, to which
//! `cmd=event`, `cmd=history` and `cmd=contact` are posted.
//!
//! Verified in public sources (connectors and their tests on GitHub: field names and their spelling, the closed list of
//! `type`s, `start` as `YYYYmmddTHHMMSSZ`, form or JSON body with `crm_token`, `{contact_name, responsible}` or `{}` as the
//! answer to `contact`, the five `status`es, any known command answered with 200): MikoPBX's ModuleMegafonPbx, MegafonATS
//! (C#), kcell and 1C connectors. From general knowledge: that `TRANSFERRED` names the one who took over, and that
//! `second_callid` is only of calls that became one.
//!
//! The `contact` question is asked beside the call, when its first event leaves: the phone has long been ringing. What is
//! answered counts from the next call on.

use super::news::Call;
use super::teller::Teller;
use super::wire::{Failed, Found, Request};
use crate::clock::Timestamp;
use crate::customer::Kind;
use crate::event::EventKind;

/// Tells of one event.
///
/// # Errors
/// The CRM does not take it.
pub fn tell(mut teller: Teller<'_>) -> Result<super::wire::Told, Failed> {
    let Some(phone) = teller.phone() else { return Ok(teller.told) };
    match teller.news.kind {
        EventKind::CallRinging => {
            let fresh = teller.begin_ringing();
            let gone = teller.stop_ringing(false);
            if !teller.stale {
                for extension in &gone {
                    teller.event("CANCELLED", &phone, extension)?;
                }
                for extension in &fresh {
                    let kind = if teller.call.is_inbound() { "INCOMING" } else { "OUTGOING" };
                    teller.event(kind, &phone, extension)?;
                }
            }
            teller.keep()?;
        }
        EventKind::CallStarted if !teller.call.is_inbound() => {
            if let (Some(extension), false) = (teller.call.from.extension.clone(), teller.stale) {
                teller.event("OUTGOING", &phone, &extension)?;
            }
        }
        EventKind::CallStarted if !teller.stale => teller.ask_contact(&phone)?,
        EventKind::CallAnswered | EventKind::CallTransferred => {
            let others = teller.told.talks.clone();
            let (now, before) = teller.change_of_talkers();
            let gone = teller.stop_ringing(now.is_some());
            if !teller.stale {
                for extension in &gone {
                    teller.event("CANCELLED", &phone, extension)?;
                }
                if let Some(before) = &before {
                    teller.event("COMPLETED", &phone, before)?;
                }
                if let Some(now) = &now {
                    let kind = if others.is_some() || before.is_some() { "TRANSFERRED" } else { "ACCEPTED" };
                    teller.event(kind, &phone, now)?;
                }
            }
            teller.keep()?;
        }
        EventKind::CallEnded if !teller.told.ended => {
            let talked = teller.told.talks.clone();
            let gone = teller.stop_ringing(true);
            if !teller.stale {
                for extension in &gone {
                    teller.event("CANCELLED", &phone, extension)?;
                }
                if let Some(extension) = &talked {
                    teller.event("COMPLETED", &phone, extension)?;
                }
            }
            teller.history(&phone)?;
            teller.told.ended = true;
            teller.keep()?;
        }
        _ => {}
    }
    Ok(teller.told)
}

impl Teller<'_> {
    fn event(&mut self, kind: &str, phone: &str, extension: &str) -> Result<(), Failed> {
        let (user, call) = (self.user(extension), self.call);
        let direction = if call.is_inbound() { "in" } else { "out" };
        self.command(&[
            ("cmd", "event"),
            ("type", kind),
            ("phone", phone),
            ("diversion", call.line()),
            ("user", &user),
            ("ext", extension),
            ("groupRealName", call.group.as_deref().unwrap_or_default()),
            ("direction", direction),
            ("callid", &call.id),
        ])
        .map(drop)
    }

    fn history(&mut self, phone: &str) -> Result<(), Failed> {
        let call = self.call;
        let ended = call.ended.unwrap_or(self.news.time);
        let began = call.began.unwrap_or(ended);
        let extension = call.employee().map_or("", |extension| extension);
        let user = if extension.is_empty() { String::new() } else { self.user(extension) };
        let user =
            Some(user).filter(|user| !user.is_empty()).or_else(|| self.crm.default_user.as_deref().map(Into::into));
        let link = if call.is_recorded() { self.desk.link() } else { None };
        self.command(&[
            ("cmd", "history"),
            ("type", if call.is_inbound() { "in" } else { "out" }),
            ("status", status(call, &self.news.data)),
            ("phone", phone),
            ("diversion", call.line()),
            ("user", user.as_deref().unwrap_or_default()),
            ("ext", extension),
            ("groupRealName", call.group.as_deref().unwrap_or_default()),
            ("start", &start(began)),
            ("duration", &call.talk_seconds().to_string()),
            ("callid", &call.id),
            ("link", link.as_deref().unwrap_or_default()),
        ])
        .map(drop)
    }

    /// Asks whose number it is.
    fn ask_contact(&mut self, phone: &str) -> Result<(), Failed> {
        let call = self.call;
        let answer =
            self.command(&[("cmd", "contact"), ("phone", phone), ("callid", &call.id), ("diversion", call.line())])?;
        // Whom somebody else wrote down (an import, a CRM with ids) is not written over.
        let ours = format!("{}:", self.crm.name);
        let theirs = |id: &str| !id.starts_with(&ours);
        if call.contact.as_ref().is_some_and(|contact| !contact.provisional && theirs(&contact.id)) {
            return Ok(());
        }
        let answer = answer.json();
        let name = answer["contact_name"].as_str().unwrap_or_default().trim();
        let (Some(number), false) = (call.from.number.as_ref().and_then(|text| text.parse().ok()), name.is_empty())
        else {
            return Ok(());
        };
        // The platform writes either its user or the short number here.
        let responsible = answer["responsible"].as_str().map(str::trim).filter(|text| !text.is_empty());
        let known = |text: &str| self.config.extension_by_number(text).map(|_| text.into());
        let responsible = responsible.and_then(|text| self.crm.extension(text).cloned().or_else(|| known(text)));
        let id = format!("{ours}{phone}").into();
        let found = Found { kind: Kind::Contact, id, name: name.into(), responsible, numbers: vec![number] };
        self.desk.found(found);
        Ok(())
    }

    fn command(&mut self, fields: &[(&str, &str)]) -> Result<super::wire::Answer, Failed> {
        let token = self.crm.token.as_ref().map_or("", |token| token.expose());
        let all = fields.iter().copied().chain([("crm_token", token)]);
        self.send(Request::form(&*self.crm.url, all))
    }
}

/// How the call ended, in the platform's words.
fn status(call: &Call, data: &serde_json::Value) -> &'static str {
    if call.was_answered() {
        return "Success";
    }
    if call.is_inbound() {
        return "Missed";
    }
    match data["status"].as_u64() {
        Some(486 | 600) => "Busy",
        Some(403) => "NotAllowed",
        _ => "NotAvailable",
    }
}

/// `20261124T100000Z`.
pub fn start(at: Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::Scene;
    use super::*;

    const CRM: &str =
        "dialect = \"megafon\"\nurl = \"https://crm.example/hook\"\ntoken = \"t0\"\nusers = { 201 = \"ivan\" }\n";
    const HOOK: &str = "POST https://crm.example/hook";

    fn event(kind: &str, user: &str, ext: &str) -> String {
        format!(
            "{HOOK} cmd=event type={kind} phone=79161234567 diversion=74951234567 user={user} ext={ext} direction=in \
             callid=c1 crm_token=t0"
        )
    }

    #[test]
    fn a_call_is_told_from_the_question_who_it_is_to_its_history() {
        let mut scene = Scene::of(CRM);
        let answer = json!({ "contact_name": "Ада Байрон", "responsible": "ivan" });
        let asked = scene.answered(&[(200, answer)]).tell("call.started", 0, json!({})).unwrap();
        let question = format!("{HOOK} cmd=contact phone=79161234567 callid=c1 diversion=74951234567 crm_token=t0");
        assert_eq!(asked, [question]);
        let found = &scene.found[0];
        assert_eq!((&*found.id, &*found.name), ("main:79161234567", "Ада Байрон"));
        assert_eq!((found.responsible.as_deref(), found.numbers[0].to_string()), (Some("201"), "+79161234567".into()));

        let ringing = scene.tell("call.ringing", 1, json!({ "ringing": ["201", "202"] })).unwrap();
        assert_eq!(ringing, [event("INCOMING", "ivan", "201"), event("INCOMING", "202", "202")]);
        let again = scene.tell("call.ringing", 8, json!({ "ringing": ["202", "203"], "withdrawn": ["201"] })).unwrap();
        assert_eq!(again, [event("CANCELLED", "ivan", "201"), event("INCOMING", "203", "203")]);
        scene.talk("202", 10, None);
        let answered = scene.tell("call.answered", 10, json!({})).unwrap();
        assert_eq!(answered, [event("CANCELLED", "203", "203"), event("ACCEPTED", "202", "202")]);

        // Handed on: one call, the last who talked.
        scene.talk("202", 10, Some(30));
        let handed = scene.tell("call.transferred", 30, json!({})).unwrap();
        assert_eq!(handed, [event("COMPLETED", "202", "202")]);
        let ringing = scene.tell("call.ringing", 30, json!({ "ringing": ["201"] })).unwrap();
        assert_eq!(ringing, [event("INCOMING", "ivan", "201")]);
        scene.talk("201", 35, None);
        assert_eq!(scene.tell("call.answered", 35, json!({})).unwrap(), [event("ACCEPTED", "ivan", "201")]);

        scene.talk("201", 35, Some(60));
        scene.call["recording"]["files"] = json!(["a.wav"]);
        let ended = scene.tell("call.ended", 60, json!({ "status": 200 })).unwrap();
        let history = format!(
            "{HOOK} cmd=history type=in status=Success phone=79161234567 diversion=74951234567 user=ivan ext=201 \
             start=20261124T070000Z duration=45 callid=c1 link=https://router.example/c1.wav crm_token=t0"
        );
        assert_eq!(ended, [event("COMPLETED", "ivan", "201"), history]);
        assert_eq!(scene.tell("call.ended", 60, json!({})).unwrap(), [""; 0], "told once");
    }

    #[test]
    fn a_missed_call_is_put_down_to_whoever_is_responsible() {
        let mut scene = Scene::of(CRM);
        scene.call["responsible"] = json!("201");
        scene.call["group"] = json!("sales");
        let ended = scene.tell("call.ended", 20, json!({ "status": 480, "missed": "no_answer" })).unwrap();
        let history = format!(
            "{HOOK} cmd=history type=in status=Missed phone=79161234567 diversion=74951234567 user=ivan ext=201 \
             groupRealName=sales start=20261124T070000Z duration=0 callid=c1 crm_token=t0"
        );
        assert_eq!(ended, [history]);
    }

    #[test]
    fn what_is_long_past_opens_no_windows_but_is_in_the_history() {
        let mut scene = Scene::of(CRM);
        scene.stale = true;
        for kind in ["call.started", "call.ringing", "call.answered"] {
            assert_eq!(scene.tell(kind, 1, json!({ "ringing": ["201"] })).unwrap(), [""; 0]);
        }
        assert_eq!(scene.tell("call.ended", 9, json!({})).unwrap().len(), 1);
    }

    #[test]
    fn a_number_that_is_hidden_or_known_from_elsewhere_is_not_written_over() {
        let mut scene = Scene::of(CRM);
        scene.call["contact"] = json!({ "id": "77", "name": "Imported" });
        let answer = json!({ "contact_name": "Other" });
        assert_eq!(scene.answered(&[(200, answer.clone())]).tell("call.started", 0, json!({})).unwrap().len(), 1);
        assert_eq!(scene.found, []);
        scene.call["contact"] = json!({ "id": "main:79161234567", "name": "Old name" });
        scene.answered(&[(200, answer)]).tell("call.started", 0, json!({})).unwrap();
        assert_eq!(&*scene.found[0].name, "Other");
        scene.call["from"] = json!({ "number": null });
        assert_eq!(scene.tell("call.started", 0, json!({})).unwrap(), [""; 0]);
    }

    #[test]
    fn outbound_calls_say_what_became_of_them() {
        let mut scene = Scene::of(CRM);
        scene.call["direction"] = json!("outbound");
        scene.call["from"] = json!({ "extension": "201", "number": "+74951234567" });
        scene.call["to"] = json!({ "number": "+79161234567" });
        scene.call["did"] = json!(null);
        let started = scene.tell("call.started", 0, json!({})).unwrap();
        assert!(started[0].contains("type=OUTGOING") && started[0].contains("user=ivan"), "{started:?}");
        for (code, word) in [(486, "Busy"), (403, "NotAllowed"), (480, "NotAvailable")] {
            scene.told = Default::default();
            let ended = scene.tell("call.ended", 9, json!({ "status": code })).unwrap();
            assert!(
                ended[0].contains(&format!("type=out status={word} ")) && ended[0].contains("user=ivan"),
                "{ended:?}"
            );
        }
    }

    #[test]
    fn a_crm_that_does_not_take_it_is_told_again_from_where_it_stopped() {
        let mut scene = Scene::of(CRM);
        let data = json!({ "ringing": ["201"] });
        assert!(matches!(
            scene.answered(&[(500, json!({}))]).tell("call.ringing", 1, data.clone()),
            Err(Failed::Later { .. })
        ));
        assert_eq!(scene.tell("call.ringing", 1, data).unwrap(), [event("INCOMING", "ivan", "201")]);
    }
}
