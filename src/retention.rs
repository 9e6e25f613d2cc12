//! What is erased, and when: recordings that are older than the config says, the oldest ones where the disk is too full, and
//! messages that were thrown away. Events that programs and people were told are forgotten here, too.
//!
//! A thread of its own looks once a minute. It takes the file away first and notes the fact then: killed in between, it finds
//! nothing to take away the next time and notes it all the same. A message that nobody has listened to is never erased,
//! unless nobody speaks in it; what is younger than a day is never erased for want of room, because then it is not the
//! recordings that fill the disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::statvfs::statvfs;

use crate::clock::{Duration, Timestamp};
use crate::drive::Clock;
use crate::fact::Fact;
use crate::media::library::within;
use crate::outbox::Current;
use crate::store::{Reader, StoreError, forget_events};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(60);
/// What is younger is not erased for want of room.
const DAY: Duration = Duration::from_secs(86_400);
/// Files that are erased in one look, for each reason, at most. The next look goes on.
const AT_ONCE: usize = 1_000;
/// How long it is remembered what programs and people were told.
const EVENTS: Duration = Duration::from_secs(30 * 86_400);
/// So many events are forgotten in one look: a handful, because who writes facts waits for it.
const EVENTS_AT_ONCE: usize = 500;

/// Erases what its time has come for, for the life of the process.
pub struct Keeper {
    /// `storage.directory`.
    pub directory: PathBuf,
    /// The config in force.
    pub current: Current,
    /// The clock.
    pub clock: Clock,
    /// Hears what was erased.
    pub tell: Box<dyn Fn(Fact) + Send>,
}

/// The rules of a config.
#[derive(Clone, Copy, Debug, Default)]
struct Rules {
    keep: Option<Duration>,
    /// In percent.
    disk_share: Option<u8>,
}

impl Keeper {
    /// Starts the thread. It ends with the process, at any moment.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(self) -> io::Result<()> {
        std::thread::Builder::new()
            .name("retention".into())
            .spawn(move || {
                loop {
                    if let Err(error) = self.look() {
                        tracing::error!(%error, "what is to be erased cannot be looked up");
                    }
                    std::thread::sleep(EVERY);
                }
            })
            .map(drop)
    }

    fn look(&self) -> Result<(), StoreError> {
        let Some(config) = (self.current)() else { return Ok(()) };
        let rules = Rules { keep: config.media.keep, disk_share: config.media.disk_share };
        let view = || used(&self.directory);
        let now = self.clock.now().wall;
        forget_events(&self.directory, now.checked_sub(EVENTS).unwrap_or(Timestamp::MIN), EVENTS_AT_ONCE)?;
        erase(&self.directory, rules, now, &view, &self.tell)
    }
}

/// Which share of the disk that holds a folder is in use, as `df` counts it, in percent.
fn used(directory: &Path) -> io::Result<u8> {
    let disk = statvfs(directory)?;
    let (all, free, ours) = (disk.blocks(), disk.blocks_free(), disk.blocks_available());
    let used = all.saturating_sub(free);
    let percent = (used * 100).div_ceil((used + ours).max(1));
    Ok(u8::try_from(percent).unwrap_or(100))
}

/// Erases what is to be erased now. `used` says how full the disk is, in percent.
fn erase(
    directory: &Path,
    rules: Rules,
    now: Timestamp,
    used: &dyn Fn() -> io::Result<u8>,
    tell: &dyn Fn(Fact),
) -> Result<(), StoreError> {
    let reader = Reader::open(directory)?;
    let take = |file: &Arc<str>, why: &str| match remove(directory, file) {
        Ok(()) => tell(Fact::Erased { file: file.clone(), why: why.into() }),
        Err(error) => tracing::error!(%error, file = &**file, "a recording cannot be erased"),
    };
    let before = |age: Duration| now.checked_sub(age).unwrap_or(Timestamp::MIN);
    for file in reader.thrown_away(AT_ONCE)? {
        take(&file, "it was deleted");
    }
    if let Some(keep) = rules.keep {
        let why = format!("it is older than {} days", keep.as_secs() / DAY.as_secs());
        for file in reader.erasable(before(keep), AT_ONCE)? {
            take(&file, &why);
        }
    }
    if let Some(most) = rules.disk_share {
        let too_full = || match used() {
            Ok(used) => used > most,
            Err(error) => {
                tracing::error!(%error, "it cannot be seen how full the disk is");
                false
            }
        };
        if too_full() {
            let why = format!("more than {most}% of the disk are in use");
            // Those of the rule above are not there any more, and taking them away twice does nothing.
            let oldest = reader.erasable(before(DAY), AT_ONCE)?;
            for file in oldest.iter().take_while(|_| too_full()) {
                take(file, &why);
            }
        }
    }
    Ok(())
}

