//! Whether the kernel would accept a context. This is asked at startup, before any request needs the context.
//!
//! selinuxfs answers whether a context is valid, and whether the policy has the two allow rules of a move. It has no
//! question for type bounds. So the check makes the move, in a thread that ends afterwards. The answers of selinuxfs
//! complete the message, so that it names all missing rules at once and not only the first.

use crate::problem::Problem;
use std::{io, thread};

use super::{ContextMove, Left, PrepareError, SecurityContext, Selinux, Target, prepare_error, refusal};

/// How the move of the trial's thread ended.
enum Trial {
    Moved,
    Refused(i32),
    /// No move was made, because this process is not in the server's context: the move would prove nothing.
    Impossible,
}

impl Selinux {
    /// Moves a thread to the context that `text` means, and gives the kernel's answer. The thread ends afterwards. This
    /// process must be in the server's own context.
    pub fn trial(&self, text: &str) -> Result<(), PrepareError> {
        let target = self.other_target(text)?;
        let (own, whole) = (target.own, target.whole.clone());
        let way = self.way_to(text, target)?;
        match try_in_a_thread(&[], &way).map_err(|e| no_thread(text, &e))? {
            Ok(()) => Ok(()),
            Err(errno) => Err(self.refused(text, errno, own, &whole)),
        }
    }

    pub(super) fn check_target(&self, text: &str, target: Target<'_>) -> Result<(), PrepareError> {
        let from = self.way.last().unwrap_or(target.own);
        if *from == target.whole {
            // An early move has led here, and that move was checked by itself.
            return Ok(());
        }
        if let Some(Problem { why, remedy, .. }) = target.unclear_from(from) {
            return Err(prepare_error(text, &why, None, &remedy));
        }
        let whole = target.whole.clone();
        let unanswered = match self.files.selinuxfs.validate(&whole.to_string()) {
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
                return Err(self.refused(text, libc::EINVAL, from, &whole));
            }
            validity => validity.err(),
        };
        let (missing, unanswered) = match self.missing_rules(from, &whole) {
            Ok(rules) => (rules, unanswered),
            Err(e) => (Vec::new(), unanswered.or(Some(e))),
        };
        let trial = self.try_target(text, target)?;
        self.conclude(text, from, &whole, &trial, missing, unanswered)?;
        self.look_for_traps(from, &whole);
        Ok(())
    }

    /// Moves a thread on the way that requests go. The thread ends afterwards.
    fn try_target(&self, text: &str, target: Target<'_>) -> Result<Trial, PrepareError> {
        if self.assumed {
            return Ok(Trial::Impossible);
        }
        let own = target.own;
        let step = |whole: &SecurityContext| {
            let step = Target { own, left: Left::NOTHING, whole: whole.clone() };
            self.way_to(text, step)
        };
        let earlier = self.way.iter().map(step).collect::<Result<Vec<_>, _>>()?;
        let way = self.way_to(text, target)?;
        let tried = try_in_a_thread(&earlier, &way).map_err(|e| no_thread(text, &e))?;
        Ok(tried.map_or_else(Trial::Refused, |()| Trial::Moved))
    }

    /// Gives the result. The trial decides, and what the policy said about its rules goes into the message.
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
            let Problem { why, remedy, .. } = refusal::missing(missing, own, target);
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
            // The kernel lets a move without its rules pass only if the kernel, or the domain, is permissive.
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
        let Problem { why, remedy, .. } = refusal::of_errno(errno, own, target, by_proc);
        prepare_error(text, &why, Some(errno), &remedy)
    }

    /// The rules, in CIL, that the policy lacks for a move.
    fn missing_rules(&self, own: &SecurityContext, target: &SecurityContext) -> io::Result<Vec<String>> {
        let (source, to) = (own.to_string(), target.to_string());
        let mut missing = Vec::new();
        let setcurrent = self.files.selinuxfs.permission("process", "setcurrent")?;
        if self.files.selinuxfs.access(&source, &source, "process")?.allowed & setcurrent == 0 {
            missing.push(refusal::allow_setcurrent(own));
        }
        let dyntransition = self.files.selinuxfs.permission("process", "dyntransition")?;
        if self.files.selinuxfs.access(&source, &to, "process")?.allowed & dyntransition == 0 {
            missing.push(refusal::allow_dyntransition(own, target));
        }
        Ok(missing)
    }

    /// Notes what makes a move succeed and confine nothing. A question that fails is passed over, because a warning is
    /// not worth an error.
    fn look_for_traps(&self, own: &SecurityContext, target: &SecurityContext) {
        let to = target.to_string();
        if self.files.selinuxfs.access(&to, &to, "process").is_ok_and(|d| d.permissive) {
            self.note(permissive_domain(&target.domain));
        }
        // Who writes categories that differ from the server's expects that they confine, with the server's type as with
        // another.
        let by_category =
            target.range != own.range && target.range.as_deref().is_some_and(|r| r.contains(':'));
        if (own.domain == target.domain || by_category) && self.ignores_categories(target).unwrap_or(false) {
            self.note(categories_ignored(&target.domain));
        }
    }

    /// Whether the policy lets a process with this type and category c0 read a file of the same type with category c1.
    /// The files of another process below /proc/PID are such files. If it does, categories do not confine the type.
    fn ignores_categories(&self, of: &SecurityContext) -> io::Result<bool> {
        let sensitivity = match &of.range {
            Some(range) => range.split([':', '-']).next().unwrap_or("s0"),
            None => return Ok(false),
        };
        let at = |category: &str| of.at_range(&format!("{sensitivity}:{category}")).to_string();
        let read = self.files.selinuxfs.permission("file", "read")?;
        let may_read = |object: &str| {
            Ok::<_, io::Error>(self.files.selinuxfs.access(&at("c0"), object, "file")?.allowed & read != 0)
        };
        // A process that cannot even read a file with its own category says nothing about categories.
        Ok(may_read(&at("c0"))? && may_read(&at("c1"))?)
    }
}

