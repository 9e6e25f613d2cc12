//! Lamps: who asked to see the calls or messages of an extension is told of them, the whole state each time.
//!
//! What a lamp shows derives from live legs. A leg that moves marks its extension where somebody watches it (one look-up
//! where nobody does); at the end of the reaction each watcher of a marked one gets one NOTIFY, however much has happened.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::handover::identity;
use super::tables::Switch;
use crate::call::{Identity, Leg, Means, User, contact};
use crate::clock::Duration;
use crate::config::ExtensionIx;
use crate::dialog::Dialog;
use crate::entropy::Token;
use crate::key::{Flow, LegKey};
use crate::refusal::Refusal;
use crate::route::Origin;
use crate::sip::header::NameAddr;
use crate::sip::{HeaderName, Message, Method, Status};
use crate::subscription::{
    DialogState, Entity, Package, Remote, Role, Sight, Subscription, SubscriptionKey, Told, Waiting, Wish, summary,
};
use crate::transaction::ServerKey;

/// Subscriptions begin, go on, and end.
impl Switch {
    /// Somebody of the house wants to watch an extension.
    pub(super) fn subscribe(&mut self, server: ServerKey, flow: Flow, message: &Message, subscriber: ExtensionIx) {
        if let Err(refusal) = self.begin_subscription(server, flow, message, subscriber) {
            self.refuse(server, message, &refusal);
        }
    }

    fn begin_subscription(
        &mut self,
        server: ServerKey,
        flow: Flow,
        message: &Message,
        subscriber: ExtensionIx,
    ) -> Result<(), Refusal> {
        let wish = Wish::read(message)?;
        let config = self.means.config.clone();
        let uri = message.request_uri().ok_or(Refusal::not_found())?;
        let watched = uri.user_unescaped().and_then(|user| config.extension_by_number(&user));
        let watched = watched.ok_or(Refusal::not_found())?;
        if wish.package == Package::MessageSummary && watched != subscriber {
            return Err(Refusal::forbidden());
        }
        let number = |extension| config.extension(extension).number.clone();
        let (subscriber, watched) = (number(subscriber), number(watched));
        let (tag, expires) = (self.means.entropy.tag(), wish.expires);
        let mut dialog = Dialog::from_request(message, flow, tag, &contact(&flow, &self.means))?;
        dialog.confirm();
        if expires > 0 {
            self.subscriptions.has_room(&subscriber)?;
        }
        let entity = Entity::named(&watched, uri);
        let subscription = Subscription::new(subscriber, watched, entity, wish, dialog, tag);
        self.answer_subscribe(server, flow, message, tag.as_str(), expires);
        let key = self.subscriptions.insert(subscription);
        self.goes_on(key, expires);
        Ok(())
    }

    /// The subscription in whose dialog a request is.
    pub(super) fn subscription_of(&self, request: &Message) -> Option<SubscriptionKey> {
        let key = self.subscriptions.by_tag(&Token::read(request.to_tag()?)?)?;
        self.subscriptions.get(key).filter(|row| row.dialog.owns(request)).map(|_| key)
    }

    /// A request within a subscription's dialog: it is to go on, or to end. Whoever asks proves anew who it is, because a
    /// lamp stays lit for longer than a call lasts.
    pub(super) fn within_subscription(
        &mut self,
        server: ServerKey,
        flow: Flow,
        message: &Message,
        key: SubscriptionKey,
    ) {
        if message.method() != Method::Subscribe {
            return self.refuse(server, message, &Refusal::method_not_allowed("SUBSCRIBE"));
        }
        let admission = self.ask(message, &flow);
        let Some(origin) = self.let_in(server, flow, message, admission) else { return };
        if let Err(refusal) = self.extend_subscription(server, flow, message, key, origin) {
            self.refuse(server, message, &refusal);
        }
    }

    fn extend_subscription(
        &mut self,
        server: ServerKey,
        flow: Flow,
        message: &Message,
        key: SubscriptionKey,
        origin: Origin,
    ) -> Result<(), Refusal> {
        let row = self.subscriptions.get_mut(key).ok_or(Refusal::call_does_not_exist())?;
        let is_theirs = |extension| self.means.config.extension(extension).number == row.subscriber;
        if !matches!(origin, Origin::Extension(extension) if is_theirs(extension)) {
            return Err(Refusal::forbidden());
        }
        let wish = Wish::read(message)?;
        if (wish.package, &wish.id) != (row.wish.package, &row.wish.id) {
            // RFC 6665 §4.5.1: one dialog for several is what nobody needs any more.
            return Err(Refusal::forbidden().because("Another Subscription"));
        }
        row.dialog.accept(message, flow)?;
        self.answer_subscribe(server, flow, message, "", wish.expires);
        self.goes_on(key, wish.expires);
        Ok(())
    }

    /// RFC 6665 §4.2.1.2: whatever was asked, a NOTIFY says at once how it stands.
    fn goes_on(&mut self, key: SubscriptionKey, expires: u32) {
        if expires == 0 {
            return self.end_subscription(key, "timeout");
        }
        let until = self.means.now.mono + Duration::from_secs(expires.into());
        self.subscriptions.extend(key, until, &mut self.means.deadlines);
        self.tell(key);
    }

