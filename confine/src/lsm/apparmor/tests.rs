//! The backend on directories that stand for the kernel's. The lab tests what the kernel itself does.

use std::fs;

use super::{
    profile_move::{Fate, arrived},
    *,
};
use crate::lsm::{NoValues, PreparedMove};
use crate::problem::Problem;

const OWN: &str = "apache2 (enforce)";

/// A backend whose files are in `root`. Its kernel lists `profiles`.
fn backend_in(root: &Path, own: &str, profiles: &str) -> AppArmor {
    let securityfs = root.join("security");
    fs::create_dir_all(securityfs.join("apparmor")).unwrap();
    fs::write(securityfs.join("lsm"), "capability,apparmor").unwrap();
    fs::write(Profiles::path(&securityfs), profiles).unwrap();
    let roots = Roots { securityfs, sysfs: root.join("sys"), proc: root.join("proc") };
    AppArmor::with(roots, Interface::Proc, Ok(own.into()))
}

/// A backend without any of the kernel's files.
fn backend(own: &str) -> AppArmor {
    let nowhere = || PathBuf::from("/nonexistent");
    let roots = Roots { securityfs: nowhere(), sysfs: nowhere(), proc: nowhere() };
    AppArmor::with(roots, Interface::Proc, Ok(own.into()))
}

fn refused<T>(result: Result<T, PrepareError>) -> String {
    result.map_or_else(|e| e.to_string(), |_| panic!("this was accepted"))
}

#[test]
fn a_context_keeps_its_text_and_is_shared_by_all_requests() {
    for text in ["blog", "apache2//blog", "stack blog"] {
        let way = backend(OWN).prepare(text).unwrap();
        assert_eq!(way.context().to_string(), format!("apparmor:{text}"));
        assert!(matches!(way.ready(&NoValues), Ok(PreparedMove::Shared(_))));
    }
}

#[test]
fn the_kernel_is_told_a_command_and_asked_before_where_there_is_only_proc() {
    let commands = |text| match backend(OWN).way(text, Written::parse(text).unwrap()).unwrap().door {
        Door::Proc { ask, go, .. } => (ask.into_string().unwrap(), go.into_string().unwrap()),
        Door::Syscall(_) => panic!("this backend has /proc"),
    };
    assert_eq!(commands("blog"), ("permprofile blog".to_owned(), "changeprofile blog".to_owned()));
    assert_eq!(
        commands("apache2//a"),
        ("permprofile apache2//a".to_owned(), "changeprofile apache2//a".to_owned())
    );
    assert_eq!(commands("stack blog"), ("permprofile &blog".to_owned(), "stack blog".to_owned()));
}

#[test]
fn a_wrong_text_names_itself_in_quotes() {
    assert_eq!(
        refused(backend(OWN).prepare("a//&b")),
        "apparmor:\"a//&b\": & joins profiles, and a context names one; write \"stack NAME\" to put a profile on \
         top of the server's"
    );
    assert_eq!(
        refused(backend(OWN).prepare_value(&Given::whole("u"))),
        "apparmor:u: the kernel takes u, as any beginning of it, for unconfined where no profile is called so; name a \
         profile that confines, or write unconfined in place of the whole list to exempt the request"
    );
}

#[test]
fn to_stay_in_the_servers_profile_is_no_confinement() {
    for (own, text) in [
        (OWN, "apache2"),
        (OWN, "stack apache2"),
        ("apache2//&dog (enforce)", "stack dog"),
        ("apache2//web (enforce)", "apache2//web"),
    ] {
        let apparmor = backend(own);
        assert!(refused(apparmor.prepare(text)).contains("it is the server's own profile apache2"), "{text}");
        assert!(refused(apparmor.check(text)).contains("nothing more is confined"), "{text}");
        assert!(apparmor.prepare_server(text).unwrap().is_none(), "{text}");
    }
    for (own, text) in [("apache2//&dog (enforce)", "dog"), ("unconfined", "apache2"), (OWN, "apache2//web")]
    {
        assert!(backend(own).prepare(text).is_ok(), "{own} {text}");
        assert!(backend(own).prepare_server(text).unwrap().is_some(), "{own} {text}");
    }
}

#[test]
fn a_profile_must_be_loaded_and_confine() {
    let dir = tempfile::tempdir().unwrap();
    let list = "apache2 (enforce)\nblog (enforce)\napache2//a (complain)\npodman (unconfined)\n";
    let apparmor = AppArmor { assumed: true, ..backend_in(dir.path(), OWN, list) };
    assert_eq!(
        refused(apparmor.check("dog")),
        "apparmor:dog: no profile dog is loaded; write a profile dog in /etc/apparmor.d, load it with \
         apparmor_parser -r FILE, see it with aa-status"
    );
    assert!(refused(apparmor.check("stack apache2//b")).contains("the profile apache2 with a hat ^b in"));
    assert_eq!(
        refused(apparmor.check("podman")),
        "apparmor:podman: the profile podman is loaded in unconfined mode, in which nothing is confined; take \
         flags=(unconfined) out of it and load it again, or name another profile"
    );
    assert!(apparmor.check("blog").is_ok() && apparmor.check("stack blog").is_ok());
    assert_eq!(apparmor.warnings(), [""; 0]);
    assert!(apparmor.check("apache2//a").is_ok());
    assert_eq!(
        apparmor.warnings(),
        [
            "the profile apache2//a is in complain mode: the kernel logs and refuses nothing there; run aa-enforce on \
          its file in /etc/apparmor.d"
        ]
    );
}

