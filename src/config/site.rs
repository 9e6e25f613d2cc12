//! The office as a whole: its name, zone, numbers and last resort; and where it keeps, listens and records.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use smallvec::SmallVec;

use super::address::{Listen, Network, networks};
use super::destination::Destinations;
use super::read::{Fields, Reader, Spot};
use super::template::Template;
use super::web_address::{web_address, web_template};
use crate::key::Transport;
use crate::number::Numbering;

/// `[site]`: the office.
#[derive(Clone, Debug)]
pub struct Site {
    /// What people call it. Default: `Office`.
    pub name: Arc<str>,
    /// The zone of every schedule and of the local day. Default: UTC; needed as soon as there is a schedule.
    pub timezone: TimeZone,
    /// What our prompts speak. Default: Russian where `numbering.country` is 7, Ukrainian where it is 380, else English.
    pub language: Language,
    /// How dialled and received numbers are read. Default: only `+…` and `00…` are read.
    pub numbering: Numbering,
    /// Numbers that pass every cap and permission. Default: `112`.
    pub emergency: Vec<Arc<str>>,
    /// Last resort where nothing else is said. Default: none, then every path must end by itself.
    pub operator: Destinations,
}

impl Default for Site {
    fn default() -> Self {
        Site {
            name: "Office".into(),
            timezone: TimeZone::UTC,
            language: Language::En,
            numbering: Numbering::default(),
            emergency: vec!["112".into()],
            operator: Destinations::new(),
        }
    }
}

/// A language in which we ship prompts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Language {
    /// English.
    En,
    /// Russian.
    Ru,
    /// Ukrainian.
    Uk,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 3] = [Language::En, Language::Ru, Language::Uk];

    /// Its code (ISO 639-1), as the config writes it.
    pub const fn code(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::Ru => "ru",
            Language::Uk => "uk",
        }
    }

    /// What is probably spoken where a country code is at home.
    fn of_country(country: &str) -> Language {
        match country {
            "7" => Language::Ru,
            "380" => Language::Uk,
            _ => Language::En,
        }
    }
}

/// A digest algorithm (RFC 8760).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DigestAlgorithm {
    /// MD5, understood by every phone.
    Md5,
    /// SHA-256; many phones fail on any challenge that names it.
    Sha256,
}

/// `[sip]`: where we listen and how we name ourselves.
#[derive(Clone, Debug)]
pub struct Sip {
    /// Listening addresses. Default: UDP and TCP on port 5060 of all IPv4 addresses.
    pub listen: Vec<Listen>,
    /// The digest realm. Default: `huntline`. Changing it does not disturb phones: passwords are kept in the clear.
    pub realm: Arc<str>,
    /// Algorithms offered in a challenge, in order of preference. Default: MD5.
    pub digest: Vec<DigestAlgorithm>,
    /// What peers outside `local` are told as our address. Default: the address on which we reach them.
    pub public_address: Option<IpAddr>,
    /// Networks that are ours. Default: the private ranges of RFC 1918, loopback, and their IPv6 counterparts.
    pub local: Vec<Network>,
}

impl Sip {
    /// True where a peer is told our own address, not the public one.
    pub fn is_local(&self, peer: IpAddr) -> bool {
        self.local.iter().any(|network| network.contains(peer))
    }
}

impl Default for Sip {
    fn default() -> Self {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5060);
        let local = ["192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "127.0.0.0/8", "::1", "fc00::/7", "fe80::/10"];
        Sip {
            listen: [Transport::Udp, Transport::Tcp].map(|transport| Listen { transport, address: any }).to_vec(),
            realm: "huntline".into(),
            digest: vec![DigestAlgorithm::Md5],
            public_address: None,
            local: local.iter().filter_map(|network| network.parse().ok()).collect(),
        }
    }
}

/// Whether RTP passes through us.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum MediaMode {
    /// RTP passes through our ports.
    #[default]
    Relay,
    /// Both sides send to each other.
    Direct,
}

/// Which talks are recorded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Record {
    /// None.
    #[default]
    None,
    /// Those with somebody outside.
    External,
    /// All.
    All,
}

impl Record {
    /// Each word of these once.
    pub(super) fn each_once(said: impl Iterator<Item = Record>) -> SmallVec<[Record; 3]> {
        let mut once = SmallVec::new();
        for record in said {
            if !once.contains(&record) {
                once.push(record);
            }
        }
        once
    }
}

