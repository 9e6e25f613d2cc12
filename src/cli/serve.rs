//! `huntline serve`: the router itself.

use std::io::IsTerminal;

use clap::Args;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::app;
use crate::cli::desk::{Desk, Trouble};
use crate::diary::Page;

/// Take calls, until told to end.
#[derive(Debug, Args)]
#[command(after_help = "\
Signals: SIGHUP reads the config file again; SIGTERM takes no new calls, lets those in progress end, and ends; a second
SIGTERM ends them too.

Environment: HUNTLINE_LOG says what is logged (error, warn, info, debug, trace; or huntline::net=debug).

Examples:
  huntline serve
  HUNTLINE_LOG=debug huntline serve --config /etc/huntline/office.toml")]
pub(super) struct Serve {}

impl Serve {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let wanted = std::env::var("HUNTLINE_LOG").ok().and_then(|wanted| wanted.parse().ok());
        let wanted = wanted.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
        let colours = std::io::stderr().is_terminal();
        let lines = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(Page::default);
        tracing_subscriber::registry().with(lines).with(wanted).init();
        app::serve(&desk.file).map_err(|why| Trouble::Wrong(why.to_string()))
    }
}
