//! What authentication proved, kept where no application can write: which name, for which place, and with which
//! variables.
//!
//! The server carries names further than their proof. `ap_internal_fast_redirect` (DirectoryIndex, FallbackResource,
//! content negotiation) gives a request the directory configuration of another resource and keeps the request's user.
//! Redirects copy `r->user` (server/request.c, ap_process_request_internal).
//!
//! So a proof belongs to the *place* that it was made for. The place is the request's merged directory configuration,
//! which holds the type of authentication, its realm and its providers. `AuthType` and `AuthName` may be expressions,
//! so their values count, too. The server itself compares the same: where the configuration differs, it authenticates
//! again. A name counts if a living proof of it was made for exactly the configuration that the request has now. So a
//! place sees just what it would see if it had been requested directly.
//!
//! A proof is kept with the first request of its family (the request that a client sent, its subrequests, and all
//! requests that these were redirected to). It ends with the request that made it, because after that the memory of
//! this request's configuration may hold the configuration of another one.

use std::{
    cell::Cell,
    ffi::{CStr, c_char, c_void},
    ptr::{from_mut, null, null_mut},
};

use apache_sys as sys;

use crate::httpd::{boundary::guard, request::Request, table::Table};

/// The directory configuration that a request has.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// The configuration in use.
    pub used: *const sys::ap_conf_vector_t,
    /// The configuration that the server found. It differs from `used` if this module gave the request one of its
    /// own.
    pub found: *const sys::ap_conf_vector_t,
}

impl Place {
    fn is(self, other: Self) -> bool {
        self.used == other.used || self.found == other.found
    }
}

/// One proof, in the pool of the request that made it.
pub(super) struct Proof {
    /// The previous proof of the family, or null.
    older: Cell<*mut Proof>,
    /// The place of the pointer to the family's newest proof.
    newest: *mut *mut Proof,
    /// The request that made the proof. It is only compared, and never read.
    request: *const sys::request_rec,
    place: Place,
    /// The values of `AuthType` and `AuthName` for this proof. Null says that a directive is not set.
    realm: [*const c_char; 2],
    /// Whether this proves a name (authentication). Otherwise it is about what somebody may do (authorization).
    of_name: bool,
    user: *const c_char,
    /// Null if there are none.
    variables: *mut sys::apr_table_t,
}

impl Proof {
    fn is_about(&self, user: &CStr) -> bool {
        // SAFETY: a string of the request that made the proof.
        unsafe { CStr::from_ptr(self.user) == user }
    }

    fn is_in_realm(&self, realm: [Option<&CStr>; 2]) -> bool {
        // SAFETY: as above.
        self.realm.map(|text| (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })) == realm
    }

    /// The variables, for as long as the request that asks. This request is of the same family, and it only finds
    /// living proofs.
    fn table<'r>(&'r self) -> Option<Table<'r>> {
        // SAFETY: null, or a table in the pool of the request that made the proof, like its strings.
        unsafe { Table::from_raw(self.variables) }
    }
}

/// What a provider said about somebody, before the server has its final answer.
#[derive(Clone, Copy)]
pub struct Attempt<'r> {
    /// The name that it is about.
    pub user: &'r CStr,
    /// The variables that it set.
    pub variables: Option<Table<'r>>,
    /// Whether the provider's answer depends on a password.
    pub proves: bool,
}