    fn answer_subscribe(&mut self, server: ServerKey, flow: Flow, message: &Message, tag: &str, expires: u32) {
        let source = self.means.transactions.flow(server).unwrap_or(flow).remote;
        let contact = contact(&flow, &self.means);
        let bytes = self.means.write(|writer, _| {
            let mut draft = writer.reply(message, Status::OK, tag, source);
            draft.header(HeaderName::Contact, contact).number(HeaderName::Expires, expires).finish()
        });
        self.means.respond(server, Status::OK, bytes);
    }

    /// Its time is over.
    pub(super) fn subscription_due(&mut self, key: SubscriptionKey) {
        self.end_subscription(key, "timeout");
    }

    /// A NOTIFY was answered. Who refuses one has forgotten its subscription (RFC 6665 §4.2.2), unless it says when to come
    /// again; the next change is soon enough.
    pub(super) fn subscription_answered(&mut self, key: SubscriptionKey, response: &Message) {
        let Some(status) = response.status().filter(|status| status.is_final()) else { return };
        if !status.is_success() && !response.has(HeaderName::RetryAfter) {
            return self.subscription_lost(key);
        }
        let Some(row) = self.subscriptions.get_mut(key) else { return };
        row.under_way = false;
        if std::mem::take(&mut row.owes) {
            self.tell(key);
        }
    }

    /// A NOTIFY was refused, or never answered: nobody is there any more.
    pub(super) fn subscription_lost(&mut self, key: SubscriptionKey) {
        self.subscriptions.remove(key, &mut self.means.deadlines);
    }

    /// A last NOTIFY, and it is forgotten.
    fn end_subscription(&mut self, key: SubscriptionKey, reason: &str) {
        let Some(mut row) = self.subscriptions.remove(key, &mut self.means.deadlines) else { return };
        let news = self.news(&row);
        notify(&mut row, news, &format!("terminated;reason={reason}"), User::Nobody, &mut self.means);
    }

    /// A new config: who is no extension any more neither watches nor is watched.
    pub(super) fn end_foreign_subscriptions(&mut self) {
        let config = self.means.config.clone();
        let is_known = |number: &str| config.extension_by_number(number).is_some();
        let foreign =
            self.subscriptions.iter().filter(|(_, row)| !is_known(&row.watched) || !is_known(&row.subscriber));
        for key in foreign.map(|(key, _)| key).collect::<Vec<_>>() {
            self.end_subscription(key, "noresource");
        }
    }
}

/// What there is to tell, and telling it.
impl Switch {
    /// A leg has begun, moved, or is about to go.
    pub(super) fn mark(&mut self, key: LegKey) {
        if let Some(extension) = self.legs.get(key).and_then(Leg::employee)
            && self.subscriptions.is_watched(extension)
            && !self.marked.contains(extension)
        {
            self.marked.push(extension.clone());
        }
    }

    /// Tells the watchers of those whose legs have moved.
    pub(super) fn light_lamps(&mut self) {
        for extension in std::mem::take(&mut self.marked) {
            let news = Told::Dialogs(self.sights(&extension));
            for key in self.subscriptions.watchers(Package::Dialog, &extension).to_vec() {
                if self.subscriptions.get(key).is_some_and(|row| row.told != news) {
                    self.tell_news(key, news.clone());
                }
            }
        }
    }

    /// Tells one subscriber how it stands; who has not answered yet what it was told last, is told after that.
    fn tell(&mut self, key: SubscriptionKey) {
        if let Some(news) = self.subscriptions.get(key).map(|row| self.news(row)) {
            self.tell_news(key, news);
        }
    }

    fn tell_news(&mut self, key: SubscriptionKey, news: Told) {
        let Some(row) = self.subscriptions.get_mut(key) else { return };
        if row.under_way {
            row.owes = true;
            return;
        }
        row.under_way = true;
        let state = row.active(self.means.now.mono);
        notify(row, news, &state, User::Subscription(key), &mut self.means);
    }

    fn news(&self, row: &Subscription) -> Told {
        match row.wish.package {
            Package::Dialog => Told::Dialogs(self.sights(&row.watched)),
            Package::MessageSummary => Told::Messages(self.mailboxes.get(&row.watched).copied().unwrap_or_default()),
        }
    }

    /// The calls of an extension, as its lamps show them.
    fn sights(&self, extension: &Arc<str>) -> Arc<[Sight]> {
        let legs = self.by_extension.get(extension).into_iter().flatten();
        legs.filter_map(|key| self.sight(*key)).collect()
    }

    fn sight(&self, key: LegKey) -> Option<Sight> {
        let leg = self.legs.get(key)?;
        let (state, names) = (leg.dialog_state(), leg.dialog_names()?);
        // Who calls does not know our tag before it has heard it.
        let known = leg.is_invited() || state != DialogState::Trying;
        (state != DialogState::Terminated).then(|| Sight {
            id: leg.tag(),
            call_id: names.call_id.into(),
            local_tag: names.theirs.into(),
            remote_tag: if known { names.ours.into() } else { "".into() },
            role: if leg.is_invited() { Role::Recipient } else { Role::Initiator },
            state,
            remote: self.partner(key, leg).unwrap_or_else(|| self.dialled(leg)),
        })
    }

