//! Replays every committed fuzz input (`tests/fuzz/corpus/TARGET/`) on stable Rust: what a fuzzer once found interesting
//! must hold for ever.

use std::path::Path;

#[path = "fuzz/src/lib.rs"]
mod checks;

#[test]
fn every_input_of_every_corpus_still_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut folders: Vec<_> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    folders.sort();
    let names: Vec<_> = folders.iter().map(|folder| folder.to_str().unwrap()).collect();
    let mut known: Vec<_> = checks::CHECKS.iter().map(|(name, _)| *name).collect();
    known.sort_unstable();
    assert_eq!(names, known, "every corpus has its check, and every check its corpus");
    for (name, check) in checks::CHECKS {
        let mut count = 0;
        for entry in std::fs::read_dir(root.join(name)).unwrap() {
            let path = entry.unwrap().path();
            let input = std::fs::read(&path).unwrap();
            println!("{}", path.display()); // shown where the check panics
            check(&input);
            count += 1;
        }
        assert!(count >= 10, "{name} has {count} inputs");
    }
}
