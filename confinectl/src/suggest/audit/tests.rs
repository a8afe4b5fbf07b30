use std::collections::BTreeSet;

use confine::{
    learn::{Deed, Reading},
    lsm::landlock::FileAccess::{self, Execute, List, MakeFile, MakeFolder, Read, Refer, RemoveFile, Write},
};

use super::super::{group::Suggestion, tests::Site, text::Shown};
use crate::out::Out;

#[test]
fn the_kernels_own_records_are_read() {
    let log = b"type=LANDLOCK_ACCESS msg=audit(1729738800.268:30): domain=195ba459b blockers=fs.read_file path=\"/srv/a b\" dev=\"vda2\" ino=351
type=LANDLOCK_DOMAIN msg=audit(1729738800.268:30): domain=195ba459b status=allocated mode=enforcing pid=300 uid=0 exe=\"/usr/sbin/apache2\" comm=\"apache2\"
type=UNKNOWN[1423] msg=audit(1729738800.349:44): domain=195ba459b blockers=fs.make_reg,fs.refer path=2F7372762FFF0A dev=\"vda2\" ino=365
type=LANDLOCK_ACCESS msg=audit(1729738800.349:45): domain=195ba459b blockers=net.connect_tcp daddr=127.0.0.1 dest=3306
type=LANDLOCK_ACCESS msg=audit(1729738800.349:46): domain=195ba459b blockers=scope.signal opid=1 ocomm=\"systemd\"
type=LANDLOCK_ACCESS msg=audit(1729738800.349:47): domain=1aaaaaaaa blockers=fs.read_file path=\"/root/x\" dev=\"vda2\" ino=1
type=LANDLOCK_DOMAIN msg=audit(1729738800.349:47): domain=1aaaaaaaa status=allocated mode=enforcing pid=301 uid=0 exe=\"/root/sandboxer\" comm=\"sandboxer\"
type=SYSCALL msg=audit(1729738800.349:48): arch=c000003e syscall=42
type=LANDLOCK_ACCESS msg=audit(1729738800.349:49): domain=195ba459b blockers=fs.execute path=\"cut
";
    let deeds: Vec<_> = super::refused(log).learned.into_iter().map(|learned| learned.deed).collect();
    let bytes = |name: &[u8]| name.to_vec().into();
    assert_eq!(
        deeds,
        [
            Deed::file(Read, "/srv/a b", false),
            Deed::File { access: "make-file".into(), path: bytes(b"/srv/\xff\n/entry"), folder: false },
            Deed::File { access: "move-or-link".into(), path: bytes(b"/srv/\xff\n"), folder: true },
            Deed::Connect(3306),
            Deed::Signal,
        ]
    );
    assert_eq!(super::refused(log).learned[0].request, "audit(1729738800.268:30)");
}

/// Records that Linux 6.18 wrote of a thread that tried each of this in a domain that grants `/usr` and opening
/// `/dev/null`, in the order of the calls, as its own log has them. The program's name was put in.
#[test]
fn each_record_of_a_real_kernel_is_understood() {
    let records = include_bytes!("linux-6.18.audit");
    let refused = super::refused(records);
    let plain = "/srv/records/plain";
    let entry = |access, folder: &str| Deed::file(access, format!("{folder}/entry"), false);
    let bytes = b"/srv/records/\xff\n"[..].into();
    let refer = |folder: &str| Deed::file(Refer, folder, true);
    let (a, b) = ("/srv/records", "/srv/records/e");
    let expected = [
        Deed::file(Read, plain, false),
        Deed::file(Read, "/srv/records/a b\"c", false),
        Deed::File { access: "read".into(), path: bytes, folder: false },
        Deed::file(List, a, true),
        Deed::file(Write, plain, false),
        Deed::file(FileAccess::Truncate, plain, false),
        entry(MakeFile, a),
        entry(MakeFolder, a),
        entry(FileAccess::MakeLink, a),
        entry(FileAccess::MakePipe, a),
        entry(FileAccess::MakeSocket, a),
        entry(FileAccess::MakeCharacterDevice, a),
        entry(FileAccess::MakeBlockDevice, a),
        entry(RemoveFile, a),
        entry(FileAccess::RemoveFolder, a),
        // A name in another folder, and a second name there: two records of one event.
        entry(RemoveFile, a),
        refer(a),
        entry(MakeFile, b),
        refer(b),
        refer(a),
        entry(MakeFile, b),
        refer(b),
        // To run a program is to read it.
        Deed::file(Execute, "/etc/init.d/procps", false),
        Deed::file(Read, "/etc/init.d/procps", false),
        Deed::Connect(9),
        Deed::Connect(9),
        Deed::Bind(8099),
        Deed::Bind(8099),
        Deed::Abstract(b"of-others"[..].into()),
        Deed::Signal,
        Deed::file(FileAccess::ControlDevice, "/dev/null", false),
    ];
    let deeds: Vec<_> = refused.learned.iter().map(|learned| learned.deed.clone()).collect();
    assert_eq!(deeds, expected);
    assert_eq!(refused.learned[0].request, "audit(1796040807.056:62)");
    assert_eq!(refused.other, ["fs.change_topology", "ptrace"].map(str::to_owned).into());

    // As auditd writes them, with the host's name, names of types, and what it adds behind a separator.
    let text = String::from_utf8(records.to_vec()).unwrap();
    let of_daemon = |line: &str| {
        let line =
            line.replacen(" audit(", " msg=audit(", 1).replacen("type=1423", "type=LANDLOCK_ACCESS", 1);
        format!(
            "node=web.example {}\x1dUID=\"root\"\n",
            line.replacen("type=1424", "type=LANDLOCK_DOMAIN", 1)
        )
    };
    let daemons: String = text.lines().map(of_daemon).collect();
    assert_eq!(super::refused(daemons.as_bytes()), refused);
    // As the kernel's log shows them.
    let kernels: String = text.lines().map(|line| format!("[16473.846486] audit: {line}\n")).collect();
    assert_eq!(super::refused(kernels.as_bytes()), refused);
    // The domain of another program, which is named once and ends.
    let others = text.replace("/usr/sbin/apache2", "/usr/bin/sandboxer");
    assert_eq!(super::refused(others.as_bytes()), super::Refused::default());
    // A log that begins in the middle, where the first record of the domain is gone.
    let later: String = text.lines().skip(2).map(|line| format!("{line}\n")).collect();
    assert_eq!(super::refused(later.as_bytes()).learned.len(), expected.len() - 1);
}

#[test]
fn what_no_directive_grants_is_said() {
    let site = Site::new(&[]);
    let (reading, beyond) = (Reading::default(), BTreeSet::from(["ptrace".to_owned()]));
    let suggestion = Suggestion::default();
    let shown =
        Shown { source: "dog", reading: &reading, beyond: &beyond, suggestion: &suggestion, there: None };
    let mut out = Out::to(Vec::new());
    shown.text(&site.ground(), false).write(&mut out).unwrap();
    let text = String::from_utf8(out.into_inner()).unwrap();
    assert!(text.contains("\n# Refused as well, and no directive grants it: ptrace.\n"), "{text}");
}
