//! The backends of this build, and contexts made ready by them.

use std::{ffi::CString, sync::Arc};

use crate::{
    context::ContextList,
    lsm::{
        Backend, BackendName, Inactive, Move, PrepareError,
        landlock::{Landlock, RulesetError, RulesetSpec},
        selinux::Selinux,
    },
};

/// Every backend, ready for one configuration generation.
pub struct Backends {
    list: Vec<Box<dyn Backend>>,
}

/// The contexts of one rule, prepared: what a request's decision points at.
#[derive(Clone)]
pub enum Prepared {
    /// The rule says `unconfined`.
    Unconfined,
    /// Moves to make, in this order.
    Moves(Moves),
}

/// One or more moves, all or nothing.
#[derive(Clone)]
pub struct Moves {
    /// In the order in which they are entered.
    pub steps: Box<[Arc<dyn Move>]>,
    /// All contexts with their prefixes, separated by a space: the value of `CONFINE_CONTEXT`.
    pub text: CString,
}

/// What a context means that is the server's own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OwnContext {
    /// A mistake: it confines nothing, and a request is exempt only in plain words.
    Refused,
    /// The request stays where the server is, as mod_selinux had it.
    Exempt,
}

/// Why a configuration's contexts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The kernel does not offer the backend.
    #[error(transparent)]
    Inactive(#[from] Inactive),
    /// The backend refuses this context.
    #[error(transparent)]
    Refused(#[from] PrepareError),
}

impl Backends {
    /// Makes every backend. Landlock's rulesets are created in the kernel here, once; `selinux` knows
    /// the context that moves start from.
    pub fn new(rulesets: Vec<RulesetSpec>, selinux: Selinux) -> Result<Self, Vec<RulesetError>> {
        Ok(Self { list: vec![Box::new(selinux), Box::new(Landlock::new(rulesets)?)] })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Backend> {
        self.list.iter().map(|b| &**b)
    }

    fn get(&self, name: BackendName) -> Option<&dyn Backend> {
        self.iter().find(|b| b.name() == name)
    }

    /// Makes a rule's contexts ready. Does no I/O.
    pub fn prepare(&self, contexts: &ContextList, own: OwnContext) -> Result<Prepared, PrepareError> {
        let ContextList::Contexts(list) = contexts else { return Ok(Prepared::Unconfined) };
        let mut steps = Vec::with_capacity(list.len());
        let mut text = String::new();
        for context in list {
            let backend = self.get(context.backend).ok_or_else(|| PrepareError {
                context: context.to_string(),
                why: "this build has no such backend".into(),
                errno: None,
                remedy: "use another backend".into(),
            })?;
            match own {
                OwnContext::Refused => steps.push(backend.prepare(&context.text)?),
                OwnContext::Exempt => match backend.prepare_server(&context.text)? {
                    Some(step) => steps.push(step),
                    None => continue,
                },
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&context.to_string());
        }
        if steps.is_empty() {
            return Ok(Prepared::Unconfined);
        }
        let text = CString::new(text).map_err(|e| PrepareError {
            context: String::from_utf8_lossy(&e.into_vec()).escape_debug().to_string(),
            why: "it holds a NUL byte".into(),
            errno: None,
            remedy: "remove it".into(),
        })?;
        Ok(Prepared::Moves(Moves { steps: steps.into(), text }))
    }

    /// The moves that bring the server itself into `contexts`; none where it is already.
    pub fn server_moves(&self, contexts: &ContextList) -> Result<Vec<Arc<dyn Move>>, CheckError> {
        let ContextList::Contexts(list) = contexts else { return Ok(Vec::new()) };
        let mut moves = Vec::new();
        for context in list {
            let Some(backend) = self.get(context.backend) else { continue };
            backend.active()?;
            moves.extend(backend.prepare_server(&context.text)?);
        }
        Ok(moves)
    }

    /// Asks the kernel whether it would accept these contexts. For startup. `selinux` replaces the
    /// backend of that name where the moves start elsewhere, in the context of an early move.
    pub fn check(
        &self,
        contexts: &ContextList,
        own: OwnContext,
        selinux: Option<&Selinux>,
    ) -> Result<(), CheckError> {
        let ContextList::Contexts(list) = contexts else { return Ok(()) };
        for context in list {
            let backend: &dyn Backend = match (context.backend, selinux) {
                (BackendName::SELINUX, Some(elsewhere)) => elsewhere,
                (name, _) => match self.get(name) {
                    Some(backend) => backend,
                    None => continue,
                },
            };
            backend.active()?;
            if own == OwnContext::Exempt && backend.prepare_server(&context.text)?.is_none() {
                continue;
            }
            backend.check(&context.text)?;
        }
        Ok(())
    }
}