/// `[media]`: RTP and recordings.
#[derive(Clone, Debug)]
pub struct Media {
    /// Default: relay.
    pub mode: MediaMode,
    /// First and last RTP port, both included. Default: 20000 to 29999.
    pub ports: (u16, u16),
    /// What is recorded where a DID, group, trunk or extension does not say otherwise. Default: nothing.
    pub record: Record,
    /// True: callers hear that the talk is recorded before anybody answers, where the DID, the trunk or this says that it
    /// is. Default: false.
    pub announce: bool,
    /// How long recordings are kept. Default: for ever.
    pub keep: Option<Duration>,
    /// Where more of the disk is in use than this, in percent (50 to 99), the oldest recordings are erased before their time;
    /// those of the last day stay. Default: nothing is erased for want of room.
    pub disk_share: Option<u8>,
    /// After so long without a packet from either side a talk is over; half of it without one from one side is an alarm.
    /// `None`: never. Default: 60 s.
    pub silence: Option<Duration>,
}

/// What [`Media::silence`] is where nothing is said.
const SILENCE: Duration = Duration::from_secs(60);

impl Default for Media {
    fn default() -> Self {
        Media {
            mode: MediaMode::Relay,
            ports: (20000, 29999),
            record: Record::None,
            announce: false,
            keep: None,
            disk_share: None,
            silence: Some(SILENCE),
        }
    }
}

/// `[storage]`: where things are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Database, recordings, voicemail, prompts and the control socket. A relative path counts from the folder of the
    /// config file, so every command finds the same data wherever it is run. Default: `data`.
    pub directory: PathBuf,
}

/// `[web]`: pages and API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    /// True where `[web]` is written; otherwise nothing listens.
    pub is_on: bool,
    /// Default: 127.0.0.1:8080.
    pub listen: SocketAddr,
    /// How people's browsers reach it, without a slash at its end; stands in links of mails. Default: links are left out.
    pub public_url: Option<Arc<str>>,
    /// Where a customer's card is opened, with holes: `{customer}` (the CRM's id), `{number}` (+79161234567), `{call}`,
    /// `{follow_up}`; what fills them is escaped as a part of an address. Default: links are left out.
    pub card: Option<Template>,
    /// Who may read the figures at `/metrics` without a token. Default: nobody.
    pub metrics: MetricsFor,
}

/// Who may read the figures at `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricsFor {
    /// `token`: whoever shows a token with the scope `metrics:read`.
    #[default]
    Token,
    /// `loopback`: and every program of this machine, without one; what a proxy passes on counts as outside.
    Loopback,
}

/// What the holes of [`Web::card`] may be called.
const CARD: [&str; 4] = ["customer", "number", "call", "follow_up"];

impl Default for Web {
    fn default() -> Self {
        Web {
            is_on: false,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            public_url: None,
            card: None,
            metrics: MetricsFor::Token,
        }
    }
}

impl Site {
    /// Reads `[site]` but for the operator, whose name must be known first; says whether the zone was written.
    pub(super) fn read(fields: Option<&Fields<'_>>) -> (Site, bool) {
        let mut site = Site::default();
        let Some(fields) = fields else { return (site, false) };
        if let Some(name) = fields.get("name").and_then(|spot| spot.label()) {
            site.name = name;
        }
        let zone = fields.get("timezone");
        if let Some(zone) = zone.as_ref().and_then(timezone) {
            site.timezone = zone;
        }
        if let Some(fields) = fields.table("numbering") {
            site.numbering = numbering(fields);
        }
        let languages = Language::ALL.map(|language| (language.code(), language));
        let written = fields.get("language").and_then(|spot| spot.word(&languages));
        site.language = written.unwrap_or_else(|| Language::of_country(&site.numbering.country));
        if let Some(spot) = fields.get("emergency") {
            site.emergency = spot.list().unwrap_or_default().iter().filter_map(emergency_number).collect();
        }
        (site, zone.is_some())
    }
}

fn timezone(spot: &Spot<'_>) -> Option<TimeZone> {
    let name = spot.text()?;
    let zone = TimeZone::get(name).ok();
    if zone.is_none() {
        spot.error(
            format!("there is no time zone \"{name}\""),
            "write a name such as \"Europe/Berlin\" (IANA time zones)",
        );
    }
    zone
}

fn numbering(fields: Fields<'_>) -> Numbering {
    let digits = |spot: Spot<'_>, most: usize| {
        let text = spot.text()?;
        if text.len() > most || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            spot.error(format!("\"{text}\" is not made of up to {most} digits"), "write digits only, without plus");
            return None;
        }
        Some(Arc::from(text))
    };
    let optional = |key, most| fields.get(key).and_then(|spot| digits(spot, most)).unwrap_or_default();
    let country = fields.needed("country").and_then(|spot| country_code(&spot, digits(spot.clone(), 3)?));
    let numbering = Numbering {
        country: country.unwrap_or_default(),
        area: optional("area", 6),
        national_prefix: optional("national_prefix", 4),
        international_prefix: optional("international_prefix", 5),
    };
    fields.finish();
    numbering
}

