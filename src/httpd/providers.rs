//! Watches the providers of authentication and authorization, to know which variables the successful attempt set.
//!
//! mod_authn_dbd and mod_authnz_ldap set `AUTHENTICATE_*` before they check the password, or they leave the check to
//! others. One request may also see several attempts: of several providers, or of mod_auth_form for the user of a
//! session and the user of a form. So the variables in the environment do not say who was proven.
//!
//! Therefore each registered provider is replaced, when the server begins to read the configuration, by one that
//! calls the original and looks at what it did. Modules look up providers by name (`ap_lookup_provider`) later, while
//! they read their directives, so they find the replacement. `<AuthnProviderAlias>` does the same.
//!
//! For a server without rules the call is passed on, and nothing else is done.

use std::{
    ffi::{CStr, c_char, c_uint, c_void},
    ptr::null_mut,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicPtr, Ordering},
    },
};

use apache_sys as sys;

use crate::httpd::{boundary::guard, log, pool::Pool, proofs::Attempt, request::Request, table::Table};

/// Which requests and variables are watched.
#[derive(Clone, Copy)]
pub struct Interest {
    /// Whether the authentication of this request counts at all.
    pub in_request: fn(&Request<'_>) -> bool,
    /// Whether authentication sets variables of this name.
    pub in_variable: fn(&CStr) -> bool,
}

static INTEREST: OnceLock<Interest> = OnceLock::new();

/// A provider that replaces another one. A C function carries no data, so each slot has functions of its own.
struct Slot<P> {
    original: AtomicPtr<P>,
    /// Whether its answer depends on a password.
    proves: AtomicBool,
}

impl<P> Slot<P> {
    const fn new() -> Self {
        Self { original: AtomicPtr::new(null_mut()), proves: AtomicBool::new(true) }
    }

