//! Replays every input that fuzzing kept, and every input that showed a fault.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use super::*;

/// A time limit for each input. With a fuzzer's instruments an input may take ten seconds, so here it must take less.
const LIMIT: Duration = Duration::from_secs(10);

/// The files of a folder. If the folder does not exist, there are none.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// A new folder with the inputs of an archive.
fn unpacked(archive: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let unpacked = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder.path()).status();
    assert!(unpacked.is_ok_and(|s| s.success()), "tar unpacks {}", archive.display());
    folder
}

fn replay(target: &str) -> usize {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let corpus = unpacked(&fuzz.join("corpus").join(format!("{target}.tar.gz")));
    let mut count = 0;
    for folder in [corpus.path(), &fuzz.join("findings").join(target)] {
        for file in files(folder) {
            let data = fs::read(&file).expect("an input");
            let start = Instant::now();
            // Shows the name of the input if the test fails.
            println!("{}", file.display());
            run(target, &data);
            assert!(start.elapsed() < LIMIT, "{}: {:?}", file.display(), start.elapsed());
            count += 1;
        }
    }
    count
}

macro_rules! replayed {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                assert!(replay(stringify!($target)) > 0, "the corpus is there");
            }
        )*

        #[test]
        fn every_target_is_replayed() {
            let replayed: &[&str] = &[$(stringify!($target)),*];
            let targets: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(replayed, targets);
        }
    };
}

replayed!(map map_fmt path_pattern compiled_map context tomoyo_pattern);
