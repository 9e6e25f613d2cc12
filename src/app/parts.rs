//! How each part of the house is started, in the order in which `serve` does it.

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::cannot_serve::CannotServe;
use super::ground::Ground;
use super::office::Office;
use crate::address_book::AddressBook;
use crate::backup;
use crate::board::Board;
use crate::config::{Config, Language, Loaded};
use crate::config_file;
use crate::crm::courier::Courier;
use crate::crm::pull::Puller;
use crate::diary::Diarist;
use crate::drive::Post;
use crate::fact::{Alarm, Fact};
use crate::journal::{Journal, Pace, Report};
use crate::media::library::Library;
use crate::media::prompts;
use crate::media::record;
use crate::media::relay::Relay;
use crate::meter::{Meter, Metered};
use crate::net::resolve::Resolver;
use crate::net::{Limits, Net, own_addresses};
use crate::outbox::{self, Bell, Postman, Secretary};
use crate::reminder::Reminder;
use crate::retention::Keeper;
use crate::store::{Reader, Recovered, Writer};
use crate::switch::{Input, Switch};
use crate::web;

/// Reads the config file, with its text. A restore that was cut off is brought to its end before.
pub(super) fn read_config(file: &Path) -> Result<(Arc<Config>, String), CannotServe> {
    if backup::finish(file)? {
        tracing::warn!("a restore had been cut off; it is done now");
    }
    let (Loaded { config, warnings }, text) = config_file::read(file)?;
    if !warnings.is_empty() {
        eprintln!("{warnings}");
    }
    Ok((Arc::new(config), text))
}

/// A phone on a stream is a file, and so is each media port.
pub(super) fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised =
        getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// The ports of SIP, and that of the API where it is on.
pub(super) fn open_ports(config: &Config) -> Result<(Net, Option<web::Door>), CannotServe> {
    let net = Net::bind(&config.sip.listen, Limits::default())?;
    let web = config.web.is_on.then(|| web::Door::open(config.web.listen)).transpose()?;
    Ok((net, web))
}

/// Whoever writes the letters that follow from facts.
pub(super) fn secretary(ground: &Ground, bell: &Bell, courier: &Arc<Courier>) -> Result<Secretary, CannotServe> {
    let tokens = Reader::open(&ground.directory).and_then(|reader| reader.tokens())?;
    Ok(Secretary {
        current: ground.current(),
        bell: bell.clone(),
        address_book: ground.address_book.clone(),
        crm: Some(courier.clone()),
        tokens: Arc::new(Mutex::new(tokens.into_iter().map(|token| token.id).collect())),
        hears: None,
    })
}

/// Closes what the last run left open; letters follow from that as well.
pub(super) fn recover(writer: &mut Writer, secretary: &Secretary, ground: &Ground) -> Result<Recovered, CannotServe> {
    writer.tell(secretary.clone());
    let recovered = writer.recover(ground.clock.now().wall, &record::mend)?;
    if recovered.unclean {
        tracing::warn!(
            closed = recovered.closed.len(),
            missed = recovered.missed,
            "the last run did not end in an orderly way; its open calls are closed now"
        );
    }
    Ok(recovered)
}

/// The live picture, which hears from here on what is on record. What was recovered is none of its business.
pub(super) fn start_board(writer: &mut Writer, secretary: Secretary, ground: &Ground) -> Result<Board, CannotServe> {
    let board = Board::start(writer.base(), ground.current())?;
    let shows = board.clone();
    writer.tell(Secretary { hears: Some(Arc::new(move |events| shows.on_record(events))), ..secretary });
    Ok(board)
}

/// The sounds: those of the company, else those that we bring.
pub(super) fn open_library(config: &Config) -> Result<Library, CannotServe> {
    let shipped = |language: Language, name: &str| prompts::shipped(language.code(), name);
    Ok(Library::open(&config.storage.directory, config.site.language, shipped)?)
}

/// The relay, which reports to the core.
pub(super) fn start_relay(library: Library, ground: &Ground) -> Result<Relay, CannotServe> {
    let post = ground.post.clone();
    Ok(Relay::start(library, move |event| post.input(Input::Media(event)))?)
}

