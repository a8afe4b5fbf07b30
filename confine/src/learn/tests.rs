use std::{
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    thread,
};

use tempfile::TempDir;

use super::*;
use crate::{bytes::Bytes, lsm::landlock::FileAccess};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn read(path: &str) -> Learned {
    let deed = Deed::file(FileAccess::Read, path, false);
    Learned { deed, host: "a".to_owned(), request: "GET /".to_owned() }
}

fn held(file: &LearnFile) -> Reading {
    Reading::of(&fs::read(file.path()).unwrap())
}

#[test]
fn what_is_done_twice_is_written_once_whoever_does_it() {
    let d = folder();
    let (one, other) = (LearnFile::open(d.path(), "x").unwrap(), LearnFile::open(d.path(), "x").unwrap());
    for file in [&one, &other, &one] {
        file.note(&read("/a")).unwrap();
    }
    other.note(&read("/b")).unwrap();
    one.note(&read("/b")).unwrap();
    let reading = held(&one);
    assert_eq!(fs::read_to_string(one.path()).unwrap().lines().count(), 2);
    assert_eq!(reading.learned, [read("/a"), read("/b")]);
    // A server that starts again goes on with the file.
    LearnFile::open(d.path(), "x").unwrap().note(&read("/a")).unwrap();
    assert_eq!(held(&one).learned.len(), 2);
}

#[test]
fn a_file_that_was_emptied_begins_anew() {
    let d = folder();
    let file = LearnFile::open(d.path(), "x").unwrap();
    file.note(&read("/a")).unwrap();
    fs::write(file.path(), "").unwrap();
    file.note(&read("/a")).unwrap();
    assert_eq!(held(&file).learned, [read("/a")]);
}

#[test]
fn any_bytes_and_long_paths_read_back_and_a_line_is_a_line() {
    let d = folder();
    let file = LearnFile::open(d.path(), "x").unwrap();
    let long = format!("/{}", "a\n\"\\\u{1b}".repeat(800));
    let all = [
        Learned {
            deed: Deed::File {
                access: "read".into(),
                path: Bytes::from(b"/\xff\n\xc3 {}".to_vec()),
                folder: true,
            },
            ..read("/")
        },
        read(&long),
        Learned { deed: Deed::Abstract(Bytes::from(vec![0, 1, 255])), ..read("/") },
        Learned { deed: Deed::Connect(3306), ..read("/") },
    ];
    all.iter().for_each(|learned| file.note(learned).unwrap());
    assert_eq!(held(&file).learned, all);
    assert_eq!(fs::read(file.path()).unwrap().iter().filter(|b| **b == b'\n').count(), all.len());
}

#[test]
fn a_file_cut_in_the_middle_loses_that_line_alone() {
    let d = folder();
    let file = LearnFile::open(d.path(), "x").unwrap();
    for path in ["/a", "/b", "/c"] {
        file.note(&read(path)).unwrap();
    }
    let whole = fs::read(file.path()).unwrap();
    for cut in 1..whole.len() {
        fs::write(file.path(), &whole[..cut]).unwrap();
        // Another child goes on behind the cut.
        let other = LearnFile::open(d.path(), "x").unwrap();
        other.note(&read("/d")).unwrap();
        let reading = held(&other);
        let paths: Vec<_> = reading.learned.iter().map(|l| l.deed.as_file().unwrap().1.to_owned()).collect();
        assert!(paths.iter().all(|path| ["/a", "/b", "/c", "/d"].map(Path::new).contains(&path.as_path())));
        assert!(reading.damaged <= 1, "{reading:?}");
    }
}

#[test]
fn lines_of_nobodys_are_counted_and_left_out() {
    let lines = b"{}\nrubbish\n{\"deed\":{\"file\":{\"access\":\"fly\",\"path\":\"/a\",\"folder\":false}},\"host\":\"\",\"request\":\"\"}\n";
    let reading = Reading::of(lines);
    assert_eq!((reading.learned.len(), reading.damaged), (0, 3));
}

#[test]
fn a_folder_with_many_names_and_a_full_file_end() {
    let d = folder();
    let file = LearnFile::open(d.path(), "x").unwrap();
    for number in 0..10_000 {
        file.note(&read(&format!("/srv/x/cache/{number}"))).unwrap();
    }
    assert_eq!(held(&file).learned.len(), 200);
    // Random folders, as whoever would fill the disk makes them.
    let long = "x".repeat(3000);
    let stopped: Vec<_> =
        (0..4000).filter_map(|n| file.note(&read(&format!("/srv/x/{long}/{n}/a"))).err()).collect();
    assert_eq!(stopped.len(), 1, "told once");
    assert!(stopped[0].to_string().contains("is full (8388608 bytes)"), "{}", stopped[0]);
    let reading = held(&file);
    assert!(reading.is_full && reading.damaged == 0);
    assert!(fs::metadata(file.path()).unwrap().len() < (8 << 20) + 8192);
}

#[test]
fn several_writers_at_a_time_mix_no_lines() {
    let d = folder();
    let files: Vec<_> = (0..4).map(|_| LearnFile::open(d.path(), "x").unwrap()).collect();
    thread::scope(|s| {
        for (number, file) in files.iter().enumerate() {
            s.spawn(move || {
                for n in 0..200 {
                    file.note(&read(&format!("/srv/{number}-{n}/x"))).unwrap();
                }
            });
        }
    });
    let reading = held(&files[0]);
    assert_eq!((reading.learned.len(), reading.damaged), (800, 0));
}

#[test]
fn a_full_disk_is_told_once_and_the_next_line_is_whole() {
    // The kernel's own full disk.
    let full = fs::OpenOptions::new().append(true).open("/dev/full").unwrap();
    assert!((&full).write(b"x").is_err());
    let d = folder();
    let file = LearnFile::open(d.path(), "x").unwrap();
    file.note(&read("/a")).unwrap();
    let file = file.onto(full);
    let told = file.note(&read("/b")).unwrap_err().to_string();
    assert!(told.contains("cannot be written") && told.contains("No space left"), "{told}");
    file.note(&read("/c")).unwrap();
}

#[test]
fn only_a_folder_and_a_file_of_ones_own_will_do() {
    let d = folder();
    let error = |folder: &Path| LearnFile::open(folder, "x").map(|_| ()).unwrap_err().to_string();
    let open = d.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(error(&open).contains("nobody else may write into"));
    let link = d.path().join("link");
    symlink("/tmp", &link).unwrap();
    assert!(error(&link).contains("is not a folder"));
    let own = d.path().join("own");
    fs::create_dir(&own).unwrap();
    symlink("/etc/hostname", own.join("x.learned")).unwrap();
    assert!(LearnFile::open(&own, "x").is_err());
    fs::hard_link(d.path().join("own/x.learned"), own.join("y.learned")).unwrap();
    let file = LearnFile::open(&own, "z").unwrap();
    fs::hard_link(file.path(), own.join("z2.learned")).unwrap();
    assert!(error(&own).contains("") && LearnFile::open(&own, "z2").is_err());
    assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
}
