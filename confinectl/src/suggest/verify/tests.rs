use std::collections::BTreeSet;

use confine::{
    Origin,
    dump::{GrantedPath, Ruleset},
    learn::{Deed, Reading},
    lsm::landlock::FileAccess::{self, Execute, MakeFile, Read, Refer, Write},
};

use super::{
    super::{
        group::Suggestion,
        tests::{Site, of},
        text::Shown,
    },
    *,
};
use crate::out::Out;

/// What the section says of itself.
fn verification(text: &str) -> Vec<&str> {
    let of =
        |line: &&str| line.starts_with("# Asked") || line.starts_with("# NOT") || line.starts_with("# IT");
    text.lines().filter(of).collect()
}

#[test]
fn a_section_is_asked_about_each_access() {
    let mut site = Site::new(&["dog/htdocs/lib/a.php", "dog/var/data/app.db"])
        .did(Read, "dog/htdocs/index.php")
        .did(Write, "dog/var/data/app.db")
        .did(MakeFile, "dog/var/data/app.db-journal")
        .did(Read, "dog/var/data/gone")
        .did(Refer, "dog/var/data")
        .did(Read, "/etc/no-such-file-of-mod_confine")
        .did(Execute, "/bin/sh")
        .did(Read, "/etc/passwd")
        .did(Read, "cat/secret");
    site.learned.push(of(Deed::Connect(3306)));
    site.learned.push(of(Deed::Signal));
    site.learned.push(of(Deed::Abstract(b"name"[..].into())));
    site.learned.push(of(Deed::file(FileAccess::MakeBlockDevice, site.path("dog/var/data/x"), false)));
    assert_eq!(
        verification(&site.text(None, false)),
        ["# Asked about each of them, this section grants 8, and leaves 5 to your decision."]
    );
    assert!(site.text(None, false).contains("# LandlockScope none\n"), "{}", site.text(None, false));
    // More ports than a ruleset has lines for.
    site.learned.extend((1..100).map(|port| of(Deed::Connect(port))));
    assert_eq!(
        verification(&site.text(None, false)),
        ["# Asked about each of them, this section grants 7, and leaves 105 to your decision."]
    );
}

#[test]
fn the_ruleset_that_is_there_answers_with_what_is_added() {
    let site = Site::new(&["dog/users/7/x", "dog/new/y"])
        .did(Read, "dog/users/7/x")
        .did(Read, "dog/new/y")
        .did(Read, "/etc/passwd");
    let grant = |path: String| GrantedPath {
        directive: "LandlockRead".to_owned(),
        path,
        optional: false,
        origin: Origin::new("/etc/x.conf", 2),
    };
    let mut there = Ruleset::empty("dog", Origin::new("/etc/x.conf", 1));
    there.grants =
        vec![grant(site.path("dog/users/%{X}").display().to_string()), grant("/etc/passwd".to_owned())];
    there.words = vec![("LandlockTrustPaths".to_owned(), vec!["\"/srv/a b\"".to_owned()])];
    assert_eq!(
        verification(&site.text(Some(&there), false)),
        ["# Asked about each of them, this section grants 3."]
    );
    // A path of the existing ruleset that is not there keeps the server from starting.
    there.grants.push(grant("/nonexistent/of/mod_confine".to_owned()));
    let site = site.did(Read, "/nonexistent/of/mod_confine/x");
    let said = site.text(Some(&there), false);
    let [said] = &verification(&said)[..] else { panic!("{said}") };
    assert!(said.starts_with("# NOT VERIFIED: ") && said.contains("/nonexistent/of/mod_confine"), "{said}");
}

#[test]
fn what_a_section_lacks_is_said() {
    let site = Site::new(&["dog/var/x"]).did(Read, "dog/htdocs/index.php").did(MakeFile, "dog/var/new");
    let ground = site.ground();
    let (none, read) =
        (Default::default(), format!("LandlockRead \"{}\"", site.path("dog/htdocs").display()));
    let section = |lines| Section { lines, decisions: &none, there: None, ground: &ground };
    let verified = section(vec![&read]).verify(&site.learned).unwrap();
    assert_eq!((verified.granted, verified.undecided), (1, 0));
    assert_eq!(verified.refused, [&site.learned[1]]);

    let reading = Reading { learned: site.learned.clone(), ..Reading::default() };
    let suggestion = Suggestion { read: [site.path("dog/htdocs")].into(), ..Suggestion::default() };
    let shown = Shown {
        source: "dog",
        reading: &reading,
        beyond: &BTreeSet::new(),
        suggestion: &suggestion,
        there: None,
    };
    let answer = shown.text(&ground, false);
    assert!(!answer.is_verified());
    let mut out = Out::to(Vec::new());
    answer.write(&mut out).unwrap();
    let text = String::from_utf8(out.into_inner()).unwrap();
    assert!(text.contains("\n# IT WOULD STILL REFUSE 1, which is a fault of this command:\n"), "{text}");
    let file = site.path("dog/var/new");
    assert!(text.contains(&format!("\n#     make-file {} (GET /)\n", file.display())), "{text}");
}
