//! What the machine says of this process and of the disk it writes to; what it does not say is left out.

use std::path::Path;

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;

use crate::store;

/// Linux counts a process's time in hundredths of a second (USER_HZ), whatever its kernel ticks in.
const TICKS: f64 = 100.0;

/// What is known of this process and of its disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Process {
    pub(super) resident: Option<f64>,
    pub(super) virtual_: Option<f64>,
    pub(super) threads: Option<f64>,
    /// Processor time in seconds.
    pub(super) cpu: Option<f64>,
    pub(super) open_files: Option<f64>,
    pub(super) most_files: Option<f64>,
    /// Free for us and all, in bytes, of the file system with the data directory.
    pub(super) disk: Option<(f64, f64)>,
    /// The database with what is written ahead of it, in bytes.
    pub(super) database: f64,
}

impl Process {
    /// Looks. Reads a handful of files; not for a thread that must not wait.
    pub(super) fn look(directory: &Path) -> Process {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| -> Option<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let kibibytes = |name: &str| field(name).map(|size| size * 1024.0);
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let disk = statvfs(directory).ok().map(|disk| {
            let unit = disk.fragment_size() as f64;
            (disk.blocks_available() as f64 * unit, disk.blocks() as f64 * unit)
        });
        let size = |ending: &str| std::fs::metadata(directory.join(format!("{}{ending}", store::FILE)));
        let database = ["", "-wal"].into_iter().filter_map(|ending| size(ending).ok()).map(|file| file.len() as f64);
        Process {
            resident: kibibytes("VmRSS"),
            virtual_: kibibytes("VmSize"),
            threads: field("Threads"),
            cpu: cpu(&stat),
            open_files: std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1) as f64),
            most_files: getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft as f64),
            disk,
            database: database.sum(),
        }
    }
}

/// Seconds in user and kernel mode: fields 14 and 15 of proc_pid_stat(5). The second may hold anything, in brackets.
fn cpu(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_stand_behind_a_name_that_may_hold_anything() {
        let stat = "7 (hunt) line) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 1 2 3";
        assert_eq!(cpu(stat), Some(3.0));
        assert_eq!(cpu("7 (x) S"), None);
    }

    #[test]
    fn a_running_process_has_memory_files_and_a_disk() {
        let process = Process::look(Path::new("/"));
        assert!(process.resident > Some(0.0) && process.open_files > Some(2.0), "{process:?}");
        assert!(process.disk.is_some_and(|(free, all)| free <= all && all > 0.0));
    }
}
