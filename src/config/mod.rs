//! What the admin said: the whole config as one immutable value in which every reference is already resolved.
//!
//! The TOML file is the only truth. [`Config::read`] is the only constructor: it gives a `Config`, or every
//! [`Problem`] at once, each with its place. Within a `Config` things name each other by index ([`ExtensionIx`],
//! [`GroupIx`], …); an index belongs to the `Config` it came from and to no other.

mod across;
pub mod address;
mod basics;
mod crm;
pub mod customers;
pub mod destination;
pub mod did;
pub mod diff;
mod directory;
pub mod edit;
pub mod extension;
pub mod features;
pub mod follow_up;
pub mod guard;
pub mod hunt_group;
pub mod mail;
pub mod outbound;
mod paths;
pub mod problem;
mod read;
mod redact;
mod schema;
mod recording;
pub mod schedule;
pub mod secret;
pub mod site;
pub mod sms;
mod spelling;
pub mod surroundings;
mod survey;
pub mod telegram;
pub mod template;
pub mod trunk;
pub mod voicemail;
mod web_address;
pub mod webhook;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use hashbrown::HashMap;
use sha2::{Digest, Sha256};
use smallvec::SmallVec;

pub use address::{Listen, Network, SipTarget};
pub use basics::Basics;
pub use crm::{Crm, Dialect, OAuth};
pub use customers::{Customers, Provisional};
pub use destination::{
    Destination, Destinations, DidIx, ExtensionIx, GroupIx, RefuseAs, ScheduleIx, TrunkIx, VoicemailIx,
};
pub use did::{Answer, Did, DidNumber, Known, KnownWhen};
pub use extension::{DeviceRule, Extension, NoAnswer};
pub use features::{Code, Features, ForwardWhen, TalkCode};
pub use follow_up::{Assign, DidFollowUp, FollowUpList, FollowUpRules, Pick, SHORTEST_DUE};
pub use guard::Guard;
pub use hunt_group::{HuntGroup, Order, Strategy};
pub use mail::{Mail, MailTls};
pub use outbound::{OutboundRule, OutboundRules};
pub use problem::{Problem, Problems, Severity};
pub use recording::Talk;
pub use redact::redact;
pub use schedule::{Hours, HoursRule, Schedule};
pub use secret::Secret;
pub use site::{DigestAlgorithm, Language, Media, MediaMode, MetricsFor, Record, Sip, Site, Storage, Web};
pub use sms::{Sms, SmsBody, SmsMethod, SmsOk};
pub use surroundings::{Nothing, Surroundings};
pub use telegram::Telegram;
pub use template::Template;
pub use trunk::{DidFrom, IdentityHeader, Register, Trunk};
pub use voicemail::Voicemail;
pub use webhook::{SigningKey, Webhook};

use self::directory::{Directory, Rows};
use self::paths::Origin;
use self::read::{Fields, Place, Reader};
use crate::number::PhoneNumber;

type Lookup<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// A config that can run, and what its admin should know nevertheless.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The snapshot.
    pub config: Config,
    /// Warnings only.
    pub warnings: Problems,
}

/// The whole snapshot. Immutable; a call keeps the one under which it began.
#[derive(Clone, Debug)]
pub struct Config {
    /// The first 12 hex digits of the SHA-256 of the text: names this version in facts and logs.
    pub version: Arc<str>,
    /// The text without its secrets, for who wants to play a call again.
    pub redacted: Arc<str>,
    /// `[site]`.
    pub site: Site,
    /// `[sip]`.
    pub sip: Sip,
    /// `[media]`.
    pub media: Media,
    /// `[storage]`.
    pub storage: Storage,
    /// `[web]`.
    pub web: Web,
    /// `[features]`.
    pub features: Features,
    /// `[mail]`; `None`: no mail is sent.
    pub mail: Option<Mail>,
    /// `[sms]`; `None`: no customer gets an SMS.
    pub sms: Option<Sms>,
    /// `[telegram]`; `None`: nobody is written to there.
    pub telegram: Option<Telegram>,
    /// `[[webhook]]`, in the order of the file.
    pub webhooks: Vec<Webhook>,
    /// `[[crm]]`, in the order of the file.
    pub crms: Vec<Crm>,
    /// `[follow_up]`.
    pub follow_up: FollowUpRules,
    /// `[customers]`.
    pub customers: Customers,
    /// `[guard]`.
    pub guard: Guard,
    trunks: Vec<Trunk>,
    extensions: Vec<Extension>,
    groups: Vec<HuntGroup>,
    voicemails: Vec<Voicemail>,
    schedules: Vec<Schedule>,
    dids: Vec<Did>,
    outbound: OutboundRules,
    not_built: Vec<&'static str>,
    by: Lookups,
}

