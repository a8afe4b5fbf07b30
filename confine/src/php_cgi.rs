//! What an administrator should know about the settings of PHP's program for processes of its own (`php-cgi`). They are
//! read from its files, because to run a program only to ask it would run it with the rights of whoever asks.
//!
//! ```
//! use confine::php_cgi::Settings;
//!
//! let mut settings = Settings::default();
//! settings.add("zend_extension=opcache.so\nopcache.file_cache = /tmp ; a comment\n");
//! assert!(settings.loads("opcache"));
//! assert_eq!(settings.get("opcache.file_cache"), Some("/tmp"));
//! ```

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Settings, and the extensions that are loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    values: BTreeMap<String, String>,
    extensions: Vec<String>,
}

impl Settings {
    /// Adds what a file says. Later files count before earlier ones.
    pub fn add(&mut self, text: &str) {
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with([';', '#', '['])) {
            let Some((name, value)) = line.split_once('=') else { continue };
            let value = value.split(';').next().unwrap_or_default().trim().trim_matches('"');
            match name.trim() {
                "extension" | "zend_extension" => self.extensions.push(value.to_owned()),
                name => drop(self.values.insert(name.to_owned(), value.to_owned())),
            }
        }
    }

    /// The value of a setting, if it is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether an extension is loaded, whatever the ending of its file.
    pub fn loads(&self, extension: &str) -> bool {
        let stem = |name: &str| Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        self.extensions.iter().any(|loaded| stem(loaded).as_deref() == Some(extension))
    }

    /// What should be known about them where each context has processes of its own: what, and what to do.
    pub fn hints(&self) -> Vec<(String, String)> {
        let mut hints = Vec::new();
        let mut hint = |what: String, remedy: &str| hints.push((what, remedy.to_owned()));
        if let Some(folder) = self.get("opcache.file_cache") {
            hint(
                format!(
                    "opcache.file_cache is {folder}: contexts that may write there put code into each other's processes, \
                     which PHP runs without looking at the script"
                ),
                "take it out; each pool has a cache in memory that its processes share",
            );
        }
        if let Some(script) = self.get("opcache.preload") {
            hint(
                format!("opcache.preload is {script}: every pool runs it at its start, in its contexts"),
                "let the rulesets of all contexts read it, or take it out",
            );
        }
        if !self.loads("opcache") {
            hint(
                "OPcache is not loaded, so every request compiles its scripts".to_owned(),
                "install and enable it (Debian: php-opcache, phpenmod opcache)",
            );
        } else if self.get("opcache.enable").is_some_and(is_off) {
            hint(
                "opcache.enable is off, so every request compiles its scripts".to_owned(),
                "set it to 1: each pool has an OPcache of its own",
            );
        }
        if self.get("cgi.fix_pathinfo").is_some_and(is_off) {
            hint(
                "cgi.fix_pathinfo is 0, so scripts see PATH_INFO and PHP_SELF as FastCGI gives them"
                    .to_owned(),
                "leave it at 1, unless an application asks for 0",
            );
        }
        hints
    }
}

fn is_off(value: &str) -> bool {
    ["0", "off", "no", "false"].iter().any(|off| value.eq_ignore_ascii_case(off))
}

/// The files of the program's settings, in the order in which it reads them: Debian's for its version, or Fedora's.
pub fn files(program: &Path) -> Vec<PathBuf> {
    let real = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    let name = real.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let version = name.strip_prefix("php-cgi").unwrap_or_default();
    let of_debian = Path::new("/etc/php").join(version).join("cgi");
    let (first, more) = match !version.is_empty() && of_debian.is_dir() {
        true => (of_debian.join("php.ini"), of_debian.join("conf.d")),
        false => (PathBuf::from("/etc/php.ini"), PathBuf::from("/etc/php.d")),
    };
    let is_ini = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "ini");
    let entries = fs::read_dir(more).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut more: Vec<_> = entries.filter(is_ini).collect();
    more.sort();
    [first].into_iter().chain(more).filter(|path| path.is_file()).collect()
}

/// The settings in these files. The error is a file that cannot be read.
pub fn read(files: &[PathBuf]) -> Result<Settings, (PathBuf, std::io::Error)> {
    let mut settings = Settings::default();
    for file in files {
        settings.add(&fs::read_to_string(file).map_err(|error| (file.clone(), error))?);
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contexts_would_share_is_told() {
        let of = |text: &str| {
            let mut settings = Settings::default();
            settings.add(text);
            settings.hints().into_iter().map(|(what, _)| what).collect::<Vec<_>>().join("\n")
        };
        let good =
            "[PHP]\nzend_extension=opcache\nopcache.enable=1\n;opcache.file_cache=/tmp\ncgi.fix_pathinfo=1\n";
        assert_eq!(of(good), "");
        for (line, says) in [
            ("opcache.file_cache=\"/var/cache\"", "opcache.file_cache is /var/cache"),
            ("opcache.preload=/srv/x.php", "opcache.preload is /srv/x.php"),
            ("opcache.enable=Off", "opcache.enable is off"),
            ("cgi.fix_pathinfo = 0", "cgi.fix_pathinfo is 0"),
        ] {
            assert!(of(&format!("{good}{line}\n")).starts_with(says), "{line}");
        }
        assert!(of("").contains("OPcache is not loaded"));
        // The last file counts.
        assert_eq!(of(&format!("opcache.enable=0\n{good}")), "");
    }
}
