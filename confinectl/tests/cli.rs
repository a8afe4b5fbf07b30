//! The command as an administrator meets it: what it prints, and its exit status.

mod run;

use std::{fs, path::Path, process::Command};

use run::Run;
use tempfile::TempDir;

/// Runs the command in `directory`.
fn confinectl(directory: &Path, args: &[&str]) -> Run {
    Run::of(&mut run::confinectl(directory, args))
}

/// A directory with a map called `m`.
fn with_map(text: impl AsRef<[u8]>) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("m"), text).expect("a map");
    directory
}

const NOT_CHECKED: &str = "what they name is in the server's configuration, not in the map; \
                           check that with confinectl check and no map";

#[test]
fn a_clean_map() {
    let d = with_map("alice landlock:a\n10.0.0.0/8 landlock:b\n* unconfined\n");
    let run = confinectl(d.path(), &["check", "m"]);
    assert_eq!(
        run.out,
        format!(
            "m: note: line 3: * unconfined is also for users who type their names in another case than on their lines, \
             and exempts them; where a directory or a database takes both for one user, write __names__ ignore-case \
             before the first rule\nm: not checked: 2 landlock contexts: {NOT_CHECKED}\n\
             m: 3 rules, 2 contexts, 0 findings\n"
        )
    );
    assert_eq!((run.status, run.err.as_str()), (Some(0), ""));
}

#[test]
fn lines_that_never_match_name_the_line_before_them() {
    let d = with_map(
        "alice a\nalice b\nalice a\n10.0.0.0/8 a\n10.1.2.3 b\nip:10.1.0.0/16 a\n* c\nbob a\nhost:X. c\n",
    );
    let run = confinectl(d.path(), &["check", "m", "--default-backend", "landlock"]);
    let expected = [
        "m:2: alice never matches: line 1 has the same subject and other contexts, and comes first; \
         keep the one that is meant",
        "m:3: alice never matches: line 1 is the same rule; remove this line",
        "m:5: 10.1.2.3 never matches: line 4 (10.0.0.0/8) holds all of it and comes first; \
         move this line above it",
        "m:6: 10.1.0.0/16 never matches: line 4 (10.0.0.0/8) holds all of it and comes first; \
         both give the same contexts, remove this line",
        "m:8: bob never matches: line 7 (*) matches everything and comes first; move this line above it",
        "m:9: host:X never matches: line 7 (*) matches everything and comes first; \
         both give the same contexts, remove this line",
    ];
    let lines: Vec<_> = run.out.lines().collect();
    assert_eq!(lines[..expected.len()], expected);
    assert_eq!(lines.last(), Some(&"m: 9 rules, 3 contexts, 6 findings"));
    assert_eq!((run.status, run.err.as_str()), (Some(1), ""));
}

#[test]
fn every_bad_line_is_a_finding() {
    let d = with_map("alice\nbob landlock:x\nfile:/srv landlock:x\n");
    let run = confinectl(d.path(), &["check", "m"]);
    assert_eq!(
        run.out,
        "m:1:6: no context given; write at least one, such as landlock:NAME, or the word unconfined\n\
         m:3:1: \"file:/srv\" begins with \"file:\", which is no kind of subject; the kinds are user:, ip:, \
         host: and path:, and a user whose name holds a colon is written user:file:/srv\n\
         m: not checked: 1 landlock context: what they name is in the server's configuration, not in the map; check \
         that with confinectl check and no map\n\
         m: not a valid map, 2 findings; 1 rule and 1 context can be read\n"
    );
    assert_eq!((run.status, run.err.as_str()), (Some(1), ""));
}

#[test]
fn a_misspelt_backend_is_a_finding() {
    let d = with_map("alice landlock:a\nbob landlok:bob\ncarol unconfind\ndave landlok_u:staff_r:x_t:s0\n");
    let run = confinectl(d.path(), &["check", "m"]);
    for finding in [
        "m:2:5: \"landlok:bob\": there is no backend called \"landlok\"; write landlock: if that was meant",
        "m:3:7: \"unconfind\" is not the word that exempts; write unconfined if that was meant",
    ] {
        assert!(run.out.contains(finding), "{}", run.out);
    }
    assert!(
        run.out.ends_with("m: not a valid map, 2 findings; 2 rules and 2 contexts can be read\n"),
        "{}",
        run.out
    );
    assert_eq!((run.status, run.err.as_str()), (Some(1), ""));
}

