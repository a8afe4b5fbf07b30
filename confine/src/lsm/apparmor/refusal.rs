//! What the kernel's refusal of a move means, and which policy would allow the move.

use super::text::{How, Written};
use crate::problem::Problem;

/// The step that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Opening the thread's own file below /proc.
    Open,
    /// The move itself, or the question before it whether it would be allowed.
    Move,
}

/// The rule that the server's profile needs for the move.
pub(super) fn change_profile(to: Written<'_>) -> String {
    let stack = if to.how == How::Stack { "&" } else { "" };
    format!("change_profile -> {stack}{},", to.name)
}

/// Explains the kernel's answer to a move from `own`, a label, to `to`.
///
/// Kernel: security/apparmor/domain.c, aa_change_profile. A profile that is not loaded is ENOENT, a missing rule
/// EACCES, and a move that no_new_privs forbids is EPERM.
pub(super) fn of_errno(step: Step, errno: i32, own: &str, to: Written<'_>) -> Problem {
    match step {
        Step::Open => on_opening(errno, own),
        Step::Move => after_move(errno, own, to),
    }
}

fn after_move(errno: i32, own: &str, to: Written<'_>) -> Problem {
    let name = to.name;
    let may_not = |remedy| Problem { why: format!("{own} may not go to {to}"), errno: None, remedy };
    match errno {
        libc::ENOENT => absent(name),
        libc::EACCES => {
            let whose = if own.contains("//&") { "each of the profiles" } else { "the profile" };
            may_not(format!("add `{}` to {whose} {own}", change_profile(to)))
        }
        libc::EPERM => may_not(format!(
            "no_new_privs is set, under which a thread may only be confined further: write \"stack {name}\"; \
                 or name the AppArmor context before any Landlock ruleset, and start the server without \
                 NoNewPrivileges="
        )),
        libc::EINVAL => Problem {
            why: format!("the kernel does not take {name} for a profile's name"),
            errno: None,
            remedy: "give the profile another name".to_owned(),
        },
        libc::ENOSYS | libc::EOPNOTSUPP => Problem {
            why: "the kernel takes no AppArmor profile".to_owned(),
            errno: None,
            remedy: "see that AppArmor is active (aa-enabled), and restart the server".to_owned(),
        },
        libc::ENOMEM => Problem {
            why: "the kernel has no memory for the move".to_owned(),
            errno: None,
            remedy: "give the machine or the server's control group more memory".to_owned(),
        },
        _ => Problem {
            why: format!("the kernel refused to go to {to}"),
            errno: None,
            remedy: "see the kernel's log, and report this with its version".to_owned(),
        },
    }
}

fn on_opening(errno: i32, own: &str) -> Problem {
    let why = "the thread's own attr/current below /proc cannot be opened".to_owned();
    let remedy = match errno {
        libc::EACCES | libc::EPERM => format!(
            "add `@{{PROC}}/@{{pid}}/task/@{{tid}}/attr/{{current,apparmor/current}} rw,` to the profile {own}, \
                 without `owner`, as these files are root's once the server has given up root; if it is there, an \
                 earlier move took /proc away: name the AppArmor context first"
        ),
        libc::ENOENT => "mount /proc where the server runs, also inside a chroot".to_owned(),
        libc::EMFILE | libc::ENFILE => "raise the limit of open files (LimitNOFILE=, ulimit -n)".to_owned(),
        _ => "see the kernel's log, and report this with its version".to_owned(),
    };
    Problem { why, errno: None, remedy }
}

/// The profile is not loaded.
pub(super) fn absent(name: &str) -> Problem {
    let what = match name.rsplit_once("//") {
        Some((parent, hat)) => format!("the profile {parent} with a hat ^{hat}"),
        None => format!("a profile {name}"),
    };
    Problem {
        why: format!("no profile {name} is loaded"),
        errno: None,
        remedy: format!(
            "write {what} in /etc/apparmor.d, load it with apparmor_parser -r FILE, see it with aa-status"
        ),
    }
}

/// The thread has moved, but not to `to`. `label` is what the kernel prints.
pub(super) fn elsewhere(label: &str, to: Written<'_>) -> Problem {
    Problem {
        why: format!("the kernel let the thread go to {label} instead of {to}"),
        errno: None,
        remedy: format!(
            "see that a profile {} is loaded and enforces, and that the server's own profile is not in complain mode \
             (aa-status)",
            to.name
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(step: Step, errno: i32, own: &str, text: &str) -> String {
        let Problem { why, remedy, .. } = of_errno(step, errno, own, Written::parse(text).unwrap());
        format!("{why}; {remedy}")
    }

    #[test]
    fn each_errno_has_its_own_remedy() {
        assert_eq!(
            says(Step::Move, libc::EACCES, "apache2", "blog"),
            "apache2 may not go to blog; add `change_profile -> blog,` to the profile apache2"
        );
        assert_eq!(
            says(Step::Move, libc::EACCES, "apache2//&dog", "stack blog"),
            "apache2//&dog may not go to stack blog; add `change_profile -> &blog,` to each of the profiles \
             apache2//&dog"
        );
        assert_eq!(
            says(Step::Move, libc::ENOENT, "apache2", "blog"),
            "no profile blog is loaded; write a profile blog in /etc/apparmor.d, load it with apparmor_parser -r \
             FILE, see it with aa-status"
        );
        assert_eq!(
            says(Step::Move, libc::ENOENT, "apache2", "apache2//blog"),
            "no profile apache2//blog is loaded; write the profile apache2 with a hat ^blog in /etc/apparmor.d, load \
             it with apparmor_parser -r FILE, see it with aa-status"
        );
        assert_eq!(
            says(Step::Move, libc::EPERM, "apache2", "blog"),
            "apache2 may not go to blog; no_new_privs is set, under which a thread may only be confined further: \
             write \"stack blog\"; or name the AppArmor context before any Landlock ruleset, and start the server \
             without NoNewPrivileges="
        );
        assert!(says(Step::Move, libc::EOPNOTSUPP, "apache2", "blog").contains("aa-enabled"));
        assert!(
            says(Step::Move, libc::EIO, "apache2", "blog")
                .starts_with("the kernel refused to go to blog; see")
        );
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_told_apart() {
        assert_eq!(
            says(Step::Open, libc::EACCES, "apache2", "blog"),
            "the thread's own attr/current below /proc cannot be opened; add \
             `@{PROC}/@{pid}/task/@{tid}/attr/{current,apparmor/current} rw,` to the profile apache2, without \
             `owner`, as these files are root's once the server has given up root; if it is there, an earlier move \
             took /proc away: name the AppArmor context first"
        );
        assert!(says(Step::Open, libc::ENOENT, "apache2", "blog").contains("mount /proc"));
        assert!(says(Step::Open, libc::EMFILE, "apache2", "blog").contains("LimitNOFILE="));
    }
}