/// Found by name or number. Only looked up, never walked: the lists keep the order of the file.
#[derive(Clone, Debug, Default)]
struct Lookups {
    extensions: Lookup<Arc<str>, ExtensionIx>,
    gsm: Lookup<PhoneNumber, ExtensionIx>,
    dids: Lookup<PhoneNumber, DidIx>,
    verbatim_dids: Lookup<Arc<str>, DidIx>,
    groups: Lookup<Arc<str>, GroupIx>,
    trunks: Lookup<Arc<str>, TrunkIx>,
    schedules: Lookup<Arc<str>, ScheduleIx>,
    voicemails: Lookup<Arc<str>, VoicemailIx>,
    /// The first DID that is one employee's own.
    personal: Lookup<ExtensionIx, DidIx>,
    /// What anybody says about recording: a call asks for it, and must not walk over everybody.
    said_of_records: SmallVec<[Record; 3]>,
}

/// What an employee's dialled text means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Dialled {
    /// An emergency number, sent as it stands.
    Emergency(Arc<str>),
    /// A colleague.
    Extension(ExtensionIx),
    /// A public number; it may be a DID of our own, which never leaves the house.
    Number(PhoneNumber),
    /// None of these (a short code, a service): kept verbatim, goes where an outbound pattern for it leads.
    Unreadable(Arc<str>),
}

macro_rules! tables {
    ($($list:ident: $row:ident[$ix:ident], $get:ident, $all:ident, $what:literal;)*) => {
        impl Config {
            $(
                #[doc = concat!("The ", $what, " of an index of this config.")]
                pub fn $get(&self, ix: $ix) -> &$row {
                    &self.$list[ix.index()]
                }

                #[doc = concat!("Every ", $what, ", in the order of the file.")]
                pub fn $all(&self) -> impl ExactSizeIterator<Item = ($ix, &$row)> {
                    self.$list.iter().enumerate().map(|(at, row)| ($ix(at as u32), row))
                }
            )*
        }
    };
}

tables! {
    trunks: Trunk[TrunkIx], trunk, trunks, "trunk";
    extensions: Extension[ExtensionIx], extension, extensions, "extension";
    groups: HuntGroup[GroupIx], group, groups, "hunt group";
    voicemails: Voicemail[VoicemailIx], voicemail, voicemails, "voicemail box";
    schedules: Schedule[ScheduleIx], schedule, schedules, "schedule";
    dids: Did[DidIx], did, dids, "DID";
}

impl Config {
    /// The extension with this number.
    pub fn extension_by_number(&self, number: &str) -> Option<ExtensionIx> {
        self.by.extensions.get(number).copied()
    }

    /// The extension whose mobile phone has this number: who calls from it is that employee, not a customer.
    pub fn extension_by_gsm(&self, number: PhoneNumber) -> Option<ExtensionIx> {
        self.by.gsm.get(&number).copied()
    }

    /// The DID with this public number.
    pub fn did_by_number(&self, number: PhoneNumber) -> Option<DidIx> {
        self.by.dids.get(&number).copied()
    }