/// A bad line hides nothing of the others: what never matches, and contexts that have no form, on a machine without the
/// LSM, too.
#[test]
fn all_findings_come_in_one_run() {
    let d = with_map(
        "alice\nbob selinux:a_t:b_t\nbob selinux:a_t:s0\nx landlock:a/b\ny tomoyo:dog\nz \"apparmor:stack \"\n\
         w selinux:a:b:c\n",
    );
    let run = confinectl(d.path(), &["check", "m"]);
    let first: Vec<_> =
        run.out.lines().map_while(|l| l.strip_prefix("m:")?.split([':', ' ']).next()).collect();
    assert_eq!(first[..7], ["1", "2", "3", "4", "5", "6", "7"], "{}", run.out);
    assert!(run.out.contains("m:4: landlock:a/b: no ruleset can have this name"), "{}", run.out);
    assert_eq!(run.status, Some(1));
    let json: serde_json::Value =
        serde_json::from_str(&confinectl(d.path(), &["check", "m", "--json"]).out).expect("JSON");
    assert_eq!((&json["valid"], json["findings"].as_array().map(Vec::len)), (&false.into(), Some(7)));
}

#[test]
fn an_empty_map_is_a_finding() {
    let d = with_map("# nothing\n");
    let run = confinectl(d.path(), &["check", "m"]);
    assert_eq!(
        run.out,
        "m: holds no rule; write at least one, such as: * landlock:NAME\nm: not a valid map, 1 finding\n"
    );
    assert_eq!(run.status, Some(1));
}

#[test]
fn a_map_that_cannot_be_read_is_an_error() {
    let d = with_map("");
    for command in ["check", "explain"] {
        let run = confinectl(d.path(), &[command, "none"]);
        assert_eq!(
            run.err,
            "confinectl: none: cannot be opened: No such file or directory (os error 2); create it, or correct the name\n"
        );
        assert_eq!((run.status, run.out.as_str()), (Some(2), ""));
    }
    let run = confinectl(d.path(), &["check", "."]);
    assert_eq!(
        run.err,
        "confinectl: .: is a directory, not a regular file; name the file that holds the rules\n"
    );
    assert_eq!(run.status, Some(2));
}

/// Every fault is one line that begins with the command's name, or where JSON is asked for, JSON.
#[test]
fn errors_have_one_form() {
    let d = with_map("alice\nbob\n");
    for args in [
        &["check", "none"][..],
        &["check", "-f", "none"],
        &["check", "--nonsense"],
        &["explain", "m", "--ip", "x"],
        &["explain", "--path", "relative"],
        &["doctor", "--server-domain", "x"],
    ] {
        let run = confinectl(d.path(), args);
        assert_eq!((run.status, run.out.as_str()), (Some(2), ""), "{args:?}");
        assert!(run.err.starts_with("confinectl: "), "{args:?}: {}", run.err);
        if args.contains(&"m") {
            continue;
        }
        let run = confinectl(d.path(), &[args, &["--json"]].concat());
        assert_eq!((run.status, run.err.as_str()), (Some(2), ""), "{args:?}");
        let json: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
        let errors = json["errors"].as_array().expect("errors");
        assert!(
            !errors.is_empty() && errors.iter().all(|e| !e.as_str().unwrap_or_default().is_empty()),
            "{json}"
        );
    }
    let run = confinectl(d.path(), &["explain", "m"]);
    assert!(
        run.err.lines().count() == 2 && run.err.lines().all(|l| l.starts_with("confinectl: m:")),
        "{}",
        run.err
    );
}

#[test]
fn wrong_usage_is_an_error() {
    let d = with_map("* a\n");
    for args in [
        &["check", "--default-backend", "landlock"][..],
        &["check", "--httpd", "/nonexistent/httpd"],
        &["check", "m", "--default-backend", "x"],
        &["explain", "m", "--ip", "x"],
        &["check", "m", "--server-context", "httpd_t"],
        &[],
    ] {
        let run = confinectl(d.path(), args);
        assert_eq!((run.status, run.out.as_str()), (Some(2), ""), "{args:?}");
        assert!(run.err.starts_with("confinectl: ") && run.err.lines().count() == 1, "{}", run.err);
    }
    for (args, said) in [
        (
            &["chek"][..],
            "unrecognized subcommand 'chek'; a similar subcommand exists: 'check'; see confinectl --help",
        ),
        (
            &["map", "diff", "m"],
            "the following required arguments were not provided: <NEW>; see confinectl map diff --help",
        ),
        (&["explain", "--connect", "99999"], "--connect 99999: ports are numbered from 0 to 65535"),
        (
            &["explain", "--to", "x"],
            "invalid value 'x' for '--to <ADDRESS:PORT>': write ADDRESS:PORT, such as 192.0.2.1:80 or \
             [2001:db8::1]:443; see confinectl explain --help",
        ),
    ] {
        assert_eq!(confinectl(d.path(), args).err, format!("confinectl: {said}\n"));
    }
    for args in [&["check", "--json", "--lst"][..], &["map", "diff", "--json", "m", "n"]] {
        let run = confinectl(d.path(), args);
        let value: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
        assert_eq!((run.status, run.err.as_str()), (Some(2), ""), "{args:?}");
        assert_eq!(value["errors"].as_array().map(Vec::len), Some(1), "{value}");
    }
    let run = confinectl(d.path(), &["check", "m", "--default-backend", "x"]);
    assert!(
        run.err.contains("there is no such backend; the backends are selinux, apparmor, tomoyo, landlock"),
        "{}",
        run.err
    );
}

