//! What happened to a request, in the words of the log.

use std::{ffi::CStr, fmt};

/// The first word of a log line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Moved, and goes on.
    Confined,
    /// Moved to the contexts of `ConfineEarly`, and goes on.
    ConfinedEarly,
    /// The rule says `unconfined`.
    Exempt,
    /// No rule matched, and that is allowed.
    Unmatched,
    /// Another process makes the content.
    OutOfProcess,
    /// Answered with an error page.
    Refused,
    /// Report mode: would have moved.
    WouldConfine,
    /// Report mode: would have moved, and left the content to another process.
    WouldBeOutOfProcess,
    /// Report mode: would have been refused.
    WouldRefuse,
    /// Learn mode: goes on with the server's privileges, and what it does is written down.
    Learning,
    /// Report mode: a ruleset would have refused an access.
    WouldDeny,
    /// A ruleset refused an access (`ConfineExplain on`).
    Denied,
    /// The application answered with an error in its contexts.
    Failed,
    /// It goes on, and somebody should look.
    Warned,
    /// No handler took the request.
    Unanswered,
}

impl Event {
    /// Its name.
    pub fn name(self) -> &'static CStr {
        match self {
            Self::Confined => c"confined",
            Self::ConfinedEarly => c"confined early",
            Self::Exempt => c"exempt",
            Self::Unmatched => c"unmatched",
            Self::OutOfProcess => c"out-of-process",
            Self::Refused => c"refused",
            Self::WouldConfine => c"would confine",
            Self::WouldBeOutOfProcess => c"would be out-of-process",
            Self::WouldRefuse => c"would refuse",
            Self::Learning => c"learning",
            Self::WouldDeny => c"would deny",
            Self::Denied => c"denied",
            Self::Failed => c"failed",
            Self::Warned => c"warned",
            Self::Unanswered => c"unanswered",
        }
    }

    /// How much this event tells, for a request with several events. A later event never hides a refusal.
    pub(super) fn weight(self) -> u8 {
        match self {
            Self::Refused => 2,
            Self::WouldRefuse => 1,
            _ => 0,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().to_str().unwrap_or_default())
    }
}
