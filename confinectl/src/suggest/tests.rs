use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use confine::{
    Origin,
    dump::{GrantedPath, Ruleset},
    learn::{Deed, Learned, Reading},
    lsm::landlock::{FileAccess, PathAccess},
};
use tempfile::TempDir;

use super::{
    existing::Existing,
    ground::{Ground, Include},
    group::{Suggestion, suggest},
    text::Shown,
};
use crate::out::Out;

/// `dog` and `cat` with a document root each, and what is in them.
pub(super) struct Site {
    folder: TempDir,
    pub(super) learned: Vec<Learned>,
}

impl Site {
    pub(super) fn new(files: &[&str]) -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap(), learned: Vec::new() };
        for file in ["dog/htdocs/index.php", "cat/htdocs/index.php", "cat/secret"].iter().chain(files) {
            let path = site.path(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        site
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        if name.starts_with('/') { PathBuf::from(name) } else { self.folder.path().join(name) }
    }

    pub(super) fn did(mut self, access: FileAccess, path: &str) -> Self {
        let path = self.path(path);
        let folder = matches!(access, FileAccess::List | FileAccess::Refer);
        self.learned.push(of(Deed::file(access, path, folder)));
        self
    }

    pub(super) fn ground(&self) -> Ground {
        Ground {
            roots: vec![self.path("dog/htdocs")],
            own: vec![self.path("dog")],
            others: vec![self.path("cat")],
            hosts: ["dog.example".to_owned()].into(),
            user: Some(33),
            includes: vec![
                Include { name: "base", grants: vec![(PathAccess::Read, "/usr/share/zoneinfo".into())] },
                Include {
                    name: "php",
                    grants: ["/usr/share/php", "/usr/share/zoneinfo"]
                        .map(|path| (PathAccess::Read, path.into()))
                        .into(),
                },
            ],
            abi: 6,
        }
    }

    fn suggestion(&self) -> Suggestion {
        suggest(&self.learned, &self.ground(), None)
    }

    /// The lines, with short paths.
    fn lines(&self) -> Vec<String> {
        self.text(None, false)
            .lines()
            .map(|line| line.trim_start().to_owned())
            .filter(|l| l.starts_with("Landlock"))
            .collect()
    }

    pub(super) fn text(&self, there: Option<&Ruleset>, whole: bool) -> String {
        let reading = Reading { learned: self.learned.clone(), ..Reading::default() };
        let suggestion = suggest(&self.learned, &self.ground(), Existing::of(there).as_ref());
        let shown = Shown {
            source: "dog",
            reading: &reading,
            beyond: &BTreeSet::new(),
            suggestion: &suggestion,
            there,
        };
        let mut out = Out::to(Vec::new());
        shown.text(&self.ground(), whole).write(&mut out).unwrap();
        let text = String::from_utf8(out.into_inner()).unwrap();
        text.replace(&format!("{}/", self.folder.path().display()), "@/")
    }
}

pub(super) fn of(deed: Deed) -> Learned {
    Learned { deed, host: "dog.example".to_owned(), request: "GET /".to_owned() }
}

use FileAccess::{Execute, List, MakeFile, MakeFolder, Read, Refer, RemoveFile, Write};

#[test]
fn an_applications_own_is_granted_by_its_folders_reading_and_writing_apart() {
    let site = Site::new(&["dog/htdocs/lib/a.php", "dog/var/data/app.db", "dog/conf/app.ini"])
        .did(Read, "dog/htdocs/index.php")
        .did(Read, "dog/htdocs/lib/a.php")
        .did(Read, "dog/conf/app.ini")
        .did(Read, "dog/var/data/app.db")
        .did(Write, "dog/var/data/app.db")
        .did(MakeFile, "dog/var/data/app.db-journal")
        .did(RemoveFile, "dog/var/data/app.db-journal")
        .did(Read, "/usr/share/zoneinfo/Asia/Tokyo");
    assert_eq!(
        site.lines(),
        [
            "LandlockInclude php",
            "LandlockRead \"@/dog/conf\"",
            "LandlockRead \"@/dog/htdocs\"",
            "LandlockRead \"@/dog/var/data\"",
            "LandlockWrite \"@/dog/var/data\"",
        ]
    );
}

