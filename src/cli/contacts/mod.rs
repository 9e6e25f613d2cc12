//! `huntline contacts`: the customers, as a CRM exports them.

mod import;
mod lookup;
mod timeline;

use clap::{Args, Subcommand};

use crate::cli::desk::{Desk, Trouble};

/// Import customers from a CRM's export, look a number up, or show what was with a customer.
#[derive(Debug, Args)]
pub(super) struct Contacts {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Import(import::Import),
    Lookup(lookup::Lookup),
    Timeline(timeline::Timeline),
}

impl Contacts {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        match self.what {
            What::Import(import) => import.run(desk),
            What::Lookup(lookup) => lookup.run(desk),
            What::Timeline(timeline) => timeline.run(desk),
        }
    }
}
