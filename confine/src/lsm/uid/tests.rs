use std::{
    fs::{self, File, Permissions},
    io::{Read, Write},
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::Path,
};

use nix::unistd::{Gid, Uid as Id, User as Entry};

use super::{privileged::*, users::*, *};
use crate::lsm::NoValues;

/// Runs `act` in a process of its own, with one thread, and gives what it found. `None` where this is not root, who
/// alone may become somebody else.
fn in_a_process_of_root(act: impl FnOnce() -> Result<(), String>) -> Option<Result<(), String>> {
    if !Id::effective().is_root() {
        eprintln!("not tested: this takes root");
        return None;
    }
    let (mut ours, mut theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
    // SAFETY: the child has a copy of this thread alone. It takes no lock that another thread may hold but the
    // allocator's, which the C library makes usable in a child, and it never returns from here.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork");
    if child == 0 {
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        let text = match found {
            Ok(Ok(())) => "well".to_owned(),
            Ok(Err(error)) => error,
            Err(_) => "it panicked".to_owned(),
        };
        let _ = theirs.write_all(text.as_bytes());
        // SAFETY: the child ends here, without the destructors of the test.
        unsafe { libc::_exit(0) };
    }
    drop(theirs);
    let mut text = String::new();
    ours.read_to_string(&mut text).expect("the child's answer");
    // SAFETY: it is a child of this process, and nobody else waits for it.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    Some(if text == "well" { Ok(()) } else { Err(text) })
}

#[track_caller]
fn well(found: Option<Result<(), String>>) {
    assert_eq!(found.unwrap_or(Ok(())), Ok(()));
}

fn expect(what: &str, holds: bool) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// A field of what the kernel says of this process.
fn status(field: &str) -> String {
    let text = fs::read_to_string("/proc/self/status").expect("procfs");
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.expect("a field").split_whitespace().collect::<Vec<_>>().join(" ")
}

const SOMEBODY: (u32, u32) = (54_321, 54_322);

fn somebody(groups: &[u32]) -> Identity {
    Identity { uid: SOMEBODY.0, gid: SOMEBODY.1, groups: groups.into() }
}

#[test]
fn a_process_becomes_another_user_for_good() {
    let secret = tempfile::NamedTempFile::new().expect("a file of root's");
    well(in_a_process_of_root(|| {
        become_user(&somebody(&[54_400, 54_401])).map_err(|failed| format!("{failed:?}"))?;
        expect("the user", status("Uid") == "54321 54321 54321 54321")?;
        expect("the group", status("Gid") == "54322 54322 54322 54322")?;
        expect("the groups", status("Groups") == "54400 54401")?;
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            expect(set, status(set).bytes().all(|b| b == b'0'))?;
        }
        let back = rustix::thread::set_thread_res_uid(None, Some(rustix::process::Uid::ROOT), None);
        expect("no way back", back.is_err())?;
        let other = rustix::process::Uid::from_raw(54_399);
        expect("no way on", rustix::thread::set_thread_res_uid(other, other, other).is_err())?;
        expect("root's file", File::open(secret.path()).is_err())
    }));
}

#[test]
fn no_group_of_the_servers_stays() {
    well(in_a_process_of_root(|| {
        rustix::thread::set_thread_groups(&[rustix::process::Gid::from_raw(33)]).expect("a group to lose");
        become_user(&somebody(&[])).map_err(|failed| format!("{failed:?}"))?;
        expect("no groups", status("Groups").is_empty())
    }));
}

/// Under these secure bits the kernel itself takes nothing away from who leaves root.
#[test]
fn capabilities_go_where_the_kernel_would_leave_them() {
    /// include/uapi/linux/securebits.h: SECBIT_NO_SETUID_FIXUP, SECBIT_KEEP_CAPS.
    const BITS: libc::c_ulong = 1 << 2 | 1 << 4;
    well(in_a_process_of_root(|| {
        // SAFETY: this prctl takes integers only.
        let set = unsafe { libc::prctl(libc::PR_SET_SECUREBITS, BITS, 0, 0, 0) };
        expect("the secure bits", set == 0)?;
        become_user(&somebody(&[])).map_err(|failed| format!("{failed:?}"))?;
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            expect(set, status(set).bytes().all(|b| b == b'0'))?;
        }
        Ok(())
    }));
}

/// The test harness has another thread, as every server has.
#[test]
fn a_thread_becomes_nobody_else() {
    let threads = || fs::read_dir("/proc/self/task").expect("procfs").count();
    std::thread::scope(|scope| {
        let (waits, go_on) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || go_on.recv());
        assert!(threads() > 1);
        let before = status("Uid");
        assert_eq!(become_user(&somebody(&[])), Err(Failed::NotAlone));
        assert_eq!(status("Uid"), before);
        drop(waits);
    });
    let error = explained(Failed::NotAlone).to_string();
    assert!(error.contains("<ConfineFastCGI>"), "{error}");
}

#[test]
fn without_the_right_to_it_nobody_becomes_another() {
    well(in_a_process_of_root(|| {
        become_user(&somebody(&[])).map_err(|failed| format!("{failed:?}"))?;
        expect("no right", !may_become_others())?;
        let again = become_user(&Identity { uid: 54_399, ..somebody(&[]) });
        expect("refused", again == Err(Failed::Refused("setgroups", libc::EPERM)))
    }));
}

