//! A trunk: a provider's SIP connection, with the habits in which providers differ.

use std::net::IpAddr;
use std::sync::Arc;

use super::address::{Network, SipTarget, networks, sip_target};
use super::destination::DidIx;
use super::directory::Directory;
use super::read::{Fields, Spot};
use super::secret::Secret;
use super::site::Record;
use crate::number::Dials;

/// Where a provider puts the number that was called.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum DidFrom {
    /// In the Request-URI, as RFC 3261 means it.
    #[default]
    RequestUri,
    /// In To, when the Request-URI is only the account.
    To,
}

/// A header that carries who calls.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IdentityHeader {
    /// From.
    From,
    /// P-Asserted-Identity (RFC 3325).
    Pai,
    /// Remote-Party-ID, its forerunner.
    Rpid,
}

/// How we register with a provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Register {
    /// The account: user part of our address of record, and digest user.
    pub user: Arc<str>,
    /// `None` where its environment variable or file is not there (a warning): the trunk stays unregistered.
    pub password: Option<Secret>,
}

/// `[[trunk]]`.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// Unique.
    pub name: Arc<str>,
    /// Where our calls go.
    pub server: SipTarget,
    /// Where its calls come from, besides the resolved server and our own registration. Default: nowhere else.
    pub from: Vec<Network>,
    /// Default: we do not register.
    pub register: Option<Register>,
    /// Calls at one time, both directions. Default: no limit.
    pub max_calls: Option<u32>,
    /// Default: Request-URI.
    pub did_from: DidFrom,
    /// Where the caller's number stands, tried in order. Default: P-Asserted-Identity, Remote-Party-ID, From.
    pub identity_from: Vec<IdentityHeader>,
    /// How it writes numbers, both ways. Default: `+…`, and the site's numbering for what comes without plus.
    pub dials: Dials,
    /// Where it wants our number. Default: From.
    pub identity_to: IdentityHeader,
    /// The DID that is meant when it names none that we have. Default: none, such calls get 404.
    pub default_did: Option<DidIx>,
    /// The user it wants in From. Default: our number.
    pub from_user: Option<Arc<str>>,
    /// True: a mobile that we ring through it is shown the number of who calls. Default: no, it is shown ours, because many
    /// providers refuse a number that is not their customer's.
    pub original_caller: bool,
    /// True: it cuts early media, so whoever is to hear a greeting or an announcement is answered first (and pays for it).
    /// Default: false, they hear it under a 183.
    pub answer: bool,
    /// Default: as `media.record`.
    pub record: Option<Record>,
}

impl Trunk {
    /// True where `peer` is one of the addresses written in `from`, or the server itself where it is an address.
    pub fn knows(&self, peer: IpAddr) -> bool {
        self.server.ip().is_some_and(|server| server.to_canonical() == peer.to_canonical())
            || self.from.iter().any(|network| network.contains(peer))
    }
}

const IDENTITY: [(&str, IdentityHeader); 3] =
    [("from", IdentityHeader::From), ("pai", IdentityHeader::Pai), ("rpid", IdentityHeader::Rpid)];

impl Trunk {
    /// Reads a `[[trunk]]`.
    pub(super) fn read(fields: &Fields<'_>, name: Arc<str>, directory: &Directory) -> Trunk {
        let did_from = [("request-uri", DidFrom::RequestUri), ("to", DidFrom::To)];
        let dials = [("e164", Dials::E164), ("plus-e164", Dials::PlusE164), ("national", Dials::National)];
        let nowhere = || SipTarget { user: None, host: "localhost".into(), port: None, transport: None };
        let identity_from = fields.get("identity_from").and_then(|spot| spot.words(&IDENTITY));
        let trunk = Trunk {
            name,
            server: fields.needed("server").and_then(|spot| sip_target(&spot)).unwrap_or_else(nowhere),
            from: fields.get("from").and_then(|spot| networks(&spot)).unwrap_or_default(),
            register: fields.get("register").and_then(|spot| register(&spot)),
            max_calls: fields.get("max_calls").and_then(|spot| spot.number(1, 100_000)),
            did_from: fields.get("did_from").and_then(|spot| spot.word(&did_from)).unwrap_or_default(),
            identity_from: identity_from
                .unwrap_or_else(|| vec![IdentityHeader::Pai, IdentityHeader::Rpid, IdentityHeader::From]),
            dials: fields.get("dials").and_then(|spot| dials_word(&spot, &dials, directory)).unwrap_or_default(),
            identity_to: fields
                .get("identity_to")
                .and_then(|spot| spot.word(&IDENTITY))
                .unwrap_or(IdentityHeader::From),
            default_did: fields.get("default_did").and_then(|spot| directory.did(&spot)),
            from_user: fields.get("from_user").and_then(|spot| sip_user(&spot)),
            original_caller: fields.get("original_caller").and_then(|spot| spot.flag()).unwrap_or(false),
            answer: fields.get("answer").and_then(|spot| spot.flag()).unwrap_or(false),
            record: Record::read(fields),
        };
        fields.finish();
        trunk
    }
}

/// Who writes nationally must have told which nation.
fn dials_word(spot: &Spot<'_>, words: &[(&str, Dials)], directory: &Directory) -> Option<Dials> {
    let dials = spot.word(words)?;
    if dials == Dials::National && directory.numbering.country.is_empty() {
        spot.error("numbers are written nationally, but the country is not known", "write `numbering` under [site]");
    }
    Some(dials)
}

fn register(spot: &Spot<'_>) -> Option<Register> {
    if !spot.is_table() {
        spot.hide();
    }
    let fields = spot.fields()?;
    let user = fields.needed("user").and_then(|spot| sip_user(&spot));
    let password = fields.needed("password").and_then(|spot| spot.secret());
    fields.finish();
    Some(Register { user: user?, password })
}

/// A user part that needs no escaping and no quotes (RFC 3261 §25.1, `user`).
fn sip_user(spot: &Spot<'_>) -> Option<Arc<str>> {
    let text = spot.text()?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,?/".contains(&byte);
    if text.is_empty() || text.len() > 100 || !text.bytes().all(letter) {
        spot.error(format!("\"{text}\" is no SIP user"), "write only what stands before the @");
        return None;
    }
    Some(text.into())
}
