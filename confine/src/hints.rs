//! What applications often fail at although the configuration has no fault. All programs use these texts.
//!
//! ```
//! assert_eq!(confine::hints::php_stack(1 << 20), None);
//! assert!(confine::hints::php_stack(1 << 18).is_some());
//! ```

use std::path::Path;

use crate::lsm::landlock::{PathAccess, RulesetSpec};

/// The folder in which PHP and other run-times look for time zones.
const ZONES: &str = "/usr/share/zoneinfo";

/// The smallest stack that is large enough. With a smaller one, PHP 8.2 ends its process in print_r(), var_export()
/// or json_encode() of 2,000 nested arrays (measured on x86_64: at 512 kB it does so, at 1 MB it does not).
const PHP_STACK: u64 = 1 << 20;

/// What an administrator should know about mod_wsgi if each request gets a thread of its own.
pub const WSGI_ONE_TIME: &str = "mod_wsgi keeps some 5 kB for each new thread that it meets, and with one-time workers each \
                                 request is a new thread: its children grow";

/// What to do about it.
pub const WSGI_REMEDY: &str = "write ConfineGate handler and ConfineWorkers per-context, or let MaxConnectionsPerChild renew \
                               the children";

/// What an administrator should know about PHP if no ruleset grants time zones, and what to do.
pub const PHP_ZONES: &str = "grants no time zones: PHP that is built to use the system's ends the child in date() without \
                             them; write LandlockInclude php, or LandlockRead \"/usr/share/zoneinfo\"";

/// What a stack of this size means for PHP, and what to do. `None` if it is large enough.
pub fn php_stack(bytes: u64) -> Option<(String, &'static str)> {
    (bytes < PHP_STACK).then(|| {
        (
            format!(
                "ThreadStackSize {bytes} is small for PHP: print_r() or json_encode() of 2,000 nested arrays ends the child"
            ),
            "write ThreadStackSize 1048576 or more; serialize() of the same takes up to 8388608",
        )
    })
}

/// What PHP would fail at under this ruleset, and what to do, each with the line that it is about.
pub fn of_php(spec: &RulesetSpec) -> Vec<(crate::Origin, String)> {
    let mut hints = Vec::new();
    if Path::new(ZONES).exists() && !may_read(spec, ZONES) {
        hints.push((spec.origin.clone(), format!("the ruleset {} {PHP_ZONES}", spec.full_name())));
    }
    let written = spec.paths.iter().filter(|rule| rule.access == PathAccess::Write);
    for rule in written.filter(|rule| !rule.path.as_str().starts_with("/dev/")) {
        let path = rule.path.as_str();
        if !may_read(spec, path) {
            let (text, remedy) = written_only(&spec.full_name(), path);
            hints.push((rule.origin.clone(), format!("{text}; {remedy}")));
        }
    }
    hints
}

/// What it means for PHP that a ruleset lets a folder be written and not read, and what to do.
pub fn written_only(ruleset: &str, path: &str) -> (String, String) {
    (
        format!(
            "the ruleset {ruleset} lets {path} be written and not read, and PHP reads what it has written (sessions, \
             uploads, is_dir())"
        ),
        format!("add LandlockRead \"{path}\", or leave it so for a folder that only takes"),
    )
}

/// Whether the ruleset grants reading of this path, by the path itself or by one above it.
fn may_read(spec: &RulesetSpec, path: &str) -> bool {
    let reading = spec.paths.iter().filter(|rule| rule.access != PathAccess::Write);
    reading.into_iter().any(|rule| Path::new(path).starts_with(rule.path.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Origin,
        lsm::landlock::{PathRule, PathTemplate},
    };

    fn hints(paths: &[(PathAccess, &str)]) -> Vec<String> {
        let mut spec = RulesetSpec::new("blog", Origin::new("x.conf", 1));
        for (line, (access, path)) in (2..).zip(paths) {
            let (path, _) = PathTemplate::parse(path, 0).unwrap();
            spec.paths.push(PathRule {
                access: *access,
                path,
                optional: false,
                origin: Origin::new("x.conf", line),
            });
        }
        of_php(&spec).into_iter().map(|(origin, text)| format!("{origin}: {text}")).collect()
    }

    #[test]
    fn folders_that_are_written_are_to_be_read() {
        use PathAccess::{Execute, Read, Write};
        let zones = (Read, "/usr/share");
        assert_eq!(hints(&[zones, (Write, "/dev/null"), (Write, "/srv/a/b"), (Read, "/srv/a")]), [""; 0]);
        assert_eq!(
            hints(&[zones, (Write, "/srv/%{REMOTE_USER}/x"), (Execute, "/srv/%{REMOTE_USER}")]),
            [""; 0]
        );
        let told = hints(&[zones, (Write, "/srv/ab"), (Read, "/srv/a")]);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("x.conf:3: the ruleset blog lets /srv/ab be written and not read"),
            "{told:?}"
        );
    }

    #[test]
    fn time_zones_are_missed_where_the_system_has_them() {
        let told = hints(&[(PathAccess::Read, "/srv")]);
        assert_eq!(told.len(), usize::from(Path::new(ZONES).exists()));
        assert!(
            told.iter().all(|t| t.starts_with("x.conf:1: the ruleset blog grants no time zones")),
            "{told:?}"
        );
    }
}
