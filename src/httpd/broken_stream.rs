//! A response that breaks off in the middle of its body, on a stream of HTTP/2.

use std::ffi::c_int;

use apache_sys as sys;

use super::{request::Request, status::Status};

impl Request<'_> {
    /// Says on the stream that no more comes, where the server would say nothing: the handler answered AP_FILTER_ERROR,
    /// and part of the response is sent. The server takes that for a broken connection (modules/http/http_request.c,
    /// ap_die_r; it makes a 500 of every other answer that is none, server/config.c, ap_invoke_handler). A stream of
    /// HTTP/2 breaks only when it is told to: without a bucket that says so, mod_http2 finds out by chance, or the
    /// client waits until it gives up. On HTTP/1.1 nothing is to be said: the response ends without its end, and the
    /// connection with it.
    pub fn break_stream(&mut self, status: Status) {
        if status.as_raw() != sys::AP_FILTER_ERROR as c_int {
            return;
        }
        // SAFETY: a live request, its main request and its connection.
        let breaks = unsafe {
            let r = &*self.as_ptr();
            let in_http2 = !(*r.connection).master.is_null();
            in_http2 && r.main.is_null() && r.sent_bodyct != 0 && r.eos_sent == 0
        };
        if !breaks {
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
