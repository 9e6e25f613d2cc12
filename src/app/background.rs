//! What goes on beside the loop, on a thread of its own: what the last run left is put in order, questions are answered,
//! signals are obeyed, the machine's addresses are looked at now and then, and the system's manager hears that the loop
//! is alive.

use std::io;
use std::path::Path;
use std::thread::JoinHandle;

use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::office::Office;
use super::signals::{Signal, Signals};
use crate::clock::Duration;
use crate::control::{Asked, Door};
use crate::drive::{Letter, Post};
use crate::fact::{Alarm, Fact};
use crate::media::record;
use crate::net::{OwnAddresses, own_addresses};
use crate::store::{Recovered, Unfinished, quick_check};
use crate::switch::{Figures, Input, Question};

/// How long running calls may go on after SIGTERM.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How often the machine is asked for its own addresses.
const LOOK_AROUND: Duration = Duration::from_secs(60);

/// What the thread begins with.
pub(super) struct Background {
    /// Answers what the core does not.
    pub(super) office: Office,
    /// The control socket.
    pub(super) door: Door,
    /// Where questions are put …
    pub(super) asked: mpsc::Sender<Asked>,
    /// … and where they come out.
    pub(super) questions: mpsc::Receiver<Asked>,
    pub(super) signals: Signals,
    /// What the restart found.
    pub(super) recovered: Recovered,
}

impl Background {
    /// Starts the thread. It ends when the loop has.
    pub(super) fn start(self, runtime: Runtime) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("background".into()).spawn(move || {
            runtime.block_on(self.run());
            // A check of the database that is still under way does not hold up the end.
            runtime.shutdown_background();
        })
    }

    async fn run(self) {
        let Background { office, door, asked, mut questions, mut signals, recovered } = self;
        put_in_order(recovered, &office);
        let door = tokio::spawn(door.serve(asked));
        let mut around = tokio::time::interval(LOOK_AROUND);
        let mut last = own_addresses();
        let (alive, mut lives) = mpsc::channel(1);
        let every = office.notify.every();
        let mut look = tokio::time::interval(every.unwrap_or(LOOK_AROUND));
        loop {
            tokio::select! {
                () = office.ground.post.closed() => break,
                Some(question) = questions.recv() => drop(tokio::spawn(office.clone().answer(question))),
                signal = signals.next() => obey(signal, &office),
                _ = around.tick() => look_around(&mut last, &office),
                _ = look.tick(), if every.is_some() => look_whether_alive(alive.clone(), &office.ground.post),
                Some(status) = lives.recv() => office.notify.alive(&status),
            }
        }
        door.abort();
        // What is on its way (the socket's own removal) ends before the process does.
        let _aborted = door.await;
    }
}

/// What the last run left is closed and looked at without anybody waiting for it.
fn put_in_order(recovered: Recovered, office: &Office) {
    let (directory, post) = (&office.ground.directory, &office.ground.post);
    if !recovered.unfinished.is_empty() {
        let (directory, post) = (directory.clone(), post.clone());
        tokio::task::spawn_blocking(move || close_recordings(&recovered.unfinished, &directory, &post));
    }
    if recovered.unclean {
        let (directory, post) = (directory.clone(), post.clone());
        tokio::task::spawn_blocking(move || check_database(&directory, &post));
    }
}

fn close_recordings(unfinished: &[Unfinished], directory: &Path, post: &Post) {
    let facts = unfinished.iter().flat_map(|recording| recording.close(directory, &record::mend));
    facts.for_each(|fact| post.input(Input::Note(fact)));
}

fn check_database(directory: &Path, post: &Post) {
    match quick_check(directory) {
        Ok(()) => tracing::info!("the database is whole"),
        Err(error) => {
            tracing::error!(%error, "the database is damaged");
            post.input(Input::Note(Fact::Alarm(Alarm::Damaged { why: error.to_string() })));
        }
    }
}

fn obey(signal: Signal, office: &Office) {
    match signal {
        Signal::Reload => drop(tokio::spawn(office.clone().reload())),
        Signal::End => {
            office.notify.stopping("no new calls; those in progress may go on for a while");
            tracing::info!(patience = ?PATIENCE, "no new calls; a second signal ends those in progress too");
            office.ground.post.put(Letter::Drain(PATIENCE));
        }
        Signal::EndNow => {
            office.notify.stopping("calls in progress are ended");
            office.ground.post.put(Letter::Stop);
        }
    }
}

fn look_around(last: &mut OwnAddresses, office: &Office) {
    let now = own_addresses();
    if now != *last {
        tracing::info!(addresses = ?now.0, "the machine's addresses have changed");
        last.clone_from(&now);
        office.ground.post.input(Input::Host { addresses: now.0, default: now.1 });
    }
    office.ground.in_force.forget();
}

/// The loop itself has to answer: one that hangs gives no sign of life.
fn look_whether_alive(alive: mpsc::Sender<String>, post: &Post) {
    let told = move |answer: Result<Value, String>| {
        let figures = answer.ok().and_then(|figures| serde_json::from_value(figures).ok());
        // One sign that was not given on yet is enough.
        _ = alive.try_send(figures.as_ref().map(standing).unwrap_or_default());
    };
    post.put(Letter::Ask(Question::Figures, Box::new(told)));
}

/// How it stands, in a line.
fn standing(figures: &Figures) -> String {
    let up = figures.trunks.iter().filter(|trunk| trunk.up).count();
    let (calls, trunks, phones) = (figures.census.calls, figures.trunks.len(), figures.census.bindings);
    let ending = if figures.draining { "; no new calls are taken" } else { "" };
    format!("{calls} calls, {up} of {trunks} trunks up, {phones} phones{ending}")
}
