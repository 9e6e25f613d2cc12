//! The `huntline` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    huntline::cli::main()
}
