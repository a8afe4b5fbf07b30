//! Names, paths and text of a CIL module, without a look at the system.

use std::{fmt, path::Path};

/// An application's name: a block of CIL, and the first part of its types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(String);

/// Files in which mod_confine's own policy comes: a module of that name would replace it.
pub(super) const SHIPPED_FILES: &[&str] = &["mod_confine", "mod_confine_mcs"];

/// Blocks and profiles of mod_confine's own policy.
const SHIPPED_BLOCKS: &[&str] = &[
    "mod_confine",
    "mod_confine_mcs",
    "static",
    "scripting",
    "database_client",
    "webdav",
    "by_category",
    "narrowing",
    "programs",
    "etc_files",
    "rewrite_programs",
    "own_proc",
];

/// The words of CIL (libsepol: cil/src/cil.c, cil_init_keys). It reserves few of them, and none as the
/// name of a block; as one they would be taken for what they are not by every reader.
const WORDS: &str = "\
    all allow allowx and any auditallow auditallowx block blockabstract blockinherit boolean booleanif \
    call category categoryalias categoryaliasactual categoryorder categoryset char class classcommon \
    classmap classmapping classorder classpermission classpermissionset common constrain context \
    defaultrange defaultrole defaulttype defaultuser deny devicetreecon dir dom domby dontaudit \
    dontauditx eq expandtypeattribute false file filecon fsuse genfscon h1 h2 handleunknown ibendportcon \
    ibpkeycon in incomp ioctl iomemcon ioportcon ipaddr l1 l2 level levelrange macro mls mlsconstrain \
    mlsvalidatetrans name neq netifcon neverallow neverallowx nodecon not notself object_r optional or \
    other pcidevicecon perm permissionx pipe pirqcon policycap portcon r1 r2 r3 range rangetransition \
    reject role roleallow roleattribute roleattributeset rolebounds roletransition roletype self \
    selinuxuser selinuxuserdefault sensitivity sensitivityalias sensitivityaliasactual \
    sensitivitycategory sensitivityorder sid sidcontext sidorder socket source string symlink t1 t2 t3 \
    target task trans true tunable tunableif type typealias typealiasactual typeattribute \
    typeattributeset typebounds typechange typemember typepermissive typetransition u1 u2 u3 user \
    userattribute userattributeset userbounds userlevel userprefix userrange userrole validatetrans \
    xattr xor";

/// Words that make a line of file contexts a template for home directories, in which user, role and
/// range are filled in anew (libsemanage: semanage_store.c, semanage_split_fc, looks at the whole line).
const PLACEHOLDERS: &[&str] = &["ROLE", "USER"];

impl Name {
    /// The longest that is accepted: with `.cil` it is a file's name, with a path a line of file contexts.
    const LONGEST: usize = 200;

    /// Checks a name (libsepol: cil/src/cil_verify.c, cil_verify_name).
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Err("a name in CIL begins with a letter".to_owned());
        }
        if let Some(bad) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !"_-".contains(*c)) {
            return Err(format!("a name in CIL holds letters, digits, _ and -, not {bad:?}"));
        }
        if text.len() > Self::LONGEST {
            return Err(format!("longer than {} characters", Self::LONGEST));
        }
        if SHIPPED_BLOCKS.contains(&text) {
            return Err(format!("mod_confine's own policy has a block {text}; choose another name"));
        }
        if WORDS.split_ascii_whitespace().any(|word| word == text) {
            return Err(format!("{text} is a word of CIL; choose another name"));
        }
        if let Some(word) = PLACEHOLDERS.iter().find(|word| text.contains(**word)) {
            return Err(format!("{word} is a placeholder in file contexts; write it in lower case"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A template of mod_confine's policy to inherit from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Profile {
    /// Plain files, WebDAV, applications in mod_lua or mod_perl
    Static,
    /// As static, and what an interpreter such as mod_php needs
    Scripting,
    /// As scripting, and PostgreSQL or MySQL
    DatabaseClient,
}

impl Profile {
    /// As on the command line.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Scripting => "scripting",
            Self::DatabaseClient => "database-client",
        }
    }

    fn block(self) -> &'static str {
        match self {
            Self::Static => "mod_confine.static",
            Self::Scripting => "mod_confine.scripting",
            Self::DatabaseClient => "mod_confine.database_client",
        }
    }
}