/// What the loaded policy says about the server, apart from the contexts that rules name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPolicy {
    /// The newest version of the policy format that the kernel reads (`policyvers`).
    pub version: u32,
    /// Whether the policy knows the server's context. If not, the other fields mean nothing.
    pub knows_server: bool,
    /// Whether the server's domain is permissive, so that the kernel logs denials and refuses nothing.
    pub permissive: bool,
    /// The rule, in CIL, that any move of a thread of the server needs. `None` says that the policy has it.
    pub missing: Option<String>,
    /// Whether the policy enforces categories for the server's domain. `None` says that the context has no range.
    pub categories: Option<bool>,
}

impl Selinux {
    /// Asks the loaded policy about the server's own context, to inspect a machine. It needs selinuxfs and the right to
    /// ask it, which the domains of administrators have.
    pub fn server_policy(&self) -> io::Result<ServerPolicy> {
        let own = self.own.as_ref().map_err(|e| io::Error::other(e.clone()))?;
        let version = self.files.selinuxfs.policy_version()?;
        let raw = own.to_string();
        match self.files.selinuxfs.validate(&raw) {
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
                let nothing = ServerPolicy {
                    version,
                    knows_server: false,
                    permissive: false,
                    missing: None,
                    categories: None,
                };
                return Ok(nothing);
            }
            validity => validity?,
        }
        let decision = self.files.selinuxfs.access(&raw, &raw, "process")?;
        let setcurrent = self.files.selinuxfs.permission("process", "setcurrent")?;
        let categories = match own.range {
            Some(_) => Some(!self.ignores_categories(own)?),
            None => None,
        };
        Ok(ServerPolicy {
            version,
            knows_server: true,
            permissive: decision.permissive,
            missing: (decision.allowed & setcurrent == 0).then(|| refusal::allow_setcurrent(own)),
            categories,
        })
    }
}

