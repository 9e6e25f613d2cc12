//! Wiring: reads the config, opens what is needed, gives the core its memory back, and joins the parts.
//!
//! The order matters. Ports first, so that a second router fails before it touches anything; then the database, what the
//! last run left, bindings, state and customers; only then does the loop begin to read what waits at the ports. Nothing
//! that comes late can change who rings.
//!
//! ```text
//!   ports ─► database ─► recover ─► relay, journal, DNS, control ─► state, customers, config ─► loop
//! ```

use std::fmt;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::address_book::AddressBook;
use crate::backup;
use crate::board::Board;
use crate::clerk::Clerk;
use crate::clock::Duration;
use crate::config::{Config, Language, Loaded, Problems, Severity};
use crate::config_file::{self, Change, Versions};
use crate::control::{Asked, Door, Reply, Request};
use crate::crm;
use crate::diary::{Diarist, Watch};
use crate::drive::{Clock, Drive, End, Letter, Post, Witness};
use crate::fact::{Alarm, Fact, Hand, SavedReport};
use crate::journal::{Journal, Pace, Report};
use crate::key::{CallId, Transport};
use crate::media::library::Library;
use crate::media::prompts;
use crate::media::record;
use crate::media::relay::Relay;
use crate::meter::{Meter, Metered};
use crate::net::resolve::Resolver;
use crate::net::{Limits, Net, OwnAddresses, own_addresses};
use crate::notify::Notify;
use crate::outbox::{self, Bell, Current, Postman, Secretary};
use crate::reminder::Reminder;
use crate::report::Ask;
use crate::retention::Keeper;
use crate::servers::ServerName;
use crate::store::{Reader, Unfinished, Writer, quick_check};
use crate::switch::{Figures, Input, Question, Switch};
use crate::web;

/// How long running calls may go on after SIGTERM.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How often the machine is asked for its own addresses.
const LOOK_AROUND: Duration = Duration::from_secs(60);
/// How often a failing disk is tried again before the process ends without what it still has to write.
const LAST_TRIES: u32 = 5;

/// Why the router does not run.
#[derive(Debug)]
pub enum CannotServe {
    /// The config cannot be followed.
    Config(Problems),
    /// The machine does not give what is needed; in words for an admin.
    Machine(String),
}

