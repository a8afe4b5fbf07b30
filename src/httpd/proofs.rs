//! What authentication proved, kept where no application can write: whose name, where, and which variables came
//! with it.
//!
//! The server carries names further than their proof. `ap_internal_fast_redirect` (DirectoryIndex,
//! FallbackResource, content negotiation) gives a request the directory configuration of another resource and
//! leaves it its user; redirects copy `r->user` (server/request.c, ap_process_request_internal). So a proof is
//! tied to the *place* that it was made for: the request's merged directory configuration, which holds the type of
//! authentication, its realm and its providers. (`AuthType` and `AuthName` may be expressions, so what they come to
//! counts, too.) The server itself goes by the same: where the configuration is another one, it authenticates again. A name counts where a living proof of it was made for the very
//! configuration that the request has now, so a place sees just what it would see if it had been asked directly.
//!
//! A proof is kept with the first request of its family (what a client sent, its subrequests and what they were
//! redirected to) and ends with the request that made it, before the memory of that request's configuration can be
//! used again for another one's.

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
    /// The one in use.
    pub used: *const sys::ap_conf_vector_t,
    /// The one that the server found; another one where this module made the request one of its own.
    pub found: *const sys::ap_conf_vector_t,
}

impl Place {
    fn is(self, other: Self) -> bool {
        self.used == other.used || self.found == other.found
    }
}

/// One proof, in the pool of the request that made it.
pub(super) struct Proof {
    /// The one before it in the family; null: none.
    older: Cell<*mut Proof>,
    /// Where the family's newest is written down.
    newest: *mut *mut Proof,
    /// Who made it; compared, never looked into.
    request: *const sys::request_rec,
    place: Place,
    /// `AuthType` and `AuthName` as they came out for it; null: not set.
    realm: [*const c_char; 2],
    /// Whether it is about who somebody is. If not: about what somebody may.
    of_name: bool,
    user: *const c_char,
    /// Null: none.
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

    /// The variables, for as long as the request that asks: it is of the same family, and finds only proofs that
    /// live.
    fn table<'r>(&'r self) -> Option<Table<'r>> {
        // SAFETY: null, or a table in the pool of the request that made the proof, like its strings.
        unsafe { Table::from_raw(self.variables) }
    }
}

/// What a provider said of somebody, before the server has heard the whole of it.
#[derive(Clone, Copy)]
pub struct Attempt<'r> {
    /// Whom it is about.
    pub user: &'r CStr,
    /// The variables that it set.
    pub variables: Option<Table<'r>>,
    /// Whether it takes a password for its answer.
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

    /// Keeps that `user` was proven here, and the variables of the proof.
    pub fn add_proof(&mut self, user: &'r CStr, variables: Option<Table<'r>>) {
        self.keep(user, variables, true, self.place());
    }

    /// Keeps that `user` was authorized here, and the variables that came with it.
    pub fn add_authorization(&mut self, user: &'r CStr, variables: Table<'r>) {
        // A provider's alias has its own configuration for the length of its call
        // (modules/aaa/mod_authz_core.c); what it says is about the place where the name was proven.
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

    /// The proofs that the family has now, the newest first.
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

    /// The proofs that are about `user` and were made for the place that this request has come to.
    fn proofs_here(&self, user: &'r CStr) -> impl Iterator<Item = &'r Proof> + use<'r> {
        let (place, request) = (self.place(), self.same());
        let about = move |proof: &&Proof| {
            proof.place.is(place) && proof.is_about(user) && proof.is_in_realm(request.realm())
        };
        self.proofs().filter(about)
    }

    /// `AuthType` and `AuthName`, as they come out here.
    fn realm(&self) -> [Option<&'r CStr>; 2] {
        [self.wanted_auth_type(), self.wanted_realm()]
    }

    /// Whether somebody proved to be `user`, for the place that this request has come to.
    pub fn has_proof_of(&self, user: &'r CStr) -> bool {
        self.proofs_here(user).any(|proof| proof.of_name)
    }

    /// A variable of the proofs that are about `user`, here.
    pub fn proven_variable(&self, user: &'r CStr, name: &CStr) -> Option<&'r CStr> {
        self.proofs_here(user).find_map(|proof| proof.table()?.get(name))
    }

    /// The variables of all proofs that are about `user`, here; of one name, the first counts.
    pub fn proven_variables(&self, user: &'r CStr) -> impl Iterator<Item = Table<'r>> + use<'r> {
        self.proofs_here(user).filter_map(Proof::table)
    }
}

/// The request that made a proof ends.
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