fn country_code(spot: &Spot<'_>, digits: Arc<str>) -> Option<Arc<str>> {
    if digits.is_empty() || digits.starts_with('0') {
        spot.error("a country code has 1 to 3 digits and does not begin with 0", "");
        return None;
    }
    Some(digits)
}

fn emergency_number(spot: &Spot<'_>) -> Option<Arc<str>> {
    let text = spot.text()?;
    if !(2..=6).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        spot.error(format!("\"{text}\" is no emergency number"), "write 2 to 6 digits");
        return None;
    }
    Some(text.into())
}

impl Sip {
    /// Reads `[sip]`.
    pub(super) fn read(fields: Option<Fields<'_>>) -> Sip {
        let mut sip = Sip::default();
        let Some(fields) = fields else { return sip };
        if let Some(spot) = fields.get("listen") {
            sip.listen = listen_list(&spot);
        }
        if let Some(realm) = fields.get("realm").and_then(|spot| realm(&spot)) {
            sip.realm = realm;
        }
        let algorithms = [("md5", DigestAlgorithm::Md5), ("sha-256", DigestAlgorithm::Sha256)];
        if let Some(digest) = fields.get("digest").and_then(|spot| spot.words(&algorithms)) {
            sip.digest = digest;
        }
        sip.public_address = fields.get("public_address").and_then(|spot| public_address(&spot));
        if let Some(local) = fields.get("local").and_then(|spot| networks(&spot)) {
            sip.local = local;
        }
        fields.finish();
        sip
    }
}

fn listen_list(spot: &Spot<'_>) -> Vec<Listen> {
    let mut found = Vec::<Listen>::new();
    for spot in spot.some_of().unwrap_or_default() {
        let Some(listen) = spot.parse(str::parse::<Listen>, "write udp://ADDRESS:PORT or tcp://ADDRESS:PORT") else {
            continue;
        };
        if listen.address.port() != 0 && found.contains(&listen) {
            spot.error("this stands here twice", "remove it");
            continue;
        }
        found.push(listen);
    }
    found
}

fn realm(spot: &Spot<'_>) -> Option<Arc<str>> {
    let realm = spot.label()?;
    if realm.contains(['"', '\\']) {
        spot.error("a realm is written without quotes and backslashes", "");
        return None;
    }
    Some(realm)
}

fn public_address(spot: &Spot<'_>) -> Option<IpAddr> {
    let read = |text: &str| text.parse().map_err(|_| format!("{text:?} is no IP address"));
    let address: IpAddr = spot.parse(read, "write the address that the outside sees, without a port")?;
    if address.is_unspecified() {
        spot.error(format!("{address} is nowhere: nobody could send to it"), "write the address that the outside sees");
        return None;
    }
    Some(address)
}

const RECORD: [(&str, Record); 3] = [("none", Record::None), ("external", Record::External), ("all", Record::All)];

impl Record {
    /// Reads `record` where it may differ from `media.record`.
    pub(super) fn read(fields: &Fields<'_>) -> Option<Record> {
        fields.get("record")?.word(&RECORD)
    }
}

/// A day, in seconds.
const DAY: u64 = 86_400;

impl Media {
    /// Reads `[media]`; each phone should be able to talk, so `extensions` says for how many calls ports must do.
    pub(super) fn read(fields: Option<Fields<'_>>, listen: &[Listen], extensions: usize) -> Media {
        let mut media = Media::default();
        let Some(fields) = fields else { return media };
        let modes = [("relay", MediaMode::Relay), ("direct", MediaMode::Direct)];
        if let Some(mode) = fields.get("mode").and_then(|spot| spot.word(&modes)) {
            media.mode = mode;
        }
        if let Some(spot) = fields.get("ports")
            && let Some(ports) = ports(&spot)
        {
            warn_of_few_ports(&spot, ports, extensions);
            refuse_listening_port_for_media(&spot, ports, listen);
            media.ports = ports;
        }
        media.record = Record::read(&fields).unwrap_or_default();
        media.announce = fields.get("announce").and_then(|spot| spot.flag()).unwrap_or(false);
        let keep = |spot: Spot<'_>| spot.duration(Duration::from_secs(DAY), Duration::from_secs(36_500 * DAY));
        media.keep = fields.get("keep").and_then(keep);
        media.disk_share = fields.get("disk_share").and_then(|spot| percent(&spot));
        if let Some(spot) = fields.get("silence") {
            media.silence = match spot.text() {
                Some("off") => None,
                Some(_) => spot.duration(Duration::from_secs(10), Duration::from_secs(3600)).or(media.silence),
                None => media.silence,
            };
        }
        fields.finish();
        media
    }
}