fn entry(name: &str, uid: u32, gid: u32) -> Entry {
    let root = Entry::from_uid(Id::from_raw(0)).expect("the system's users").expect("root");
    Entry { name: name.to_owned(), uid: Id::from_raw(uid), gid: Gid::from_raw(gid), ..root }
}

/// Why these settings refuse a user, or the supplementary groups of one that they accept.
fn judged(entry: &Entry, name: &str, groups: &[u32], by: ChosenBy) -> Result<Vec<u32>, String> {
    // The groups need not exist here: they are looked up by name, and their ids are compared.
    let users = Users::with_groups(
        UserSettings { server: Some(1033), members_of: Some("tenants".into()), ..UserSettings::default() },
        Some(Gid::from_raw(2000)),
        vec![Gid::from_raw(3000), Gid::from_raw(3001)],
    );
    let groups: Vec<Gid> = groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    users.judge(name, entry, &groups, by).map(|user| user.identity.groups.to_vec()).map_err(|e| e.to_string())
}

#[test]
fn users_of_the_system_are_refused() {
    for by in [ChosenBy::Configuration, ChosenBy::Request] {
        let refused = |uid, gid| judged(&entry("x", uid, gid), "x", &[2000], by).expect_err("refused");
        assert_eq!(refused(0, 1000), "the user x is root; name a user without root's rights");
        assert_eq!(refused(1000, 0), "the group of the user x is root; name a user without root's rights");
        assert!(refused(99, 1000).starts_with("the user x has the id 99, and those below 100 belong to the"));
        assert!(refused(1000, 99).starts_with("the group of the user x has the id 99, and those below 100"));
        assert!(refused(1033, 1000).starts_with("x is the user that the server runs as"));
        assert_eq!(judged(&entry("x", 100, 100), "x", &[2000], by), Ok(vec![]));
    }
}

#[test]
fn a_request_names_members_of_the_group_alone() {
    let alice = entry("alice", 1000, 1000);
    let of = |groups: &[u32], by| judged(&alice, "alice", groups, by);
    assert_eq!(of(&[1000, 2000], ChosenBy::Request), Ok(vec![]));
    assert_eq!(of(&[1000], ChosenBy::Configuration), Ok(vec![]));
    assert_eq!(
        of(&[1000, 3000], ChosenBy::Request),
        Err("the user alice is not in the group tenants, whose members a request may name; add the user to that group, \
             if requests are to run as this user"
            .to_owned())
    );
}

#[test]
fn only_groups_that_the_configuration_keeps_are_kept() {
    let alice = entry("alice", 1000, 1000);
    let groups = [1000, 4, 27, 3001, 2000, 3000, 999];
    assert_eq!(judged(&alice, "alice", &groups, ChosenBy::Request), Ok(vec![3000, 3001]));
}

#[test]
fn a_name_means_one_user() {
    let refused =
        judged(&entry("alice", 1000, 1000), "Alice", &[2000], ChosenBy::Request).expect_err("refused");
    assert_eq!(refused, "the user Alice is called alice by this system; write the name as the system has it");
}

#[test]
fn the_home_is_the_users_and_nobody_elses_to_write() {
    let home = tempfile::tempdir().expect("a folder");
    let uid = Id::effective().as_raw();
    let look = |path: &Path, uid| home_is_own("alice", path, uid).map_err(|e| e.why);
    for mode in [0o700, 0o711, 0o755] {
        fs::set_permissions(home.path(), Permissions::from_mode(mode)).expect("chmod");
        assert_eq!(look(home.path(), uid), Ok(()));
    }
    assert!(look(home.path(), uid + 1).is_err_and(|e| e.contains("belongs to the user with id")));
    for mode in [0o775, 0o757] {
        fs::set_permissions(home.path(), Permissions::from_mode(mode)).expect("chmod");
        assert!(look(home.path(), uid).is_err_and(|e| e.contains("may be written by others")));
    }
    let file = home.path().join("file");
    fs::write(&file, "").expect("a file");
    assert!(look(&file, uid).is_err_and(|e| e.contains("is no folder")));
    assert!(look(&home.path().join("nothing"), uid).is_err_and(|e| e.contains("cannot be looked at")));
}

