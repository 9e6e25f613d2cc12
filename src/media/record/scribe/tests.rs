use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use super::*;

const MONO: Shape = Shape { rate: 8_000, channels: 1 };
const TAKE: TakeKey = TakeKey(1);
const PATIENCE: Duration = Duration::from_secs(20);

/// A disk as the test wants it.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Plate>>);

#[derive(Default)]
struct Plate {
    file: Vec<u8>,
    /// How many bytes it can hold.
    room: Option<usize>,
    /// Every write waits for one of these.
    gate: Option<Receiver<()>>,
    syncs: usize,
}

impl Storage for Disk {
    fn create(&mut self, _: &str) -> io::Result<Box<dyn Sheet>> {
        self.0.lock().unwrap().file.clear();
        Ok(Box::new(self.clone()))
    }
}

impl Sheet for Disk {
    fn write(&mut self, bytes: &[u8], place: u64) -> io::Result<()> {
        let gate = self.0.lock().unwrap().gate.take();
        if let Some(gate) = gate {
            let _ = gate.recv();
            self.0.lock().unwrap().gate = Some(gate);
        }
        let mut plate = self.0.lock().unwrap();
        let end = place as usize + bytes.len();
        if plate.room.is_some_and(|room| end > room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let size = plate.file.len().max(end);
        plate.file.resize(size, 0);
        plate.file[place as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.0.lock().unwrap().file.truncate(length as usize);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.lock().unwrap().syncs += 1;
        Ok(())
    }
}

fn scribe(disk: &Disk) -> (Scribe, Receiver<MediaEvent>) {
    let (tell, events) = channel();
    let scribe =
        Scribe::start(disk.clone(), Stopwatch::start(), Arc::new(move |event| drop(tell.send(event)))).unwrap();
    scribe.begin(TAKE, "a.wav".into(), MONO, Arc::default());
    (scribe, events)
}

fn recorded(events: &Receiver<MediaEvent>) -> Taken {
    match events.recv_timeout(PATIENCE).unwrap() {
        MediaEvent::Recorded { take: TAKE, taken } => taken,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_written_is_a_file_that_can_be_played() {
    let disk = Disk::default();
    let (scribe, events) = scribe(&disk);
    for second in 0..3u8 {
        scribe.write(TAKE, u64::from(second) * 16_000, vec![second; 16_000]).unwrap();
    }
    scribe.finish(TAKE, Taken { speech: Duration::from_secs(1), ..Taken::default() });
    let taken = recorded(&events);
    assert_eq!(taken, Taken { length: Duration::from_secs(3), speech: Duration::from_secs(1), ..Taken::default() });
    let plate = disk.0.lock().unwrap();
    assert!(plate.file[..] == [&MONO.header(48_000)[..], &[0; 16_000], &[1; 16_000], &[2; 16_000]].concat());
    assert!(plate.syncs > 0);
}

#[test]
fn a_full_disk_leaves_a_file_that_can_be_played_and_a_gap_is_silence() {
    let disk = Disk::default();
    disk.0.lock().unwrap().room = Some(HEADER + 20_000);
    let (scribe, events) = scribe(&disk);
    for second in 0..3 {
        scribe.write(TAKE, second * 16_000, vec![1; 16_000]).unwrap();
    }
    // It says so once, and goes on when there is room again.
    let losing = MediaEvent::Losing { take: TAKE, why: io::ErrorKind::StorageFull };
    assert_eq!(events.recv_timeout(PATIENCE), Ok(losing));
    scribe.finish(TAKE, Taken::default());
    let taken = recorded(&events);
    assert_eq!(taken.length, Duration::from_secs(1));
    assert_eq!((taken.lost, taken.failed), (Duration::from_secs(2), Some(io::ErrorKind::StorageFull)));
    assert!(disk.0.lock().unwrap().file[..] == [&MONO.header(16_000)[..], &[1; 16_000]].concat());
}

#[test]
fn what_comes_after_a_gap_stands_where_it_belongs() {
    let disk = Disk::default();
    let (scribe, events) = scribe(&disk);
    scribe.write(TAKE, 0, vec![1; 16_000]).unwrap();
    scribe.write(TAKE, 32_000, vec![3; 16_000]).unwrap();
    scribe.finish(TAKE, Taken { lost: Duration::from_secs(1), ..Taken::default() });
    let taken = recorded(&events);
    assert_eq!((taken.length, taken.lost, taken.failed), (Duration::from_secs(3), Duration::from_secs(1), None));
    let file = &disk.0.lock().unwrap().file;
    assert!(file[..] == [&MONO.header(48_000)[..], &[1; 16_000], &[0; 16_000], &[3; 16_000]].concat());
}

#[test]
fn a_slow_disk_is_waited_for_by_nobody_and_what_waits_is_bounded() {
    let disk = Disk::default();
    let (open, gate) = channel();
    disk.0.lock().unwrap().gate = Some(gate);
    let (scribe, events) = scribe(&disk);
    let megabyte = 1 << 20;
    // Nothing is written yet, and nobody waits.
    let taken_in =
        (0..100).take_while(|at| scribe.write(TAKE, at * megabyte, vec![1; megabyte as usize]).is_ok()).count();
    assert_eq!(taken_in, BOUND / megabyte as usize);
    assert_eq!(scribe.write(TAKE, 0, vec![1]), Err(Full));
    drop(open);
    scribe.finish(TAKE, Taken::default());
    assert_eq!(recorded(&events).length, MONO.length(BOUND as u64));
    assert_eq!(scribe.write(TAKE, 0, vec![1]), Ok(()), "there is room again");
}

#[test]
fn a_folder_makes_what_is_needed_and_lets_nothing_out() {
    let root = std::env::temp_dir().join(format!("huntline-folder-{}", std::process::id()));
    let mut folder = Folder(root.clone());
    folder.create("2026/11/a.wav").unwrap().write(b"sound", 0).unwrap();
    assert_eq!(std::fs::read(root.join("2026/11/a.wav")).unwrap(), b"sound");
    for name in ["../a.wav", "/tmp/a.wav", "2026/../../a.wav"] {
        assert_eq!(folder.create(name).err().map(|error| error.kind()), Some(io::ErrorKind::InvalidInput), "{name}");
    }
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(root.join("2026/11/a.wav")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    std::fs::remove_dir_all(root).unwrap();
}
