//! All backends of this build, and the contexts that they have prepared.
//!
//! ```
//! use confine::{
//!     BackendName, ContextList,
//!     backends::{Backends, Prepared, SameContext},
//! };
//!
//! let backends = Backends::new(Vec::new()).unwrap_or_else(|errors| panic!("{errors:?}"));
//! let exempt = ContextList::parse(["unconfined"], BackendName::LANDLOCK)?;
//! let prepared = backends.prepare(&exempt, SameContext::Refused);
//! assert!(matches!(prepared, Ok(Prepared::Unconfined)));
//! // A ruleset that nobody defined is an error before the first request.
//! let unknown = ContextList::parse(["landlock:tenant-a"], BackendName::LANDLOCK)?;
//! assert!(backends.prepare(&unknown, SameContext::Refused).is_err());
//! # Ok::<(), confine::context::ContextError>(())
//! ```

use std::{ffi::CString, sync::Arc};

use crate::{
    context::{BackendName, Context, ContextList},
    field::Field,
    lsm::{
        Backend, Inactive, Move, Moved, PrepareError,
        landlock::{Landlock, RulesetError, RulesetSpec},
    },
    problem::Problem,
    tally::{Label, LabelOnce, Labels},
    value::Given,
};

/// Every backend, ready for one configuration generation.
pub struct Backends {
    list: Vec<Arc<dyn Backend>>,
    landlock: Arc<Landlock>,
}

/// The prepared contexts of one rule. The decision for a request points to them.
#[derive(Clone)]
pub enum Prepared {
    /// The rule says `unconfined`.
    Unconfined,
    /// Moves to make, in this order.
    Moves(Arc<Moves>),
}

/// One or more moves, all or nothing.
#[derive(Clone)]
pub struct Moves {
    /// The moves, in the order in which they are made.
    pub steps: Box<[Arc<dyn Move>]>,
    /// All contexts with their prefixes, separated by a space: the value of `CONFINE_CONTEXT`.
    pub text: CString,
    /// Whether log lines show this text as it is.
    pub is_word: bool,
    /// The first context that would replace the context of an early move, if there is one.
    pub replacing: Option<Context>,
    /// The first context that only a process of its own can be in, if there is one.
    pub for_processes: Option<Context>,
    /// Under which name requests in these contexts are counted.
    pub label: LabelOnce,
}

impl Moves {
    /// The label of these contexts.
    #[inline]
    pub fn label(&self, labels: &Labels<'_>) -> Label {
        self.label.get(labels, || self.text.to_bytes())
    }
}

/// What a rule does when its context is the one that the server itself is in. A move to it would confine nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SameContext {
    /// The rule is refused as a mistake. Only the word `unconfined` exempts a request.
    Refused,
    /// The request is exempt and stays in the server's context, as it did with mod_selinux.
    Exempt,
}

