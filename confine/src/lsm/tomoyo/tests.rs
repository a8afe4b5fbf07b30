//! Moves with a stand-in for the kernel's files, which answers as tomoyo_select_domain and tomoyo_write_self do. The
//! lab tests what real kernels do.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    thread::{self, JoinHandle},
};

use super::*;
use crate::lsm::NoValues;
use crate::problem::Problem;

const OWN: &str = "<kernel> /usr/sbin/apache2";
const DOG: &str = "<kernel> /usr/sbin/apache2 //dog";

/// A policy that changes while a request is served.
struct World {
    /// The number of each domain's profile.
    domains: BTreeMap<String, u8>,
    /// Domains that are deleted as soon as the policy was asked for them.
    vanishing: Vec<&'static str>,
    /// Where the thread is.
    thread: String,
    /// The profile of the server's own domain.
    own_profile: u8,
}

/// Answers questions until the other end is closed. Gives what the policy is then.
fn run(mut world: World, policy: UnixStream, mut moves: UnixStream) -> JoinHandle<World> {
    moves.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let mut answers = policy.try_clone().unwrap();
        for line in BufReader::new(policy).lines() {
            let line = line.unwrap();
            let asked = line.strip_prefix("select ").unwrap();
            let mut moved = [0; 4096];
            if let Ok(length @ 1..) = moves.read(&mut moved) {
                world.thread = String::from_utf8(moved[..length].to_vec()).unwrap();
                // The kernel makes a domain that is not there, with the caller's profile.
                world.domains.entry(world.thread.clone()).or_insert(world.own_profile);
            }
            let name = asked.strip_prefix("domain=").unwrap_or(&world.thread).to_owned();
            let answer = match world.domains.get(&name) {
                Some(profile) => format!("# select {asked}\n{name}\nuse_profile {profile}\n\nfile read /x\n"),
                None => format!("# select {asked}\n"),
            };
            answers.write_all(answer.as_bytes()).unwrap();
            if world.vanishing.contains(&name.as_str()) && asked.starts_with("domain=") {
                world.domains.remove(&name);
            }
        }
        world
    })
}

fn snapshot(domains: &[(&str, u8)]) -> Snapshot {
    let text = |(name, profile): &(&str, u8)| format!("{name}\nuse_profile {profile}\n\n");
    Snapshot {
        own: Domain::parse(OWN).unwrap(),
        own_entry: DomainEntry { profile: 2, moves_to: vec![DOG.into()], groups: false },
        own_deleted: false,
        domains: Domains::parse(&domains.iter().map(text).collect::<String>()),
        profiles: Profiles::parse(
            "0-CONFIG={ mode=disabled }\n1-CONFIG={ mode=learning }\n2-CONFIG={ mode=permissive }\n\
             3-CONFIG={ mode=enforcing }\n4-CONFIG={ mode=enforcing }\n4-CONFIG::network={ mode=disabled }\n",
        ),
    }
}

fn backend(at_start: &[(&str, u8)]) -> Tomoyo {
    let snapshot = snapshot(at_start);
    let own = Ok(snapshot.own.clone());
    Tomoyo::with("/nonexistent".into(), Ok(snapshot), own)
}

