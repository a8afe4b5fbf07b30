//! Whether a context would be accepted, asked before any request needs it.
//!
//! The policy can be asked through selinuxfs whether a context is valid and whether two permissions
//! are there; it cannot be asked for bounds. The sure way is to try: a throw-away thread moves and
//! ends. What selinuxfs says completes the message, so that every missing rule is named at once.

use std::{io, thread};

use super::{
    ContextMove, PrepareError, SecurityContext, Selinux, prepare_error,
    refusal::{self, Refusal},
};

/// How the throw-away thread fared.
enum Trial {
    Moved,
    Refused(i32),
    /// This process is not in the server's context, so that its move would prove nothing.
    Impossible,
}

impl Selinux {
    /// Moves a throw-away thread to the context `text` means, and gives the kernel's answer. For a
    /// process in the server's own context.
    pub fn trial(&self, text: &str) -> Result<(), PrepareError> {
        let (own, target) = self.other_target(text)?;
        let way = self.way(text, own, &target)?;
        match try_in_a_thread(&way).map_err(|e| no_thread(text, &e))? {
            Ok(()) => Ok(()),
            Err(errno) => Err(self.refused(text, errno, own, &target)),
        }
    }

    pub(super) fn check_target(
        &self,
        text: &str,
        own: &SecurityContext,
        target: &SecurityContext,
    ) -> Result<(), PrepareError> {
        let unanswered = match self.selinuxfs.validate(&target.to_string()) {
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
                return Err(self.refused(text, libc::EINVAL, own, target));
            }
            validity => validity.err(),
        };
        let (missing, unanswered) = match self.missing_rules(own, target) {
            Ok(rules) => (rules, unanswered),
            Err(e) => (Vec::new(), unanswered.or(Some(e))),
        };

