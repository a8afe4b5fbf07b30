//! `confinectl selinux-domain` as an administrator meets it: the module it writes, what it prints, and
//! what it refuses.

mod run;

use std::{fs, os::unix::fs::symlink, path::Path};

use run::Run;
use tempfile::TempDir;

/// Runs `confinectl selinux-domain` in `directory`.
fn domain(directory: &Path, args: &[&str]) -> Run {
    Run::of(run::confinectl(directory, &["selinux-domain"]).args(args))
}

fn empty() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// A path that no machine has.
const SITE: &str = "/nowhere-at-all/www/blog.example";

const MODULE: &str = r#"; The domain blog.process for requests that mod_confine confines. Written by
;   confinectl selinux-domain blog --profile scripting --read /nowhere-at-all/www/blog.example --write /nowhere-at-all/www/blog.example/data
;
;   semodule -i mod_confine.cil blog.cil
;   restorecon -R /nowhere-at-all/www/blog.example
;
; A rule for it:  ConfineContext selinux:blog.process:s0

(block blog (blockinherit mod_confine.scripting)
    ; of two that match, the one with the longer path counts, in whatever order
    (filecon "/nowhere-at-all/www/blog\.example(/.*)?" any readable_files)
    (filecon "/nowhere-at-all/www/blog\.example/data(/.*)?" any writable_files))
"#;

#[test]
fn a_module_and_what_to_do_with_it() {
    let d = empty();
    let data = format!("{SITE}/data/");
    let args = ["blog", "--profile", "scripting", "--write", &data, "--read", SITE, "--read", SITE];
    let run = domain(d.path(), &args);
    assert_eq!(
        run.out,
        "blog.cil: the domain blog.process, profile scripting\n\
         blog.cil: note: /nowhere-at-all/www/blog.example does not exist; taken for a folder\n\
         blog.cil: note: /nowhere-at-all/www/blog.example/data does not exist; taken for a folder\n\
         next, as root:\n\
         \x20 semodule -i mod_confine.cil blog.cil\n\
         \x20 restorecon -R /nowhere-at-all/www/blog.example\n\
         then in the server's configuration, where the application lies:\n\
         \x20 ConfineContext selinux:blog.process:s0\n"
    );
    assert_eq!((run.status, run.err.as_str()), (Some(0), ""));
    assert_eq!(fs::read_to_string(d.path().join("blog.cil")).expect("a module"), MODULE);

    let run = domain(d.path(), &[&args[..], &["-o", "-"]].concat());
    assert_eq!((run.status, run.out.as_str(), run.err.as_str()), (Some(0), MODULE, ""));
}

#[test]
fn the_least_is_the_default() {
    let d = empty();
    let run = domain(d.path(), &["shop", "--read", SITE, "-o", "-"]);
    let block = "(block shop (blockinherit mod_confine.static)\n    (filecon \"/nowhere-at-all/www/blog\\.example(/.*)?\" any readable_files))\n";
    assert!(run.out.ends_with(block), "{}", run.out);
}

#[test]
fn a_file_is_labelled_alone_and_a_folder_with_what_is_in_it() {
    let d = empty();
    let root = d.path().canonicalize().expect("its real path");
    fs::create_dir(root.join("site")).expect("a directory");
    fs::write(root.join("site/base(1).db"), "").expect("a file");
    let (site, file) = (root.join("site"), root.join("site/base(1).db"));
    let (site, file) = (site.to_str().expect("UTF-8"), file.to_str().expect("UTF-8"));
    let run = domain(d.path(), &["blog", "--read", site, "--write", file]);
    assert_eq!((run.status, run.err.as_str()), (Some(0), ""));
    assert!(!run.out.contains("note:"), "{}", run.out);
    let module = fs::read_to_string(root.join("blog.cil")).expect("a module");
    assert!(module.contains("/site(/.*)?\" any readable_files)\n"), "{module}");
    assert!(module.contains("/site/base\\(1\\)\\.db\" any writable_files))\n"), "{module}");
    assert!(module.contains(&format!("--write '{file}'\n")), "{module}");
}

#[test]
fn nothing_is_overwritten_unasked() {
    let d = empty();
    let file = d.path().join("blog.cil");
    fs::write(&file, "mine").expect("a file");
    let run = domain(d.path(), &["blog", "--read", SITE]);
    assert_eq!(
        run.err,
        "confinectl: blog.cil: exists; replace it with --force, or write to another file with -o\n"
    );
    assert_eq!((run.status, run.out.as_str()), (Some(2), ""));
    assert_eq!(fs::read_to_string(&file).expect("a file"), "mine");

    let run = domain(d.path(), &["blog", "--read", SITE, "-o", "my_blog.cil"]);
    assert!(run.out.contains("  semodule -i mod_confine.cil my_blog.cil\n"), "{}", run.out);
    let module = fs::read_to_string(d.path().join("my_blog.cil")).expect("a module");
    assert!(module.contains(";   semodule -i mod_confine.cil my_blog.cil\n"), "{module}");

    let run = domain(d.path(), &["blog", "--read", SITE, "--force"]);
    assert_eq!((run.status, run.err.as_str()), (Some(0), ""));
    assert!(fs::read_to_string(&file).expect("a module").starts_with("; The domain blog.process"));
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let d = empty();
    let root = d.path().canonicalize().expect("its real path");
    fs::create_dir(root.join("real")).expect("a directory");
    symlink("real", root.join("link")).expect("a link");
    let link = root.join("link/data");
    let link = link.to_str().expect("UTF-8");
    for (args, says) in [
        (&["blog"][..], "name at least one folder or file with --read or --write"),
        (&["blog", "--read", "/x/a/", "--write", "/x/a"], "/x/a is given to --read and to --write"),
        (&["blog", "--read", link], "/real/data\n"),
        (&["blog", "--read", "/x/a", "-o", "blog"], "end it in .cil"),
        (&["blog", "--read", "/x/a", "-o", "mod_confine.cil"], "a module of mod_confine itself"),
        (&["blog", "--read", "/x/a", "-o", "no/blog.cil"], "no/blog.cil: cannot be written: No such file"),
    ] {
        let run = domain(d.path(), args);
        assert!(run.err.starts_with("confinectl: ") && run.err.contains(says), "{args:?}: {}", run.err);
        assert_eq!((run.status, run.out.as_str()), (Some(2), ""), "{args:?}");
    }
    for (args, says) in [
        (&["my.blog", "--read", "/x/a"][..], "a name in CIL holds letters, digits, _ and -, not '.'"),
        (&["scripting", "--read", "/x/a"], "has a block scripting; choose another name"),
        (&["blog", "--read", "x/a"], "not absolute; write it from the first / on"),
        (&["blog", "--read", "/x/../a"], "write the path without it"),
        (&["blog", "--write", "/etc"], "labelling it anew takes it from everything else"),
        (&["blog", "--read", "/x/a", "--profile", "root"], "static, scripting, database-client"),
    ] {
        let run = domain(d.path(), args);
        assert!(run.err.contains(says), "{args:?}: {}", run.err);
        assert_eq!((run.status, run.out.as_str()), (Some(2), ""), "{args:?}");
    }
    assert_eq!(fs::read_dir(d.path()).expect("a directory").count(), 2, "nothing was written");
}