    fn original(&self) -> Option<&P> {
        // SAFETY: null, or a provider that its module registered, which lives as long as the configuration.
        unsafe { self.original.load(Ordering::Relaxed).as_ref() }
    }
}

type CheckPassword = unsafe extern "C" fn(*mut sys::request_rec, *const c_char, *const c_char) -> c_uint;
type RealmHash =
    unsafe extern "C" fn(*mut sys::request_rec, *const c_char, *const c_char, *mut *mut c_char) -> c_uint;
type CheckAuthorization = unsafe extern "C" fn(*mut sys::request_rec, *const c_char, *const c_void) -> c_uint;

/// How many providers of each kind are watched at most. httpd has six for authentication, and six for authorization
/// that set variables.
const SLOTS: usize = 24;

static AUTHN: [Slot<sys::authn_provider>; SLOTS] = [const { Slot::new() }; SLOTS];
static AUTHZ: [Slot<sys::authz_provider>; SLOTS] = [const { Slot::new() }; SLOTS];

/// Makes the functions of all slots.
macro_rules! of_each_slot {
    ($function:ident as $kind:ty) => {
        of_each_slot!(@ $function as $kind; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23)
    };
    (@ $function:ident as $kind:ty; $($n:literal)*) => {
        [$($function::<$n> as $kind),*]
    };
}

static CHECK_PASSWORD: [CheckPassword; SLOTS] = of_each_slot!(check_password as CheckPassword);
static REALM_HASH: [RealmHash; SLOTS] = of_each_slot!(realm_hash as RealmHash);
static CHECK_AUTHORIZATION: [CheckAuthorization; SLOTS] = of_each_slot!(authorize as CheckAuthorization);

/// Replaces the providers. It must be called in pre_config, when all modules have registered their providers and no
/// directive has named one.
pub fn watch(pool: Pool<'_>, interest: Interest) {
    // Every reading of the configuration gives the same value.
    let _ = INTEREST.set(interest);
    let names = list(pool, sys::AUTHN_PROVIDER_GROUP, sys::AUTHN_PROVIDER_VERSION);
    if names.len() > SLOTS {
        let text = format!(
            "confine: {} authentication providers are registered and {SLOTS} are watched: the AUTHENTICATE_ variables \
             of the others are not taken for proven",
            names.len()
        );
        log::main(log::Level::Warning, &text);
    }
    for (index, name) in names.into_iter().take(SLOTS).enumerate() {
        watch_authn(pool, index, name);
    }
    // Only the providers of mod_authnz_ldap set variables. `Require all granted` runs for every request and is not
    // slowed down.
    let names = list(pool, sys::AUTHZ_PROVIDER_GROUP, sys::AUTHZ_PROVIDER_VERSION);
    let of_ldap = names.into_iter().filter(|name| name.to_bytes().starts_with(b"ldap-"));
    for (index, name) in of_ldap.take(SLOTS).enumerate() {
        watch_authz(pool, index, name);
    }
}

fn watch_authn(pool: Pool<'_>, index: usize, name: &CStr) {
    let (group, version) = (sys::AUTHN_PROVIDER_GROUP, sys::AUTHN_PROVIDER_VERSION);
    let raw = look_up(group, version, name).cast::<sys::authn_provider>();
    // SAFETY: null, or what a module registered in this group: an authn_provider (mod_auth.h).
    let Some(original) = (unsafe { raw.as_ref() }) else { return };
    let slot = &AUTHN[index];
    slot.original.store(raw, Ordering::Relaxed);
    // mod_authn_anon accepts a name without a proof.
    slot.proves.store(name != c"anon", Ordering::Relaxed);
    let watched = pool.place(sys::authn_provider {
        check_password: original.check_password.and(Some(CHECK_PASSWORD[index])),
        // Digest authentication checks whether there is such a function.
        get_realm_hash: original.get_realm_hash.and(Some(REALM_HASH[index])),
    });
    replace(pool, group, version, name, std::ptr::from_mut(watched).cast());
}

fn watch_authz(pool: Pool<'_>, index: usize, name: &CStr) {
    let (group, version) = (sys::AUTHZ_PROVIDER_GROUP, sys::AUTHZ_PROVIDER_VERSION);
    let raw = look_up(group, version, name).cast::<sys::authz_provider>();
    // SAFETY: as in watch_authn().
    let Some(original) = (unsafe { raw.as_ref() }) else { return };
    AUTHZ[index].original.store(raw, Ordering::Relaxed);
    let watched = pool.place(sys::authz_provider {
        check_authorization: original.check_authorization.and(Some(CHECK_AUTHORIZATION[index])),
        parse_require_line: original.parse_require_line,
    });
    replace(pool, group, version, name, std::ptr::from_mut(watched).cast());
}

/// The names of a group's providers.
fn list<'p>(pool: Pool<'p>, group: &'static [u8], version: &'static [u8]) -> Vec<&'p CStr> {
    // SAFETY: NUL-terminated constants; an array of names that live as long as the configuration's pool.
    unsafe {
        let array =
            sys::ap_list_provider_names(pool.as_ptr(), group.as_ptr().cast(), version.as_ptr().cast());
        let Some(array) = array.as_ref().filter(|array| !array.elts.is_null()) else { return Vec::new() };
        let first = array.elts.cast::<sys::ap_list_provider_names_t>();
        let names = std::slice::from_raw_parts(first, array.nelts.max(0) as usize);
        names.iter().map(|entry| CStr::from_ptr(entry.provider_name)).collect()
    }
}

fn look_up(group: &'static [u8], version: &'static [u8], name: &CStr) -> *mut c_void {
    // SAFETY: NUL-terminated strings.
    unsafe { sys::ap_lookup_provider(group.as_ptr().cast(), name.as_ptr(), version.as_ptr().cast()) }
}

/// Registers another provider under a name that is taken. The number of names must not change, because httpd compares
/// it with the number of providers that run once for a configuration (server/request.c, ap_setup_auth_internal).
fn replace(pool: Pool<'_>, group: &'static [u8], version: &'static [u8], name: &CStr, by: *const c_void) {
    // SAFETY: a live pool, NUL-terminated strings that live as long, and a provider of the group's type in the pool.
    unsafe {
        let (group, version) = (group.as_ptr().cast(), version.as_ptr().cast());
        sys::ap_register_provider(pool.as_ptr(), group, name.as_ptr(), version, by);
    }
}

unsafe extern "C" fn check_password<const N: usize>(
    r: *mut sys::request_rec,
    user: *const c_char,
    password: *const c_char,
) -> c_uint {
    let Some(original) = AUTHN[N].original().and_then(|p| p.check_password) else {
        return sys::AUTH_GENERAL_ERROR;
    };
    let watched = Watched::begin(r);
    // SAFETY: the provider's own function, with what it was to be called with.
    let answer = unsafe { original(r, user, password) };
    watched.end_authn(&AUTHN[N], user, answer == sys::AUTH_GRANTED);
    answer
}