        let trial = if self.assumed {
            Trial::Impossible
        } else {
            match try_in_a_thread(&self.way(text, own, target)?).map_err(|e| no_thread(text, &e))? {
                Ok(()) => Trial::Moved,
                Err(errno) => Trial::Refused(errno),
            }
        };
        self.conclude(text, own, target, &trial, missing, unanswered)?;
        self.look_for_traps(own, target);
        Ok(())
    }

    /// The trial decides; what the policy said about its rules goes into the message.
    fn conclude(
        &self,
        text: &str,
        own: &SecurityContext,
        target: &SecurityContext,
        trial: &Trial,
        mut missing: Vec<String>,
        unanswered: Option<io::Error>,
    ) -> Result<(), PrepareError> {
        let error = |errno, missing: &[String]| {
            let Refusal { why, remedy } = refusal::missing(missing, own, target);
            Err(prepare_error(text, &why, errno, &remedy))
        };
        match trial {
            Trial::Refused(errno) => {
                if *errno == libc::EPERM && !missing.is_empty() {
                    missing.insert(0, refusal::typebounds(own, target));
                }
                if missing.is_empty() || !matches!(*errno, libc::EPERM | libc::EACCES) {
                    return Err(self.refused(text, *errno, own, target));
                }
                error(Some(*errno), &missing)
            }
            Trial::Impossible if !missing.is_empty() => error(None, &missing),
            Trial::Impossible => {
                if let Some(e) = unanswered {
                    self.note(format!(
                        "selinux:{text} could not be checked against the policy: {e}; mount selinuxfs at {}, and let \
                         this process use it",
                        self.roots.selinuxfs.display(),
                    ));
                }
                Ok(())
            }
            // Only a permissive kernel, or a permissive domain, lets such a move pass.
            Trial::Moved if !missing.is_empty() => {
                self.note(format!(
                    "selinux:{text} works only because SELinux or {} is permissive; add to the policy: {}",
                    own.domain,
                    missing.join(" "),
                ));
                Ok(())
            }
            Trial::Moved => Ok(()),
        }
    }

    fn refused(
        &self,
        text: &str,
        errno: i32,
        own: &SecurityContext,
        target: &SecurityContext,
    ) -> PrepareError {
        let by_proc = self.interface == super::Interface::Proc;
        let Refusal { why, remedy } = Refusal::new(errno, own, target, by_proc);
        prepare_error(text, &why, Some(errno), &remedy)
    }

    /// The rules for a move that the policy does not have, in CIL.
    fn missing_rules(&self, own: &SecurityContext, target: &SecurityContext) -> io::Result<Vec<String>> {
        let (source, to) = (own.to_string(), target.to_string());
        let mut missing = Vec::new();
        let setcurrent = self.selinuxfs.permission("process", "setcurrent")?;
        if self.selinuxfs.access(&source, &source, "process")?.allowed & setcurrent == 0 {
            missing.push(refusal::allow_setcurrent(own));
        }
        let dyntransition = self.selinuxfs.permission("process", "dyntransition")?;
        if self.selinuxfs.access(&source, &to, "process")?.allowed & dyntransition == 0 {
            missing.push(refusal::allow_dyntransition(own, target));
        }
        Ok(missing)
    }

    /// Moves that succeed and confine nothing. What cannot be asked is passed over: a warning is not
    /// worth an error.
    fn look_for_traps(&self, own: &SecurityContext, target: &SecurityContext) {
        let to = target.to_string();
        if self.selinuxfs.access(&to, &to, "process").is_ok_and(|d| d.permissive) {
            self.note(permissive_domain(&target.domain));
        }
        // Whoever names categories of its own, in the server's type or another, counts on them.
        let by_category =
            target.range != own.range && target.range.as_deref().is_some_and(|r| r.contains(':'));
        if (own.domain == target.domain || by_category) && self.ignores_categories(target).unwrap_or(false) {
            self.note(categories_ignored(&target.domain));
        }
    }

    /// Whether the policy lets a process of this type with category c0 read files of its own type
    /// with category c1 (such as /proc/PID of its like). Then categories do not confine the type.
    fn ignores_categories(&self, of: &SecurityContext) -> io::Result<bool> {
        let sensitivity = match &of.range {
            Some(range) => range.split([':', '-']).next().unwrap_or("s0"),
            None => return Ok(false),
        };
        let at = |category: &str| of.at_range(&format!("{sensitivity}:{category}")).to_string();
        let read = self.selinuxfs.permission("file", "read")?;
        let may_read = |object: &str| {
            Ok::<_, io::Error>(self.selinuxfs.access(&at("c0"), object, "file")?.allowed & read != 0)
        };
        // If it may not even read its own, the question was none.
        Ok(may_read(&at("c0"))? && may_read(&at("c1"))?)
    }
}

fn try_in_a_thread(way: &ContextMove) -> io::Result<Result<(), i32>> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("confine-trial".to_owned())
            .spawn_scoped(scope, || way.enter_raw())?;
        thread.join().map_err(|_| io::Error::other("the trial's thread panicked"))
    })
}

fn no_thread(text: &str, error: &io::Error) -> PrepareError {
    prepare_error(
        text,
        &format!("no thread could be made to try it: {error}"),
        None,
        "raise the server's limit of threads (TasksMax=, ulimit -u)",
    )
}

/// A warning.
pub(super) fn permissive_domain(domain: &str) -> String {
    format!(
        "the domain {domain} is permissive: the kernel logs and refuses nothing there; remove it from the permissive \
         ones (semanage permissive -d {domain})"
    )
}

