//! The `huntline` program.

use std::process::ExitCode;

/// Gives back to the system what calls needed, some ten seconds after they have ended. The system's own allocator keeps
/// it: the memory of one busy minute for the life of the process.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    huntline::cli::main()
}