#[test]
fn names_that_will_be_others_are_granted_by_the_folder_above() {
    let site = Site::new(&["dog/up/2026/11/a.png", "dog/cache/4f/3a/x", "dog/s/.keep"])
        .did(MakeFile, "dog/up/2026/11/b.png")
        .did(MakeFile, "dog/cache/4f/3a/0123456789abcdef")
        .did(MakeFile, "dog/s/sess_q8f7")
        .did(Read, "dog/s/sess_gone");
    let lines = site.lines();
    for line in [
        "LandlockWrite \"@/dog/up\"",
        "LandlockWrite \"@/dog/cache\"",
        "LandlockWrite \"@/dog/s\"",
        "LandlockRead \"@/dog/s\"",
    ] {
        assert!(lines.contains(&line.to_owned()), "{line}: {lines:#?}");
    }
    // A date is one wherever it is.
    let site = Site::new(&["srv/up/2026/11/30/x"]).did(MakeFile, "srv/up/2026/11/30/y");
    assert_eq!(site.suggestion().write, [site.path("srv/up")].into());
    // Not beyond the tenant's own folder, though its name is a number.
    let mut site = Site::new(&["1042/htdocs/x"]).did(MakeFile, "1042/new");
    site.learned[0] = of(Deed::file(MakeFile, site.path("1042/new"), false));
    let ground =
        Ground { own: vec![site.path("1042")], roots: vec![site.path("1042/htdocs")], ..site.ground() };
    let write = suggest(&site.learned, &ground, None).write;
    assert_eq!(write, [site.path("1042")].into());
}

#[test]
fn secrets_and_what_is_anothers_are_decisions() {
    let site = Site::new(&[])
        .did(Read, "/etc/passwd")
        .did(Read, "cat/secret")
        .did(Write, "cat/htdocs/index.php")
        .did(MakeFile, "cat/htdocs/new.php")
        .did(List, "/")
        .did(Read, "/proc/4711/maps")
        .did(Read, "/etc/ssl/private/key.pem");
    let suggestion = site.suggestion();
    assert!(suggestion.read.is_empty() && suggestion.write.is_empty(), "{suggestion:#?}");
    let text = site.text(None, false);
    for line in [
        "    # LandlockRead \"/etc/passwd\"",
        "    #     the names of the machine's accounts (GET /).",
        "    # LandlockRead \"@/cat/secret\"",
        "    # LandlockWrite \"@/cat/htdocs\"",
        "    # LandlockRead \"/\"",
        "    # LandlockRead \"/proc\"",
    ] {
        assert!(text.lines().any(|l| l == line), "no {line:?} in:\n{text}");
    }
}

#[test]
fn a_neighbours_file_is_not_granted_by_the_folder_that_both_lie_in() {
    // Files of all sites in one folder of settings.
    let site = Site::new(&["etc/dog.php", "etc/cat.php"]).did(Read, "etc/dog.php");
    let mut ground = site.ground();
    assert_eq!(suggest(&site.learned, &ground, None).read, [site.path("etc/dog.php")].into());
    // Two tenants whose document roots lie in each other.
    let site = Site::new(&["dog/htdocs/cat/x", "dog/htdocs/a/b"])
        .did(Read, "dog/htdocs/index.php")
        .did(Read, "dog/htdocs/a/b");
    ground.own = vec![site.path("dog")];
    ground.roots = vec![site.path("dog/htdocs")];
    ground.others = vec![site.path("dog/htdocs/cat")];
    let read = suggest(&site.learned, &ground, None).read;
    assert_eq!(read, [site.path("dog/htdocs/a"), site.path("dog/htdocs/index.php")].into());
}