fn try_in_a_thread(earlier: &[ContextMove], way: &ContextMove) -> io::Result<Result<(), i32>> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("confine-trial".to_owned())
            .spawn_scoped(scope, || earlier.iter().chain([way]).try_for_each(ContextMove::enter_raw))?;
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

/// The warning that the domain of a context is permissive.
pub(super) fn permissive_domain(domain: &str) -> String {
    format!(
        "the domain {domain} is permissive: the kernel logs and refuses nothing there; remove it from the permissive \
         ones (semanage permissive -d {domain})"
    )
}

/// The warning that categories do not confine the type of a context.
fn categories_ignored(domain: &str) -> String {
    format!(
        "the policy does not enforce categories for {domain}, so that contexts which differ only in their range \
         confine nothing; add (typeattributeset mcs_constrained_type ({domain})) to the policy"
    )
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Backend, Interface, Moved, Roots},
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

    fn behind(early: &str) -> Box<dyn Backend> {
        backend().after(early, Moved::Thread).unwrap()
    }

    #[test]
    fn behind_an_early_move_a_check_means_what_a_move_means() {
        // A context that is written out is the same from everywhere, and so is what the early move kept.
        for (early, text) in [
            ("dog.process:s0", "dog_app_t:s0"),
            ("dog.process:s0", "dog_app_t"),
            ("httpd_t:s0:c1,c2", "*:s0:c1"),
            ("user_u:user_r:dog_t:s0", "user_u:user_r:dog_app_t:s0"),
        ] {
            assert_eq!(behind(early).check(text).map_err(|e| e.to_string()), Ok(()), "{early} {text}");
        }
        for (early, text, here, meant) in [
            ("dog.process:s0", "*:s0:c1", "httpd_t:s0:c1", "dog.process:s0:c1"),
            ("dog.process:s0:c1", "dog_app_t", "dog_app_t:s0", "dog_app_t:s0:c1"),
            ("dog.process:s0:c1", "dog_app_t:*", "dog_app_t:s0", "dog_app_t:s0:c1"),
        ] {
            assert_eq!(
                behind(early).check(text).unwrap_err().to_string(),
                format!(
                    "selinux:{text}: what it leaves out is the server's own, which makes it system_u:system_r:{here}, \
                     and an earlier move (ConfineEarly) has left the server's context for system_u:system_r:{early}; \
                     write the whole context, as in system_u:system_r:{meant}"
                )
            );
        }
        let error = behind("user_u:user_r:dog_t:s0").check("dog_app_t:s0").unwrap_err();
        assert!(error.problem.remedy.ends_with("as in user_u:user_r:dog_app_t:s0"), "{error}");
    }

    #[test]
    fn where_the_early_move_led_there_is_nothing_to_ask() {
        for text in ["dog.process", "dog.process:s0", "system_u:system_r:dog.process:s0"] {
            assert!(behind("dog.process:s0").check(text).is_ok(), "{text}");
        }
        // No move could be asked about here: a warning says so wherever one was asked about.
        let dog = behind("dog.process:s0");
        dog.check("dog.process:s0").unwrap();
        assert!(!dog.warnings().iter().any(|w| w.contains("could not be checked")));
        dog.check("dog_app_t:s0").unwrap();
        assert!(dog.warnings().iter().any(|w| w.contains("could not be checked")));
        // The server's own is no confinement, from wherever.
        let error = dog.check(OWN).unwrap_err();
        assert!(error.problem.why.starts_with("it is the server's own context"), "{error}");
    }

    #[test]
    fn once_the_server_itself_has_moved_its_new_context_completes() {
        let moved = backend().after("dog.process:s0", Moved::Server).unwrap();
        assert!(moved.check("*:s0:c1").is_ok());
        assert!(moved.check("dog.process:s0").is_err());
    }

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
        assert_eq!(error.problem.errno, Some(libc::ENOENT));
        assert!(error.to_string().contains("mount /proc where the server runs"), "{error}");
    }
}