/// A warning.
fn categories_ignored(domain: &str) -> String {
    format!(
        "the policy does not enforce categories for {domain}, so that contexts which differ only in their range \
         confine nothing; add (typeattributeset mcs_constrained_type ({domain})) to the policy"
    )
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Backend, Interface, Roots},
        *,
    };

    const OWN: &str = "system_u:system_r:httpd_t:s0";

    fn context(raw: &str) -> SecurityContext {
        SecurityContext::parse(raw).unwrap()
    }

    fn backend() -> Selinux {
        let roots = Roots { selinuxfs: "/nonexistent".into(), ..Roots::default() };
        Selinux::with(roots, Interface::Syscall, Ok(context(OWN)), true)
    }

    fn conclude(trial: Trial, missing: &[&str]) -> (Result<(), String>, Vec<String>) {
        let selinux = backend();
        let missing = missing.iter().map(|m| (*m).to_owned()).collect();
        let target = context("system_u:system_r:httpd_dog_t:s0");
        let result = selinux.conclude("httpd_dog_t", &context(OWN), &target, &trial, missing, None);
        let notes = selinux.found.lock().unwrap().iter().cloned().collect();
        (result.map_err(|e| e.to_string()), notes)
    }

    const DYNTRANSITION: &str = "(allow httpd_t httpd_dog_t (process (dyntransition)))";

    #[test]
    fn every_missing_rule_is_named_at_once() {
        let (result, _) = conclude(Trial::Refused(libc::EPERM), &[DYNTRANSITION]);
        assert_eq!(
            result.unwrap_err(),
            "selinux:httpd_dog_t: httpd_t may not move to system_u:system_r:httpd_dog_t:s0 (EPERM); add to the \
             policy: (typebounds httpd_t httpd_dog_t) (allow httpd_t httpd_dog_t (process (dyntransition)))"
        );
        let (result, _) = conclude(Trial::Refused(libc::EPERM), &[]);
        assert_eq!(
            result.unwrap_err(),
            "selinux:httpd_dog_t: not bounded by httpd_t (EPERM); add (typebounds httpd_t httpd_dog_t) to the policy"
        );
        let (result, _) = conclude(Trial::Refused(libc::EACCES), &[DYNTRANSITION]);
        assert_eq!(
            result.unwrap_err(),
            "selinux:httpd_dog_t: httpd_t may not move to system_u:system_r:httpd_dog_t:s0 (EACCES); add to the \
             policy: (allow httpd_t httpd_dog_t (process (dyntransition)))"
        );
        let (result, _) = conclude(Trial::Impossible, &[DYNTRANSITION]);
        assert_eq!(
            result.unwrap_err(),
            "selinux:httpd_dog_t: httpd_t may not move to system_u:system_r:httpd_dog_t:s0; add to the policy: \
             (allow httpd_t httpd_dog_t (process (dyntransition)))"
        );
    }

    #[test]
    fn the_trial_is_believed_more_than_the_rules() {
        assert_eq!(conclude(Trial::Moved, &[]), (Ok(()), vec![]));
        let (result, notes) = conclude(Trial::Moved, &[DYNTRANSITION]);
        assert_eq!(result, Ok(()));
        assert_eq!(
            notes,
            [
                "selinux:httpd_dog_t works only because SELinux or httpd_t is permissive; add to the policy: (allow \
              httpd_t httpd_dog_t (process (dyntransition)))"
            ]
        );
        let (result, _) = conclude(Trial::Refused(libc::EINVAL), &[DYNTRANSITION]);
        assert!(result.unwrap_err().contains("the loaded policy does not accept"));
    }

    #[test]
    fn a_context_that_nobody_could_check_is_warned_of() {
        let selinux = backend();
        selinux.check("httpd_dog_t").unwrap();
        assert!(selinux.warnings().contains(
            &"selinux:httpd_dog_t could not be checked against the policy: No such file or directory (os error 2); \
              mount selinuxfs at /nonexistent, and let this process use it"
                .to_owned()
        ));
    }

    #[test]
    fn warnings_name_the_domain_and_the_cure() {
        assert_eq!(
            permissive_domain("dog_t"),
            "the domain dog_t is permissive: the kernel logs and refuses nothing there; remove it from the \
             permissive ones (semanage permissive -d dog_t)"
        );
        assert_eq!(
            categories_ignored("httpd_t"),
            "the policy does not enforce categories for httpd_t, so that contexts which differ only in their range \
             confine nothing; add (typeattributeset mcs_constrained_type (httpd_t)) to the policy"
        );
    }

    #[test]
    fn a_trial_happens_in_a_thread_of_its_own_and_gives_the_kernels_answer() {
        let roots = Roots { proc: "/nonexistent".into(), ..Roots::default() };
        let selinux = Selinux::with(roots, Interface::Proc, Ok(context(OWN)), false);
        let error = selinux.trial("httpd_dog_t").unwrap_err();
        assert_eq!(error.errno, Some(libc::ENOENT));
        assert!(error.to_string().contains("mount /proc where the server runs"), "{error}");
    }
}