/// A path that a file context can hold: absolute, printable ASCII, no `.`, `..` or doubled slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FilePath(String);

/// Folders whose labels other programs depend on.
const SYSTEM_FOLDERS: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/local",
    "/usr/sbin",
    "/usr/share",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/lock",
    "/var/log",
    "/var/run",
    "/var/spool",
    "/var/tmp",
];

impl FilePath {
    /// The longest that is accepted: libsemanage reads lines of PATH_MAX, and escapes may double it.
    const LONGEST: usize = 1500;

    /// Checks a path and gives it its plain form.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err("not absolute; write it from the first / on".to_owned());
        }
        if let Some(bad) = text.chars().find(|c| !c.is_ascii_graphic() || *c == '"') {
            return Err(unfit(bad));
        }
        if text.len() > Self::LONGEST {
            return Err(format!("longer than {} bytes; name a folder above it", Self::LONGEST));
        }
        let parts: Vec<_> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") {
            return Err(
                "holds .. and a label goes by the text of the path; write the path without it".to_owned()
            );
        }
        let path = format!("/{}", parts.join("/"));
        if parts.is_empty() || SYSTEM_FOLDERS.contains(&path.as_str()) {
            return Err(format!(
                "{path} is not the application's alone, and labelling it anew takes it from everything else; \
                 name folders below it"
            ));
        }
        if let "proc" | "sys" = parts[0] {
            return Err(format!("files in /{} do not get their labels from file contexts", parts[0]));
        }
        if let Some(word) = PLACEHOLDERS.iter().find(|word| path.contains(**word)) {
            return Err(format!(
                "{word} is a placeholder in file contexts, filled in for home directories, and the label would \
                 not be the one given; name a folder above it, or rename it"
            ));
        }
        // libselinux before 3.8: label_file.h, get_stem_from_spec takes the first name for plain text
        // unless it holds one of .^$?*+|[({ and would compare the escape too.
        if let Some(bad) = parts[0].chars().find(|c| "\\)]}".contains(*c)) {
            return Err(format!(
                "{bad} in the first name of a path is more than file contexts can match; rename it"
            ));
        }
        Ok(Self(path))
    }

    pub(super) fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The regular expression (PCRE) that matches this path and, of a folder, all that is in it.
    ///
    /// The escapes are those that libselinux and libsepol know when they look for the part without
    /// wildcards, by which entries are ordered (libselinux: label_file.h, regex_has_meta_chars).
    pub(super) fn pattern(&self, tree: bool) -> String {
        let mut pattern = String::with_capacity(self.0.len() + 8);
        for c in self.0.chars() {
            if ".^$?*+|[](){}\\".contains(c) {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        if tree {
            pattern.push_str("(/.*)?");
        }
        pattern
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a character cannot be in a path.
fn unfit(c: char) -> String {
    let why = match c {
        '"' => "ends a string in CIL, which has no escape for it",
        c if c.is_whitespace() => "separates the fields of a file context",
        c if c.is_control() => "has no place in a line of file contexts",
        // libselinux: label_support.c, read_spec_entry.
        _ => "is not ASCII, and semodule fails on a file context with such a character",
    };
    format!("{c:?} {why}; name a folder above it, or rename it")
}

/// What an application may do with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// A file context of the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) path: &'a FilePath,
    pub(super) access: Access,
    /// With everything in it.
    pub(super) tree: bool,
}

/// The module; it displays as its text.
pub(super) struct Module<'a> {
    pub(super) name: &'a Name,
    pub(super) profile: Profile,
    /// In the order of their paths, so that a folder comes before what is in it.
    pub(super) entries: &'a [Entry<'a>],
    /// The name of the module's file, without `.cil`.
    pub(super) file_name: &'a str,
}