impl<'r> Request<'r> {
    /// The request that a client sent.
    fn first_of_family(&self) -> Request<'r> {
        let mut first = self.same();
        while let Some(above) = first.main().or_else(|| first.redirected_from()) {
            first = above;
        }
        first
    }

    /// Notes that `user` was proven here, with the variables of the proof.
    pub fn add_proof(&mut self, user: &'r CStr, variables: Option<Table<'r>>) {
        self.keep(user, variables, true, self.place());
    }

    /// Notes that `user` was authorized here, with the variables of the authorization.
    pub fn add_authorization(&mut self, user: &'r CStr, variables: Table<'r>) {
        // A provider's alias has a configuration of its own for the length of its call
        // (modules/aaa/mod_authz_core.c). What it says is about the place where the name was proven.
        let mine = |proof: &&Proof| proof.of_name && std::ptr::eq(proof.request, self.as_ptr());
        let place = self.proofs().find(mine).map_or_else(|| self.place(), |proof| proof.place);
        self.keep(user, Some(variables), false, place);
    }

    fn keep(&mut self, user: &'r CStr, variables: Option<Table<'r>>, of_name: bool, place: Place) {
        let first = self.first_of_family();
        let newest = first.newest_proof();
        // SAFETY: `newest` is a field of what this module keeps with the first request, whose pool lives at least as
        // long as this request's: those of subrequests are its children, redirects share it.
        let older = unsafe { *newest };
        let request = self.as_ptr();
        let variables = variables.map_or(null_mut(), Table::as_ptr);
        let older = Cell::new(older);
        let realm = self.realm().map(|text| text.map_or(null(), CStr::as_ptr));
        let proof = Proof { older, newest, request, place, realm, of_name, user: user.as_ptr(), variables };
        let proof = from_mut(self.pool().place(proof));
        // SAFETY: as above. The cleanup runs before the memory of this request's pool is given back.
        unsafe {
            *newest = proof;
            let pool = self.pool().as_ptr();
            let nothing = Some(sys::apr_pool_cleanup_null as unsafe extern "C" fn(_) -> _);
            sys::apr_pool_cleanup_register(pool, proof.cast(), Some(forget), nothing);
        }
    }

    /// The living proofs of the family, the newest first.
    fn proofs(&self) -> impl Iterator<Item = &'r Proof> + use<'r> {
        // SAFETY: as in keep(); every proof in the list lives, or forget() would have taken it out.
        let mut next = unsafe { *self.first_of_family().newest_proof() };
        std::iter::from_fn(move || {
            // SAFETY: as above.
            let proof = unsafe { next.as_ref() }?;
            next = proof.older.get();
            Some(proof)
        })
    }

    /// The proofs that are about `user` and were made for the place where this request is now.
    fn proofs_here(&self, user: &'r CStr) -> impl Iterator<Item = &'r Proof> + use<'r> {
        let (place, request) = (self.place(), self.same());
        let about = move |proof: &&Proof| {
            proof.place.is(place) && proof.is_about(user) && proof.is_in_realm(request.realm())
        };
        self.proofs().filter(about)
    }

    /// The values of `AuthType` and `AuthName` for this request.
    fn realm(&self) -> [Option<&'r CStr>; 2] {
        [self.wanted_auth_type(), self.wanted_realm()]
    }

    /// Whether somebody proved to be `user`, for the place where this request is now.
    pub fn has_proof_of(&self, user: &'r CStr) -> bool {
        self.proofs_here(user).any(|proof| proof.of_name)
    }

    /// A variable of the proofs that are about `user` in this place.
    pub fn proven_variable(&self, user: &'r CStr, name: &CStr) -> Option<&'r CStr> {
        self.proofs_here(user).find_map(|proof| proof.table()?.get(name))
    }

    /// The variables of all proofs that are about `user` in this place. If a name occurs more than once, the first
    /// counts.
    pub fn proven_variables(&self, user: &'r CStr) -> impl Iterator<Item = Table<'r>> + use<'r> {
        self.proofs_here(user).filter_map(Proof::table)
    }
}

/// Removes a proof when the request that made it ends.
unsafe extern "C" fn forget(proof: *mut c_void) -> sys::apr_status_t {
    guard(
        || {
            let proof = proof.cast::<Proof>();
            // SAFETY: registered in keep() with a proof in a pool that is about to end, in a list that lives as long
            // and whose other proofs live; one thread at a time uses a family's requests.
            unsafe {
                let mut link = (*proof).newest;
                while !(*link).is_null() && *link != proof {
                    link = (**link).older.as_ptr();
                }
                if *link == proof {
                    *link = (*proof).older.get();
                }
            }
        },
        |_| (),
    );
    0
}
