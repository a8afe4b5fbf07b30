//! What is counted about requests.

/// What happened to a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counter {
    /// It was moved into its contexts.
    Confined,
    /// Another process made it, because ConfineOutOfProcess allows that. No context of this module confines that
    /// process.
    OutOfProcess,
    /// It would have been moved (report mode).
    WouldConfine,
    /// Another process would have made it (report mode).
    WouldBeOutOfProcess,
    /// It would have been refused (report mode).
    WouldRefuse,
    /// It went on with the server's privileges, and what it did was written down (learn mode).
    Learning,
    /// Exempt by a rule that says `unconfined`.
    Exempt,
    /// No rule matched, and ConfineUnmatched allows that.
    UnmatchedAllowed,
    /// Refused: no rule matched.
    RefusedUnmatched,
    /// Refused: a value is no context, or the kernel refused it.
    RefusedContext,
    /// Refused: an expression failed.
    RefusedExpression,
    /// Refused: a database could not be asked.
    RefusedDatabase,
    /// Refused: a value of the request is not one path component.
    RefusedValue,
    /// Refused: the content would be made in another process.
    RefusedOutOfProcess,
    /// Refused: a page about the server that the configuration did not put there.
    RefusedServerPage,
    /// Refused: the handler wanted to go on outside the worker.
    RefusedSuspended,
    /// Refused: a `.htaccess` file names code that would run outside of the context.
    RefusedCode,
    /// Refused: by the configuration there is no pool of processes for it.
    RefusedPool,
    /// Refused: its pool of processes is full, or its program fails, or nobody answers for the pools.
    RefusedPoolBusy,
    /// Refused: it would have talked to a pool of processes that is not its own.
    RefusedOthersPool,
    /// Refused: no thread could be made.
    NoThread,
    /// Refused: this module has a bug.
    Panic,
}

/// How a request ended, in the groups that a reader looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    /// The kernel confined it.
    Confined,
    /// It was served, and no context of this module confined it.
    Unconfined,
    /// It was only reported, or it was learned from.
    Reported,
    /// It was refused.
    Refused,
}

/// Every counter, with its name for people and programs, and its meaning in a few words.
const ALL: [(Counter, &str, &str); 22] = [
    (Counter::Confined, "Confined", "moved into their contexts"),
    (Counter::OutOfProcess, "OutOfProcess", "left to another process to make, as ConfineOutOfProcess allows"),
    (Counter::WouldConfine, "WouldConfine", "would have been moved (report mode)"),
    (
        Counter::WouldBeOutOfProcess,
        "WouldBeOutOfProcess",
        "would have been left to another process (report mode)",
    ),
    (Counter::WouldRefuse, "WouldRefuse", "would have been refused (report mode)"),
    (
        Counter::Learning,
        "Learning",
        "watched to learn what they need, with the server's privileges (learn mode)",
    ),
    (Counter::Exempt, "Exempt", "exempt by a rule that says unconfined"),
    (Counter::UnmatchedAllowed, "UnmatchedAllowed", "no rule matched, and ConfineUnmatched allows that"),
    (Counter::RefusedUnmatched, "RefusedUnmatched", "no rule matched"),
    (Counter::RefusedContext, "RefusedContext", "a value is no context, or the kernel refused it"),
    (Counter::RefusedExpression, "RefusedExpression", "an expression failed"),
    (Counter::RefusedDatabase, "RefusedDatabase", "a database could not be asked"),
    (Counter::RefusedValue, "RefusedValue", "a value of the request is not one path component"),
    (Counter::RefusedOutOfProcess, "RefusedOutOfProcess", "the content would be made in another process"),
    (
        Counter::RefusedServerPage,
        "RefusedServerPage",
        "a page about the server where the configuration put none",
    ),
    (Counter::RefusedSuspended, "RefusedSuspended", "the handler wanted to go on outside its worker"),
    (
        Counter::RefusedCode,
        "RefusedCode",
        "a .htaccess file names code that would run outside of the context",
    ),
    (Counter::RefusedPool, "RefusedPool", "by the configuration there is no pool of processes for them"),
    (
        Counter::RefusedPoolBusy,
        "RefusedPoolBusy",
        "their pool of processes is full, or its program fails at its start",
    ),
    (
        Counter::RefusedOthersPool,
        "RefusedOthersPool",
        "would have talked to a pool of processes that is not their own",
    ),
    (Counter::NoThread, "NoThread", "no thread could be made"),
    (Counter::Panic, "Panic", "a fault of mod_confine itself"),
];

impl Counter {
    /// All of them, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().map(|(counter, ..)| *counter)
    }

    /// The counter of a number. `None` if there is no such counter.
    pub fn from_number(number: usize) -> Option<Self> {
        ALL.get(number).map(|(counter, ..)| *counter)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        ALL[self as usize].1
    }

    /// Its meaning, in a few words.
    pub fn meaning(self) -> &'static str {
        ALL[self as usize].2
    }

    /// How such a request ended.
    pub fn group(self) -> Group {
        match self {
            Self::Confined => Group::Confined,
            Self::OutOfProcess | Self::Exempt | Self::UnmatchedAllowed => Group::Unconfined,
            Self::WouldConfine | Self::WouldBeOutOfProcess | Self::WouldRefuse | Self::Learning => {
                Group::Reported
            }
            _ => Group::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, Counter};
    use crate::tally::OUTCOMES;

    #[test]
    fn each_counter_stands_at_its_number_and_has_a_place() {
        assert!(ALL.iter().enumerate().all(|(number, (counter, ..))| *counter as usize == number));
        assert!(Counter::Panic as usize + 1 == ALL.len() && ALL.len() <= OUTCOMES);
    }
}