#[test]
fn findings_as_json() {
    let d = with_map("alice landlock:a\nalice landlock:b\n");
    let run = confinectl(d.path(), &["check", "--json", "m"]);
    let value: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(
        value,
        serde_json::json!({
            "map": "m",
            "valid": true,
            "rules": 2,
            "contexts": 2,
            "findings": [{
                "line": 2, "column": null, "earlier": 1,
                "text": "alice never matches: line 1 has the same subject and other contexts, and comes \
                         first; keep the one that is meant",
            }],
            "notes": [],
            "not_checked": [{"what": "2 landlock contexts", "why": NOT_CHECKED}],
        })
    );
    assert_eq!(run.status, Some(1));
    fs::write(d.path().join("m"), "x\n").expect("a map");
    let run = confinectl(d.path(), &["check", "--json", "m"]);
    let value: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!((value["valid"].as_bool(), value["findings"][0]["column"].as_u64()), (Some(false), Some(2)));
}

#[test]
fn contexts_of_an_lsm_that_is_not_here_are_said_to_be_unchecked() {
    let d = with_map("alice httpd_dog_t:s0\n");
    let run = confinectl(d.path(), &["check", "m"]);
    // Where SELinux is active the policy answers instead, and it has no such type.
    if Path::new("/sys/fs/selinux/enforce").exists() {
        assert!(run.out.starts_with("m:1: selinux:httpd_dog_t:s0: "), "{}", run.out);
        return;
    }
    assert!(run.out.starts_with("m: not checked: 1 selinux context: selinux is not active"), "{}", run.out);
    assert!(run.out.ends_with("m: 1 rule, 1 context, 0 findings\n"), "{}", run.out);
    assert_eq!(run.status, Some(0));
}

const EXPLAINED: &str =
    "192.0.2.0/24 lan_t:s0\nalice landlock:a dog_t:s0\nhost:dog landlock:dog\n* unconfined\n";

#[test]
fn every_rule_that_matches_and_the_one_that_applies() {
    let d = with_map(EXPLAINED);
    let run =
        confinectl(d.path(), &["explain", "m", "--user", "alice", "--ip", "198.51.100.1", "--host", "Dog."]);
    assert_eq!(
        run.out,
        "m:2: alice -> landlock:a selinux:dog_t:s0 (applies: the first that matches)\n\
         m:3: host:dog -> landlock:dog (matches too, but line 2 comes first)\n\
         m:4: * -> unconfined (matches too, but line 2 comes first)\n\
         user=alice addr=198.51.100.1 vhost=Dog.: landlock:a selinux:dog_t:s0 from m:2\n"
    );
    assert_eq!((run.status, run.err.as_str()), (Some(0), ""));
    let run = confinectl(d.path(), &["explain", "m", "--ip", "::ffff:192.0.2.9"]);
    assert!(run.out.ends_with("user=- addr=192.0.2.9 vhost=-: selinux:lan_t:s0 from m:1\n"), "{}", run.out);
}

