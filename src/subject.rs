//! From the server's request to the library's subject: who is behind it, proven.

use std::{
    cell::RefCell,
    ffi::CStr,
    hash::{BuildHasher, RandomState},
    io::Write,
    sync::LazyLock,
};

use confine::{
    Subject,
    database::{Rows, Statement},
    lsm::Values,
    rule::Facts,
};

use crate::httpd::{database, expression::Expression, request::Request};

/// The note that says whose name is proven, by its [`mark`]. Notes are copied where the server replaces a request
/// by a subrequest of its own (ap_internal_fast_redirect: DirectoryIndex, content negotiation), and
/// start empty in every other new request, which is just how far the proof reaches.
const PROVEN: &CStr = c"confine-proven-user";

/// Takes a name for proven, of a request that `confinectl` asks about.
pub fn take_for_proven<'r>(r: &mut Request<'r>, user: &'r CStr) {
    r.set_user(user);
    prove(r, user);
}

/// auth_checker, which the server only runs after check_user_id answered OK: the name is proven.
pub fn user_proven(r: &mut Request<'_>) {
    if let Some(user) = r.claimed_user() {
        prove(r, user);
    }
}

fn prove<'r>(r: &mut Request<'r>, user: &'r CStr) {
    // On the stack: a first allocation would make a worker pay for a heap of its own.
    let mut text = [0; 16];
    // Sixteen digits always fit.
    let _ = write!(&mut text[..], "{:016x}", mark(r, user));
    let mark = r.pool().text(&text);
    r.set_note(PROVEN, mark);
}

/// What stands for a name in this request alone, and only this process can make: hooks that run before the
/// content (a tenant's `LuaHookFixups`) can write any name and any note. Subrequests and redirects share time
/// and connection with the request that they come from.
fn mark(r: &Request<'_>, user: &CStr) -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEY.hash_one((r.connection_id(), r.time(), user))
}

/// The request's user, if authentication proved the name.
///
/// `r->user` alone proves nothing: it holds the name that was typed also after a wrong password, and
/// the server copies it to an ErrorDocument of the same directory (server/request.c,
/// ap_process_request_internal).
pub fn proven_user<'r>(r: &Request<'r>) -> Option<&'r CStr> {
    let user = r.claimed_user().filter(|u| !u.is_empty())?;
    is_proven(r, user).then_some(user)
}

/// handler, before all others: from here on, an application may change what it likes about its request, and
/// the server may start an error document after it, with a decision of its own.
pub fn seal(r: &mut Request<'_>) {
    let user = proven_user(r);
    r.seal(user);
}

fn is_proven(r: &Request<'_>, user: &CStr) -> bool {
    if let Some(sealed) = r.sealed_user() {
        return sealed == Some(user);
    }
    if let Some(proven) = r.note(PROVEN) {
        let proven = proven.to_str().ok().and_then(|text| u64::from_str_radix(text, 16).ok());
        return proven == Some(mark(r, user));
    }
    if let Some(source) = authenticated_as(r) {
        return source.claimed_user() == Some(user) && is_proven(&source, user);
    }
    // SSLUserName: mod_ssl took the name from a certificate, which TLS verified or did not.
    r.auth_type() == Some(c"ClientCert") && r.tls(c"SSL_CLIENT_VERIFY") == Some(c"SUCCESS")
}

/// The request of which the server copied the user's name to `r`, instead of authenticating again: it does
/// so where the directory configuration is the very same.
fn authenticated_as<'r>(r: &Request<'r>) -> Option<Request<'r>> {
    [r.redirected_from(), r.main()].into_iter().flatten().find(|source| source.same_directory_config(r))
}

/// What the variables are called that mod_authn_dbd, mod_authnz_ldap and others make of the row or entry
/// that proves the user.
const AUTHENTICATED: &[u8] = b"AUTHENTICATE_";

/// A variable of the request.
///
/// Authentication sets its variables where it happens, and no further: a request that was redirected within
/// one directory (to a front controller, say) gets the user's name from the server, and REDIRECT_ before the
/// variables' names. Under such a name they prove nothing: mod_authn_dbd sets them before it looks at the
/// password. So they are read where the proof was made.
fn variable<'r>(r: &Request<'r>, name: &CStr) -> Option<&'r CStr> {
    let value = r.env(name);
    if value.is_some() || !name.to_bytes().starts_with(AUTHENTICATED) {
        return value;
    }
    proven_user(r)?;
    of_the_proof(&authenticated_as(r)?, name)
}

/// What authentication called `name`, in the request where it took place: as it was before an application
/// could change it.
fn of_the_proof<'r>(r: &Request<'r>, name: &CStr) -> Option<&'r CStr> {
    let value = if r.sealed_user().is_some() { r.sealed_env(name) } else { r.env(name) };
    value.or_else(|| of_the_proof(&authenticated_as(r)?, name))
}

/// A request's facts, for one decision.
pub struct RequestFacts<'a, 'r> {
    user: Option<&'r CStr>,
    subject: Subject<'r>,
    request: RefCell<&'a mut Request<'r>>,
}

impl<'a, 'r> RequestFacts<'a, 'r> {
    /// Reads what never changes during the decision.
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

    /// As if the client's address were not known.
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
        evaluate(&mut self.request.borrow_mut(), self.user.is_some(), expr)
    }

    fn database(&self) -> usize {
        self.request.borrow().server().as_ptr().addr()
    }

    fn ask(&self, statement: &Statement, values: &[&[u8]]) -> Result<Rows, String> {
        database::ask(&self.request.borrow(), statement, values)
    }
}

/// The values of expressions in Landlock paths, for one request.
pub struct PathValues<'a, 'r> {
    expressions: &'a [Expression],
    request: RefCell<&'a mut Request<'r>>,
}

impl<'a, 'r> PathValues<'a, 'r> {
    /// Values for `r` of a generation's expressions.
    pub fn of(r: &'a mut Request<'r>, expressions: &'a [Expression]) -> Self {
        Self { expressions, request: RefCell::new(r) }
    }
}

impl Values for PathValues<'_, '_> {
    fn value(&self, index: usize) -> Result<Vec<u8>, String> {
        let expression = self.expressions.get(index).ok_or("no such expression")?;
        let mut r = self.request.borrow_mut();
        let proven = proven_user(&r).is_some();
        evaluate(&mut r, proven, expression)
    }
}

/// Evaluates with the user hidden unless the name is proven.
fn evaluate(r: &mut Request<'_>, proven: bool, expression: &Expression) -> Result<Vec<u8>, String> {
    if proven { expression.evaluate(r) } else { r.without_user(|r| expression.evaluate(r)) }
}
