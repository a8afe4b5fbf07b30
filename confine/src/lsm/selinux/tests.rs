//! Tests of the SELinux backend on directories that look like the kernel's.

use super::*;
use crate::lsm::NoValues;

const OWN: &str = "system_u:system_r:httpd_t:s0";

fn backend(interface: Interface) -> Selinux {
    let roots = Roots { proc: "/nonexistent".into(), selinuxfs: "/nonexistent".into(), ..Roots::default() };
    Selinux::with(roots, interface, Ok(SecurityContext::parse(OWN).unwrap()), false)
}

fn refused(result: Result<Arc<dyn Move>, PrepareError>) -> String {
    match result {
        Ok(way) => panic!("{} was prepared", way.context()),
        Err(e) => e.to_string(),
    }
}

#[test]
fn a_context_keeps_its_text_and_is_shared_by_all_requests() {
    let way = backend(Interface::Syscall).prepare("httpd_dog_t:s0:c1").unwrap();
    assert_eq!(way.context().to_string(), "selinux:httpd_dog_t:s0:c1");
    assert!(matches!(way.ready(&NoValues), Ok(PreparedMove::Shared(_))));
}

#[test]
fn a_context_is_resolved_against_the_servers() {
    let resolved = backend(Interface::Syscall).resolve("*:s0:c1").unwrap();
    assert_eq!(resolved.to_string(), "system_u:system_r:httpd_t:s0:c1");
}

/// A value that a request supplies beside the directive's own text is one part of a context.
#[test]
fn a_value_is_one_part() {
    let prepare = |pieces: &[(bool, &str)]| {
        backend(Interface::Syscall).prepare_value(&Given::join(pieces.iter().copied()))
    };
    for (pieces, context) in [
        (&[(true, "*:s0:c1")][..], "selinux:*:s0:c1"),
        (&[(true, "alice.process"), (false, ":s0:c1")], "selinux:alice.process:s0:c1"),
        (&[(false, "app_t:"), (true, "s0:c1,c3")], "selinux:app_t:s0:c1,c3"),
        (&[(false, "*:s0:c"), (true, "7")], "selinux:*:s0:c7"),
        (&[(true, "app_t"), (false, ":"), (true, "s0")], "selinux:app_t:s0"),
    ] {
        let way = prepare(pieces).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(way.context().to_string(), context);
    }
    for pieces in [
        &[(true, "*"), (false, ":s0:c1")][..],
        &[(true, "u:r_r:t"), (false, ":s0")],
        &[(false, "*:s0:c"), (true, "0.c1023")],
        &[(false, "*:s0:c"), (true, "1-s0:c0.c1023")],
        &[(false, "*:s0:"), (true, "c1,c2")],
        &[(false, "system_u:"), (true, "system_r:unconfined_t:s0")],
    ] {
        let said = refused(prepare(pieces));
        assert!(said.contains("is more than one part of a context"), "{said}");
    }
    let said = refused(prepare(&[(true, "*:s0")]));
    assert!(said.contains("the server's own context"), "a value does not exempt: {said}");
}

#[test]
fn a_wrong_text_names_itself_and_both_forms() {
    assert_eq!(
        refused(backend(Interface::Syscall).prepare("dog\x1b")),
        "selinux:\"dog\\u{1b}\": it holds '\\u{1b}', and contexts are printable ASCII without spaces; write \
         domain:range, as in httpd_app_t:s0:c1, *:s0:c1 or httpd_app_t:*, or a whole user:role:type:range, as \
         in system_u:system_r:httpd_app_t:s0:c1"
    );
}

#[test]
fn to_stay_in_the_servers_context_is_no_confinement() {
    let selinux = backend(Interface::Syscall);
    for text in ["*", "*:*", "*:s0", "httpd_t", "httpd_t:s0", OWN] {
        assert_eq!(
            refused(selinux.prepare(text)),
            format!(
                "selinux:{text}: it is the server's own context {OWN}, in which nothing is confined; name \
                 another domain or range, or write unconfined to exempt these requests"
            )
        );
        assert!(selinux.check(text).is_err());
        assert!(selinux.prepare_server(text).unwrap().is_none());
    }
    assert!(selinux.prepare_server("httpd_dog_t").unwrap().is_some());
}