/// `"80%"`.
fn percent(spot: &Spot<'_>) -> Option<u8> {
    let read = |text: &str| {
        let count = text.strip_suffix('%').and_then(|count| count.trim().parse().ok());
        count.filter(|count| (50..=99).contains(count)).ok_or_else(|| format!("{text:?} is no share from 50% to 99%"))
    };
    spot.parse(read, "write it in percent: \"80%\"")
}

fn ports(spot: &Spot<'_>) -> Option<(u16, u16)> {
    let read = |text: &str| {
        let port = |text: &str| text.trim().parse::<u16>().ok();
        let (first, last) = text
            .split_once('-')
            .and_then(|(first, last)| Some((port(first)?, port(last)?)))
            .ok_or_else(|| format!("{text:?} is no range of ports"))?;
        if first < 1024 || last < first.saturating_add(3) {
            return Err(format!("{text} is no range of at least 4 ports from 1024 up"));
        }
        Ok((first, last))
    };
    spot.parse(read, "write the first and the last port: \"20000-29999\"")
}

fn warn_of_few_ports(spot: &Spot<'_>, (first, last): (u16, u16), extensions: usize) {
    let calls = (usize::from(last - first) + 1) / 4;
    if calls < extensions {
        spot.warning(
            format!("four ports for each call: fewer calls ({calls}) than extensions ({extensions})"),
            format!("write at least {} ports", extensions * 4),
        );
    }
}

fn refuse_listening_port_for_media(spot: &Spot<'_>, (first, last): (u16, u16), listen: &[Listen]) {
    let within =
        |listen: &&Listen| listen.transport == Transport::Udp && (first..=last).contains(&listen.address.port());
    if let Some(listen) = listen.iter().find(within) {
        spot.error(format!("port {} of `sip.listen` lies within", listen.address.port()), "choose another range");
    }
}

impl Storage {
    /// Reads `[storage]`.
    pub(super) fn read(reader: &Reader<'_>, fields: Option<Fields<'_>>) -> Storage {
        let spot = fields.as_ref().and_then(|fields| fields.get("directory"));
        let written = spot.as_ref().and_then(|spot| spot.text().map(|text| (spot, text)));
        let directory = match written {
            Some((spot, "")) => {
                spot.error("the directory is empty", "write a folder such as \"data\"");
                None
            }
            Some((_, text)) => Some(text),
            None => None,
        };
        if let Some(fields) = fields {
            fields.finish();
        }
        Storage { directory: reader.path(directory.unwrap_or("data")) }
    }
}

impl Web {
    /// Reads `[web]`.
    pub(super) fn read(fields: Option<Fields<'_>>, sip: &[Listen]) -> Web {
        let mut web = Web::default();
        let Some(fields) = fields else { return web };
        web.is_on = true;
        if let Some(spot) = fields.get("listen") {
            let read = |text: &str| text.parse().map_err(|_| format!("{text:?} is no ADDRESS:PORT"));
            if let Some(listen) = spot.parse(read, "write ADDRESS:PORT, such as \"127.0.0.1:8080\"") {
                refuse_shared_port(&spot, listen, sip);
                web.listen = listen;
            }
        }
        let public_url = fields.get("public_url").and_then(|spot| web_address(&spot));
        web.public_url = public_url.map(|url| url.trim_end_matches('/').into());
        web.card = fields.get("card").and_then(|spot| web_template(&spot, &CARD));
        let readers = [("token", MetricsFor::Token), ("loopback", MetricsFor::Loopback)];
        web.metrics = fields.get("metrics").and_then(|spot| spot.word(&readers)).unwrap_or_default();
        fields.finish();
        web
    }
}

fn refuse_shared_port(spot: &Spot<'_>, web: SocketAddr, sip: &[Listen]) {
    let meets = |listen: &&Listen| {
        let (ours, theirs) = (web.ip(), listen.address.ip());
        listen.transport == Transport::Tcp
            && listen.address.port() == web.port()
            && (ours == theirs || ours.is_unspecified() || theirs.is_unspecified())
    };
    if web.port() != 0 && sip.iter().any(|listen| meets(&listen)) {
        spot.error(format!("SIP listens on TCP port {} already", web.port()), "choose another port");
    }
}
