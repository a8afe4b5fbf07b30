//! What the kernel's refusal of a move means, and which policy would allow the move.

use super::{Domain, Profile, Unanswered};
use crate::problem::Problem;

/// Explains the kernel's answer to a move (security/tomoyo/securityfs_if.c, tomoyo_write_self).
pub(super) fn of_errno(errno: i32, from: &str, target: &Domain) -> Problem {
    let (why, remedy) = match errno {
        libc::EPERM => (format!("{from} may not move to {target}"), missing_line(from, target)),
        libc::ENOENT => (
            format!("the kernel does not let threads into {target}"),
            format!(
                "define its profile in the namespace {}, as <namespace> 3-CONFIG={{ mode=enforcing }} in \
                     profile.conf",
                target.namespace()
            ),
        ),
        libc::EINVAL => (
            format!("the kernel takes {target} for no name of a domain"),
            "see that each word begins with / and holds no wildcards of patterns".to_owned(),
        ),
        libc::ENOMEM => (
            "the kernel has no memory for the move, or the name is too long".to_owned(),
            "shorten the name, or give the machine or the server's control group more memory".to_owned(),
        ),
        libc::EFAULT | libc::EBADF => (
            "self_domain is not open in this process".to_owned(),
            "restart the server, and report this if it comes again".to_owned(),
        ),
        _ => (
            format!("the kernel refused the move to {target}"),
            "see the kernel's log, and report this with its version".to_owned(),
        ),
    };
    Problem { why, errno: Some(errno), remedy }
}

/// The policy does not have the domain.
pub(super) fn absent(target: &Domain) -> Problem {
    Problem::new(
        format!(
            "the loaded policy has no domain {target}, and the kernel would make one with the server's profile"
        ),
        format!("add it to the domain policy: the lines \"{target}\" and \"use_profile 3\", and its rules"),
    )
}

/// A rule behind an early move would lead out of the domain of that move.
pub(super) fn not_below(early: &Domain, target: &Domain) -> Problem {
    Problem::new(
        format!("{target} does not lie below {early}, where ConfineEarly confined the request"),
        "put the domain there, as in //early //name: all names begin at the server's own domain",
    )
}

/// The profile of the domain looks at nothing.
pub(super) fn disabled(target: &Domain, profile: u8) -> Problem {
    Problem::new(
        format!("{target} has profile {profile}, which is disabled: it confines nothing"),
        "write use_profile 3 (enforcing), or 1 (learning) while its rules are collected; while a policy is being \
             loaded every domain begins with profile 0",
    )
}

/// The profile of the domain does not enforce everything, and it did when the server was started.
pub(super) fn enforces_no_more(target: &Domain, number: u8, profile: &Profile) -> Problem {
    Problem::new(
        format!(
            "{target} has profile {number} now, which does not enforce everything ({}), and had not when the \
                 server was started",
            profile.gaps().unwrap_or_default()
        ),
        "write use_profile 3, or restart the server (gracefully) to serve without enforcement all the same",
    )
}

/// The profile of the domain did not exist when the server was started.
pub(super) fn unknown_profile(target: &Domain, profile: u8) -> Problem {
    Problem::new(
        format!("{target} has profile {profile}, which was not defined when the server was started"),
        "write use_profile 3, or restart the server (gracefully) after a change of profile.conf",
    )
}

/// The thread is not in the domain that it was moved to.
pub(super) fn elsewhere(target: &Domain, found: Option<&str>) -> Problem {
    let found = found.unwrap_or("no domain");
    Problem::new(
        format!("after the move to {target} the thread is in {found}"),
        "see the kernel's log, and report this with its version",
    )
}

/// The policy could not be asked.
pub(super) fn unanswered(error: &Unanswered) -> Problem {
    match error {
        Unanswered::Io(e) => Problem {
            why: format!("the loaded policy could not be asked: {e}"),
            errno: e.raw_os_error(),
            remedy:
                "let the server's first domain read and write /sys/kernel/security/tomoyo/domain_policy, \
                         and restart the server"
                    .to_owned(),
        },
        Unanswered::Garbled => Problem::new(
            "the loaded policy gave an answer that does not belong to the question",
            "see whether an application uses the server's descriptor of domain_policy; a next request may do",
        ),
    }
}

/// The line of the policy that lets a thread move.
pub(super) fn missing_line(from: &str, target: &Domain) -> String {
    format!("add to the domain policy, below {from}: task manual_domain_transition {target}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dog() -> Domain {
        Domain::parse("<kernel> /usr/sbin/apache2 //dog").unwrap()
    }

    #[test]
    fn each_errno_has_its_own_remedy() {
        let says = |errno| {
            let error = crate::lsm::EnterError::from(of_errno(errno, "<kernel> /usr/sbin/apache2", &dog()));
            assert!(!error.forbidden);
            error.to_string()
        };
        assert_eq!(
            says(libc::EPERM),
            "<kernel> /usr/sbin/apache2 may not move to <kernel> /usr/sbin/apache2 //dog (EPERM); add to the domain \
             policy, below <kernel> /usr/sbin/apache2: task manual_domain_transition <kernel> /usr/sbin/apache2 //dog"
        );
        assert_eq!(
            says(libc::ENOENT),
            "the kernel does not let threads into <kernel> /usr/sbin/apache2 //dog (ENOENT); define its profile in the \
             namespace <kernel>, as <namespace> 3-CONFIG={ mode=enforcing } in profile.conf"
        );
        assert_eq!(
            says(libc::EINVAL),
            "the kernel takes <kernel> /usr/sbin/apache2 //dog for no name of a domain (EINVAL); see that each word \
             begins with / and holds no wildcards of patterns"
        );
        assert_eq!(
            says(libc::ENOMEM),
            "the kernel has no memory for the move, or the name is too long (ENOMEM); shorten the name, or give the \
             machine or the server's control group more memory"
        );
        assert_eq!(
            says(libc::EBADF),
            "self_domain is not open in this process (EBADF); restart the server, and report this if it comes again"
        );
        assert_eq!(
            says(libc::EIO),
            "the kernel refused the move to <kernel> /usr/sbin/apache2 //dog (EIO); see the kernel's log, and report \
             this with its version"
        );
    }
}