#[test]
fn rules_that_do_not_match_say_why_and_the_kernel_is_asked() {
    let d = with_map(
        "10.0.0.0/8 landlock:l\nbob landlock:b\npath:/x landlock:p\nhost:h landlock:h\n__anonymous__ \
                      landlock:n\nalice landlock:a\n",
    );
    let run = confinectl(
        d.path(),
        &["explain", "m", "--all", "--kernel", "--user", "alice", "--ip", "192.0.2.1", "--host", "i"],
    );
    assert_eq!(
        run.out,
        format!(
            "m:1: 10.0.0.0/8 -> landlock:l (does not match: the address is outside of it)\n\
             m:2: bob -> landlock:b (does not match: the user is another)\n\
             m:3: path:/x -> landlock:p (does not match: no --path was given)\n\
             m:4: host:h -> landlock:h (does not match: the virtual host is another)\n\
             m:5: __anonymous__ -> landlock:n (does not match: the user is proven)\n\
             m:6: alice -> landlock:a (applies: the first that matches)\n\
             user=alice addr=192.0.2.1 vhost=i: landlock:a from m:6\n\
             kernel: landlock:a: not asked: {NOT_CHECKED}\n"
        )
    );
    assert_eq!(run.status, Some(0));
}

#[test]
fn no_rule_matches() {
    let d = with_map("alice landlock:a\n");
    let run = confinectl(d.path(), &["explain", "m", "--user", "b\nob"]);
    assert_eq!(
        run.out,
        "user=b\\nob addr=- vhost=-: no rule of m matches; if no other rule of the server does, \
         ConfineUnmatched decides (by default the request is denied)\n"
    );
    assert_eq!((run.status, run.err.as_str()), (Some(1), ""));
}

#[test]
fn explain_knows_paths() {
    let d = with_map("path:/srv/*/cgi-bin/** landlock:x\n* landlock:y\n");
    let run = confinectl(d.path(), &["explain", "m", "--path", "/srv/a/cgi-bin/b"]);
    assert!(
        run.out.starts_with("m:1: path:/srv/*/cgi-bin/** -> landlock:x (applies: the first that matches)\n")
    );
    assert_eq!(run.status, Some(0));
}

#[test]
fn a_map_with_an_error_explains_nothing() {
    let d = with_map("alice landlock:a\nbob\n");
    let run = confinectl(d.path(), &["explain", "m", "--user", "alice"]);
    assert!(run.err.starts_with("confinectl: m:2:4: no context given; "), "{}", run.err);
    assert_eq!((run.status, run.out.as_str()), (Some(2), ""));
}

#[test]
fn a_reader_who_leaves_early_is_no_crash() {
    let d = with_map(format!("* a\n{}", "alice b\n".repeat(50_000)));
    let script = format!("\"{}\" check m | head -n 1", env!("CARGO_BIN_EXE_confinectl"));
    let output = Command::new("sh").args(["-c", &script]).current_dir(d.path()).output().expect("sh runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.stdout.starts_with(b"m:2: alice never matches: line 1 (*)"));
}

#[test]
fn map_compile_writes_beside_the_map_and_the_result_is_used_like_it() {
    use std::os::unix::fs::PermissionsExt;
    let d = with_map("alice landlock:x\n* landlock:y\n");
    fs::set_permissions(d.path().join("m"), fs::Permissions::from_mode(0o640)).expect("rights");
    let run = confinectl(d.path(), &["map", "compile", "m"]);
    assert_eq!((run.status, run.err.as_str()), (Some(0), ""));
    assert!(run.out.starts_with("m.compiled: 2 rules, "), "{}", run.out);
    let mode = fs::metadata(d.path().join("m.compiled")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o640, "as readable as its source");
    let run = confinectl(d.path(), &["explain", "m.compiled", "--user", "alice"]);
    assert_eq!(run.out, "user=alice addr=- vhost=-: landlock:x from m.compiled:1\n");
    let run = confinectl(d.path(), &["check", "m.compiled"]);
    assert_eq!(run.status, Some(2));
    assert_eq!(run.err, "confinectl: m.compiled: is a compiled map; name the text that it was made from\n");
    assert_eq!(fs::read_dir(d.path()).expect("a folder").count(), 2, "nothing is left behind");
}

#[test]
fn map_compile_refuses_what_check_does() {
    let d = with_map("alice landlock:x\nbob\n");
    let run = confinectl(d.path(), &["map", "compile", "m"]);
    assert_eq!((run.status, run.out.as_str()), (Some(2), ""));
    assert!(run.err.starts_with("confinectl: m:2:4: no context given"), "{}", run.err);
    let run = confinectl(d.path(), &["map", "compile", "m", "-o", "no/where"]);
    assert_eq!(run.status, Some(2));
    let d = with_map("alice landlock:x\n");
    let run = confinectl(d.path(), &["map", "compile", "m", "--output", "no/where"]);
    assert_eq!(run.err, "confinectl: no/where: cannot be written: No such file or directory (os error 2)\n");
    assert_eq!(fs::read_dir(d.path()).expect("a folder").count(), 1);
}
