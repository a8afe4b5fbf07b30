//! The request's headers as the client sent them, kept from before any content handler ran.

use apache_sys as sys;

use super::Request;

impl<'r> Request<'r> {
    /// Keeps the headers of this request, because an application can change them. Only the first call does something.
    pub fn keep_original_headers(&mut self) {
        if self.private().headers.is_null() {
            // SAFETY: a live table and a live pool. The copy shares the values, which live as long as the request;
            // who changes the original replaces its values.
            let headers = unsafe { sys::apr_table_copy(self.rec().pool, self.rec().headers_in) };
            self.change_private(|private| private.headers = headers);
        }
    }

    /// Restores the headers that came with the request. Its subrequests, and the requests that it was redirected to
    /// inside the server, use the same table.
    pub fn restore_original_headers(&mut self) {
        let original = self.private().headers;
        if original.is_null() {
            return;
        }
        let headers = self.rec().headers_in;
        // SAFETY: a live table, and the copy that keep_original_headers() made: an array of entries (never null, apr_tables.c,
        // make_array_core) whose strings live as long as the request.
        unsafe {
            let entries = &*sys::apr_table_elts(original);
            let first = entries.elts.cast::<sys::apr_table_entry_t>();
            sys::apr_table_clear(headers);
            for entry in std::slice::from_raw_parts(first, entries.nelts as usize) {
                sys::apr_table_addn(headers, entry.key, entry.val);
            }
        }
    }
}