    /// Who is at the other end of a leg, as its phone shows them.
    fn partner(&self, key: LegKey, leg: &Leg) -> Option<Remote> {
        let line = self.lines.get(leg.call())?;
        let call = line.call.as_ref()?;
        let partner = call.partner_of(key).and_then(|partner| identity(line, partner, self.legs.get(partner)?));
        // Who asked for the call sees whom they want, before that one answers.
        let wanted = || Identity { caller: line.offer.caller.clone(), display: line.offer.display.clone() };
        let Identity { caller, display } = partner.or_else(|| call.is_asked_for().then(wanted))?;
        let user = match (caller.extension, caller.number) {
            _ if caller.anonymous => None,
            (Some(extension), None) => Some(line.config.extension(extension).number.as_ref().into()),
            (_, Some(number)) => Some(number.to_string().into()),
            (None, None) => Some(caller.verbatim.as_ref().into()),
        };
        Some(Remote { display: display.as_ref().into(), user })
    }

    /// Whom a phone has dialled, while nobody has answered.
    fn dialled(&self, leg: &Leg) -> Remote {
        let dialled = leg.we_are().and_then(|value| NameAddr::read(value).ok());
        let user = dialled.and_then(|dialled| dialled.uri.user_unescaped()).unwrap_or_default();
        let config = &self.means.config;
        let colleague = config.extension_by_number(&user).map(|colleague| config.extension(colleague));
        Remote { display: colleague.map_or("", |colleague| &colleague.name).into(), user: Some(user.as_ref().into()) }
    }
}

/// Messages that wait.
impl Switch {
    /// So many messages wait for an extension now: whoever watches its box is told, and its phones that never asked are
    /// told all the same (RFC 3842 §3.6 leaves room for that, and many phones count on it).
    pub(super) fn mailbox_changed(&mut self, extension: &Arc<str>, waiting: Waiting) {
        let before = match waiting == Waiting::default() {
            true => self.mailboxes.remove(extension),
            false => self.mailboxes.insert(extension.clone(), waiting),
        };
        if before.unwrap_or_default() == waiting {
            return;
        }
        for key in self.subscriptions.watchers(Package::MessageSummary, extension).to_vec() {
            self.tell(key);
        }
        let phones: Vec<_> = self.registrar.devices(extension).map(|(key, _)| key).collect();
        self.tell_unasked(extension, &phones);
    }

    /// Tells phones of an extension that did not ask how many messages wait.
    pub(super) fn tell_unasked(&mut self, extension: &Arc<str>, phones: &[crate::registrar::BindingKey]) {
        let waiting = self.mailboxes.get(extension).copied().unwrap_or_default();
        let asked = self.subscriptions.watchers(Package::MessageSummary, extension).iter();
        let asked: Vec<Flow> =
            asked.filter_map(|key| self.subscriptions.get(*key)).map(|row| row.dialog.flow()).collect();
        let ways: Vec<_> = phones.iter().filter_map(|phone| self.way_to_binding(*phone)).collect();
        for way in ways.into_iter().filter(|way| !asked.iter().any(|flow| flow.remote == way.flow.remote)) {
            let entity = Entity::new(extension, &self.means.address_for(&way.flow).ip().to_string());
            let (tag, call_id) = (self.means.entropy.tag(), self.means.entropy.sip_call_id());
            let hop = self.means.hop(&way.flow);
            let bytes = self.means.write(|writer, means| {
                let mut draft = writer.request(Method::Notify, way.target.as_str());
                hop.view().write(&mut draft);
                draft
                    .number(HeaderName::MaxForwards, 70u8)
                    .name_addr(HeaderName::From, "", entity.uri(), tag.as_str())
                    .name_addr(HeaderName::To, "", entity.uri(), "")
                    .header(HeaderName::CallId, call_id.as_str())
                    .cseq(1, Method::Notify)
                    .header(HeaderName::Contact, contact(&way.flow, means));
                for route in &way.routes {
                    draft.header(HeaderName::Route, route);
                }
                draft.header(HeaderName::Event, Package::MessageSummary.as_str());
                draft.header(HeaderName::SubscriptionState, "terminated;reason=noresource");
                draft.finish_with(Package::MessageSummary.content_type(), summary::write(&entity, waiting).as_bytes())
            });
            let (transactions, mut hand) = self.means.hand();
            transactions.request(User::Nobody, way.flow, Method::Notify, hop.branch, bytes, &mut hand);
        }
    }
}

fn notify(row: &mut Subscription, news: Told, state: &str, user: User, means: &mut Means) {
    let body = row.tell(news);
    let (event, kind) = (row.wish.event(), row.wish.package.content_type());
    means.request_with(user, &mut row.dialog, None, Method::Notify, |draft, _, _| {
        draft.header(HeaderName::Event, &event).header(HeaderName::SubscriptionState, state);
        draft.finish_with(kind, body.as_bytes())
    });
}