/// Why contexts of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The backend is not active in the kernel.
    #[error(transparent)]
    Inactive(#[from] Inactive),
    /// The backend refuses this context.
    #[error(transparent)]
    Refused(#[from] PrepareError),
}

macro_rules! makers {
    ($($(#[$about:meta])* $name:ident, $text:literal, $example:literal, $make:expr;)*) => {
        /// How each backend is made.
        const MAKERS: &[fn(&Arc<Landlock>) -> Arc<dyn Backend>] = &[$($make),*];
    };
}

every_backend!(makers);

impl Backends {
    /// Makes every backend for the context of the calling thread. The rulesets of Landlock are made in the kernel here,
    /// once.
    ///
    /// # Errors
    /// The faults of the rulesets. A path that does not exist is a fault.
    pub fn new(rulesets: Vec<RulesetSpec>) -> Result<Self, Vec<RulesetError>> {
        Ok(Self::with(Landlock::new(rulesets)?))
    }

    /// Makes every backend, with rulesets that were made before.
    pub fn with(landlock: Landlock) -> Self {
        let landlock = Arc::new(landlock);
        Self { list: MAKERS.iter().map(|make| make(&landlock)).collect(), landlock }
    }

    /// The same backends for the rules of a virtual host. They find the host's own rulesets before the server's.
    pub fn of_host(&self, host: &str) -> Self {
        let mut of_host = Self { list: self.list.clone(), landlock: Arc::new(self.landlock.of_host(host)) };
        let landlock: Arc<dyn Backend> = Arc::<Landlock>::clone(&of_host.landlock);
        of_host.replace(landlock);
        of_host
    }

    /// Replaces the backend with the same name, by one that knows better where moves start.
    pub fn put(&mut self, backend: Box<dyn Backend>) {
        self.replace(backend.into());
    }

    fn replace(&mut self, backend: Arc<dyn Backend>) {
        if let Some(place) = self.list.iter_mut().find(|b| b.name() == backend.name()) {
            *place = backend;
        }
    }

    /// The backends that check moves in another way once `who` has moved to `contexts`, one after the other.
    pub fn after(&self, contexts: &ContextList, who: Moved) -> Vec<Box<dyn Backend>> {
        let ContextList::Contexts(list) = contexts else { return Vec::new() };
        let mut moved: Vec<Box<dyn Backend>> = Vec::new();
        for context in list {
            let Some(here) = self.seen_from(&moved, context.backend) else { continue };
            if let Some(there) = here.after(&context.text, who) {
                moved.retain(|b| b.name() != there.name());
                moved.push(there);
            }
        }
        moved
    }

    /// The backend with this name. One in `moved` comes before those of this list.
    fn seen_from<'b>(&'b self, moved: &'b [Box<dyn Backend>], name: BackendName) -> Option<&'b dyn Backend> {
        moved.iter().map(|b| &**b).find(|b| b.name() == name).or_else(|| self.get(name))
    }

    /// All backends.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Backend> {
        self.list.iter().map(|b| &**b)
    }

    fn get(&self, name: BackendName) -> Option<&dyn Backend> {
        self.iter().find(|b| b.name() == name)
    }

    /// The backend with this name, without the others.
    pub fn into_one(self, name: BackendName) -> Option<Arc<dyn Backend>> {
        self.list.into_iter().find(|b| b.name() == name)
    }

    /// Checks that a context which replaces others does not stand behind `earlier`.
    fn in_order(&self, context: &Context, earlier: &[Context]) -> Result<(), PrepareError> {
        in_order(context, earlier, |name| self.get(name).is_some_and(Backend::sets_no_new_privs))
    }

    /// Prepares the contexts of a rule. It does no I/O.
    pub fn prepare(
        &self,
        contexts: &ContextList,
        same_context: SameContext,
    ) -> Result<Prepared, PrepareError> {
        self.prepare_with(contexts, same_context, |backend, text| backend.prepare(text))
    }

    /// Prepares a context that a request supplied. It does no I/O. The server's own context is refused under every
    /// directive, because a value does not exempt a request.
    pub fn prepare_value(&self, backend: BackendName, given: &Given) -> Result<Prepared, PrepareError> {
        let context = Context { backend, text: given.text().into() };
        let contexts = ContextList::Contexts([context].into());
        self.prepare_with(&contexts, SameContext::Refused, |backend, _| backend.prepare_value(given))
    }

    /// Prepares the contexts whose text this is ([`Moves::text`]), for processes that are to be in them. `named`: the
    /// configuration itself names them. Otherwise they are taken for what a request asks for, which matters for users.
    pub fn prepare_shown(&self, text: &str, named: bool) -> Result<Arc<Moves>, PrepareError> {
        let refused = |why: String, remedy: &str| PrepareError {
            context: crate::lsm::quoted(text),
            problem: Problem::new(why, remedy),
        };
        let contexts = ContextList::of_text(text)
            .map_err(|e| refused(e.to_string(), "see which rule gives these contexts"))?;
        let prepared = self.prepare_with(&contexts, SameContext::Refused, |backend, text| {
            match backend.is_for_processes() && !named {
                true => backend.prepare_value(&Given::whole(text)),
                false => backend.prepare_shown(text),
            }
        })?;
        match prepared {
            Prepared::Moves(moves) if moves.text.to_bytes() == text.as_bytes() => Ok(moves),
            _ => Err(refused("no contexts have this text".to_owned(), "restart the server")),
        }
    }

    fn prepare_with(
        &self,
        contexts: &ContextList,
        same_context: SameContext,
        prepare: impl Fn(&dyn Backend, &str) -> Result<Arc<dyn Move>, PrepareError>,
    ) -> Result<Prepared, PrepareError> {
        let ContextList::Contexts(list) = contexts else { return Ok(Prepared::Unconfined) };
        let mut steps = Vec::with_capacity(list.len());
        let mut text = String::new();
        let (mut replacing, mut for_processes) = (None, None);
        for (i, context) in list.iter().enumerate() {
            let backend = self.get(context.backend).ok_or_else(|| PrepareError {
                context: context.to_string(),
                problem: Problem {
                    why: "this build has no such backend".into(),
                    errno: None,
                    remedy: "use another backend".into(),
                },
            })?;
            if backend.replaces(&context.text) {
                self.in_order(context, &list[..i])?;
                replacing.get_or_insert_with(|| context.clone());
            }
            if backend.is_for_processes() {
                once(context, &list[..i])?;
                for_processes.get_or_insert_with(|| context.clone());
            }
            let step = match same_context {
                SameContext::Refused => prepare(backend, &context.text)?,
                SameContext::Exempt => match backend.prepare_server(&context.text)? {
                    Some(step) => step,
                    None => continue,
                },
            };
            if !text.is_empty() {
                text.push(' ');
            }
            // The text is the one that the backend writes. A kept worker is found by it, so one text must not mean two
            // contexts.
            text.push_str(&step.context().to_string());
            steps.push(step);
        }
        if steps.is_empty() {
            return Ok(Prepared::Unconfined);
        }
        let text = CString::new(text).map_err(|e| PrepareError {
            context: String::from_utf8_lossy(&e.into_vec()).escape_debug().to_string(),
            problem: Problem { why: "it holds a NUL byte".into(), errno: None, remedy: "remove it".into() },
        })?;
        Ok(Prepared::Moves(Arc::new(Moves {
            steps: steps.into(),
            is_word: Field(Some(text.to_bytes())).as_it_is().is_some(),
            text,
            replacing,
            for_processes,
            label: LabelOnce::default(),
        })))
    }

    /// The moves of the server itself into `contexts`. There are none if it is there already.
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

    /// Asks the kernel, at startup, whether it would accept these contexts. `early` is for the rules behind an early
    /// move. It has the backends that check moves from where the early move leads ([`Backends::after`]).
    pub fn check(
        &self,
        contexts: &ContextList,
        same_context: SameContext,
        early: Option<&[Box<dyn Backend>]>,
    ) -> Result<(), CheckError> {
        let ContextList::Contexts(list) = contexts else { return Ok(()) };
        // The move to a later context of the list starts where an earlier one has led.
        let mut moved: Vec<Box<dyn Backend>> = Vec::new();
        for (i, context) in list.iter().enumerate() {
            let here = moved.iter().rev().chain(early.unwrap_or_default()).map(|b| &**b);
            let here = here.chain(self.iter()).find(|b| b.name() == context.backend);
            let Some(backend) = here else { continue };
            backend.active()?;
            if same_context == SameContext::Exempt && backend.prepare_server(&context.text)?.is_none() {
                continue;
            }
            if backend.replaces(&context.text) {
                self.in_order(context, &list[..i])?;
                if early.is_some() {
                    return Err(replaces_early(context).into());
                }
            }
            if backend.is_for_processes() {
                once(context, &list[..i])?;
            }
            backend.check(&context.text)?;
            moved.extend(backend.after(&context.text, Moved::Thread));
        }
        Ok(())
    }
}

fn in_order(
    context: &Context,
    earlier: &[Context],
    sets_no_new_privs: impl Fn(BackendName) -> bool,
) -> Result<(), PrepareError> {
    let refused = |why: String, remedy: String| {
        Err(PrepareError { context: context.to_string(), problem: Problem { why, errno: None, remedy } })
    };
    for before in earlier {
        if before.backend == context.backend {
            return refused(
                format!("it would take the place of {before}, which stands before it"),
                format!("keep one, or write \"stack {}\" to be in both", context.text),
            );
        }
        if sets_no_new_privs(before.backend) {
            return refused(
                format!(
                    "it stands behind {before}, which sets no_new_privs, under which the kernel refuses it (EPERM)"
                ),
                format!("write {context} before {before}"),
            );
        }
    }
    Ok(())
}

/// Checks that a process is to be in one context of such a backend: it has one user.
fn once(context: &Context, earlier: &[Context]) -> Result<(), PrepareError> {
    let Some(before) = earlier.iter().find(|before| before.backend == context.backend) else { return Ok(()) };
    let why = format!("it stands behind {before}, and a process can be in one of the two");
    Err(PrepareError { context: context.to_string(), problem: Problem::new(why, "keep one") })
}

/// The error for a context that only a process of its own can be in, where a thread is to enter it.
pub fn not_for_threads(context: &Context) -> PrepareError {
    PrepareError {
        context: context.to_string(),
        problem: Problem::new(
            "only a process of its own can be in it, and here a thread of the server serves",
            format!(
                "serve the application with <ConfineFastCGI>, or give what else this rule meets one without {}:",
                context.backend
            ),
        ),
    }
}

/// The error for a context that would replace the context of an early move.
pub fn replaces_early(context: &Context) -> PrepareError {
    PrepareError {
        context: context.to_string(),
        problem: Problem {
            why: "it would leave what ConfineEarly confined, and a confined request is never widened".into(),
            errno: None,
            remedy: format!("write \"stack {}\", which adds to it", context.text),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contexts(words: &[&str]) -> Vec<Context> {
        let parse = |word: &&str| Context::parse(word, BackendName::APPARMOR).expect("a context");
        words.iter().map(parse).collect()
    }

    fn order(words: &[&str]) -> Result<(), String> {
        let list = contexts(words);
        let (last, earlier) = list.split_last().expect("a context");
        in_order(last, earlier, |name| name == BackendName::LANDLOCK).map_err(|e| e.to_string())
    }

    #[test]
    fn a_context_that_leaves_others_behind_comes_first() {
        assert_eq!(order(&["blog"]), Ok(()));
        assert_eq!(order(&["selinux:a_t:s0", "blog"]), Ok(()));
        assert_eq!(
            order(&["dog", "blog"]),
            Err("apparmor:blog: it would take the place of apparmor:dog, which stands before it; keep one, or write \
                 \"stack blog\" to be in both"
                .to_owned())
        );
        assert_eq!(
            order(&["landlock:x", "blog"]),
            Err("apparmor:blog: it stands behind landlock:x, which sets no_new_privs, under which the kernel refuses \
                 it (EPERM); write apparmor:blog before landlock:x"
                .to_owned())
        );
    }

    #[test]
    fn behind_an_early_move_a_context_adds_to_it() {
        assert_eq!(
            replaces_early(&contexts(&["blog"])[0]).to_string(),
            "apparmor:blog: it would leave what ConfineEarly confined, and a confined request is never widened; write \
             \"stack blog\", which adds to it"
        );
    }
}