    /// The DID that is this employee's own: the first of them in the file.
    pub fn did_of(&self, extension: ExtensionIx) -> Option<DidIx> {
        self.by.personal.get(&extension).copied()
    }

    /// The DID that a record names so: as the config writes it.
    pub fn did_written(&self, text: &str) -> Option<DidIx> {
        let public = || self.did_by_number(text.parse().ok()?);
        public().or_else(|| self.by.verbatim_dids.get(text).copied())
    }

    /// The DID a trunk means by `text`: matched verbatim first, then read by the trunk's habits.
    pub fn did_from_trunk(&self, text: &str, trunk: TrunkIx) -> Option<DidIx> {
        let verbatim = self.by.verbatim_dids.get(&*crate::number::bare(text)).copied();
        let read = || self.site.numbering.read_from(text, self.trunk(trunk).dials);
        verbatim.or_else(|| self.did_by_number(read()?))
    }

    /// The DID an employee means by `text`: matched verbatim first, then read with the site's numbering. Emergency numbers
    /// and extensions come before it.
    pub fn did_from_inside(&self, text: &str) -> Option<DidIx> {
        let text = crate::number::bare(text);
        let verbatim = self.by.verbatim_dids.get(&*text).copied();
        verbatim.or_else(|| self.did_by_number(self.site.numbering.read(&text)?))
    }

    /// The group of this name.
    pub fn group_by_name(&self, name: &str) -> Option<GroupIx> {
        self.by.groups.get(name).copied()
    }

    /// The trunk of this name.
    pub fn trunk_by_name(&self, name: &str) -> Option<TrunkIx> {
        self.by.trunks.get(name).copied()
    }

    /// The schedule of this name.
    pub fn schedule_by_name(&self, name: &str) -> Option<ScheduleIx> {
        self.by.schedules.get(name).copied()
    }

    /// The CRM of this name.
    pub fn crm(&self, name: &str) -> Option<&Crm> {
        self.crms.iter().find(|crm| *crm.name == *name)
    }

    /// The voicemail box of this name.
    pub fn voicemail_by_name(&self, name: &str) -> Option<VoicemailIx> {
        self.by.voicemails.get(name).copied()
    }

    /// The voicemail boxes of an extension, in the order of the file.
    pub fn boxes_of(&self, extension: ExtensionIx) -> impl Iterator<Item = (VoicemailIx, &Voicemail)> {
        self.voicemails().filter(move |(_, mailbox)| mailbox.extensions.contains(&extension))
    }

    /// The trunks that say calls come from `peer`, in the order of the file. What a server's name resolves to is the
    /// edge's to add.
    pub fn trunks_at(&self, peer: IpAddr) -> impl Iterator<Item = TrunkIx> {
        self.trunks().filter(move |(_, trunk)| trunk.knows(peer)).map(|(ix, _)| ix)
    }

    /// True where the text is an emergency number of this site.
    pub fn is_emergency(&self, text: &str) -> bool {
        self.site.emergency.iter().any(|number| **number == *crate::number::bare(text))
    }

    /// What an employee's dialled text means: an emergency number, a colleague, a public number, or none of these.
    pub fn dialled(&self, text: &str) -> Dialled {
        let text = crate::number::bare(text);
        if self.is_emergency(&text) {
            return Dialled::Emergency(text.into());
        }
        if let Some(extension) = self.extension_by_number(&text) {
            return Dialled::Extension(extension);
        }
        match self.site.numbering.read(&text) {
            Some(number) => Dialled::Number(number),
            None => Dialled::Unreadable(text.into()),
        }
    }

    /// The outbound rule for a dialled number: the longest match among the rules that exist for this caller. `number`
    /// is the dialled text as read, `None` where it could not be.
    pub fn outbound_rule(
        &self,
        caller: Option<ExtensionIx>,
        number: Option<PhoneNumber>,
        dialled: &str,
    ) -> Option<&OutboundRule> {
        self.outbound.find(caller, number, dialled)
    }

