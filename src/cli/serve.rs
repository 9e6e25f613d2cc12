//! `huntline serve`: the router itself.

use std::io::IsTerminal;

use clap::Args;
use tracing_subscriber::EnvFilter;

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
        let filter = EnvFilter::try_from_env("HUNTLINE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
        let colours = std::io::stderr().is_terminal();
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(Page::default).init();
        app::serve(&desk.file).map_err(|why| Trouble::Wrong(why.to_string()))
    }
}