/// The journal: what is written is counted, and then stands in the diary.
pub(super) fn start_journal(writer: Writer, meter: &Arc<Meter>, ground: &Ground) -> Result<Journal, CannotServe> {
    let clock = ground.clock;
    let metered = Metered::new(writer, meter.clone(), Box::new(move || clock.now()));
    let post = ground.post.clone();
    Ok(Journal::start(Diarist::new(metered), Pace::default(), move |report| tell(&post, report))?)
}

/// The journal's reports, as the core and the admin hear them.
fn tell(post: &Post, report: Report) {
    match report {
        Report::Journaled(number) => post.input(Input::Journaled(number)),
        Report::Relieved => post.input(Input::Pressure(false)),
        Report::Failing(why) => {
            tracing::error!(why, "facts cannot be written; they are kept in memory");
            post.input(Input::Note(Fact::Alarm(Alarm::Unwritable { why })));
        }
        Report::Writing => tracing::info!("facts are written again"),
    }
}

/// DNS, which answers the core.
pub(super) fn start_resolver(runtime: &tokio::runtime::Handle, ground: &Ground) -> Resolver {
    let post = ground.post.clone();
    let report = move |name, addresses| post.input(Input::Resolved { name, addresses });
    Resolver::new(runtime.clone(), Arc::new(report))
}

/// What the core must know before the first message: its own addresses, state and bindings, the customers, the config.
pub(super) fn remember(ground: &Ground, config: &Arc<Config>) -> Result<(), CannotServe> {
    let (reader, post) = (Reader::open(&ground.directory)?, &ground.post);
    let (addresses, default) = own_addresses();
    post.input(Input::Host { addresses, default });
    for (_, fact) in reader.restore()? {
        post.input(Input::Restore(fact));
    }
    post.input(Input::Customers(Box::new(reader.customer_index()?)));
    post.input(Input::Note(Fact::Started { version: env!("CARGO_PKG_VERSION").into() }));
    post.input(Input::Configure(config.clone()));
    Ok(())
}

/// Those who act when the time has come: recordings are erased, whoever promised to call back is reminded.
pub(super) fn start_clocks(ground: &Ground) -> Result<(), CannotServe> {
    let (directory, clock) = (ground.directory.clone(), ground.clock);
    Keeper { directory: directory.clone(), current: ground.current(), clock, tell: ground.note() }.start()?;
    Reminder { directory, current: ground.current(), clock, tell: ground.note() }.start()?;
    Ok(())
}

/// Those who speak with the world outside: one asks CRMs for customers, one carries letters.
pub(super) fn start_carriers(office: &Office, courier: Arc<Courier>) -> Result<(), CannotServe> {
    let ground = &office.ground;
    let puller = Puller {
        clerk: office.clerk.clone(),
        address_book: ground.address_book.clone(),
        current: ground.current(),
        clock: ground.clock,
        courier: courier.clone(),
    };
    puller.start()?;
    let postman = Postman {
        directory: ground.directory.clone(),
        current: ground.current(),
        bell: office.bell.clone(),
        clock: ground.clock,
        crm: Some(courier),
        pace: outbox::Pace::default(),
        tell: ground.note(),
    };
    Ok(postman.start()?)
}

/// The core, with all its chance from the operating system.
pub(super) fn make_switch(config: Arc<Config>, ground: &Ground) -> Result<Switch, CannotServe> {
    let mut seed = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut seed)?;
    Ok(Switch::new(config, seed, 0, ground.clock.now()))
}

/// Has a fresh index of the customers made beside the loop.
pub(super) fn renewing(ground: &Ground) -> Box<dyn Fn()> {
    let address_book = ground.address_book.clone();
    Box::new(move || renew(address_book.clone()))
}

fn renew(address_book: AddressBook) {
    let renewing = std::thread::Builder::new().name("customers".into()).spawn(move || match address_book.renew() {
        Ok(customers) => tracing::info!(customers, "the index of the customers was made anew"),
        Err(error) => tracing::error!(%error, "the index of the customers grows old"),
    });
    if let Err(error) = renewing {
        tracing::error!(%error, "the index of the customers grows old");
    }
}
