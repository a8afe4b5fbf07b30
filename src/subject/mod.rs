//! From the server's request to the library's subject: the facts, with a proven user.

pub mod certificates;

use std::{cell::RefCell, ffi::CStr};

use confine::{
    Subject,
    lsm::Values,
    policy::{
        answer_cache::Holds,
        facts::{Facts, Rows, Statement},
    },
};

use crate::thread::limited_wait;
use crate::{
    config::ServerConfig,
    httpd::{database, expression::Expression, request::Request, table::Table},
};

/// Treats a name and its variables as proven, for a request that `confinectl` asks about.
pub fn take_for_proven<'r>(r: &mut Request<'r>, user: &'r CStr) {
    r.set_user(user);
    let variables = r.variables().select(r.pool(), is_of_authentication);
    r.add_proof(user, variables);
}

/// Whether the request's virtual host has any rule. If it has none, this room has nothing to do.
pub fn has_rules(r: &Request<'_>) -> bool {
    ServerConfig::of(&r.server()).is_some_and(|server| server.has_rules)
}

/// check_user_id, after all modules that ask for a name. mod_authn_core comes after it and answers if none of them
/// did: where no `AuthType` is set, it lets the request pass. The request may have a name nevertheless, which
/// something else set (mod_ssl from a certificate that nobody verified, or an application's hook).
pub fn nobody_asked(r: &mut Request<'_>) {
    if has_rules(r) {
        r.set_nobody_asked();
    }
}

/// auth_checker. The server only runs it after check_user_id returned OK, so the name is proven here.
pub fn user_proven(r: &mut Request<'_>) {
    let Some(user) = r.claimed_user().filter(|_| has_rules(r)) else { return };
    let attempt = r.attempt().filter(|attempt| attempt.user == user);
    r.set_attempt(None);
    let proven = attempt.is_none_or(|attempt| attempt.proves)
        && !(r.nobody_asked() && r.wanted_auth_type().is_none())
        && !is_faked(r);
    if proven {
        r.add_proof(user, attempt.and_then(|attempt| attempt.variables));
    }
}

/// Whether the log-in is the one that mod_ssl makes up (`SSLOptions +FakeBasicAuth`) for a certificate that nobody
/// verified. Its name comes from the certificate, and everybody knows its password. mod_ssl refuses a client that
/// types it (modules/ssl/ssl_engine_kernel.c, ssl_hook_UserCheck).
fn is_faked(r: &Request<'_>) -> bool {
    let faked = r.basic_password().is_some_and(|password| password == b"password")
        && r.claimed_user().is_some_and(|user| user.to_bytes().starts_with(b"/"));
    faked && !certificates::is_verified(r)
}

/// The request's user, if authentication proved the name for the place where the request is now.
///
/// `r->user` alone proves nothing. It also holds a name that was typed with a wrong password, and the server carries
/// it to other places: see [`proofs`](crate::httpd::proofs).
pub fn proven_user<'r>(r: &Request<'r>) -> Option<&'r CStr> {
    let user = r.claimed_user().filter(|u| !u.is_empty())?;
    (r.has_proof_of(user) || certificates::prove(r, user)).then_some(user)
}

/// Whether authentication or authorization sets variables of this name: mod_authn_dbd, mod_authnz_ldap and others do,
/// from the row or entry that proves the user. The case of letters in names of the environment does not count.
pub fn is_of_authentication(name: &CStr) -> bool {
    let prefixes: [&[u8]; 2] = [b"AUTHENTICATE_", b"AUTHORIZE_"];
    prefixes.into_iter().any(|prefix| starts_with_ignoring_case(name, prefix))
}

/// The same, also for the name that the server gives the variable in a redirected request.
fn stems_from_authentication(name: &CStr) -> bool {
    const RENAMED: &[u8] = b"REDIRECT_";
    let mut original = name;
    while starts_with_ignoring_case(original, RENAMED) {
        // A name that begins with it is at least as long.
        original =
            CStr::from_bytes_with_nul(&original.to_bytes_with_nul()[RENAMED.len()..]).unwrap_or_default();
    }
    is_of_authentication(original)
}