impl fmt::Display for CannotServe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CannotServe::Config(why) => write!(f, "{why}"),
            CannotServe::Machine(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for CannotServe {}

fn machine(error: impl fmt::Display) -> CannotServe {
    CannotServe::Machine(error.to_string())
}

/// Runs the router until it is told to end (SIGTERM, SIGINT).
///
/// # Errors
/// The config has errors, a port is taken, the database cannot be opened.
pub fn serve(file: &Path) -> Result<(), CannotServe> {
    let notify = Notify::of_environment();
    if backup::finish(file).map_err(machine)? {
        tracing::warn!("a restore had been cut off; it is done now");
    }
    let (Loaded { config, warnings }, text) = config_file::read(file).map_err(CannotServe::Config)?;
    if !warnings.is_empty() {
        eprintln!("{warnings}");
    }
    let config = Arc::new(config);
    raise_file_limit();
    let net = Net::bind(&config.sip.listen, Limits::default()).map_err(machine)?;
    let web = config.web.is_on.then(|| web::Door::open(config.web.listen)).transpose().map_err(machine)?;
    let directory = config.storage.directory.clone();
    let mut writer = Writer::open(&directory).map_err(machine)?;
    let clock = Clock::start();
    let versions = Versions::of(&directory);
    keep(&versions, &text, "start", clock);
    let configs = Arc::new(Mutex::new(vec![config.clone()]));
    let (bell, current) = (Bell::default(), current(configs.clone()));
    let post = Post::new(net.bell());
    let address_book = AddressBook::new(post.clone(), directory.clone());
    let courier = Arc::new(crm::courier::Courier::default());
    let tokens = Reader::open(&directory).and_then(|reader| reader.tokens()).map_err(machine)?;
    let tokens = Arc::new(Mutex::new(tokens.into_iter().map(|token| token.id).collect()));
    let secretary = Secretary {
        current: current.clone(),
        bell: bell.clone(),
        address_book: address_book.clone(),
        crm: Some(courier.clone()),
        tokens,
        hears: None,
    };
    writer.tell(secretary.clone());
    let recovered = writer.recover(clock.now().wall, &record::mend).map_err(machine)?;
    let base = writer.base();
    let board = web.as_ref().map(|_| Board::start(base, current.clone())).transpose().map_err(machine)?;
    if let Some(board) = board.clone() {
        writer.tell(Secretary { hears: Some(Arc::new(move |events| board.on_record(events))), ..secretary });
    }
    let door = Door::open(&directory).map_err(machine)?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(machine)?;
    let media = post.clone();
    let shipped = |language: Language, name: &str| prompts::shipped(language.code(), name);
    let library = Library::open(&directory, config.site.language, shipped).map_err(machine)?;
    let relay = Relay::start(library.clone(), move |event| media.input(Input::Media(event))).map_err(machine)?;
    let reports = post.clone();
    let meter = Arc::new(Meter::default());
    meter.missed_at_the_start(recovered.missed);
    let metered = Metered::new(writer, meter.clone(), Box::new(move || clock.now()));
    let journal = Journal::start(Diarist::new(metered), Pace::default(), move |report| tell(&reports, report));
    let journal = journal.map_err(machine)?;
    let answers = post.clone();
    let resolver = Resolver::new(
        runtime.handle().clone(),
        Arc::new(move |name, addresses| answers.input(Input::Resolved { name, addresses })),
    );

    remember(&post, &directory, &config)?;
    let clerk = Clerk::new(post.clone(), directory.clone(), base);
    courier.meets(clerk.clone());
    let puller = crm::pull::Puller {
        clerk: clerk.clone(),
        address_book: address_book.clone(),
        current: current.clone(),
        clock,
        courier: courier.clone(),
    };
    let office = Office {
        file: file.to_owned(),
        directory: directory.clone(),
        versions,
        clock,
        post: post.clone(),
        clerk: clerk.clone(),
        tokens: web::Tokens::default(),
        resolver: resolver.clone(),
        config: configs,
        bell: bell.clone(),
        library,
        address_book: address_book.clone(),
        notify: notify.clone(),
    };
    if recovered.unclean {
        tracing::warn!(
            closed = recovered.closed.len(),
            missed = recovered.missed,
            "the last run did not end in an orderly way; its open calls are closed now"
        );
    }
    let alarms = post.clone();
    let tell_alarm = Box::new(move |fact| alarms.input(Input::Note(fact)));
    let erased = post.clone();
    let tell_erased = Box::new(move |fact| erased.input(Input::Note(fact)));
    let keeper = Keeper { directory: directory.clone(), current: current.clone(), clock, tell: tell_erased };
    keeper.start().map_err(machine)?;
    let late = post.clone();
    let tell_late = Box::new(move |fact| late.input(Input::Note(fact)));
    let reminder = Reminder { directory: directory.clone(), current: current.clone(), clock, tell: tell_late };
    reminder.start().map_err(machine)?;
    let (asked, questions) = mpsc::channel(16);
    if let (Some(web), Some(board)) = (web, board.clone()) {
        let answered = web::Answered::new(directory.clone());
        let (tokens, file) = (office.tokens.clone(), Arc::new(file.to_owned()));
        let office = web::Office {
            clerk,
            current: current.clone(),
            clock,
            file,
            tokens,
            answered,
            board,
            orders: asked.clone(),
            watched: web::Watched::new(meter.clone()),
        };
        web.serve(office).map_err(machine)?;
    }
    puller.start().map_err(machine)?;
    let (pace, tell) = (outbox::Pace::default(), tell_alarm);
    let postman =
        Postman { directory: directory.clone(), current, bell, clock, crm: Some(courier.clone()), pace, tell };
    postman.start().map_err(machine)?;
    let (background, asking) = (office.clone(), (asked, questions));
    // Before anybody is told that calls are taken: who is told may already have a reason to end us.
    let signals = {
        let _within = runtime.enter();
        Signals::listen().map_err(machine)?
    };
    let (unclean, unfinished) = (recovered.unclean, recovered.unfinished);
    let background = std::thread::Builder::new()
        .name("background".into())
        .spawn(move || {
            runtime.block_on(background.run(door, asking, signals, unclean, unfinished));
            // A check of the database that is still under way does not hold up the end.
            runtime.shutdown_background();
        })
        .map_err(machine)?;

    say_hello(&config, file);
    let switch = Switch::new(config, seed().map_err(machine)?, 0, clock.now());
    let renew_customers = Box::new(move || renew(address_book.clone()));
    let sees = board.map(|board| -> Witness { Box::new(move |facts| board.happens(facts)) });
    let watch = Watch::start().map_err(machine)?;
    let drive = Drive { switch, net, relay, journal, resolver, post, clock, renew_customers, sees, watch, meter };
    notify.ready("calls are taken");
    let (end, journal) = drive.run().map_err(machine)?;
    match end {
        End::Drained => tracing::info!("no call is left"),
        End::Stopped => tracing::warn!("calls in progress were ended"),
    }
    office.post.close();
    let written = journal.close(LAST_TRIES).map_err(machine);
    if background.join().is_err() {
        tracing::error!("the background thread broke");
    }
    written
}

/// The config in force.
fn current(configs: Arc<Mutex<Vec<Arc<Config>>>>) -> Current {
    Arc::new(move || configs.lock().unwrap_or_else(PoisonError::into_inner).last().cloned())
}

/// Keeps a config that is in force now. Calls do not wait for a record that cannot be kept.
fn keep(versions: &Versions, text: &str, by: &str, clock: Clock) {
    if let Err(error) = versions.came_into_force(text, by, clock.now().wall) {
        tracing::error!(%error, "this version of the config is not kept");
    }
}

/// What the core must know before the first message: its own addresses, state and bindings, the customers, the config.
fn remember(post: &Post, directory: &Path, config: &Arc<Config>) -> Result<(), CannotServe> {
    let reader = Reader::open(directory).map_err(machine)?;
    let (addresses, default) = own_addresses();
    post.input(Input::Host { addresses, default });
    for (_, fact) in reader.restore().map_err(machine)? {
        post.input(Input::Restore(fact));
    }
    post.input(Input::Customers(Box::new(reader.customer_index().map_err(machine)?)));
    post.input(Input::Note(Fact::Started { version: env!("CARGO_PKG_VERSION").into() }));
    post.input(Input::Configure(config.clone()));
    Ok(())
}

/// Makes a fresh index of the customers beside the loop.
fn renew(address_book: AddressBook) {
    let renewing = std::thread::Builder::new().name("customers".into()).spawn(move || match address_book.renew() {
        Ok(customers) => tracing::info!(customers, "the index of the customers was made anew"),
        Err(error) => tracing::error!(%error, "the index of the customers grows old"),
    });
    if let Err(error) = renewing {
        tracing::error!(%error, "the index of the customers grows old");
    }
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

/// Where questions are put, and where they come out.
type Asking = (mpsc::Sender<Asked>, mpsc::Receiver<Asked>);

/// What goes on beside the loop: reloads, questions, signals, a look at the machine's addresses now and then.
#[derive(Clone)]
struct Office {
    file: PathBuf,
    directory: PathBuf,
    versions: Versions,
    clock: Clock,
    post: Post,
    clerk: Clerk,
    tokens: web::Tokens,
    resolver: Resolver,
    library: Library,
    /// The config in force last; before it those that running calls may still hold, so that none is freed by the loop.
    config: Arc<Mutex<Vec<Arc<Config>>>>,
    /// Wakes whoever carries letters.
    bell: Bell,
    address_book: AddressBook,
    /// Tells the system's manager how we are.
    notify: Notify,
}

impl Office {
    async fn run(
        self,
        door: Door,
        (asked, mut questions): Asking,
        mut signals: Signals,
        unclean: bool,
        unfinished: Vec<Unfinished>,
    ) {
        if !unfinished.is_empty() {
            let (directory, post) = (self.directory.clone(), self.post.clone());
            tokio::task::spawn_blocking(move || {
                let facts = unfinished.iter().flat_map(|recording| recording.close(&directory, &record::mend));
                facts.for_each(|fact| post.input(Input::Note(fact)));
            });
        }
        if unclean {
            let (directory, post) = (self.directory.clone(), self.post.clone());
            tokio::task::spawn_blocking(move || match quick_check(&directory) {
                Ok(()) => tracing::info!("the database is whole"),
                Err(error) => {
                    tracing::error!(%error, "the database is damaged");
                    post.input(Input::Note(Fact::Alarm(Alarm::Damaged { why: error.to_string() })));
                }
            });
        }
        let door = tokio::spawn(door.serve(asked));
        let mut around = tokio::time::interval(LOOK_AROUND);
        let mut last = own_addresses();
        let (alive, mut lives) = mpsc::channel(1);
        let every = self.notify.every();
        let mut look = tokio::time::interval(every.unwrap_or(LOOK_AROUND));
        loop {
            tokio::select! {
                () = self.post.closed() => break,
                Some(question) = questions.recv() => drop(tokio::spawn(self.clone().answer(question))),
                signal = signals.next() => self.obey(signal),
                _ = around.tick() => self.look_around(&mut last),
                _ = look.tick(), if every.is_some() => self.look_whether_alive(alive.clone()),
                Some(status) = lives.recv() => self.notify.alive(&status),
            }
        }
        door.abort();
        // What is on its way (the socket's own removal) ends before the process does.
        let _aborted = door.await;
    }

    /// The loop itself has to answer: one that hangs gives no sign of life.
    fn look_whether_alive(&self, alive: mpsc::Sender<String>) {
        let told = move |answer: Result<serde_json::Value, String>| {
            let figures = answer.ok().and_then(|figures| serde_json::from_value(figures).ok());
            // One sign that was not given on yet is enough.
            _ = alive.try_send(figures.as_ref().map(standing).unwrap_or_default());
        };
        self.post.put(Letter::Ask(Question::Figures, Box::new(told)));
    }

    fn obey(&self, signal: Signal) {
        match signal {
            Signal::Reload => drop(tokio::spawn(self.clone().reload())),
            Signal::End => {
                self.notify.stopping("no new calls; those in progress may go on for a while");
                tracing::info!(patience = ?PATIENCE, "no new calls; a second signal ends those in progress too");
                self.post.put(Letter::Drain(PATIENCE));
            }
            Signal::EndNow => {
                self.notify.stopping("calls in progress are ended");
                self.post.put(Letter::Stop);
            }
        }
    }

    fn look_around(&self, last: &mut OwnAddresses) {
        let now = own_addresses();
        if now != *last {
            tracing::info!(addresses = ?now.0, "the machine's addresses have changed");
            last.clone_from(&now);
            self.post.input(Input::Host { addresses: now.0, default: now.1 });
        }
        self.forget_configs();
    }

    /// Frees configs that no call holds any more.
    fn forget_configs(&self) {
        let mut configs = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = configs.len().saturating_sub(1);
        let mut place = 0;
        configs.retain(|config| {
            place += 1;
            place > newest || Arc::strong_count(config) > 1
        });
    }

    async fn answer(self, Asked { request, reply }: Asked) {
        let question = match request {
            Request::Token(token) => return drop(reply.send(self.add_token(*token).await)),
            Request::RevokeToken { id } => return drop(reply.send(self.revoke_token(&id).await)),
            Request::Reload => return drop(reply.send(self.reload().await)),
            Request::Rollback { number } => return drop(reply.send(self.roll_back(number).await)),
            Request::Customers => return drop(reply.send(self.read_customers().await)),
            Request::Outbox => {
                self.bell.ring_afresh();
                return drop(reply.send(Ok(serde_json::Value::Null)));
            }
            Request::Report { name, now } => return drop(reply.send(self.save_report(&name, now).await)),
            Request::Status => Question::Status,
            Request::Explain(hypothesis) => Question::Explain(hypothesis),
            Request::Override { schedule, open, until } => {
                Question::Override { schedule: schedule.into(), open, until }
            }
            Request::Away { extension, away, until } => Question::Away { extension: extension.into(), away, until },
            Request::Forward { extension, when, to } => Question::Forward { extension: extension.into(), when, to },
            Request::Block { number, blocked, note } => Question::Block { number, blocked, note },
            Request::Bans => Question::Bans,
            Request::Ban { whom, until, why } => Question::Ban { whom, until, why },
            Request::Unban { whom } => Question::Unban { whom },
            Request::Message { file, now } => Question::Message { file: file.into(), now },
            Request::Record { call, on } => Question::Record { call, on },
            Request::HangUp { call } => Question::HangUp { call },
            Request::Note { call, by, text, disposition } => {
                return drop(reply.send(self.note(call, by.map(Into::into), text, disposition).await));
            }
            Request::FollowUp { id, by, what } => {
                return drop(reply.send(self.follow_up(id, by.map(Into::into), what).await));
            }
            Request::Originate { user, to, caller_id, reference, timeout, auto_answer } => Question::Originate {
                user: user.into(),
                to,
                caller_id,
                reference: reference.map(Into::into),
                timeout,
                auto_answer,
            },
            Request::Transfer { call, by, to } => Question::Transfer { call, by: by.map(Into::into), to },
        };
        // Whoever asked may be gone by then.
        self.post.put(Letter::Ask(question, Box::new(|answer| drop(reply.send(answer)))));
    }

    async fn save_report(&self, name: &str, now: Option<SavedReport>) -> Reply {
        if let Some(now) = &now {
            Ask::check_name(name)?;
            Ask::of(now)?;
        } else {
            let saved = self.clerk.read(|reader| reader.saved_reports()).await.map_err(|error| error.to_string())?;
            if !saved.iter().any(|(known, _)| **known == *name) {
                return Err(format!("no report {name:?} was saved; `huntline report list` lists them"));
            }
        }
        let fact = Fact::Report { name: name.into(), now: now.map(Box::new) };
        let written = self.clerk.write_down(fact).await.map_err(|why| why.to_string())?;
        Ok(serde_json::json!({ "name": name, "written": written }))
    }

    async fn note(
        &self,
        call: CallId,
        by: Option<Arc<str>>,
        text: Option<String>,
        disposition: Option<String>,
    ) -> Reply {
        let newest = self.config.lock().unwrap_or_else(PoisonError::into_inner).last().cloned();
        let known = |by: &Arc<str>| newest.is_some_and(|config| config.extension_by_number(by).is_some());
        if let Some(by) = by.as_ref().filter(|by| !known(by)) {
            return Err(format!("there is no extension \"{by}\""));
        }
        let done = self.clerk.note_call(call, by, text.as_deref(), disposition.as_deref()).await;
        done.map_err(|why| why.to_string())
            .and_then(|notes| serde_json::to_value(notes).map_err(|error| error.to_string()))
    }

    async fn follow_up(&self, id: i64, by: Option<Arc<str>>, what: Hand) -> Reply {
        let newest = self.config.lock().unwrap_or_else(PoisonError::into_inner).last().cloned();
        let Some(config) = newest else { return Err("there is no config".into()) };
        let done = self.clerk.follow_up(&config, id, by, what).await;
        done.map_err(|why| why.to_string()).and_then(|row| serde_json::to_value(row).map_err(|error| error.to_string()))
    }

    /// Reads the config file again; a sound one takes effect at once, a broken one changes nothing.
    async fn reload(self) -> Reply {
        let notify = self.notify.clone();
        notify.reloading();
        let reply = self.read_again().await;
        match &reply {
            Ok(_) => notify.ready("a new config is in force"),
            Err(_) => notify.ready("a new config was refused, the old one is in force"),
        }
        reply
    }

    async fn read_again(self) -> Reply {
        let (file, versions, clock) = (self.file.clone(), self.versions.clone(), self.clock);
        let loaded = tokio::task::spawn_blocking(move || {
            let (loaded, text) = config_file::read(&file)?;
            keep(&versions, &text, "reload", clock);
            Ok::<_, Problems>(loaded)
        });
        let loaded = loaded.await;
        match loaded.map_err(|error| error.to_string())? {
            Ok(Loaded { config, warnings }) => {
                let config = Arc::new(config);
                let restart = self.needs_restart(&config);
                self.library.speak(config.site.language);
                let names = ServerName::all(&config);
                self.resolver.keep_only(move |name| names.contains(name));
                self.config.lock().unwrap_or_else(PoisonError::into_inner).push(config.clone());
                self.post.input(Input::Configure(config.clone()));
                // A receiver may have moved, or be there again.
                self.bell.ring_afresh();
                for what in &restart {
                    tracing::warn!(what, "takes effect after a restart");
                }
                Ok(serde_json::json!({
                    "version": config.version,
                    "warnings": warnings.to_string(),
                    "after_restart": restart,
                }))
            }
            Err(why) => {
                let first = why.iter().find(|problem| problem.severity == Severity::Error);
                let (errors, first) = (why.errors(), first.map(ToString::to_string).unwrap_or_default());
                self.post.input(Input::Note(Fact::ConfigRejected { errors, first }));
                Err(format!("the config is refused, the old one stays\n{why}"))
            }
        }
    }

    /// Puts an older version in the place of the config file, and into effect.
    async fn roll_back(self, number: u32) -> Reply {
        let change = Change { versions: self.versions.clone(), by: String::new(), at: self.clock.now().wall };
        let file = self.file.clone();
        let replaced = tokio::task::spawn_blocking(move || config_file::roll_back(&file, number, None, &change)).await;
        replaced.map_err(|error| error.to_string())?.map_err(|why| why.to_string())?;
        self.reload().await
    }

    /// What of a new config the running process cannot follow.
    fn needs_restart(&self, new: &Config) -> Vec<&'static str> {
        let configs = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(old) = configs.first() else { return Vec::new() };
        let changes = [
            (old.sip.listen != new.sip.listen, "sip.listen"),
            (old.storage != new.storage, "storage.directory"),
            ((old.web.is_on, old.web.listen) != (new.web.is_on, new.web.listen), "web.listen"),
        ];
        changes.into_iter().filter(|(changed, _)| *changed).map(|(_, what)| what).collect()
    }

    async fn add_token(self, token: crate::fact::Token) -> Reply {
        web::check_scopes(token.scopes.iter().map(|scope| &**scope))?;
        if let (Some(user), Some(config)) = (&token.user, self.config_in_force())
            && config.extension_by_number(user).is_none()
        {
            let numbers: Vec<_> = config.extensions().map(|(_, extension)| &*extension.number).collect();
            return Err(format!("there is no extension {user:?}; there is {}", numbers.join(", ")));
        }
        let known = self.clerk.read(|reader| reader.tokens()).await.map_err(|error| error.to_string())?;
        if known.iter().any(|other| other.name == token.name) {
            return Err(format!("there is a token {:?} already; revoke it first, or choose another name", token.name));
        }
        let id = token.id.clone();
        self.clerk.write_down(Fact::Token(Box::new(token))).await.map_err(|why| why.to_string())?;
        self.tokens.forget();
        Ok(serde_json::json!({ "id": id }))
    }

    async fn revoke_token(self, which: &str) -> Reply {
        let known = self.clerk.read(|reader| reader.tokens()).await.map_err(|error| error.to_string())?;
        let found = known.iter().find(|token| *token.id == *which || *token.name == *which);
        let Some(token) = found else {
            return Err(format!("there is no token {which:?}; `huntline token list` lists them"));
        };
        let fact = Fact::TokenRevoked { id: token.id.clone() };
        self.clerk.write_down(fact).await.map_err(|why| why.to_string())?;
        self.tokens.forget();
        Ok(serde_json::json!({ "id": token.id, "name": token.name }))
    }

    fn config_in_force(&self) -> Option<Arc<Config>> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    async fn read_customers(self) -> Reply {
        let read = tokio::task::spawn_blocking(move || self.address_book.renew()).await;
        let customers = read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        Ok(serde_json::json!({ "customers": customers }))
    }
}

/// How it stands, in a line.
fn standing(figures: &Figures) -> String {
    let up = figures.trunks.iter().filter(|trunk| trunk.up).count();
    let (calls, trunks, phones) = (figures.census.calls, figures.trunks.len(), figures.census.bindings);
    let ending = if figures.draining { "; no new calls are taken" } else { "" };
    format!("{calls} calls, {up} of {trunks} trunks up, {phones} phones{ending}")
}

/// What the system asks of us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Signal {
    /// SIGHUP.
    Reload,
    /// The first SIGTERM or SIGINT.
    End,
    /// A further one.
    EndNow,
}