unsafe extern "C" fn realm_hash<const N: usize>(
    r: *mut sys::request_rec,
    user: *const c_char,
    realm: *const c_char,
    hash: *mut *mut c_char,
) -> c_uint {
    let Some(original) = AUTHN[N].original().and_then(|p| p.get_realm_hash) else {
        return sys::AUTH_GENERAL_ERROR;
    };
    let watched = Watched::begin(r);
    // SAFETY: as in check_password().
    let answer = unsafe { original(r, user, realm, hash) };
    // The caller compares the hash now. The name is proven only if the caller says so.
    watched.end_authn(&AUTHN[N], user, answer == sys::AUTH_USER_FOUND);
    answer
}

unsafe extern "C" fn authorize<const N: usize>(
    r: *mut sys::request_rec,
    line: *const c_char,
    parsed: *const c_void,
) -> c_uint {
    let Some(original) = AUTHZ[N].original().and_then(|p| p.check_authorization) else {
        return sys::AUTHZ_GENERAL_ERROR;
    };
    let watched = Watched::begin(r);
    // SAFETY: as in check_password().
    let answer = unsafe { original(r, line, parsed) };
    watched.end_authz(answer == sys::AUTHZ_GRANTED);
    answer
}

/// A call of a provider, in a virtual host that has rules.
struct Watched<'r>(Option<(Request<'r>, Before<'r>)>);

/// The state before the call.
struct Before<'r> {
    user: *const c_char,
    /// Variables of authentication that others had set. They are out of the environment during the call.
    variables: Option<Table<'r>>,
    interest: Interest,
}

impl<'r> Watched<'r> {
    fn begin(r: *mut sys::request_rec) -> Self {
        let begin = || {
            let interest = *INTEREST.get()?;
            // SAFETY: the server's request, which this thread alone uses while it authenticates.
            let request = unsafe { Request::from_raw(r) }.filter(interest.in_request)?;
            let user = request.claimed_user().map_or(std::ptr::null(), CStr::as_ptr);
            let variables = request.variables().select(request.pool(), interest.in_variable);
            for (name, _) in variables.into_iter().flat_map(Table::entries) {
                request.variables().remove(name);
            }
            Some((request, Before { user, variables, interest }))
        };
        Self(guard(begin, failed))
    }

    /// Notes what the call said about `user`.
    fn end_authn(self, slot: &Slot<sys::authn_provider>, user: *const c_char, success: bool) {
        let Some((mut request, before)) = self.0 else { return };
        let end = || {
            let set = before.end(&request);
            // mod_authnz_ldap may change the user to the name that is in the directory's entry
            // (AuthLDAPRemoteUserAttribute).
            let now = request.claimed_user().filter(|now| now.as_ptr() != before.user);
            // SAFETY: null, or the name that whoever asked holds in the request's pool.
            let asked =
                (!user.is_null()).then(|| request.pool().text(unsafe { CStr::from_ptr(user) }.to_bytes()));
            let proves = slot.proves.load(Ordering::Relaxed);
            let attempt = now.or(asked).filter(|_| success);
            request.set_attempt(attempt.map(|user| Attempt { user, variables: set, proves }));
            None
        };
        guard(end, failed::<()>);
    }

    fn end_authz(self, success: bool) {
        let Some((mut request, before)) = self.0 else { return };
        let end = || {
            let set = before.end(&request).filter(|_| success);
            if let (Some(user), Some(set)) = (request.claimed_user(), set) {
                request.add_authorization(user, set);
            }
            None
        };
        guard(end, failed::<()>);
    }
}

impl<'r> Before<'r> {
    /// The variables of authentication that the call set. The environment then has the earlier variables again,
    /// except those that were set anew. So for everybody else it is as if nothing had been watched.
    fn end(&self, request: &Request<'r>) -> Option<Table<'r>> {
        let environment = request.variables();
        let set = environment.select(request.pool(), self.interest.in_variable);
        for (name, value) in self.variables.into_iter().flat_map(Table::entries) {
            if set.is_none_or(|set| set.get(name).is_none()) {
                environment.add(name, value);
            }
        }
        set
    }
}

/// After a panic nothing is noted, and so the name stays unproven.
fn failed<T>(panic: &str) -> Option<T> {
    log::main(log::Level::Error, &format!("confine: panic while a provider was watched: {panic}"));
    None
}
