//! Whether a domain would be entered and confine, asked before any request needs it.
//!
//! What the policy says decides whether the domain is there; whether the server may move there is
//! tried, by a throw-away thread that moves and ends, as groups of rules can allow it, too.

use std::thread;

use super::{
    Domain, DomainEntry, PrepareError, Snapshot, Tomoyo, prepare_error,
    refusal::{Refusal, missing_line},
};

impl Tomoyo {
    pub(super) fn check_target(&self, text: &str, own: &Domain, target: &Domain) -> Result<(), PrepareError> {
        let refused = |Refusal { why, errno, remedy }: Refusal| PrepareError {
            errno,
            ..prepare_error(text, &why, &remedy)
        };
        let snapshot = self.snapshot().map_err(|e| prepare_error(text, &e.why, &e.remedy))?;
        let Some(entry) = snapshot.domains.get(target) else { return Err(refused(Refusal::absent(target))) };
        self.shared.accept(target, entry.profile).map_err(refused)?;
        if let Some(early) = self.early.as_ref().filter(|early| !target.is_below(early)) {
            return Err(refused(Refusal::not_below(early, target)));
        }
        if self.assumed {
            let from = self.way.last().unwrap_or(own);
            may_move(snapshot, from, target).map_err(refused)?;
        } else {
            self.trial(text, own, target).map_err(refused)?;
        }
        findings(snapshot, target, entry).into_iter().for_each(|finding| self.note(finding));
        Ok(())
    }

    /// Moves a throw-away thread to `target`, by the way that requests take.
    fn trial(&self, text: &str, own: &Domain, target: &Domain) -> Result<(), Refusal> {
        let Ok(snapshot) = self.snapshot() else { return Ok(()) };
        // What is wrong with the way itself is said where that is checked. A domain that is not there
        // must not be entered, for it would be made.
        if self.way.iter().any(|step| snapshot.domains.get(step).is_none()) {
            return Ok(());
        }
        let way = self.way.iter().map(|step| self.way_to(text, own, step.clone()));
        let steps: Vec<_> = way.chain([self.way_to(text, own, target.clone())]).collect();
        let tried = self.shared.with_kernel(|kernel| {
            thread::scope(|scope| {
                let thread = thread::Builder::new().spawn_scoped(scope, || {
                    steps.iter().try_for_each(|step| {
                        step.before(kernel)?;
                        step.go(kernel)?;
                        step.after(kernel)
                    })
                });
                thread.map(|t| t.join())
            })
            .map_err(|e| {
                Refusal::new(
                    format!("no thread could be made to try the move: {e}"),
                    "raise the limit of processes (TasksMax=, ulimit -u)",
                )
            })
        })?;
        tried.unwrap_or_else(|_| {
            Err(Refusal::new(
                "the thread that tried the move panicked",
                "report this as a bug of mod_confine",
            ))
        })
    }
}

/// Whether the policy has a line for a move; a domain with groups of rules may have it there.
fn may_move(snapshot: &Snapshot, from: &Domain, target: &Domain) -> Result<(), Refusal> {
    let entry = if *from == snapshot.own { Some(&snapshot.own_entry) } else { snapshot.domains.get(from) };
    let allowed = entry.is_some_and(|e| e.groups || e.moves_to.iter().any(|to| **to == *target.as_str()));
    if allowed {
        return Ok(());
    }
    Err(Refusal::new(format!("{from} may not move to {target}"), missing_line(from.as_str(), target)))
}

/// What to know about a domain that requests move to: a profile that does not enforce everything, and
/// ways out of it.
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
        // Further down is where a rule moves on to after an early move.
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

/// What to know about the server's own domain.
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
    /// All that is worth knowing of the server's domain and of those that it may move to, one text
    /// each: domains that are not there, profiles that do not enforce, ways out. For a server whose
    /// contexts only requests know, and for a look at a machine.
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
                    Refusal::absent(&domain).why
                )),
            }
        }
        all
    }
}