#[test]
fn without_selinux_every_context_is_refused_with_the_reason() {
    let inactive = Inactive {
        backend: BackendName::SELINUX,
        problem: Problem {
            why: "no policy is loaded".to_owned(),
            errno: None,
            remedy: "install a policy".to_owned(),
        },
    };
    let selinux = Selinux::with(Roots::default(), Interface::Proc, Err(inactive.clone()), false);
    assert_eq!(
        refused(selinux.prepare("httpd_dog_t")),
        "selinux:httpd_dog_t: no policy is loaded; install a policy"
    );
    assert_eq!(selinux.own(), Err(&inactive));
    assert_eq!(selinux.warnings(), [""; 0]);
}

#[test]
fn a_move_without_proc_says_so() {
    let way = backend(Interface::Proc).prepare("httpd_dog_t").unwrap();
    let error = way.ready(&NoValues).unwrap().enter().unwrap_err();
    assert!(!error.forbidden);
    assert_eq!(
        error.to_string(),
        "/proc/thread-self/attr/current cannot be opened (ENOENT); mount /proc where the server runs, also \
         inside a chroot"
    );
}

/// Whether a thread moves, if the kernel says that its context is `here`.
fn further(here: &str, text: &str) -> Result<bool, String> {
    let proc = tempfile::tempdir().unwrap();
    let attr = proc.path().join("thread-self/attr/current");
    std::fs::create_dir_all(attr.parent().unwrap()).unwrap();
    std::fs::write(&attr, here).unwrap();
    let roots = Roots { proc: proc.path().to_owned(), ..Roots::default() };
    let own = Ok(SecurityContext::parse(OWN).unwrap());
    let way = Selinux::with(roots, Interface::Proc, own, false).prepare(text).unwrap();
    let entered = way.ready(&NoValues).unwrap().enter_further().map_err(|e| e.to_string());
    let moved = std::fs::read_to_string(attr).unwrap() != here;
    assert!(!moved || entered.is_ok());
    entered.map(|()| moved)
}

#[test]
fn a_thread_that_is_there_already_makes_no_move() {
    let there = "system_u:system_r:dog.process:s0:c1";
    assert_eq!(further(there, "dog.process:s0:c1"), Ok(false));
    assert_eq!(further(there, "dog.process:s0:c2"), Ok(true));
}

#[test]
fn what_is_left_to_the_server_is_not_taken_from_elsewhere() {
    let error = further("system_u:system_r:dog.process:s0:c1", "*:s0:c2").unwrap_err();
    assert_eq!(
        error,
        "what it leaves out is the server's own, which makes it system_u:system_r:httpd_t:s0:c2, and an earlier \
         move (ConfineEarly) has left the server's context for system_u:system_r:dog.process:s0:c1; write the \
         whole context, as in system_u:system_r:dog.process:s0:c2"
    );
    assert!(further("system_u:system_r:dog.process:s0:c1", "dog_app_t").is_err());
}

#[test]
fn an_unreadable_selinuxfs_and_what_a_check_found_are_warned_of() {
    let selinux = backend(Interface::Syscall);
    selinux.note("b".to_owned());
    selinux.note("a".to_owned());
    selinux.note("b".to_owned());
    let warnings = selinux.warnings();
    assert_eq!(
        warnings[0],
        "whether SELinux enforces its policy could not be read from /nonexistent/enforce: No such file or \
         directory (os error 2); mount selinuxfs there, and let httpd_t read it"
    );
    assert_eq!(warnings[1..], ["a", "b"]);
}

#[test]
fn a_permissive_kernel_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("enforce"), "0").unwrap();
    let roots = Roots { selinuxfs: dir.path().to_owned(), ..Roots::default() };
    let own = Ok(SecurityContext::parse(OWN).unwrap());
    let selinux = Selinux::with(roots, Interface::Syscall, own, false);
    assert!(!selinux.enforcing().unwrap());
    assert!(selinux.warnings()[0].starts_with("SELinux is permissive: the kernel logs and refuses nothing"));
    std::fs::write(dir.path().join("enforce"), "1").unwrap();
    assert_eq!(selinux.warnings(), [""; 0]);
}

#[test]
fn a_kernel_without_selinux_is_not_active_and_one_with_it_has_a_context() {
    let selinux = Selinux::new();
    assert_eq!(selinux.active().is_ok(), selinux.own().is_ok());
    if let Err(e) = selinux.active() {
        assert!(e.to_string().starts_with("selinux is not active in this kernel: "), "{e}");
    }
}
