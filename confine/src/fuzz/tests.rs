//! Every input that fuzzing kept, and every one that it found a fault with, once more.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::*;

/// Under a fuzzer's instruments an input may take ten seconds; here none takes long.
const LIMIT: Duration = Duration::from_secs(10);

/// The files of a folder; none where it is not there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn replay(target: &str) -> usize {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let mut count = 0;
    for folder in ["corpus", "findings"] {
        for file in files(&fuzz.join(folder).join(target)) {
            let data = fs::read(&file).expect("an input");
            let start = Instant::now();
            // The name of the input, should it fail.
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