    /// How an extension, group, box or other destination is written in the config.
    pub fn name_of(&self, destination: &Destination) -> String {
        let name = match destination {
            Destination::Extension(ix) => &*self.extension(*ix).number,
            Destination::Group(ix) => &*self.group(*ix).name,
            Destination::Voicemail(ix) => &*self.voicemail(*ix).name,
            _ => "",
        };
        destination.written(name)
    }

    /// What is configured but not built yet, each named once, for `serve` to say at start.
    pub fn not_available_yet(&self) -> &[&'static str] {
        &self.not_built
    }

    /// The config language as a JSON Schema: every key that is read, and as what; made by asking those that read.
    pub fn schema() -> serde_json::Value {
        let survey = survey::Survey::default();
        for round in 0..survey::ROUNDS {
            survey.begin(round);
            let reader = Reader::of_survey(&survey, &Nothing);
            // What is made of nothing is nobody's config.
            drop(assemble(&reader, &toml_edit::Table::new(), ""));
        }
        schema::of(&survey.into_shapes())
    }

    /// Reads a config: the only way to one. `file` is how the file is named in problems; relative paths count from its
    /// folder.
    ///
    /// # Errors
    /// Every problem at once, errors and warnings, where at least one is an error.
    pub fn read(file: &Path, text: &str, around: &dyn Surroundings) -> Result<Loaded, Problems> {
        let reader = Reader::new(file, text, around);
        let read = match toml_edit::Document::parse(text) {
            Ok(document) => Some((assemble(&reader, document.as_table(), text), document)),
            Err(error) => {
                let place = Place { span: error.span().unwrap_or(0..0), field: "TOML".into() };
                reader.error(&place, error.message().trim().replace('\n', "; "), "");
                None
            }
        };
        reader.check_file_is_private();
        let problems = reader.finish();
        match read {
            Some((config, document)) if problems.errors() == 0 => {
                let redacted = redact::shown(document.into_mut()).into();
                Ok(Loaded { config: Config { redacted, ..config }, warnings: problems })
            }
            _ => Err(problems),
        }
    }
}

/// Keys that are read and not followed yet, and what is said of each.
const NOT_BUILT: &[(&str, &str)] = &[];

