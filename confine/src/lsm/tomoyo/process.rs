//! What TOMOYO asks of a process that moves to its domain and then executes a program.
//!
//! The line `file execute PROGRAM` lets it. After that the program is in another domain, whose name is that of the
//! context with the program's behind it, unless the policy says that it stays: `file execute PROGRAM keep`, or a line
//! `keep_domain` of the exception policy. A domain of this kind that the policy does not have is made by the kernel, with
//! the profile of the context and without a rule, so that the program can do nothing.

use std::{fs, path::Path};

use super::{Domain, Kernel, Mode, Pattern, Shared, policy::Domains, refusal};
use crate::{lsm::quoted, problem::Problem};

/// Whether a process in `domain` may execute `program`, and where it is then. What the policy does not tell is no error:
/// groups of paths and of rules may allow it, too.
pub(super) fn may_execute(
    shared: &Shared,
    kernel: &Kernel,
    domain: &Domain,
    program: &Path,
) -> Result<(), Problem> {
    let Ok(snapshot) = &shared.snapshot else { return Ok(()) };
    let text = kernel.domain_text(domain).map_err(|e| refusal::unanswered(&e))?;
    let Some(entry) = Domains::parse(&text).get(domain).cloned() else {
        return Err(refusal::absent(domain));
    };
    let enforces = snapshot.profiles.of(domain, entry.profile).is_none_or(|profile| {
        let of_kind = ["file::execute", "file"].iter().find_map(|kind| profile.exceptions.get(*kind));
        *of_kind.unwrap_or(&profile.mode) == Mode::Enforcing
    });
    let shown = quoted(&program.to_string_lossy());
    match execution(&text, program) {
        Execution::Refused if enforces && !entry.groups => {
            Err(Problem::new(format!("{domain} may not execute {shown}"), to_execute(domain, program)))
        }
        Execution::LeadsOn if !keeps(&shared.folder, domain) => {
            let next = format!("{domain} {}", program.display());
            let found = Domain::parse(&next).ok().and_then(|next| {
                let text = kernel.domain_text(&next).ok()?;
                Some((Domains::parse(&text).get(&next)?.profile, next))
            });
            match found {
                Some((profile, next)) => shared.accept(&next, profile),
                None => Err(Problem::new(
                    format!(
                        "whoever executes {shown} in {domain} goes on to {next}, which the policy does not have"
                    ),
                    format!(
                        "write `file execute {} keep` there, or add that domain with its rules",
                        program.display()
                    ),
                )),
            }
        }
        _ => Ok(()),
    }
}

/// The line that lets a process in `domain` execute `program`, and stay.
pub(super) fn to_execute(domain: &Domain, program: &Path) -> String {
    format!("add `file execute {} keep` to the policy of {domain}", program.display())
}

/// What a domain's lines say of a program.
#[derive(Debug, PartialEq, Eq)]
enum Execution {
    /// No line allows it.
    Refused,
    /// A line allows it, and the program stays in the domain, or where the line says.
    Placed,
    /// A line allows it, and the program goes on to a domain of its own.
    LeadsOn,
    /// A line names a group of paths, which may have the program.
    Unknown,
}

fn execution(lines: &str, program: &Path) -> Execution {
    let program = program.as_os_str().as_encoded_bytes();
    let mut found = Execution::Refused;
    for line in lines.lines().filter_map(|line| line.strip_prefix("file ")) {
        let Some((kinds, rest)) = line.split_once(' ') else { continue };
        if !kinds.split('/').any(|kind| kind == "execute") {
            continue;
        }
        let (path, preference) = rest.split_once(' ').unwrap_or((rest, ""));
        if path.starts_with('@') {
            found = Execution::Unknown;
        } else if Pattern::parse(path).is_ok_and(|pattern| pattern.matches(program)) {
            // Conditions hold an equals sign, and a preference comes before them.
            let preference = preference.split(' ').next().unwrap_or_default();
            let leads_on = preference.is_empty() || preference.contains('=') || preference == "child";
            return if leads_on { Execution::LeadsOn } else { Execution::Placed };
        }
    }
    found
}

/// Whether a line of the exception policy may keep programs in the domain.
fn keeps(folder: &Path, domain: &Domain) -> bool {
    let Ok(text) = fs::read_to_string(folder.join("exception_policy")) else { return true };
    let last = domain.as_str().rsplit(' ').next().unwrap_or_default();
    let from = |line: &str| line.split_once(" from ").map(|(_, from)| from.to_owned());
    let lines = text.lines().filter(|line| line.contains("keep_domain ") && !line.contains("no_keep_domain"));
    lines.filter_map(from).any(|from| from == "any" || from == domain.as_str() || from == last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "<kernel> /usr/sbin/apache2 //dog\nuse_profile 3\n\nfile read /usr/lib/\\*\n\
                         file execute /usr/bin/php-cgi keep\nfile read/execute /usr/bin/perl\n\
                         file execute /opt/\\*/run exec.realpath=\"/opt/x/run\"\n";

    fn of(program: &str) -> Execution {
        execution(LINES, Path::new(program))
    }

    #[test]
    fn a_domains_lines_say_what_it_executes_and_where_that_leads() {
        assert_eq!(of("/usr/bin/php-cgi"), Execution::Placed);
        assert_eq!(of("/usr/bin/perl"), Execution::LeadsOn);
        assert_eq!(of("/opt/x/run"), Execution::LeadsOn);
        assert_eq!(of("/usr/bin/php"), Execution::Refused);
        assert_eq!(of("/usr/lib/x"), Execution::Refused);
        assert_eq!(execution("file execute @PROGRAMS keep\n", Path::new("/x")), Execution::Unknown);
    }

    #[test]
    fn the_exception_policy_can_keep_programs_in_a_domain() {
        let folder = tempfile::tempdir().unwrap();
        let dog = Domain::parse("<kernel> /usr/sbin/apache2 //dog").unwrap();
        let with = |line: &str| {
            fs::write(folder.path().join("exception_policy"), line).unwrap();
            keeps(folder.path(), &dog)
        };
        assert!(with("<kernel> keep_domain any from <kernel> /usr/sbin/apache2 //dog\n"));
        assert!(with("keep_domain /usr/bin/php-cgi from //dog\n"));
        assert!(!with("keep_domain any from <kernel> /usr/sbin/apache2 //cat\n"));
        assert!(!with("no_keep_domain any from any\n"));
        assert!(!with("initialize_domain /usr/sbin/apache2 from any\n"));
    }
}
