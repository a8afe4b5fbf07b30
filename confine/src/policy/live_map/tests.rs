//! Changes of a file, look by look.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, thread, time::Duration};

use super::*;
use crate::{
    Origin, Subject,
    lsm::landlock::{Ports, RulesetSpec},
};

/// A folder with a map that is watched.
struct Scene {
    folder: tempfile::TempDir,
    backends: Backends,
    watch: Watch,
    swaps: Arc<AtomicU64>,
}

const FIRST: &str = "alice a\n* b\n";

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("map");
        fs::write(&path, FIRST).expect("a map");
        let spec = |name| RulesetSpec {
            min_abi: 1,
            connect: Ports::Any,
            bind: Ports::Any,
            ..RulesetSpec::new(name, Origin::new("httpd.conf", 1))
        };
        let backends = Backends::new(vec![spec("a"), spec("b")]).unwrap_or_else(|e| panic!("{e:?}"));
        let options =
            LoadOptions { default: BackendName::LANDLOCK, same_context: SameContext::Refused, early: None };
        let (map, look) = Map::load_stamped(&path, options.default, None).expect("a map");
        let ready =
            PreparedMap::new(map, &backends, options.same_context).unwrap_or_else(|(_, e)| panic!("{e}"));
        let swaps = Arc::new(AtomicU64::new(0));
        let map = Arc::new(LiveMap::new(&path, options, ready, Arc::clone(&swaps)));
        Self { folder, backends, watch: Watch::new(map, look), swaps }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("map")
    }

    fn look(&mut self) -> Event {
        // Longer than the file system's clock takes for a step.
        thread::sleep(Duration::from_millis(15));
        self.watch.look(&self.backends)
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), text).expect("a map");
    }

    /// The line that counts for alice.
    fn line(&self) -> u32 {
        let subject = Subject { user: Some(b"alice"), ..Subject::default() };
        self.watch.map().current().map().lookup(&subject).expect("a rule").line
    }

    #[track_caller]
    fn nothing(&mut self) {
        let event = self.look();
        assert!(matches!(event, Event::Nothing), "{event:?}");
    }

    #[track_caller]
    fn swapped(&mut self) -> MapState {
        match self.look() {
            Event::Swapped(state) => state,
            event => panic!("{event:?}"),
        }
    }

    #[track_caller]
    fn kept(&mut self) -> String {
        match self.look() {
            Event::Rejected(text) => text,
            event => panic!("{event:?}"),
        }
    }
}

#[test]
fn a_change_counts_at_the_second_look() {
    let mut scene = Scene::new();
    scene.nothing();
    scene.write("# new\nalice b\n");
    scene.nothing();
    assert_eq!(scene.line(), 1);
    let state = scene.swapped();
    assert_eq!((state.generation, state.rules, state.error), (2, 1, None));
    assert_eq!((scene.line(), scene.swaps.load(Ordering::Acquire)), (2, 1));
    scene.nothing();
}

#[test]
fn a_file_that_is_being_written_is_not_taken() {
    let mut scene = Scene::new();
    for lines in 1..6 {
        scene.write(&"# more\n".repeat(lines));
        scene.nothing();
    }
    scene.write("# done\n# done\nalice a\n");
    scene.nothing();
    scene.swapped();
    assert_eq!(scene.line(), 3);
}

#[test]
fn a_rename_that_keeps_size_and_time_is_seen() {
    let mut scene = Scene::new();
    let other = scene.folder.path().join("other");
    fs::write(&other, "* b\nalice a\n").expect("a map");
    let time = fs::metadata(scene.path()).and_then(|m| m.modified()).expect("a time");
    fs::File::options().write(true).open(&other).and_then(|f| f.set_modified(time)).expect("a time");
    fs::rename(&other, scene.path()).expect("a rename");
    scene.nothing();
    assert_eq!(scene.swapped().rules, 2);
}

#[test]
fn a_bad_file_keeps_the_rules_and_is_told_once() {
    let mut scene = Scene::new();
    let held = scene.watch.map().current();
    scene.write("alice\n");
    scene.nothing();
    let text = scene.kept();
    assert!(
        text.ends_with(
            "/map:1:6: no context given; write at least one, such as landlock:NAME, or the word unconfined"
        ),
        "{text}"
    );
    scene.nothing();
    scene.nothing();
    assert_eq!((scene.line(), scene.swaps.load(Ordering::Acquire)), (1, 0));
    assert!(Arc::ptr_eq(&held, &scene.watch.map().current()));
    let state = scene.watch.map().state();
    assert_eq!((state.generation, state.error.as_deref()), (1, Some(&*text)));
    scene.write("# better\nalice a\n");
    scene.nothing();
    assert_eq!(scene.swapped().error, None);
    assert_eq!(scene.line(), 2);
}

#[test]
fn contexts_that_cannot_be_used_keep_the_rules() {
    let mut scene = Scene::new();
    scene.write("bob a\nalice nonsuch\n");
    scene.nothing();
    let text = scene.kept();
    assert!(text.contains("/map:2: landlock:nonsuch: there is no ruleset of this name"), "{text}");
    assert_eq!(scene.line(), 1);
}

#[test]
fn a_file_that_vanishes_keeps_the_rules_until_it_is_back() {
    let mut scene = Scene::new();
    fs::remove_file(scene.path()).expect("removed");
    scene.nothing();
    let text = scene.kept();
    assert!(text.ends_with("/map: cannot be looked at: No such file or directory (os error 2); put it back, or correct the rights above it"), "{text}");
    scene.nothing();
    assert_eq!(scene.line(), 1);
    scene.write("# back\nalice a\n");
    scene.nothing();
    scene.swapped();
    assert_eq!(scene.line(), 2);
}

#[test]
fn an_unreadable_file_keeps_the_rules() {
    let mut scene = Scene::new();
    fs::set_permissions(scene.path(), fs::Permissions::from_mode(0o000)).expect("rights");
    scene.nothing();
    // Root reads it all the same.
    match scene.look() {
        Event::Rejected(text) => assert!(text.contains("cannot be opened: Permission denied"), "{text}"),
        Event::Swapped(state) => assert_eq!(state.generation, 2),
        Event::Nothing => panic!("the change of rights was not seen"),
    }
    assert_eq!(scene.line(), 1);
}

#[test]
fn who_holds_old_rules_keeps_them_and_does_not_clear_them_away() {
    let mut scene = Scene::new();
    let held = scene.watch.map().current();
    scene.write("bob b\n");
    scene.nothing();
    scene.swapped();
    assert_eq!(held.map().len(), 2);
    assert_eq!(Arc::strong_count(&held), 2, "the watch holds it, too");
    scene.nothing();
    let weak = Arc::downgrade(&held);
    drop(held);
    assert_eq!(weak.strong_count(), 1);
    scene.nothing();
    assert_eq!(weak.strong_count(), 0);
}

#[test]
fn every_process_calls_a_sight_by_the_same_number() {
    let mut scene = Scene::new();
    let read = FileStamp::at(&scene.path()).expect("a file");
    let mut other = Watch::new(Arc::clone(&scene.watch.map), read);
    assert_eq!(scene.watch.sight(), other.sight());
    scene.write("alice\n");
    scene.nothing();
    scene.kept();
    assert_ne!(scene.watch.sight(), other.sight());
    other.look(&scene.backends);
    other.look(&scene.backends);
    assert_eq!(scene.watch.sight(), other.sight());
}
