//! The `huntline` program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use huntline::app::{self, CannotServe};
use tracing_subscriber::EnvFilter;

/// An embedded SIP call router for companies of 3 to 200 people.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The config file.
    #[arg(long, global = true, default_value = "config/office.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Take calls, until told to end (SIGTERM). SIGHUP reads the config again.
    Serve,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("HUNTLINE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    let Command::Serve = arguments.command;
    match app::serve(&arguments.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(if matches!(why, CannotServe::Config(_)) { 2 } else { 1 })
        }
    }
}