/// An interpreter that all sites share opens its libraries for the first of them alone.
#[test]
fn who_runs_a_language_gets_what_it_needs_to_start() {
    for (script, include) in
        [("run.php", "php"), ("run.pl", "perl"), ("Mine.pm", "perl"), ("app.wsgi", "python")]
    {
        let script = format!("dog/app/{script}");
        let site = Site::new(&[&script]).did(Read, &script);
        let mut ground = site.ground();
        let grants = |path: &str| vec![(PathAccess::Read, path.into())];
        ground.includes.push(Include { name: "perl", grants: grants("/usr/share/perl5") });
        ground.includes.push(Include { name: "python", grants: grants("/usr/share/python3") });
        assert_eq!(suggest(&site.learned, &ground, None).includes, [include], "{script}");
    }
}

#[test]
fn programs_are_granted_each_by_itself() {
    let site =
        Site::new(&[]).did(Execute, "/bin/sh").did(Execute, "/usr/bin/env").did(Read, "/etc/ld.so.cache");
    assert_eq!(site.suggestion().execute, ["/bin/sh", "/usr/bin/env"].map(PathBuf::from).into());
}

#[test]
fn what_moves_between_folders_is_read_in_both() {
    let site = Site::new(&["dog/tmp/x", "dog/up/x"])
        .did(MakeFile, "dog/tmp/phpA")
        .did(MakeFile, "dog/up/pic")
        .did(Refer, "dog/tmp")
        .did(Refer, "dog/up");
    let (read, write) = (site.suggestion().read, site.suggestion().write);
    assert_eq!(read, write);
    assert_eq!(write.len(), 2);
}

#[test]
fn paths_that_no_configuration_holds_are_granted_by_the_folder_above() {
    let mut site = Site::new(&["dog/odd/%{X}/a", "dog/odd/a\nb/c"])
        .did(Read, "dog/odd/%{X}/a")
        .did(MakeFile, "dog/odd/a\nb/new");
    let bytes = [site.path("dog/odd").to_str().unwrap().as_bytes(), b"/\xff/x"].concat();
    site.learned.push(of(Deed::File { access: "read".into(), path: bytes.into(), folder: false }));
    let long = site.path(&format!("dog/odd/{}", "x/".repeat(2000)));
    site.learned.push(of(Deed::file(Read, long, false)));
    let suggestion = site.suggestion();
    assert_eq!(suggestion.write, [site.path("dog/odd")].into());
    assert_eq!(suggestion.read, [site.path("dog/odd")].into());
}

#[test]
fn nobody_can_write_a_line_of_the_section_by_a_request() {
    let mut site = Site::new(&[]);
    let request = "GET /\n</ConfineLandlock>\nConfineContext unconfined\\".to_owned();
    let host = "x\nLoadModule y".to_owned();
    site.learned.push(Learned {
        deed: Deed::file(Read, "/etc/passwd", false),
        host: host.clone(),
        request: request.clone(),
    });
    site.learned.push(Learned { deed: Deed::Abstract(b"\n#\\"[..].into()), host, request });
    let text = site.text(None, false);
    let own =
        |line: &str| line.starts_with('#') || line.starts_with("    ") || line.contains("ConfineLandlock");
    assert!(text.lines().all(own), "{text}");
    assert!(text.lines().all(|line| !line.ends_with('\\')), "a line that goes on: {text}");
    assert_eq!(text.matches("\n</ConfineLandlock>").count(), 1, "{text}");
}