fn starts_with_ignoring_case(name: &CStr, prefix: &[u8]) -> bool {
    name.to_bytes().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// A variable of the request.
///
/// The variables of authentication are never read from the environment. Failed attempts leave theirs there, the
/// server carries them to other places and renames them in redirected requests, and applications can write there.
/// They are read from the proof of the user's name in this place.
fn variable<'r>(r: &Request<'r>, name: &CStr) -> Option<&'r CStr> {
    if !stems_from_authentication(name) {
        return r.variables().get(name);
    }
    proven_user(r).and_then(|user| r.proven_variable(user, name))
}

/// The environment as [`variable`] sees it. `None` says that it is the request's own.
fn environment<'r>(r: &Request<'r>, user: Option<&'r CStr>) -> Option<Table<'r>> {
    let mut proven = user.into_iter().flat_map(|user| r.proven_variables(user)).peekable();
    let as_it_is = r.variables();
    if proven.peek().is_none() && !as_it_is.entries().any(|(name, _)| stems_from_authentication(name)) {
        return None;
    }
    let kept = as_it_is.select(r.pool(), |name| !stems_from_authentication(name));
    let seen = kept.unwrap_or_else(|| Table::new(r.pool()));
    for (name, value) in proven.flat_map(Table::entries) {
        if seen.get(name).is_none() {
            seen.add(name, value);
        }
    }
    Some(seen)
}

/// The facts of a request, for one decision.
pub struct RequestFacts<'a, 'r> {
    user: Option<&'r CStr>,
    subject: Subject<'r>,
    request: RefCell<&'a mut Request<'r>>,
}

impl<'a, 'r> RequestFacts<'a, 'r> {
    /// Reads the facts that do not change during the decision.
    pub fn of(r: &'a mut Request<'r>) -> Self {
        let user = proven_user(r);
        let subject = Subject {
            user: user.map(CStr::to_bytes),
            addr: r.client(),
            host: r.server().name().map(CStr::to_bytes),
            path: r.filename().map(CStr::to_bytes),
        };
        Self { user, subject, request: RefCell::new(r) }
    }

    /// The proven user.
    pub fn user(&self) -> Option<&'r CStr> {
        self.user
    }

    /// Makes the client's address unknown.
    pub fn without_address(mut self) -> Self {
        self.subject.addr = None;
        self
    }
}

impl Facts<Expression> for RequestFacts<'_, '_> {
    fn subject(&self) -> Subject<'_> {
        self.subject
    }

    fn env(&self, name: &CStr) -> Option<&[u8]> {
        variable(&self.request.borrow(), name).map(CStr::to_bytes)
    }

    fn expr(&self, expr: &Expression) -> Result<Vec<u8>, String> {
        evaluate(&mut self.request.borrow_mut(), expr)
    }

    fn database(&self) -> usize {
        self.request.borrow().server().as_ptr().addr()
    }

    fn holds(&self) -> Holds {
        database::holds(&self.request.borrow())
    }

    fn ask(&self, statement: &Statement, values: &[&[u8]]) -> Result<Rows, String> {
        database::ask(&self.request.borrow(), statement, values, limited_wait::open)
    }
}

/// The values of the expressions in Landlock paths, for one request.
pub struct PathValues<'a, 'r> {
    expressions: &'a [Expression],
    request: RefCell<&'a mut Request<'r>>,
}

impl<'a, 'r> PathValues<'a, 'r> {
    /// The values for `r` of the configuration's expressions.
    pub fn of(r: &'a mut Request<'r>, expressions: &'a [Expression]) -> Self {
        Self { expressions, request: RefCell::new(r) }
    }
}

impl Values for PathValues<'_, '_> {
    fn value(&self, index: usize) -> Result<Vec<u8>, String> {
        let expression = self.expressions.get(index).ok_or("no such expression")?;
        evaluate(&mut self.request.borrow_mut(), expression)
    }
}

/// Evaluates an expression. The user is hidden unless the name is proven, and the only variables of authentication
/// are those of the proof.
fn evaluate(r: &mut Request<'_>, expression: &Expression) -> Result<Vec<u8>, String> {
    let user = proven_user(r);
    let environment = environment(r, user);
    r.seen_as(user.is_some(), environment, |r| expression.evaluate(r))
}
