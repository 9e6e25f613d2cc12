//! The command line: one file for each command, and what all of them share.
//!
//! Commands that only read work on the config and the database and need no running router; those that order something
//! speak to it through the control socket.

mod away;
mod backup;
mod bans;
mod block;
mod calls;
mod check;
mod config;
mod contacts;
mod demo;
mod desk;
mod doctor;
mod explain;
mod follow_ups;
mod forward;
mod moment;
mod originate;
mod outbox;
mod override_hours;
mod recordings;
mod reload;
mod replay;
mod report;
mod restore;
mod serve;
mod status;
mod table;
mod token;
mod transfer;
mod voicemail;
mod words;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::clock::Timestamp;
use desk::{Desk, Trouble};

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  something is wrong: findings in a config or file, a refusal, an unreadable database
  2  the command line itself is wrong
  3  no router is running on the config's data directory

Examples:
  huntline demo
  huntline check
  huntline serve --config /etc/huntline/office.toml
  huntline explain --from '8 916 123-45-67' --to +74951234567 --at 'mon 09:00'
  huntline calls --missed --from today
  huntline missed --not-called-back
  huntline report lost --period last-month
  huntline calls show 0d5t3gh7k2m9p --trace > call.trace && huntline replay call.trace
  huntline override office closed --until 18:00";

/// Huntline, the call router of an office.
#[derive(Debug, Parser)]
#[command(name = "huntline", version, about = "An embedded SIP call router for companies of 3 to 200 people.")]
#[command(after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// The config file.
    #[arg(long, global = true, value_name = "FILE", default_value = "config/office.toml")]
    config: PathBuf,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Demo(demo::Demo),
    Check(check::Check),
    Config(config::Config),
    Reload(reload::Reload),
    Doctor(doctor::Doctor),
    Explain(explain::Explain),
    Calls(calls::Calls),
    Missed(follow_ups::Missed),
    #[command(name = "followups")]
    FollowUps(follow_ups::FollowUps),
    Recordings(recordings::Recordings),
    Voicemail(voicemail::Voicemail),
    Outbox(outbox::Outbox),
    Contacts(contacts::Contacts),
    Report(report::Report),
    Originate(originate::Originate),
    Transfer(transfer::Transfer),
    Replay(replay::Replay),
    Status(status::Status),
    Override(override_hours::OverrideHours),
    Away(away::Away),
    Forward(forward::Forward),
    Block(block::Block),
    Bans(bans::Bans),
    Ban(bans::Ban),
    Unban(bans::Unban),
    Token(token::Token),
    Backup(backup::Backup),
    Restore(restore::Restore),
}

/// Runs the program: reads the command line, does what it says, gives the exit code.
pub fn main() -> ExitCode {
    run(Cli::parse())
}

fn run(cli: Cli) -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "a command has no loop that could hand it the time")]
    let now = Timestamp::now();
    let desk = Desk { file: cli.config, now };
    let done = match cli.command {
        Command::Serve(command) => command.run(&desk),
        Command::Demo(command) => command.run(&desk),
        Command::Check(command) => command.run(&desk),
        Command::Config(command) => command.run(&desk),
        Command::Reload(command) => command.run(&desk),
        Command::Doctor(command) => command.run(&desk),
        Command::Explain(command) => command.run(&desk),
        Command::Calls(command) => command.run(&desk),
        Command::Missed(command) => command.run(&desk),
        Command::FollowUps(command) => command.run(&desk),
        Command::Recordings(command) => command.run(&desk),
        Command::Voicemail(command) => command.run(&desk),
        Command::Outbox(command) => command.run(&desk),
        Command::Contacts(command) => command.run(&desk),
        Command::Report(command) => command.run(&desk),
        Command::Originate(command) => command.run(&desk),
        Command::Transfer(command) => command.run(&desk),
        Command::Replay(command) => command.run(),
        Command::Status(command) => command.run(&desk),
        Command::Override(command) => command.run(&desk),
        Command::Away(command) => command.run(&desk),
        Command::Forward(command) => command.run(&desk),
        Command::Block(command) => command.run(&desk),
        Command::Bans(command) => command.run(&desk),
        Command::Ban(command) => command.run(&desk),
        Command::Unban(command) => command.run(&desk),
        Command::Token(command) => command.run(&desk),
        Command::Backup(command) => command.run(&desk),
        Command::Restore(command) => command.run(&desk),
    };
    let (code, said) = match done {
        Ok(()) | Err(Trouble::Closed) => (0, None),
        Err(Trouble::Said) => (1, None),
        Err(Trouble::Wrong(why)) => (1, Some(why)),
        Err(Trouble::Usage(why)) => (2, Some(why)),
        Err(Trouble::NoRouter(why)) => (3, Some(why)),
    };
    if let Some(said) = said {
        // Nobody is left to hear that standard error is closed.
        let _ = writeln!(std::io::stderr(), "huntline: {said}");
    }
    ExitCode::from(code)
}