/// Builds the value from a document. Where something cannot be read the default stands in for it, so that everything
/// else is still looked at; such a value never leaves [`Config::read`].
fn assemble(reader: &Reader<'_>, table: &dyn toml_edit::TableLike, text: &str) -> Config {
    let root = Fields::of_root(reader, table);
    let site_fields = root.table("site");
    let (mut site, zone_is_written) = Site::read(site_fields.as_ref());
    let storage = Storage::read(reader, root.table("storage"));
    let rows = Rows::of(&root);
    let mut directory = Directory::of(&rows, site.numbering.clone(), site.emergency.clone());
    directory.prompts = storage.directory.join("prompts");
    let mut exits = Vec::new();
    if let Some(fields) = &site_fields {
        if let Some(spot) = fields.get("operator") {
            site.operator = directory.destinations(&spot, Origin::Operator, &mut exits);
            directory.has_operator = true;
        }
        fields.finish();
    }
    let directory = directory;
    let sip = Sip::read(root.table("sip"));
    let media = Media::read(root.table("media"), &sip.listen, rows.extensions.len());
    let not_built = NOT_BUILT.iter().filter(|(key, _)| root.get(key).is_some()).map(|(_, what)| *what).collect();
    let web = Web::read(root.table("web"), &sip.listen);
    let trunks = each(&rows.trunks, |row, at| Trunk::read(row, directory.trunks.name(at as usize), &directory));
    let extensions = each(&rows.extensions, |row, at| Extension::read(row, ExtensionIx(at), &directory, &mut exits));
    let groups = each(&rows.groups, |row, at| HuntGroup::read(row, GroupIx(at), &directory, &mut exits));
    let voicemails = each(&rows.voicemails, |row, at| Voicemail::read(row, VoicemailIx(at), &directory));
    let schedules = each(&rows.schedules, |row, at| {
        Schedule::read(row, directory.schedules.name(at as usize), site.timezone.clone())
    });
    let dids = each(&rows.dids, |row, at| Did::read(row, DidIx(at), &directory, &mut exits));
    let outbound = OutboundRules::read(&rows.outbound, &directory);
    let features = Features::read(root.table("features"), &directory, &site.operator, &dids);
    let mail = Mail::read(root.table("mail"));
    let sms = Sms::read(root.table("sms"), &site);
    let telegram = Telegram::read(root.table("telegram"));
    let webhooks = Webhook::read_all(&root.rows("webhook"));
    let follow_up = FollowUpRules::read(
        root.table("follow_up"),
        &directory,
        &extensions,
        dids.iter().any(|did| did.follow_up.list.is_some()),
    );
    let crms = Crm::read_all(&root.rows("crm"), &directory, web.is_on);
    let customers = Customers::read(root.table("customers"));
    let guard = Guard::read(root.table("guard"));
    root.finish();

    mail::warn_of_unsent_notices(&rows.voicemails, &voicemails, mail.as_ref());
    extension::warn_of_unsent_notices(&rows.extensions, &extensions, mail.is_some(), telegram.is_some());
    paths::check(reader, &exits, &directory);
    across::check(reader, &rows, &directory, &extensions, &outbound, &exits);
    if !zone_is_written {
        across::refuse_hours_without_zone(&rows);
    }

    let said = extensions.iter().filter_map(|extension| extension.record);
    let said = said.chain(groups.iter().filter_map(|group| group.record));
    let said = said.chain(dids.iter().filter_map(|did| did.record));
    let said = said.chain(trunks.iter().filter_map(|trunk| trunk.record));
    let by = Lookups { said_of_records: Record::each_once(said), ..Lookups::of(&directory, &extensions, &dids) };
    let version = version_of(text);
    Config {
        version,
        redacted: Arc::default(),
        site,
        sip,
        media,
        storage,
        web,
        mail,
        sms,
        telegram,
        webhooks,
        features,
        follow_up,
        customers,
        guard,
        crms,
        trunks,
        extensions,
        groups,
        voicemails,
        schedules,
        dids,
        outbound,
        not_built,
        by,
    }
}

fn each<'a, T>(rows: &[Fields<'a>], mut read: impl FnMut(&Fields<'a>, u32) -> T) -> Vec<T> {
    // `Rows` keeps lists shorter than that.
    (0..=u32::MAX).zip(rows).map(|(at, row)| read(row, at)).collect()
}

/// What names a config of this text in facts and logs: the first 12 hex digits of its SHA-256.
pub fn version_of(text: &str) -> Arc<str> {
    Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

impl Lookups {
    fn of(directory: &Directory, extensions: &[Extension], dids: &[Did]) -> Lookups {
        let mut by = Lookups {
            extensions: directory.extensions.lookup(ExtensionIx),
            groups: directory.groups.lookup(GroupIx),
            trunks: directory.trunks.lookup(TrunkIx),
            schedules: directory.schedules.lookup(ScheduleIx),
            voicemails: directory.voicemails.lookup(VoicemailIx),
            ..Lookups::default()
        };
        for (at, did) in (0..=u32::MAX).zip(dids) {
            match &did.number {
                DidNumber::Public(number) => _ = by.dids.insert(*number, DidIx(at)),
                DidNumber::Verbatim(digits) => _ = by.verbatim_dids.insert(digits.clone(), DidIx(at)),
            }
            if let Some(extension) = did.personal {
                by.personal.entry(extension).or_insert(DidIx(at));
            }
        }
        for (at, extension) in (0..=u32::MAX).zip(extensions) {
            for device in &extension.devices {
                if let DeviceRule::Gsm { number, .. } = device {
                    by.gsm.insert(*number, ExtensionIx(at));
                }
            }
        }
        by
    }
}
