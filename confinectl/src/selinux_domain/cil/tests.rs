use super::*;

fn path(text: &str) -> FilePath {
    FilePath::parse(text).expect(text)
}

#[test]
fn names() {
    for good in ["blog", "B", "my-blog_2", "users", "blockchain", &"a".repeat(200)] {
        assert_eq!(Name::parse(good).map(|name| name.to_string()), Ok(good.to_owned()));
    }
    for (bad, says) in [
        ("", "begins with a letter"),
        ("2blog", "begins with a letter"),
        ("_blog", "begins with a letter"),
        ("-", "begins with a letter"),
        ("my.blog", "not '.'"),
        ("my blog", "not ' '"),
        ("blog)", "not ')'"),
        ("blög", "not 'ö'"),
        ("blog\n", "not '\\n'"),
        ("mod_confine", "a block mod_confine"),
        ("by_category", "a block by_category"),
        ("static", "a block static"),
        ("block", "a word of CIL"),
        ("self", "a word of CIL"),
        ("mlsconstrain", "a word of CIL"),
        ("forUSERS", "USER is a placeholder"),
        (&"a".repeat(201), "longer than 200"),
    ] {
        let error = Name::parse(bad).expect_err(bad);
        assert!(error.contains(says), "{bad:?}: {error}");
    }
}

/// Every shipped block of the policy is refused as a name.
#[test]
fn the_shipped_blocks_are_all_known() {
    for policy in [
        include_str!("../../../../conf/selinux/mod_confine.cil"),
        include_str!("../../../../conf/selinux/mod_confine_mcs.cil"),
    ] {
        let code = policy.lines().filter(|line| !line.trim_start().starts_with(';'));
        for block in code.filter_map(|line| line.trim_start().strip_prefix("(block ")) {
            let block = block.split_ascii_whitespace().next().expect("a name");
            assert!(name::SHIPPED_BLOCKS.contains(&block), "{block}");
        }
    }
}

#[test]
fn paths_in_their_plain_form() {
    for (written, plain) in [
        ("/srv/www/blog", "/srv/www/blog"),
        ("/srv//www/./blog/", "/srv/www/blog"),
        ("/blog", "/blog"),
        ("/srv/...", "/srv/..."),
        ("/srv/it's", "/srv/it's"),
        ("/srv/users", "/srv/users"),
    ] {
        assert_eq!(path(written).to_string(), plain);
    }
}

#[test]
fn paths_that_no_file_context_can_hold() {
    for (bad, says) in [
        ("", "not absolute"),
        ("srv/www", "not absolute"),
        ("/srv/../etc", "holds .."),
        ("/srv/..", "holds .."),
        ("/srv/my blog", "' ' separates"),
        ("/srv/my\tblog", "'\\t' separates"),
        ("/srv/blog\n", "'\\n' separates"),
        ("/srv/\"blog\"", "ends a string"),
        ("/srv/\u{1b}[31m", "'\\u{1b}' has no place"),
        ("/srv/\u{7f}", "has no place"),
        ("/srv/bücher", "'ü' is not ASCII"),
        ("/", "/ is not the application's alone"),
        ("//./", "/ is not the application's alone"),
        ("/srv/", "/srv is not the application's alone"),
        ("/var/lib", "/var/lib is not the application's alone"),
        ("/proc/1", "files in /proc"),
        ("/srv/ROLES", "ROLE is a placeholder"),
        ("/srv/USER/data", "USER is a placeholder"),
        ("/a)b/c", ") in the first name"),
    ] {
        let error = FilePath::parse(bad).expect_err(bad);
        assert!(error.contains(says), "{bad:?}: {error}");
    }
    assert!(FilePath::parse(&format!("/{}", "a".repeat(1500))).is_err());
}

#[test]
fn patterns() {
    for (written, tree, pattern) in [
        ("/srv/www/blog", true, "/srv/www/blog(/.*)?"),
        ("/srv/www/blog.example.com", true, r"/srv/www/blog\.example\.com(/.*)?"),
        ("/srv/config.php", false, r"/srv/config\.php"),
        ("/srv/a^b$c?d*e+f|g", false, r"/srv/a\^b\$c\?d\*e\+f\|g"),
        (r"/srv/[a](b){c}\d", false, r"/srv/\[a\]\(b\)\{c\}\\d"),
        ("/srv/a-b_c,d#e;f'g~h", false, "/srv/a-b_c,d#e;f'g~h"),
    ] {
        assert_eq!(path(written).pattern(tree), pattern);
    }
}

#[test]
fn words_for_a_shell() {
    assert_eq!(shell_word("/srv/www/blog.example-1_x"), "/srv/www/blog.example-1_x");
    assert_eq!(shell_word("/srv/a;b"), "'/srv/a;b'");
    assert_eq!(shell_word("/srv/it's$HOME"), r"'/srv/it'\''s$HOME'");
    assert_eq!(shell_word("/srv/~a"), "'/srv/~a'");
}

#[test]
fn a_whole_module() {
    let (site, file, data) = (path("/srv/www/blog"), path("/srv/www/blog/data/base.db"), path("/srv/b.d"));
    let entries = [
        Entry { path: &data, access: Access::Write, tree: true },
        Entry { path: &site, access: Access::Read, tree: true },
        Entry { path: &file, access: Access::Write, tree: false },
    ];
    let name = Name::parse("blog").expect("a name");
    let module =
        Module { name: &name, profile: Profile::DatabaseClient, entries: &entries, file_name: "my_blog" };
    assert_eq!(
        module.to_string(),
        r#"; The domain blog.process for requests that mod_confine confines. Written by
;   confinectl selinux-domain blog --profile database-client --write /srv/b.d --read /srv/www/blog --write /srv/www/blog/data/base.db
;
;   semodule -i mod_confine.cil my_blog.cil
;   restorecon -R /srv/b.d /srv/www/blog
;
; A rule for it:  ConfineContext selinux:blog.process:s0

(block blog (blockinherit mod_confine.database_client)
    ; of two that match, the one with the longer path counts, in whatever order
    (filecon "/srv/b\.d(/.*)?" any writable_files)
    (filecon "/srv/www/blog(/.*)?" any readable_files)
    (filecon "/srv/www/blog/data/base\.db" any writable_files))
"#
    );
}
