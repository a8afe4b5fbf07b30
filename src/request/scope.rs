//! What the configuration says about one request.

use confine::{
    backends::{Prepared, SameContext},
    policy::decide::{Rule, Source},
};

use crate::{
    config::{DirectoryConfig, Mode, Policy, ServerConfig, Settings, Unmatched},
    httpd::{expression::Expression, request::Request, status::Status},
    report::{self, Event, Grounds, Refusal},
    thread::current::{self, State},
};

/// Why a request is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WatchedFor {
    /// The log is to say what its rulesets refuse, in this word.
    Log(Event),
    /// All that it does is written down.
    Learning,
}

/// The parts of the configuration that the gates and the move need for one request.
#[derive(Clone, Copy)]
pub struct Scope<'r> {
    /// The virtual host's configuration.
    pub server: &'r ServerConfig<'r>,
    /// The rules and backends of this configuration.
    pub policy: &'r Policy,
    /// The settings for this request.
    pub settings: Settings,
    /// Only set if a rule applies.
    pub rules: Option<&'r DirectoryConfig<'r>>,
}

impl<'r> Scope<'r> {
    /// Finds the scope. The error is DECLINED for a virtual host without any rule, because the module has nothing to
    /// do there. The error is the status of a refusal if the host has rules that startup did not prepare.
    pub fn of(r: &mut Request<'r>) -> Result<Self, Status> {
        let server = ServerConfig::of(&r.server()).filter(|s| s.has_rules).ok_or(Status::DECLINED)?;
        let Some(policy) = server.policy() else {
            return Err(report::refused(r, &Grounds::of(r), &Refusal::not_ready()));
        };
        let directory = DirectoryConfig::of(r);
        let settings = directory.map_or_else(Settings::default, |d| d.settings);
        Ok(Self { server, policy, settings, rules: directory.filter(|d| d.has_rules()) })
    }

    /// Whether httpd's cache may keep responses under this configuration.
    pub fn allows_cache(&self) -> bool {
        self.settings.allow_cache.unwrap_or(false)
    }

    /// What an unmatched request gets. The default is 403. If all rules are mod_selinux's directives, the request
    /// gets what it got from mod_selinux.
    pub fn unmatched(&self) -> Unmatched {
        self.settings.unmatched.unwrap_or_else(|| {
            let lenient = self.rules().all(|rule| rule.same_context == SameContext::Exempt);
            if lenient { Unmatched::Allow } else { Unmatched::Deny }
        })
    }

    /// The rules that apply, inner scopes first.
    pub fn rules(&self) -> impl Iterator<Item = &'r Rule<Expression>> + use<'r> {
        let policy = self.policy;
        let indices = self.rules.into_iter().flat_map(move |directory| directory.rules(policy));
        // Startup made a rule of every written rule, or the server would not run.
        indices.map(move |index| &policy.rules[index])
    }

    /// Whether the rules must still be asked, in a worker in this `state`. A request that was only reported counts as
    /// decided as long as it is still only to be reported.
    pub fn is_undecided(&self, state: State) -> bool {
        let decided = match state {
            State::Unmoved | State::Early => false,
            State::Reported => self.reports_only(),
            State::Moved => true,
        };
        self.rules.is_some() && !decided
    }

    /// Whether no code of a tenant may run unconfined here. A place whose first rule is the word `unconfined` is
    /// exempt for every request. A place without rules is exempt, too, but in a host with an early move only if that
    /// move let the request pass. (A thread of the server comes here with an error document.)
    pub fn guards_phases(&self) -> bool {
        match self.rules().next() {
            Some(rule) => !matches!(rule.source, Source::Constant(Prepared::Unconfined)),
            None => self.server.early.is_some() && current::state().is_none(),
        }
    }

    /// Whether requests here are watched, and to what end.
    pub fn watched_for(&self) -> Option<WatchedFor> {
        match (self.settings.mode, self.settings.explain) {
            (Some(Mode::Learn), _) => Some(WatchedFor::Learning),
            (Some(Mode::Report), _) => Some(WatchedFor::Log(Event::WouldDeny)),
            (_, Some(true)) => Some(WatchedFor::Log(Event::Denied)),
            _ => None,
        }
    }

    /// Whether decisions are only reported, and not carried out.
    pub fn reports_only(&self) -> bool {
        matches!(self.settings.mode, Some(Mode::Report | Mode::Learn))
    }
}