impl Module<'_> {
    /// The command that labels the files: it goes down into folders, so each is named once.
    pub(super) fn restorecon(&self) -> String {
        let mut command = "restorecon -R".to_owned();
        for entry in self.entries.iter().filter(|e| !self.is_inside_another(e)) {
            command.push(' ');
            command.push_str(&shell_word(&entry.path.0));
        }
        command
    }

    /// A rule for the domain.
    pub(super) fn directive(&self) -> String {
        format!("ConfineContext selinux:{}.process:s0", self.name)
    }

    /// The command that writes this module.
    fn command(&self) -> String {
        let mut command =
            format!("confinectl selinux-domain {} --profile {}", self.name, self.profile.as_str());
        for entry in self.entries {
            command.push_str(match entry.access {
                Access::Read => " --read ",
                Access::Write => " --write ",
            });
            command.push_str(&shell_word(&entry.path.0));
        }
        command
    }

    fn is_inside_another(&self, entry: &Entry<'_>) -> bool {
        let path = entry.path.as_path();
        self.entries.iter().any(|e| e.tree && e.path != entry.path && path.starts_with(e.path.as_path()))
    }
}

impl fmt::Display for Module<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, file_name, .. } = self;
        writeln!(f, "; The domain {name}.process for requests that mod_confine confines. Written by")?;
        writeln!(f, ";   {}", self.command())?;
        writeln!(f, ";")?;
        writeln!(f, ";   semodule -i mod_confine.cil {file_name}.cil")?;
        writeln!(f, ";   {}", self.restorecon())?;
        writeln!(f, ";")?;
        writeln!(f, "; A rule for it:  {}", self.directive())?;
        writeln!(f)?;
        write!(f, "(block {name} (blockinherit {})", self.profile.block())?;
        // libselinux (label_file.c, lookup_all) takes the last entry that matches, of those in the order
        // that libsepol gave them (cil/src/cil_post.c, cil_post_filecon_compare): the shorter the part
        // before the first wildcard the earlier, and paths without any last.
        if self.entries.iter().any(|e| self.is_inside_another(e)) {
            write!(f, "\n    ; of two that match, the one with the longer path counts, in whatever order")?;
        }
        for Entry { path, access, tree } in self.entries {
            let label = match access {
                Access::Read => "readable_files",
                Access::Write => "writable_files",
            };
            write!(f, "\n    (filecon \"{}\" any {label})", path.pattern(*tree))?;
        }
        writeln!(f, ")")
    }
}

/// A word for a shell, in quotes where it needs them.
pub(super) fn shell_word(text: &str) -> String {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+:@%,=".contains(&b)) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> FilePath {
        FilePath::parse(text).expect(text)
    }

    #[test]
    fn names() {
        for good in ["blog", "B", "my-blog_2", "users", "blockchain", &"a".repeat(200)] {
            assert_eq!(Name::parse(good), Ok(Name(good.to_owned())));
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

    /// Every block of the policy that is shipped is refused as a name.
    #[test]
    fn the_shipped_blocks_are_all_known() {
        for policy in [
            include_str!("../../../conf/selinux/mod_confine.cil"),
            include_str!("../../../conf/selinux/mod_confine_mcs.cil"),
        ] {
            let code = policy.lines().filter(|line| !line.trim_start().starts_with(';'));
            for block in code.filter_map(|line| line.trim_start().strip_prefix("(block ")) {
                let block = block.split_ascii_whitespace().next().expect("a name");
                assert!(SHIPPED_BLOCKS.contains(&block), "{block}");
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
            assert_eq!(path(written).0, plain);
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
        let (site, file, data) =
            (path("/srv/www/blog"), path("/srv/www/blog/data/base.db"), path("/srv/b.d"));
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
}
