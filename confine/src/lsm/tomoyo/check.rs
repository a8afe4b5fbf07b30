//! Whether a thread could enter a domain, and whether the domain confines. This is asked at startup, before any request
//! needs the domain.
//!
//! The policy says whether the domain exists. Whether the server may move there is tried: a thread moves and then ends.
//! The policy alone cannot say it, because groups of rules can allow the move, too.

use crate::problem::Problem;
use std::thread;

use super::{
    Domain, DomainEntry, Domains, Kernel, PrepareError, Snapshot, Tomoyo, prepare_error,
    refusal::{self, missing_line},
};

impl Tomoyo {
    pub(super) fn check_target(&self, text: &str, own: &Domain, target: &Domain) -> Result<(), PrepareError> {
        let refused = |problem: Problem| PrepareError {
            problem: problem.clone(),
            ..prepare_error(text, &problem.why, &problem.remedy)
        };
        let snapshot = self.snapshot().map_err(|e| prepare_error(text, &e.problem.why, &e.problem.remedy))?;
        let entry = if self.assumed {
            self.look_up(snapshot, own, target)
        } else {
            self.shared.with_kernel(|kernel| self.try_it(kernel, own, target))
        };
        let entry = entry.map_err(refused)?;
        findings(snapshot, target, &entry).into_iter().for_each(|finding| self.note(finding));
        Ok(())
    }

    /// Asks the policy alone. It serves for a process that is not the server.
    fn look_up(&self, snapshot: &Snapshot, own: &Domain, target: &Domain) -> Result<DomainEntry, Problem> {
        let entry = snapshot.domains.get(target).ok_or_else(|| refusal::absent(target))?;
        self.shared.accept(target, entry.profile)?;
        self.is_below_early(target)?;
        may_move(snapshot, self.way.last().unwrap_or(own), target)?;
        Ok(entry.clone())
    }

    /// Moves a thread on the way that requests go. The thread ends afterwards. The policy is asked as it is now,
    /// because the check runs again when a map has changed.
    fn try_it(&self, kernel: &Kernel, own: &Domain, target: &Domain) -> Result<DomainEntry, Problem> {
        let there = self.way_to(own, target.clone());
        there.before(kernel)?;
        self.is_below_early(target)?;
        let way = self.way.iter().map(|step| self.way_to(own, step.clone()));
        let steps: Vec<_> = way.chain([there]).collect();
        let tried = thread::scope(|scope| {
            let go = || {
                steps.iter().try_for_each(|step| {
                    step.before(kernel)?;
                    step.go(kernel)?;
                    step.after(kernel)
                })
            };
            thread::Builder::new().spawn_scoped(scope, go).map(thread::ScopedJoinHandle::join)
        });
        match tried {
            Ok(Ok(outcome)) => outcome?,
            Ok(Err(_)) => {
                let why = "the thread that tried the move panicked";
                return Err(Problem::new(why, "report this as a bug of mod_confine"));
            }
            Err(e) => {
                let why = format!("no thread could be made to try the move: {e}");
                return Err(Problem::new(why, "raise the limit of processes (TasksMax=, ulimit -u)"));
            }
        }
        let printed = kernel.domain_text(target).map_err(|e| refusal::unanswered(&e))?;
        Domains::parse(&printed).get(target).cloned().ok_or_else(|| refusal::absent(target))
    }

    fn is_below_early(&self, target: &Domain) -> Result<(), Problem> {
        match &self.early {
            Some(early) if !target.is_below(early) => Err(refusal::not_below(early, target)),
            _ => Ok(()),
        }
    }
}

/// Whether the policy has a line that allows a move. A domain with groups of rules may have the line there.
fn may_move(snapshot: &Snapshot, from: &Domain, target: &Domain) -> Result<(), Problem> {
    let entry = if *from == snapshot.own { Some(&snapshot.own_entry) } else { snapshot.domains.get(from) };
    let allowed = entry.is_some_and(|e| e.groups || e.moves_to.iter().any(|to| **to == *target.as_str()));
    if allowed {
        return Ok(());
    }
    Err(Problem::new(format!("{from} may not move to {target}"), missing_line(from.as_str(), target)))
}

/// What an administrator should know about a domain that requests move to: a profile that does not enforce everything,
/// and ways out of the domain.
pub(super) fn findings(snapshot: &Snapshot, domain: &Domain, entry: &DomainEntry) -> Vec<String> {
    let mut findings = Vec::new();
    let gaps = snapshot.profiles.of(domain, entry.profile).and_then(super::Profile::gaps);
    if let Some(gaps) = gaps {
        findings.push(format!(
            "{domain} has profile {}, which does not enforce everything ({gaps}); write use_profile 3 once its rules \
             are complete",
            entry.profile
        ));
    }
    for to in &entry.moves_to {
        // A rule behind an early move leads further down, so this is no way out.
        if Domain::parse(to).is_ok_and(|to| to.is_below(domain)) {
            continue;
        }
        let back = if **to == *snapshot.own.as_str() { ", the server's own domain" } else { "" };
        findings.push(format!(
            "an application in {domain} may leave it for {to}{back}; remove the line task manual_domain_transition \
             {to} from its policy"
        ));
    }
    findings
}

/// What an administrator should know about the server's own domain.
pub(super) fn own_warnings(snapshot: &Snapshot) -> Vec<String> {
    if !snapshot.own_deleted {
        return Vec::new();
    }
    vec![format!(
        "the domain {} was deleted from the policy while the server ran in it: changes of its policy do not reach this \
         server; stop and start it (a restart is not enough)",
        snapshot.own
    )]
}

impl Tomoyo {
    /// What an administrator should know about the server's domain and the domains that it may move to, one text each:
    /// domains that do not exist, profiles that do not enforce, ways out. It serves for a server whose contexts only
    /// requests know, and to inspect a machine.
    pub fn findings(&self) -> Vec<String> {
        let (Ok(snapshot), Ok(own)) = (self.snapshot(), self.own()) else { return Vec::new() };
        let is_own = *own == snapshot.own;
        let mut all = if is_own { own_warnings(snapshot) } else { Vec::new() };
        let entry = if is_own { Some(&snapshot.own_entry) } else { snapshot.domains.get(own) };
        for to in entry.into_iter().flat_map(|e| &e.moves_to) {
            let Ok(domain) = Domain::parse(to) else { continue };
            match snapshot.domains.get(&domain) {
                Some(entry) => all.extend(findings(snapshot, &domain, entry)),
                None => all.push(format!(
                    "{}; add it, or remove the line that leads there",
                    refusal::absent(&domain).why
                )),
            }
        }
        all
    }
}
