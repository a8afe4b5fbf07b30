//! The guard of a resource's filters. It is one input filter and one output filter that stand before all others of a
//! request, so everything that would reach the resource's filters passes through it first.
//!
//! The filters of a resource may be a tenant's code. The server runs them wherever somebody reads a body to its end
//! or ends a stream, also in its own thread and also after a refusal. So the guard is inserted as soon as the rules
//! of the request are known. Where the filters may not run, the guard passes the data around them.

use std::{
    ffi::{CStr, c_int},
    ptr::null_mut,
    sync::atomic::{AtomicPtr, Ordering},
};

use apache_sys as sys;

use crate::httpd::request::Request;

/// An input filter's function.
pub type Input = unsafe extern "C" fn(
    *mut sys::ap_filter_t,
    *mut sys::apr_bucket_brigade,
    sys::ap_input_mode_t,
    sys::apr_read_type_e,
    sys::apr_off_t,
) -> sys::apr_status_t;

/// An output filter's function.
pub type Output =
    unsafe extern "C" fn(*mut sys::ap_filter_t, *mut sys::apr_bucket_brigade) -> sys::apr_status_t;

/// Before every filter of a resource (such as SSI, or a tenant's), which have the type RESOURCE.
const BEFORE_ALL: sys::ap_filter_type = (sys::AP_FTYPE_RESOURCE - 1) as sys::ap_filter_type;

/// The filter that ends a subrequest's own filters. The server keeps names in lower case (server/util_filter.c).
const END_OF_SUBREQUEST: &CStr = c"subreq_core";

static INPUT: AtomicPtr<sys::ap_filter_rec_t> = AtomicPtr::new(null_mut());
static OUTPUT: AtomicPtr<sys::ap_filter_rec_t> = AtomicPtr::new(null_mut());

/// Makes both guards known to the server.
///
/// # Safety
/// To be called by the server's register_hooks, with functions that keep the filters' contracts.
pub(super) unsafe fn register(input: Input, output: Output) {
    // SAFETY: the functions live as long as the process; names are C strings. The records live as long as the
    // module is registered, which is when the next call replaces them.
    unsafe {
        let input =
            sys::ap_register_input_filter(c"CONFINE_GUARD_IN".as_ptr(), Some(input), None, BEFORE_ALL);
        let output =
            sys::ap_register_output_filter(c"CONFINE_GUARD_OUT".as_ptr(), Some(output), None, BEFORE_ALL);
        INPUT.store(input, Ordering::Release);
        OUTPUT.store(output, Ordering::Release);
    }
}

impl Request<'_> {
    /// Inserts the guards before the filters that this request has and will get.
    pub fn guard_filters(&mut self) {
        let (r, input, output) =
            (self.as_ptr(), INPUT.load(Ordering::Acquire), OUTPUT.load(Ordering::Acquire));
        // SAFETY: a live request with its connection; records that the server made for these very functions.
        unsafe {
            if !input.is_null() {
                sys::ap_add_input_filter_handle(input, null_mut(), r, (*r).connection);
            }
            if !output.is_null() {
                sys::ap_add_output_filter_handle(output, null_mut(), r, (*r).connection);
            }
        }
    }
}

/// Where a filter that the configuration made stands at most: the last place before those of the protocol.
const BEFORE_THE_PROTOCOL: sys::ap_filter_type = (sys::AP_FTYPE_PROTOCOL - 1) as sys::ap_filter_type;