struct Signals {
    hangup: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    ending: bool,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            ending: false,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => return Signal::Reload,
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        match std::mem::replace(&mut self.ending, true) {
            false => Signal::End,
            true => Signal::EndNow,
        }
    }
}

/// 32 bytes from the operating system: the seed of all chance in the core.
fn seed() -> std::io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut seed)?;
    Ok(seed)
}

/// A phone on a stream is a file, and so is each media port.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised =
        getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// What to do next, for whoever started this for the first time.
fn say_hello(config: &Config, file: &Path) {
    let listen = |transport: Transport| {
        let mut all = config.sip.listen.iter().filter(move |listen| listen.transport == transport);
        all.next().map(|listen| format!("{}://{}", transport.as_str(), listen.address))
    };
    let listens: Vec<_> = [Transport::Udp, Transport::Tcp].into_iter().filter_map(listen).collect();
    let phones = config.extensions().filter(|(_, extension)| extension.registers() && extension.password.is_some());
    let phones: Vec<_> = phones.map(|(_, extension)| &*extension.number).collect();
    let phones = match phones.split_first() {
        Some((first, others)) => {
            let more = if others.is_empty() { String::new() } else { format!(" (and {} more)", others.len()) };
            format!("register as {first}{more} in realm {:?} with the passwords of the config", config.sip.realm)
        }
        None => "none may register: add an [[extension]] with a password".to_owned(),
    };
    let trunks = config.trunks().map(|(_, trunk)| format!("  trunk       {} at {}\n", trunk.name, trunk.server));
    let not_yet = config.not_available_yet().iter().map(|what| format!("  not yet     {what}\n"));
    let (version, office, file) = (env!("CARGO_PKG_VERSION"), &config.site.name, file.display());
    let hello = format!(
        "Huntline {version} serves {office} ({file})\n  listening   {}\n  phones      {phones}\n{}  \
         see         huntline status --config {file} | huntline calls --config {file}\n{}",
        listens.join(", "),
        trunks.collect::<String>(),
        not_yet.collect::<String>(),
    );
    // Nobody may be listening; calls are taken all the same.
    let _unheard = std::io::stdout().write_all(hello.as_bytes());
}