/// Serves one request in `//dog`. Gives how it went, and the kernel's policy afterwards. `at_start` and `now` are the
/// profiles of the domains. The domains of `vanishing` are deleted between the check and the move.
fn request(
    at_start: &[(&str, u8)],
    now: &[(&str, u8)],
    vanishing: &[&'static str],
) -> (Result<(), String>, World) {
    let tomoyo = backend(at_start);
    let (asks, answers) = UnixStream::pair().unwrap();
    let (writes, moves) = UnixStream::pair().unwrap();
    let world = World {
        domains: now.iter().map(|(name, profile)| ((*name).to_owned(), *profile)).collect(),
        vanishing: vanishing.to_vec(),
        thread: OWN.to_owned(),
        own_profile: 2,
    };
    let kernel_side = run(world, answers, moves);
    let kernel = Kernel::of(OwnedFd::from(writes), OwnedFd::from(asks));
    assert!(tomoyo.shared.kernel.set(Ok(kernel)).is_ok());
    let way = tomoyo.prepare("//dog").unwrap();
    let outcome = way.ready(&NoValues).and_then(|ready| ready.enter()).map_err(|e| {
        assert!(!e.forbidden);
        e.to_string()
    });
    drop((way, tomoyo));
    (outcome, kernel_side.join().unwrap())
}

#[test]
fn a_domain_of_the_policy_that_enforces_is_entered() {
    let (outcome, world) = request(&[(OWN, 2), (DOG, 3)], &[(OWN, 2), (DOG, 3)], &[]);
    assert_eq!(outcome, Ok(()));
    assert_eq!(world.thread, DOG);
    // A domain that came after the server had started is accepted, too.
    assert_eq!(request(&[(OWN, 2)], &[(OWN, 2), (DOG, 3)], &[]).0, Ok(()));
}

#[test]
fn a_domain_that_the_policy_does_not_hold_is_refused_and_not_made() {
    let (outcome, world) = request(&[(OWN, 2), (DOG, 3)], &[(OWN, 2)], &[]);
    assert_eq!(
        outcome.unwrap_err(),
        "the loaded policy has no domain <kernel> /usr/sbin/apache2 //dog, and the kernel would make one with the \
         server's profile; add it to the domain policy: the lines \"<kernel> /usr/sbin/apache2 //dog\" and \
         \"use_profile 3\", and its rules"
    );
    assert_eq!(world.thread, OWN);
    assert_eq!(world.domains.keys().collect::<Vec<_>>(), [OWN]);
}

#[test]
fn a_domain_that_is_deleted_between_check_and_move_is_found_out() {
    let (outcome, world) = request(&[(OWN, 2), (DOG, 3)], &[(OWN, 2), (DOG, 3)], &[DOG]);
    // The kernel made the domain, with the profile of the server's own domain.
    assert_eq!((&*world.thread, world.domains[DOG]), (DOG, 2));
    let outcome = outcome.unwrap_err();
    assert!(
        outcome.starts_with(
            "<kernel> /usr/sbin/apache2 //dog has profile 2 now, which does not enforce everything (CONFIG is \
             permissive), and had not when the server was started; "
        ),
        "{outcome}"
    );
    // The next request does not take it for a domain of the policy either.
    assert!(request(&[(OWN, 2), (DOG, 3)], &[(OWN, 2), (DOG, 2)], &[]).0.is_err());
}

#[test]
fn without_enforcement_only_as_it_was_when_the_server_was_started() {
    for profile in [1, 2, 4] {
        let then = [(OWN, 2), (DOG, profile)];
        assert_eq!(request(&then, &then, &[]).0, Ok(()), "{profile}");
        let (outcome, world) = request(&[(OWN, 2), (DOG, 3)], &then, &[]);
        assert!(outcome.unwrap_err().contains("write use_profile 3, or restart the server (gracefully)"));
        assert_eq!(world.thread, OWN);
    }
    let (outcome, _) = request(&[(OWN, 2), (DOG, 0)], &[(OWN, 2), (DOG, 0)], &[]);
    assert!(outcome.unwrap_err().contains("has profile 0, which is disabled: it confines nothing"));
    let (outcome, _) = request(&[(OWN, 2), (DOG, 3)], &[(OWN, 2), (DOG, 9)], &[]);
    assert!(outcome.unwrap_err().contains("has profile 9, which was not defined"));
}

#[test]
fn a_process_that_could_not_open_the_policy_refuses() {
    let tomoyo = backend(&[(DOG, 3)]);
    let way = tomoyo.prepare("//dog").unwrap();
    let error = way.ready(&NoValues).err().unwrap().to_string();
    assert!(
        error.starts_with("/nonexistent/self_domain cannot be opened: No such file or directory"),
        "{error}"
    );
    // A child of a server that uses the backend opens the files once.
    let _ = tomoyo.check("//dog");
    tomoyo.start_child();
    assert!(matches!(tomoyo.shared.kernel.get(), Some(Err(_))));
    assert_eq!(way.ready(&NoValues).err().unwrap().to_string(), error);
}

#[test]
fn a_child_of_a_server_without_such_rules_opens_nothing() {
    let tomoyo = backend(&[(DOG, 3)]);
    tomoyo.start_child();
    assert!(tomoyo.shared.kernel.get().is_none());
    assert_eq!(tomoyo.warnings(), [""; 0]);
    tomoyo.expect_values().expect("values can be used");
    tomoyo.start_child();
    assert!(tomoyo.shared.kernel.get().is_some());
}

#[test]
fn names_are_relative_to_the_servers_domain() {
    let tomoyo = backend(&[(DOG, 3)]);
    assert_eq!(tomoyo.resolve("//dog").unwrap().as_str(), DOG);
    assert_eq!(tomoyo.prepare("//dog").unwrap().context().to_string(), "tomoyo://dog");
    // One text means one domain: a value that a request supplied is shown with escapes.
    let context = |way: Arc<dyn Move>| way.context().to_string();
    assert_eq!(context(tomoyo.prepare(r"//d\303\266g").unwrap()), r"tomoyo://d\303\266g");
    assert_eq!(context(tomoyo.prepare("//dög  //app").unwrap()), r"tomoyo://d\303\266g //app");
    assert_eq!(context(tomoyo.prepare_value(&Given::whole("//dög")).unwrap()), r"tomoyo://d\303\266g");
    assert_eq!(
        context(tomoyo.prepare_value(&Given::whole(r"//d\303\266g")).unwrap()),
        r"tomoyo://d\\303\\266g"
    );
    assert_eq!(context(tomoyo.prepare("<web> /x").unwrap()), "tomoyo:<web> /x");
    let refused = tomoyo.prepare(OWN).err().unwrap().to_string();
    assert!(
        refused.contains(
            "it is the server's own domain <kernel> /usr/sbin/apache2, in which nothing is confined"
        )
    );
    assert!(tomoyo.prepare_server(OWN).unwrap().is_none());
    let bad = tomoyo.prepare("dog").err().unwrap().to_string();
    assert!(bad.starts_with("tomoyo:dog: \"dog\" does not begin with /; write //name"), "{bad}");
}

#[test]
fn without_tomoyo_every_domain_is_refused_with_the_reason() {
    let inactive = Inactive {
        backend: BackendName::TOMOYO,
        problem: Problem { why: "it is off".to_owned(), errno: None, remedy: "boot".to_owned() },
    };
    let tomoyo = Tomoyo::with("/nonexistent".into(), Err(inactive.clone()), Err(inactive.clone()));
    assert_eq!(tomoyo.prepare("//dog").err().unwrap().to_string(), "tomoyo://dog: it is off; boot");
    assert_eq!(tomoyo.active(), Err(inactive));
    assert!(tomoyo.findings().is_empty());
}

#[test]
fn a_check_asks_the_policy_and_notes_what_is_odd() {
    let policy = "<kernel> /usr/sbin/apache2\nuse_profile 2\n\ntask manual_domain_transition <kernel> \
                  /usr/sbin/apache2 //dog\ntask manual_domain_transition <kernel> /usr/sbin/apache2 //gone\n\n\
                  <kernel> /usr/sbin/apache2 //dog\nuse_profile 2\n\ntask manual_domain_transition <kernel> \
                  /usr/sbin/apache2\ntask manual_domain_transition <kernel> /usr/sbin/apache2 //dog //app\n\n\
                  <kernel> /usr/sbin/apache2 //cat\nuse_profile 3\n\n<kernel> /usr/sbin/apache2 //off\nuse_profile \
                  0\n\n<kernel> /usr/sbin/apache2 //dog //app\nuse_profile 3\n\n<kernel> /usr/sbin/apache2 \
                  //dog //other\nuse_profile 3\n\n";
    let domains = Domains::parse(policy);
    let own_entry = domains.get(&Domain::parse(OWN).unwrap()).unwrap().clone();
    let snapshot = Snapshot { domains, own_entry, ..snapshot(&[]) };
    let mut tomoyo = Tomoyo::with("/nonexistent".into(), Ok(snapshot.clone()), Ok(snapshot.own.clone()));
    tomoyo.assumed = true;
    assert!(tomoyo.check("//dog").is_ok());
    assert_eq!(
        tomoyo.warnings(),
        [
            "<kernel> /usr/sbin/apache2 //dog has profile 2, which does not enforce everything (CONFIG is permissive); \
             write use_profile 3 once its rules are complete",
            "an application in <kernel> /usr/sbin/apache2 //dog may leave it for <kernel> /usr/sbin/apache2, the \
             server's own domain; remove the line task manual_domain_transition <kernel> /usr/sbin/apache2 from its \
             policy",
        ]
    );
    assert_eq!(
        tomoyo.check("//cat").unwrap_err().problem.to_string(),
        "<kernel> /usr/sbin/apache2 may not move to <kernel> /usr/sbin/apache2 //cat; add to the domain policy, below \
         <kernel> /usr/sbin/apache2: task manual_domain_transition <kernel> /usr/sbin/apache2 //cat"
    );
    assert!(
        tomoyo
            .check("//gone")
            .unwrap_err()
            .problem
            .to_string()
            .starts_with("the loaded policy has no domain")
    );
    assert!(tomoyo.check("//off").unwrap_err().problem.to_string().contains("which is disabled"));
    // Behind an early move, the line must be in the policy of the early domain.
    let after = tomoyo.after("//dog", Moved::Thread).unwrap();
    let reason = after.check("//cat").unwrap_err().problem.to_string();
    assert!(reason.contains("//cat does not lie below <kernel> /usr/sbin/apache2 //dog"), "{reason}");
    assert!(after.check("//dog //app").is_ok());
    let reason = after.check("//dog //other").unwrap_err().problem.to_string();
    assert!(reason.starts_with("<kernel> /usr/sbin/apache2 //dog may not move to"), "{reason}");
    // Once the server itself has moved, chains begin at its new domain.
    let moved = tomoyo.after("//dog", Moved::Server).unwrap();
    assert!(moved.check("//app").is_ok());
    let reason = moved.check("//none").unwrap_err().problem.to_string();
    assert!(reason.contains("no domain <kernel> /usr/sbin/apache2 //dog //none"), "{reason}");
    assert_eq!(tomoyo.findings().len(), 3);
    assert!(tomoyo.findings()[2].contains("//gone"));
}

#[test]
fn a_server_whose_domain_was_deleted_is_told_to_start_anew() {
    let mut deleted = snapshot(&[(DOG, 3)]);
    deleted.own_deleted = true;
    assert!(check::own_warnings(&deleted)[0].contains("stop and start it (a restart is not enough)"));
    deleted.own_deleted = false;
    assert!(check::own_warnings(&deleted).is_empty());
}

/// A value that a request supplies is one word of a chain, and never a whole name.
#[test]
fn a_value_is_one_word_of_a_chain() {
    let tomoyo = backend(&[(DOG, 3)]);
    let prepare = |pieces: &[(bool, &str)]| {
        tomoyo.prepare_value(&Given::join(pieces.iter().copied())).map(|way| way.context().to_string())
    };
    for (pieces, context) in [
        (&[(true, "//dog")][..], "tomoyo://dog"),
        (&[(false, "//"), (true, "dog"), (false, " //app")], "tomoyo://dog //app"),
        (&[(false, "<kernel> "), (true, "/dog")], "tomoyo:<kernel> /dog"),
        (&[(false, "//"), (true, "<kernel>")], "tomoyo://<kernel>"),
    ] {
        assert_eq!(prepare(pieces).unwrap_or_else(|e| panic!("{e}")), context);
    }
    for (pieces, why) in [
        (&[(true, "<kernel>")][..], "this one begins a whole domain's name"),
        (&[(true, "<web>"), (false, " /x")], "this one begins a whole domain's name"),
        (&[(true, ""), (false, "//app")], "a value in it is empty"),
        (&[(true, "alice")], "does not begin with /"),
    ] {
        let said = prepare(pieces).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(said.contains(why), "{said}");
    }
}
