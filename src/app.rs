//! Wiring: reads the config, opens what is needed, gives the core its memory back, and joins the parts.
//!
//! The order matters. Ports first, so that a second router fails before it touches anything; then the database, what the
//! last run left, bindings, state and customers; only then does the loop begin to read what waits at the ports. Nothing
//! that comes late can change who rings.
//!
//! ```text
//!   ports ─► database ─► recover ─► relay, journal, DNS, control ─► state, customers, config ─► loop
//! ```
//!
//! | file | what it is about |
//! |---|---|
//! | `ground` `in_force` | what every part stands on: the data directory, the clocks, the way to the loop, the config in force |
//! | `fixed` | what of the config takes effect only when the process begins |
//! | `parts` | how each part is started |
//! | `office` | what is ordered through the control socket and is no affair of the core |
//! | `background` `signals` | what goes on beside the loop, until the end |
//! | `hello` | the first words on the screen |
//! | `cannot_serve` | why the router does not run |

mod background;
mod cannot_serve;
mod fixed;
mod ground;
mod hello;
mod in_force;
mod office;
mod parts;
mod signals;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;

use self::background::Background;
pub use self::background::PATIENCE;
pub use self::cannot_serve::CannotServe;
use self::fixed::Fixed;
use self::ground::Ground;
use self::hello::say_hello;
use self::office::Office;
use self::signals::Signals;
use crate::clerk::Clerk;
use crate::control::Door;
use crate::crm::courier::Courier;
use crate::diary::Watch;
use crate::drive::{Drive, End, Witness};
use crate::meter::Meter;
use crate::notify::Notify;
use crate::outbox::Bell;
use crate::store::Writer;
use crate::web;

/// How often a failing disk is tried again before the process ends without what it still has to write.
const LAST_TRIES: u32 = 5;

/// Runs the router until it is told to end (SIGTERM, SIGINT).
///
/// # Errors
/// The config has errors, a port is taken, the database cannot be opened.
pub fn serve(file: &Path) -> Result<(), CannotServe> {
    let notify = Notify::of_environment();
    let (config, text) = parts::read_config(file)?;
    parts::raise_file_limit();
    let (net, web) = parts::open_ports(&config)?;

    let mut writer = Writer::open(&config.storage.directory)?;
    let ground = Ground::new(config.clone(), &net);
    ground.keep_version(&text, "start");
    let (bell, courier) = (Bell::default(), Arc::new(Courier::default()));
    let secretary = parts::secretary(&ground, &bell, &courier)?;
    let recovered = parts::recover(&mut writer, &secretary, &ground)?;
    let base = writer.base();
    let board = web.is_some().then(|| parts::start_board(&mut writer, secretary, &ground)).transpose()?;
    let door = Door::open(&ground.directory)?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let library = parts::open_library(&config)?;
    let relay = parts::start_relay(library.clone(), &ground)?;
    let meter = Arc::new(Meter::default());
    meter.missed_at_the_start(recovered.missed);
    let journal = parts::start_journal(writer, &meter, &ground)?;
    let resolver = parts::start_resolver(runtime.handle(), &ground);

    parts::remember(&ground, &config)?;
    let clerk = Clerk::new(ground.post.clone(), ground.directory.clone(), base);
    courier.meets(clerk.clone());
    let office = Office {
        file: file.to_owned(),
        ground: ground.clone(),
        fixed: Fixed::of(&config),
        clerk,
        tokens: web::Tokens::default(),
        resolver: resolver.clone(),
        library,
        bell,
        notify: notify.clone(),
    };
    parts::start_clocks(&ground)?;
    let (asked, questions) = mpsc::channel(16);
    if let (Some(web), Some(board)) = (web, board.clone()) {
        web.serve(office.for_web(board, asked.clone(), meter.clone()))?;
    }
    parts::start_carriers(&office, courier)?;
    // Before anybody is told that calls are taken: who is told may already have a reason to end us.
    let signals = Signals::listen(&runtime)?;
    let background = Background { office, door, asked, questions, signals, recovered }.start(runtime)?;

    say_hello(&config, file);
    let drive = Drive {
        switch: parts::make_switch(config, &ground)?,
        net,
        relay,
        journal,
        resolver,
        post: ground.post.clone(),
        clock: ground.clock,
        renew_customers: parts::renewing(&ground),
        sees: board.map(|board| -> Witness { Box::new(move |facts| board.happens(facts)) }),
        watch: Watch::start()?,
        meter,
    };
    notify.ready("calls are taken");
    let (end, journal) = drive.run()?;
    match end {
        End::Drained => tracing::info!("no call is left"),
        End::Stopped => tracing::warn!("calls in progress were ended"),
    }
    ground.post.close();
    let written = journal.close(LAST_TRIES);
    if background.join().is_err() {
        tracing::error!("the background thread broke");
    }
    Ok(written?)
}