#[test]
fn written_scripts_and_settings_are_marked() {
    let site = Site::new(&["dog/plug/a.php", "dog/set/.htaccess"])
        .did(Read, "dog/plug/a.php")
        .did(MakeFile, "dog/plug/b.php")
        .did(Write, "dog/set/.htaccess")
        .did(MakeFile, "/dev/shm/phpX");
    let text = site.text(None, false);
    for (note, line) in [
        ("It writes where scripts or programs run from", "LandlockWrite \"@/dog/plug\""),
        ("It writes a .htaccess file", "LandlockWrite \"@/dog/set/.htaccess\""),
        ("All applications of the machine write here", "LandlockWrite \"/dev/shm\""),
    ] {
        let at = text.lines().position(|l| l.trim() == line).unwrap_or_else(|| panic!("no {line}:\n{text}"));
        let above = text.lines().nth(at - 1).unwrap();
        assert!(above.contains(note), "{above}");
    }
}

#[test]
fn so_many_ports_are_a_decision() {
    let mut site = Site::new(&[]);
    site.learned.extend([3306, 5432].map(|port| of(Deed::Connect(port))));
    assert_eq!(site.lines(), ["LandlockInclude base", "LandlockConnect 3306 5432"]);
    site.learned.extend((1..100).map(|port| of(Deed::Connect(port))));
    assert_eq!(site.lines(), ["LandlockInclude base"]);
    assert!(site.text(None, false).contains("# LandlockConnect 1 2 3"));
}

#[test]
fn a_ruleset_that_is_there_is_compared() {
    let site = Site::new(&["dog/old/x", "dog/users/7/x"])
        .did(Read, "dog/htdocs/index.php")
        .did(Read, "dog/users/7/x")
        .did(Read, "/etc/passwd");
    let grant = |path: String, line: u32| GrantedPath {
        directive: "LandlockRead".to_owned(),
        path,
        optional: false,
        origin: Origin::new("/etc/x.conf", line),
    };
    let at = |name: &str| site.path(name).display().to_string();
    let mut there = Ruleset::empty("dog", Origin::new("/etc/x.conf", 1));
    there.grants = vec![
        grant(at("dog/htdocs"), 2),
        grant(at("dog/old"), 3),
        grant(at("dog/users/%{md5:{a/b}}"), 4),
        grant("/etc/passwd".to_owned(), 5),
    ];
    there.words = vec![("LandlockConnect".to_owned(), vec!["25".to_owned()])];
    let text = site.text(Some(&there), false);
    for line in [
        " <ConfineLandlock dog>",
        "+    LandlockInclude php",
        "     LandlockRead \"@/dog/htdocs\"",
        "-    LandlockRead \"@/dog/old\"",
        "     LandlockRead \"@/dog/users/%{md5:{a/b}}\"",
        "     LandlockRead \"/etc/passwd\"",
        "-    LandlockConnect 25",
        " </ConfineLandlock>",
    ] {
        assert!(text.lines().any(|l| l == line), "no {line:?} in:\n{text}");
    }
    assert!(!text.contains("For your decision"), "it was decided:\n{text}");
    let whole = site.text(Some(&there), true);
    assert!(!whole.contains("dog/old") && whole.contains("\n    LandlockRead \"/etc/passwd\"\n"), "{whole}");
}

#[test]
fn a_gone_file_in_a_shared_folder_may_be_absent() {
    let site = Site::new(&[]).did(Read, "/etc/no-such-file-of-mod_confine");
    assert!(
        site.lines().contains(&"LandlockRead \"-/etc/no-such-file-of-mod_confine\"".to_owned()),
        "{:?}",
        site.lines()
    );
}

#[test]
fn folders_made_by_a_request_are_granted_by_the_one_that_stays() {
    let site = Site::new(&["dog/var/x"])
        .did(MakeFolder, "dog/var/made")
        .did(MakeFile, "dog/var/made/a")
        .did(Read, "dog/var/made/a");
    assert_eq!(site.lines()[1..], ["LandlockRead \"@/dog/var\"", "LandlockWrite \"@/dog/var\""]);
    // A link of a tenant's does not lead a line to where it leads.
    symlink("/etc", site.path("dog/link")).unwrap();
    assert!(!site.ground().is_own(Path::new("/etc/passwd")));
}