#[test]
fn a_program_that_others_can_change_is_not_executed() {
    let look = |path: &Path, uid| program::may_execute(path, uid).map_err(|e| e.to_string());
    assert_eq!(look(Path::new("/bin/sh"), SOMEBODY.0), Ok(()));
    assert!(look(Path::new("bin/sh"), 0).is_err_and(|e| e.contains("has no full path")));
    assert!(look(Path::new("/nonexistent/sh"), 0).is_err_and(|e| e.contains("(ENOENT)")));
    assert!(look(Path::new("/etc/passwd"), 0).is_err_and(|e| e.contains("is not executable")));
    assert!(look(Path::new("/etc"), 0).is_err_and(|e| e.contains("is no file")));
    if !Id::effective().is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("program");
    fs::copy("/bin/true", &program).expect("a program");
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
    mode(folder.path(), 0o755);
    mode(&program, 0o755);
    let refused = |uid, why: &str| {
        let error = look(&program, uid).expect_err(why);
        assert!(error.contains(why), "{error}");
    };
    assert_eq!(look(&program, 1000), Ok(()));
    for (bits, why) in
        [(0o4755, "is set-user-ID"), (0o2755, "is set-user-ID"), (0o757, "may be written by others")]
    {
        mode(&program, bits);
        refused(1000, why);
    }
    mode(&program, 0o755);
    mode(folder.path(), 0o757);
    refused(1000, "is in a folder that may be written by others");
    mode(folder.path(), 0o755);
    chown(&program, Some(1000), Some(1000)).expect("chown");
    assert_eq!(look(&program, 1000), Ok(()));
    refused(1001, "belongs to the user with id 1000");
    chown(&program, Some(0), Some(1000)).expect("chown");
    mode(&program, 0o775);
    refused(1000, "may be written by others");
    mode(&program, 0o755);
    // A link that the user can put elsewhere.
    let link = folder.path().join("link");
    symlink(&program, &link).expect("a link");
    assert_eq!(look(&link, 1000), Ok(()), "a link of root's in a folder of root's");
    chown(folder.path(), Some(1000), None).expect("chown");
    assert!(look(&link, 1000).is_err_and(|e| e.contains("is a symbolic link")));
}

#[test]
fn names_are_names() {
    for name in ["alice", "web-1", "alice@example.com", "EXAMPLE\\alice", "_www", "0x", "名前", "alice$"] {
        assert!(Uid::check_form(name).is_ok(), "{name}");
    }
    for name in
        ["", "0", "1000", "-alice", "+", "+@group", ".", "..", "a:b", "../root", "a b", "a\n", "#1000", "a,b"]
    {
        assert!(Uid::check_form(name).is_err(), "{name}");
    }
}

fn backend(settings: UserSettings) -> Uid {
    let users = Users::new(UserSettings { has_processes: true, ..settings }).expect("groups that exist");
    Uid { users: Arc::new(users), may_change: true }
}

#[test]
fn what_cannot_be_is_found_at_startup() {
    let error = |backend: &Uid, name: &str| backend.check(name).expect_err(name).to_string();
    let threads = Uid::default();
    assert_eq!(
        error(&threads, "alice"),
        "uid:alice: only a process can run as another user, and all requests here are served by threads; serve the \
         application with <ConfineFastCGI>, or take uid: out"
    );
    let backend = backend(UserSettings::default());
    assert!(error(&backend, "no-such-user").contains("there is no user no-such-user; create the user"));
    assert!(error(&backend, "root").contains("the user root is root"));
    let user = Uid { may_change: false, ..backend };
    assert!(error(&user, "alice").contains("may not change the user of its processes"));
    assert!(error(&user, "alice").contains("start it as root"));
}

#[test]
fn values_need_a_group_whose_members_they_may_name() {
    let nobody = backend(UserSettings::default()).expect_values().expect_err("no group");
    assert_eq!(nobody.remedy, "write ConfineUsers members-of=GROUP");
    let group =
        nix::unistd::Group::from_gid(Gid::from_raw(1)).expect("the system's groups").expect("a group");
    let backend = backend(UserSettings { members_of: Some(group.name.into()), ..UserSettings::default() });
    assert!(backend.expect_values().is_ok());
    let users = |settings| Users::new(settings).err().expect("problems").len();
    assert_eq!(
        users(UserSettings { members_of: Some("no-such-group".into()), ..UserSettings::default() }),
        1
    );
    assert_eq!(
        users(UserSettings {
            members_of: Some("root".into()),
            keep_groups: ["root".into(), "daemon".into()].into(),
            ..UserSettings::default()
        }),
        3,
        "root's, root's, and one of the system's"
    );
}

#[test]
fn a_request_that_names_whom_it_may_not_is_forbidden() {
    let backend = backend(UserSettings::default());
    for name in ["root", "daemon", "no-such-user"] {
        let way = backend.prepare_value(&Given::whole(name)).expect("a name");
        let error = way.ready(&NoValues).err().expect("refused");
        assert!(error.forbidden, "{error}");
        let way = backend.prepare(name).expect("a name");
        assert!(!way.ready(&NoValues).err().expect("refused").forbidden);
    }
    assert!(backend.prepare_value(&Given::whole("../root")).is_err());
}

#[test]
fn the_server_itself_is_not_moved() {
    let error = backend(UserSettings::default()).prepare_server("alice").err().expect("refused");
    assert!(error.to_string().contains("User and Group"), "{error}");
}

#[test]
fn a_user_is_looked_up_once_in_a_while() {
    let users = backend(UserSettings::default()).users;
    let first = users.of_request("no-such-user").expect_err("nobody");
    assert_eq!(users.of_request("no-such-user"), Err(first));
    assert_eq!(users.kept(), 1);
    for number in 0..1100 {
        let _ = users.of_request(&format!("no-such-user-{number}"));
    }
    assert!(users.kept() <= 1000);
}