#[test]
fn without_securityfs_the_check_goes_on_and_says_so() {
    let apparmor = AppArmor { assumed: true, ..backend(OWN) };
    assert!(apparmor.check("blog").is_ok());
    assert_eq!(
        apparmor.warnings(),
        [
            "whether profiles are in complain mode could not be read from /nonexistent/apparmor/profiles: No such file \
          or directory (os error 2); mount securityfs on /sys/kernel/security, start the server as root, and add \
          `/nonexistent/apparmor/profiles r,` to its profile"
        ]
    );
}

#[test]
fn a_server_that_is_not_confined_is_warned_of_where_apparmor_is_used() {
    let of = |own| {
        let dir = tempfile::tempdir().unwrap();
        let apparmor = backend_in(dir.path(), own, "");
        assert_eq!(apparmor.warnings(), [""; 0], "no rule has named it yet");
        let _ = apparmor.active();
        apparmor.warnings()
    };
    assert_eq!(of(OWN), [""; 0]);
    assert!(of("unconfined")[0].starts_with("AppArmor does not confine the server itself"));
    assert!(of("apache2 (unconfined)")[0].starts_with("AppArmor does not confine the server itself"));
    assert!(of("apache2 (complain)")[0].starts_with("the server's own profile apache2 is in complain mode"));
}

#[test]
fn later_moves_start_where_an_earlier_one_ended() {
    let there = backend(OWN).after("stack dog", Moved::Thread).unwrap();
    assert!(refused(there.prepare("stack dog")).contains("the server's own profile apache2//&dog"));
    assert!(there.prepare("stack cat").is_ok());
    let there = backend(OWN).after("dog", Moved::Thread).unwrap();
    assert!(refused(there.prepare("dog")).contains("the server's own profile dog"));
    assert!(backend("unconfined").after("stack dog", Moved::Thread).unwrap().prepare("dog").is_err());
    assert!(backend(OWN).after("&", Moved::Thread).is_none());
}

#[test]
fn a_change_leaves_and_a_stack_stays() {
    let apparmor = backend(OWN);
    assert!(apparmor.replaces("blog") && apparmor.replaces("apache2//blog"));
    assert!(!apparmor.replaces("stack blog") && !apparmor.replaces("&"));
}

#[test]
fn a_move_without_proc_says_so() {
    let way = backend(OWN).prepare("blog").unwrap();
    let error = way.ready(&NoValues).unwrap().enter().unwrap_err();
    assert!(!error.forbidden);
    assert_eq!(
        error.to_string(),
        "the thread's own attr/current below /proc cannot be opened (ENOENT); mount /proc where the server runs, \
         also inside a chroot"
    );
    let tried = refused(backend(OWN).check("blog"));
    assert!(tried.contains("(ENOENT); mount /proc"), "{tried}");
}

#[test]
fn a_label_other_than_the_wanted_is_a_refusal() {
    let written = Written::parse("blog").unwrap();
    assert!(matches!(arrived(b"blog (enforce)", written), Fate::Arrived));
    let Fate::Elsewhere(label) = arrived(b"apache2//null-blog (complain)", written) else {
        panic!("the thread is somewhere else")
    };
    let Problem { why, remedy, .. } = refusal::elsewhere(&label, written);
    assert_eq!(why, "the kernel let the thread go to apache2//null-blog (complain) instead of blog");
    assert!(remedy.contains("a profile blog is loaded"), "{remedy}");
}

#[test]
fn without_apparmor_every_context_is_refused_with_the_reason() {
    let inactive = Inactive {
        backend: BackendName::APPARMOR,
        problem: Problem {
            why: "it is not among the active security modules".to_owned(),
            errno: None,
            remedy: "boot with it".to_owned(),
        },
    };
    let apparmor = AppArmor { own: Err(inactive), ..backend(OWN) };
    assert_eq!(
        refused(apparmor.prepare("blog")),
        "apparmor:blog: it is not among the active security modules; boot with it"
    );
    let _ = apparmor.active();
    assert_eq!(apparmor.warnings(), [""; 0]);
}

#[test]
fn a_kernel_without_apparmor_is_not_active_and_one_with_it_has_a_label() {
    let apparmor = AppArmor::new();
    assert_eq!(apparmor.active().is_ok(), apparmor.own.is_ok());
}

/// A value that a request supplies is one name. The configuration's own text may lead to a hat or a stack.
#[test]
fn a_value_is_one_name() {
    let prepare = |pieces: &[(bool, &str)]| {
        backend(OWN).prepare_value(&Given::join(pieces.iter().copied())).map(|way| way.context().to_string())
    };
    for (pieces, context) in [
        (&[(true, "blog")][..], "apparmor:blog"),
        (&[(true, "/usr/bin/man")], "apparmor:/usr/bin/man"),
        (&[(false, "apache2//"), (true, "blog")], "apparmor:apache2//blog"),
        (&[(false, "stack "), (true, "blog")], "apparmor:stack blog"),
    ] {
        assert_eq!(prepare(pieces).unwrap_or_else(|e| panic!("{e}")), context);
    }
    for pieces in [
        &[(true, "apache2//blog")][..],
        &[(false, "apache2//"), (true, "a//b")],
        &[(false, "apache2//"), (true, "/a")],
        &[(false, "blog/"), (true, "/a")],
        &[(true, "blog/"), (false, "/a")],
    ] {
        let said = prepare(pieces).expect_err("an error").to_string();
        assert!(said.contains("a value is one name"), "{said}");
    }
}