/// Takes a file away, and the folder of its day where it was the last one in it. Gone already is as well.
fn remove(directory: &Path, file: &str) -> io::Result<()> {
    let path = within(directory, file).ok_or(io::ErrorKind::InvalidInput)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // A box's folder stays: the next message goes into it.
    if let Some(day) = path.parent().filter(|day| day.parent() == Some(&directory.join("recordings"))) {
        let _still_in_use = std::fs::remove_dir(day);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;
    use crate::fact::{MessageState, Recorded, RecordingOf};
    use crate::store::fixture::{Folder, at, message, numbered};

    const HOUR: i64 = 3_600;

    /// Two talks of 40 and 30 hours ago, one of an hour ago; messages of 40 hours ago: new, heard, empty and deleted.
    fn office() -> Folder {
        let folder = Folder::new();
        let began = |fact: Fact, file: &str, hours: i64| {
            let Fact::Recorded(recorded) = fact else { unreachable!() };
            let path = folder.0.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "sound").unwrap();
            (0, Fact::Recorded(Box::new(Recorded { began: at(-hours * HOUR), ..*recorded })))
        };
        let talk = |file: &str, hours| {
            let (seconds, fact) = began(message(file, "", 60_000), file, hours);
            let Fact::Recorded(recorded) = fact else { unreachable!() };
            (seconds, Fact::Recorded(Box::new(Recorded { of: RecordingOf::Talk, ..*recorded })))
        };
        let in_box = |file: &str, speech| began(message(file, "sales", speech), file, 40);
        let mark = |file: &str, now| (1, Fact::Message { file: file.into(), mailbox: "sales".into(), now });
        let facts = [
            talk("recordings/1/a.wav", 40),
            talk("recordings/2/b.wav", 30),
            talk("recordings/3/c.wav", 1),
            in_box("voicemail/new.wav", 9_000),
            in_box("voicemail/heard.wav", 9_000),
            in_box("voicemail/empty.wav", 100),
            in_box("voicemail/deleted.wav", 9_000),
            mark("voicemail/heard.wav", MessageState::Heard),
            mark("voicemail/deleted.wav", MessageState::Deleted),
        ];
        folder.writer().append(&numbered(1, facts)).unwrap();
        folder
    }

    /// Looks at an office; what was erased, in order, and why.
    fn look(folder: &Folder, rules: Rules, used: &dyn Fn() -> io::Result<u8>) -> Vec<(String, String)> {
        let told = RefCell::new(Vec::new());
        erase(&folder.0, rules, at(0), used, &|fact| told.borrow_mut().push(fact)).unwrap();
        let told = told.into_inner();
        folder.writer().append(&numbered(1, told.iter().map(|fact| (0, fact.clone())))).unwrap();
        let erased = told.into_iter().map(|fact| match fact {
            Fact::Erased { file, why } => (file.to_string(), why.to_string()),
            fact => panic!("{fact:?}"),
        });
        erased.collect()
    }

    fn names(erased: &[(String, String)]) -> Vec<&str> {
        erased.iter().map(|(file, _)| file.as_str()).collect()
    }

    #[test]
    fn what_lies_outside_is_never_erased_whatever_the_database_says() {
        let folder = Folder::new();
        let outside = folder.0.with_extension("outside");
        std::fs::write(&outside, "not a recording").unwrap();
        for file in [outside.display().to_string(), format!("../{}", outside.file_name().unwrap().display())] {
            assert_eq!(remove(&folder.0, &file).map_err(|error| error.kind()), Err(io::ErrorKind::InvalidInput));
        }
        assert!(outside.exists());
        std::fs::remove_file(&outside).unwrap();
    }

    const FULL: fn() -> io::Result<u8> = || Ok(99);

    #[test]
    fn without_rules_only_what_was_thrown_away_goes() {
        let folder = office();
        let erased = look(&folder, Rules::default(), &FULL);
        assert_eq!(erased, [("voicemail/deleted.wav".into(), "it was deleted".into())]);
        assert!(!folder.0.join("voicemail/deleted.wav").exists() && folder.0.join("voicemail/heard.wav").exists());
        assert_eq!(look(&folder, Rules::default(), &FULL), []);
    }

    #[test]
    fn what_is_too_old_goes_but_no_message_that_nobody_has_heard() {
        let folder = office();
        look(&folder, Rules::default(), &FULL);
        let rules = Rules { keep: Some(Duration::from_secs(36 * 3_600)), disk_share: None };
        let erased = look(&folder, rules, &FULL);
        assert_eq!(names(&erased), ["recordings/1/a.wav", "voicemail/empty.wav", "voicemail/heard.wav"]);
        assert_eq!(erased[0].1, "it is older than 1 days");
        assert!(!folder.0.join("recordings/1").exists() && folder.0.join("voicemail/new.wav").exists());
        assert_eq!(look(&folder, rules, &FULL), []);
    }

    #[test]
    fn a_disk_that_is_too_full_loses_its_oldest_recordings_until_it_is_not() {
        let folder = office();
        look(&folder, Rules::default(), &FULL);
        let rules = Rules { keep: None, disk_share: Some(80) };
        assert_eq!(look(&folder, rules, &|| Ok(80)), []);
        // It is full by 82% at first, and each file takes one.
        let asked = Cell::new(84);
        let falling = || {
            asked.set(asked.get() - 1);
            Ok(asked.get())
        };
        let erased = look(&folder, rules, &falling);
        assert_eq!(names(&erased), ["recordings/1/a.wav", "voicemail/empty.wav"]);
        assert_eq!(erased[0].1, "more than 80% of the disk are in use");
        // However full it is, what is young stays, and what nobody has heard.
        assert_eq!(names(&look(&folder, rules, &FULL)), ["voicemail/heard.wav", "recordings/2/b.wav"]);
        assert!(folder.0.join("recordings/3/c.wav").exists());
        assert_eq!(look(&folder, rules, &|| Err(io::ErrorKind::Other.into())), []);
    }

    #[test]
    fn a_file_that_is_gone_already_is_noted_as_erased() {
        let folder = office();
        std::fs::remove_file(folder.0.join("voicemail/deleted.wav")).unwrap();
        assert_eq!(names(&look(&folder, Rules::default(), &FULL)), ["voicemail/deleted.wav"]);
    }

    #[test]
    fn the_disk_of_a_folder_has_a_share_in_use() {
        let folder = Folder::new();
        assert!(used(&folder.0).unwrap() <= 100);
        assert!(used(Path::new("/proc")).is_ok());
    }
}
