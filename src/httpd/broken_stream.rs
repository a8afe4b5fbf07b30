//! A response that breaks off in the middle of its body.

use std::ffi::c_int;

use apache_sys as sys;

use super::{request::Request, status::Status};

impl Request<'_> {
    /// Has the client see at once that its response breaks off, because the server itself does not.
    ///
    /// This concerns a handler that answers AP_FILTER_ERROR after a part of the response was sent. (Every other
    /// answer that is no status becomes 500: server/config.c, ap_invoke_handler.) The server takes AP_FILTER_ERROR
    /// for a broken connection and sends nothing more (modules/http/http_request.c, ap_die_r). An HTTP/2 stream
    /// breaks only if a bucket says so. Without this bucket mod_http2 finds out by chance, or the client waits until
    /// it gives up. A connection of HTTP/1.1 that may be kept is kept: the client would wait until KeepAliveTimeout, and
    /// take the response to its next request for the rest of this one. So it is closed.
    pub fn break_off(&mut self, status: Status) {
        if status.as_raw() != sys::AP_FILTER_ERROR as c_int {
            return;
        }
        // SAFETY: a live request, its main request and its connection, of which this thread is the only user.
        let in_http2 = unsafe {
            let r = &*self.as_ptr();
            if !r.main.is_null() || r.sent_bodyct == 0 || r.eos_sent != 0 {
                return;
            }
            let in_http2 = !(*r.connection).master.is_null();
            if !in_http2 {
                (*r.connection).keepalive = sys::AP_CONN_CLOSE;
            }
            in_http2
        };
        if !in_http2 {
            return;
        }
        // SAFETY: live request and connection, of which this thread is the only user; the new bucket is the only one
        // of the new brigade (APR_BRIGADE_INSERT_TAIL: the brigade's own link stands for the bucket before the first).
        // The filters of the protocol take both over. They are asked past the resource's filters, which have failed
        // or may keep what they get.
        unsafe {
            let r = &mut *self.as_ptr();
            let list = (*r.connection).bucket_alloc;
            let brigade = sys::apr_brigade_create(r.pool, list);
            let internal = sys::HTTP_INTERNAL_SERVER_ERROR as c_int;
            let bucket = sys::ap_bucket_error_create(internal, std::ptr::null(), r.pool, list);
            let sentinel = (&raw mut (*brigade).list).cast::<sys::apr_bucket>();
            (*bucket).link.next = sentinel;
            (*bucket).link.prev = sentinel;
            (*brigade).list.next = bucket;
            (*brigade).list.prev = bucket;
            // A failure means that the stream is broken already.
            sys::ap_pass_brigade(r.proto_output_filters, brigade);
        }
    }
}
