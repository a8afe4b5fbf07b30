//! Which directive a ruleset lacks, and for which path.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::PathAccess;

/// A line for a ruleset.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Directive {
    /// Its name.
    pub name: &'static str,
    /// Its argument, as it is written in a configuration.
    pub argument: String,
}

impl Directive {
    /// A directive that takes a path.
    pub fn path(access: PathAccess, path: &Path) -> Self {
        Self { name: access.directive(), argument: quoted_path(path) }
    }

    /// A directive that takes words.
    pub fn word(name: &'static str, word: impl fmt::Display) -> Self {
        Self { name, argument: word.to_string() }
    }
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.argument)
    }
}

/// A path as the server's configuration takes it: in quotes, with a backslash before each quote and each backslash
/// (httpd: server/util.c, substring_conf). Bytes that are not UTF-8 are only shown, because a configuration cannot
/// hold them.
pub fn quoted_path(path: &Path) -> String {
    let text = crate::lsm::escaped(&path.to_string_lossy());
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Folders that are granted as a whole. Whoever needs one of their files also needs others, and no file is a secret.
const WHOLE: [&str; 15] = [
    "/usr/share/zoneinfo",
    "/usr/lib/locale",
    "/usr/share/locale",
    "/usr/share/i18n",
    "/usr/lib64",
    "/usr/lib/*-linux-gnu*",
    "/usr/lib/python3*",
    "/usr/lib/php",
    "/usr/share/php",
    "/usr/share/perl5",
    "/usr/share/perl",
    "/usr/share/fonts",
    "/etc/php",
    "/etc/ssl/certs",
    "/proc",
];

/// Folders that hold files of many purposes. That one of their files is needed says nothing about the others.
const SHARED: [&str; 36] = [
    "/",
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
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/libexec",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/share",
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

/// The path to write in a directive when `path` was refused. It is the folder that `path` is in, if this folder has
/// one purpose, and otherwise `path` itself.
pub fn path_to_grant(path: &Path, is_folder: bool) -> PathBuf {
    if let Some(whole) = whole_folder(path) {
        return whole.to_owned();
    }
    match path.parent() {
        Some(parent) if !is_folder && !is_shared(parent) => parent.to_owned(),
        _ => path.to_owned(),
    }
}

/// The folder of the system's around `path` whose files belong together, and of which none is a secret.
pub fn whole_folder(path: &Path) -> Option<&Path> {
    path.ancestors().find(|above| is_whole(above))
}

/// Whether `folder` itself holds files of many purposes.
pub fn is_shared(folder: &Path) -> bool {
    SHARED.iter().any(|shared| folder == Path::new(shared))
}

/// Whether `folder` is granted as a whole.
fn is_whole(folder: &Path) -> bool {
    let Some(folder) = folder.to_str() else { return false };
    WHOLE.iter().any(|whole| {
        let mut parts = whole.split('*');
        let (first, middle) = (parts.next().unwrap_or_default(), parts.next());
        let Some(rest) = folder.strip_prefix(first) else { return false };
        match middle {
            None => rest.is_empty(),
            Some(middle) => !rest.contains('/') && rest.contains(middle),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_file(path: &str) -> String {
        path_to_grant(Path::new(path), false).to_str().unwrap().to_owned()
    }

    #[test]
    fn a_folder_for_one_purpose_is_granted_as_a_whole() {
        for (file, granted) in [
            ("/usr/share/zoneinfo/Etc/UTC", "/usr/share/zoneinfo"),
            ("/usr/lib/x86_64-linux-gnu/gconv/UTF-16.so", "/usr/lib/x86_64-linux-gnu"),
            ("/usr/lib/python3.13/encodings/__init__.py", "/usr/lib/python3.13"),
            ("/usr/lib/python3/dist-packages/flask/__init__.py", "/usr/lib/python3"),
            ("/usr/lib/git-core/git-http-backend", "/usr/lib/git-core"),
            ("/srv/www/dog/app/config.php", "/srv/www/dog/app"),
            ("/proc/123/status", "/proc"),
        ] {
            assert_eq!(of_file(file), granted, "{file}");
        }
    }

    #[test]
    fn where_many_purposes_meet_a_file_is_granted_alone() {
        for file in ["/etc/passwd", "/dev/null", "/usr/bin/git", "/srv/x", "/vmlinuz", "/tmp/a"] {
            assert_eq!(of_file(file), file);
        }
        assert_eq!(path_to_grant(Path::new("/srv/a/b"), true), Path::new("/srv/a/b"));
        assert_eq!(path_to_grant(Path::new("/"), true), Path::new("/"));
    }

    #[test]
    fn an_argument_is_written_as_the_server_reads_it() {
        let line = |path: &str| Directive::path(PathAccess::Read, Path::new(path)).to_string();
        assert_eq!(line("/srv/a b"), "LandlockRead \"/srv/a b\"");
        assert_eq!(line("/srv/a\"\\b"), "LandlockRead \"/srv/a\\\"\\\\b\"");
        assert_eq!(Directive::word("LandlockConnect", 3306).to_string(), "LandlockConnect 3306");
    }
}
