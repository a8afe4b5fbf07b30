//! What the kernel's refusal of a move means, and which policy would allow the move.

use super::SecurityContext;
use crate::problem::Problem;

/// Explains the kernel's answer to a move from `own` to `target`. `by_proc` says that the move was a write to /proc,
/// where opening the file can fail, too.
///
/// Kernel: security/selinux/hooks.c, selinux_lsm_setattr. It asks for setcurrent (EACCES), then whether the context is
/// valid (EINVAL), then for the type bounds (EPERM), then for dyntransition (EACCES).
pub(super) fn of_errno(
    errno: i32,
    own: &SecurityContext,
    target: &SecurityContext,
    by_proc: bool,
) -> Problem {
    let from = &own.domain;
    match errno {
        libc::EPERM => Problem {
            why: format!("not bounded by {from}"),
            errno: None,
            remedy: format!("add {} to the policy", typebounds(own, target)),
        },
        libc::EACCES => {
            let mut remedy = format!(
                "add whichever is missing to the policy: {} {}",
                allow_setcurrent(own),
                allow_dyntransition(own, target)
            );
            if own.range != target.range {
                remedy.push_str("; ");
                remedy.push_str(RANGE_HINT);
            }
            if by_proc {
                remedy.push_str(
                    "; if both are there, an earlier move took /proc away: name the SELinux context first",
                );
            }
            Problem { why: format!("{from} may not move to {target}"), errno: None, remedy }
        }
        libc::EINVAL => invalid(target),
        libc::ENOENT if by_proc => Problem {
            why: "/proc/thread-self/attr/current cannot be opened".to_owned(),
            errno: None,
            remedy: "mount /proc where the server runs, also inside a chroot".to_owned(),
        },
        libc::EMFILE | libc::ENFILE if by_proc => Problem {
            why: "/proc/thread-self/attr/current cannot be opened".to_owned(),
            errno: None,
            remedy: "raise the limit of open files (LimitNOFILE=, ulimit -n)".to_owned(),
        },
        libc::ENOSYS | libc::EOPNOTSUPP => Problem {
            why: "the kernel takes no SELinux context".to_owned(),
            errno: None,
            remedy: "see that SELinux is active (sestatus), and restart the server".to_owned(),
        },
        libc::ENOMEM => Problem {
            why: "the kernel has no memory for the move".to_owned(),
            errno: None,
            remedy: "give the machine or the server's control group more memory".to_owned(),
        },
        _ => Problem {
            why: format!("the kernel refused the move to {target}"),
            errno: None,
            remedy: "see the kernel's log, and report this with its version".to_owned(),
        },
    }
}

const RANGE_HINT: &str = "if they are there, a constraint forbids the range: let the server start with a range that \
                          holds it, as with (rangetransition initrc_t httpd_exec_t process ((s0)(s0 (range c0 \
                          c1023))))";

/// EINVAL: a part of the context is unknown, or the parts do not fit each other.
pub(super) fn invalid(target: &SecurityContext) -> Problem {
    let SecurityContext { user, role, domain, range } = target;
    let range = match range {
        Some(range) => format!(", and {user} may have the range {range} (semanage user -l)"),
        None => String::new(),
    };
    Problem {
        why: format!("the loaded policy does not accept {target}"),
        errno: None,
        remedy: format!(
            "see that it holds (type {domain}), (roletype {role} {domain}) and (userrole {user} {role}){range}"
        ),
    }
}

/// The rule that lets the server's threads move at all.
pub(super) fn allow_setcurrent(own: &SecurityContext) -> String {
    format!("(allow {} self (process (setcurrent)))", own.domain)
}

/// The rule that lets the server's threads move to `target`.
pub(super) fn allow_dyntransition(own: &SecurityContext, target: &SecurityContext) -> String {
    let to = if own.domain == target.domain { "self" } else { &target.domain };
    format!("(allow {} {to} (process (dyntransition)))", own.domain)
}

/// The rule that bounds the type of `target` by the server's.
pub(super) fn typebounds(own: &SecurityContext, target: &SecurityContext) -> String {
    format!("(typebounds {} {})", own.domain, target.domain)
}

/// Explains that a move is refused because the policy lacks these rules. `rules` is not empty.
pub(super) fn missing(rules: &[String], own: &SecurityContext, target: &SecurityContext) -> Problem {
    let mut remedy = format!("add to the policy: {}", rules.join(" "));
    if own.range != target.range && rules.contains(&allow_dyntransition(own, target)) {
        remedy.push_str("; ");
        remedy.push_str(RANGE_HINT);
    }
    Problem { why: format!("{} may not move to {target}", own.domain), errno: None, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(raw: &str) -> SecurityContext {
        SecurityContext::parse(raw).unwrap()
    }

    fn says(errno: i32, target: &str, by_proc: bool) -> String {
        let Problem { why, remedy, .. } =
            of_errno(errno, &context("system_u:system_r:httpd_t:s0"), &context(target), by_proc);
        format!("{why}; {remedy}")
    }

    const DOG: &str = "system_u:system_r:httpd_dog_t:s0";

    #[test]
    fn each_errno_has_its_own_remedy() {
        assert_eq!(
            says(libc::EPERM, DOG, false),
            "not bounded by httpd_t; add (typebounds httpd_t httpd_dog_t) to the policy"
        );
        assert_eq!(
            says(libc::EACCES, DOG, false),
            "httpd_t may not move to system_u:system_r:httpd_dog_t:s0; add whichever is missing to the policy: \
             (allow httpd_t self (process (setcurrent))) (allow httpd_t httpd_dog_t (process (dyntransition)))"
        );
        assert_eq!(
            says(libc::EINVAL, DOG, false),
            "the loaded policy does not accept system_u:system_r:httpd_dog_t:s0; see that it holds (type \
             httpd_dog_t), (roletype system_r httpd_dog_t) and (userrole system_u system_r), and system_u may have \
             the range s0 (semanage user -l)"
        );
        assert_eq!(
            says(libc::EINVAL, "u:r:t", false),
            "the loaded policy does not accept u:r:t; see that it holds (type t), (roletype r t) and (userrole u r)"
        );
        assert_eq!(
            says(libc::EOPNOTSUPP, DOG, false),
            "the kernel takes no SELinux context; see that SELinux is active (sestatus), and restart the server"
        );
        assert_eq!(
            says(libc::EIO, DOG, true),
            "the kernel refused the move to system_u:system_r:httpd_dog_t:s0; see the kernel's log, and report this \
             with its version"
        );
    }

    #[test]
    fn proc_can_refuse_for_its_own_reasons() {
        assert!(says(libc::EACCES, DOG, true).ends_with(
            "; if both are there, an earlier move took /proc away: name the SELinux context first"
        ));
        assert!(
            says(libc::ENOENT, DOG, true)
                .starts_with("/proc/thread-self/attr/current cannot be opened; mount")
        );
        assert!(
            says(libc::EMFILE, DOG, true)
                .ends_with("raise the limit of open files (LimitNOFILE=, ulimit -n)")
        );
    }

    #[test]
    fn a_change_of_range_alone_is_about_the_domain_itself() {
        assert_eq!(
            says(libc::EACCES, "system_u:system_r:httpd_t:s0:c1", false),
            "httpd_t may not move to system_u:system_r:httpd_t:s0:c1; add whichever is missing to the policy: \
             (allow httpd_t self (process (setcurrent))) (allow httpd_t self (process (dyntransition))); if they \
             are there, a constraint forbids the range: let the server start with a range that holds it, as with \
             (rangetransition initrc_t httpd_exec_t process ((s0)(s0 (range c0 c1023))))"
        );
    }
}