impl Request<'_> {
    /// Puts the filters that the configuration made (mod_filter's `FilterDeclare`) behind the guard, where those of a
    /// resource belong.
    ///
    /// `FilterDeclare NAME PROTOCOL`, which a `.htaccess` file may say, has any filter, SSI or a tenant's, run among
    /// the protocol's own. The server sends errors through these (modules/http/http_protocol.c,
    /// ap_send_error_response), and no guard stands there. With `CONNECTION` or `NETWORK` the filter would run for
    /// later requests of the connection, and mod_filter follows a null pointer.
    ///
    /// To be called after the last hook that inserts filters, before their init functions run.
    pub fn lower_made_filters(&mut self) {
        let r = self.as_ptr();
        // SAFETY: a live request with its connection, of which this thread is the only user. Each filter of the chain
        // is live and has a record. A filter that is taken out of the chain stays in memory. The copy of a record
        // lives as long as the request.
        unsafe {
            let connection = (*r).connection;
            let mut link = &raw mut (*r).output_filters;
            while let Some(filter) = (*link).as_ref() {
                let record = &*filter.frec;
                // A subrequest's chain goes on with the filters of the request that it serves.
                let of_another = !filter.r.is_null() && filter.r != r;
                if of_another || record.providers.is_null() || record.ftype <= BEFORE_THE_PROTOCOL {
                    link = &raw mut (**link).next;
                    continue;
                }
                // The server's own function leaves a filter of the connection in the request's chain.
                let made = *link;
                for start in [&raw mut (*r).proto_output_filters, &raw mut (*connection).output_filters, link]
                {
                    if *start == made {
                        *start = filter.next;
                    }
                }
                let lowered =
                    self.pool().place(sys::ap_filter_rec_t { ftype: BEFORE_THE_PROTOCOL, ..*record });
                sys::ap_add_output_filter_handle(lowered, filter.ctx, r, connection);
            }
        }
    }
}

/// One of the guards, while the server runs it.
pub struct Guard(*mut sys::ap_filter_t);

impl Guard {
    /// Wraps the filter that the server runs.
    ///
    /// # Safety
    /// `filter` is live, for the length of the call, as are those behind it.
    pub unsafe fn from_raw(filter: *mut sys::ap_filter_t) -> Self {
        Self(filter)
    }

    /// The request whose filters it guards.
    pub fn request(&self) -> Option<Request<'_>> {
        // SAFETY: a request's filter has that request, which is live and this thread's.
        unsafe { Request::from_raw((*self.0).r) }
    }

    /// The first filter behind those of the request's resource.
    fn beyond(&self) -> *mut sys::ap_filter_t {
        // SAFETY: a chain of live filters, each with its record; it ends in null. Filters of the connection have
        // no request.
        unsafe {
            let own = (*self.0).r;
            let mut next = (*self.0).next;
            while let Some(filter) = next.as_ref() {
                let record = &*filter.frec;
                let of_resource = record.ftype < sys::AP_FTYPE_PROTOCOL as sys::ap_filter_type
                    && CStr::from_ptr(record.name) != END_OF_SUBREQUEST;
                if filter.r != own || !of_resource {
                    break;
                }
                next = filter.next;
            }
            next
        }
    }

    fn next(&self, past: bool) -> *mut sys::ap_filter_t {
        // SAFETY: the live filter of from_raw().
        if past { self.beyond() } else { unsafe { (*self.0).next } }
    }

    /// Reads from the filters behind this one. With `past`, it goes around the resource's filters.
    ///
    /// # Safety
    /// `brigade` is live, as the server handed it to this filter.
    pub unsafe fn read(
        &self,
        past: bool,
        brigade: *mut sys::apr_bucket_brigade,
        mode: sys::ap_input_mode_t,
        block: sys::apr_read_type_e,
        bytes: sys::apr_off_t,
    ) -> sys::apr_status_t {
        // SAFETY: a live chain and the caller's promise.
        unsafe { sys::ap_get_brigade(self.next(past), brigade, mode, block, bytes) }
    }

    /// Sends to the filters behind this one. With `past`, it goes around the resource's filters.
    ///
    /// # Safety
    /// `brigade` is live, as the server handed it to this filter.
    pub unsafe fn send(&self, past: bool, brigade: *mut sys::apr_bucket_brigade) -> sys::apr_status_t {
        // SAFETY: a live chain and the caller's promise.
        unsafe { sys::ap_pass_brigade(self.next(past), brigade) }
    }
}

/// The answer of a filter that sends nothing more.
pub const NOT_PERMITTED: c_int = libc::EPERM;
