//! What this module said of a request, kept for the access log.
//!
//! The truth lies in the request's private record, where no application finds it. The table of notes, which any
//! application can write, only gets a copy of it when the server logs the request.

use std::ffi::{CStr, c_int};

use apache_sys as sys;

use crate::httpd::request::Request;

/// With what the names of all notes begin.
const NOTES: &CStr = c"confine-";

/// What was said of one request, each text as it stands in the log line.
#[derive(Clone, Copy)]
pub struct Said<'r> {
    /// What became of it.
    pub event: &'static CStr,
    /// What is said first of this weight stays, and gives way to what weighs more. Of weight 0, the last stays.
    pub weight: u8,
    /// Whether it was said of a subrequest of this one.
    pub of_subrequest: bool,
    /// Who was behind it, proven.
    pub user: Option<&'r CStr>,
    /// The rule that decided.
    pub rule: Option<&'r CStr>,
    /// Its contexts.
    pub context: Option<&'r CStr>,
    /// Why.
    pub reason: Option<&'r CStr>,
}

impl<'r> Said<'r> {
    /// Every note with its value.
    fn notes(said: Option<&Self>) -> [(&'static CStr, Option<&'r CStr>); 5] {
        let of = |pick: fn(&Self) -> Option<&'r CStr>| said.and_then(pick);
        [
            (c"confine-event", of(|said| Some(said.event))),
            (c"confine-user", of(|said| said.user)),
            (c"confine-rule", of(|said| said.rule)),
            (c"confine-context", of(|said| said.context)),
            (c"confine-reason", of(|said| said.reason)),
        ]
    }

    /// Whether this takes the place of what was said `before` of the same request.
    pub(super) fn replaces(&self, before: Option<&Self>) -> bool {
        before.is_none_or(|before| self.weight > before.weight || (self.weight == 0 && before.weight == 0))
    }
}

impl<'r> Request<'r> {
    /// Puts what was said of this request, and of those that it led to inside the server, into the notes of each:
    /// modules/loggers/mod_log_config.c reads those of the last one, or of the first (`%<{...}n`). Whatever else
    /// stands there under these names is taken out.
    pub fn note_what_was_said(&mut self) {
        let mut first = self.same();
        while let Some(before) = first.redirected_from() {
            first = before;
        }
        let said = first.chain().fold(None, |chosen, r| choose(chosen, &r));
        let notes = Said::notes(said.as_ref().map(|(said, _)| said));
        for mut r in first.chain() {
            // Most requests have neither: nothing was said of them, and nobody left a note.
            if said.is_none() && r.has_no_notes() {
                continue;
            }
            r.write_notes(&notes);
        }
    }

    /// Writes the notes; whatever stands there under their names goes.
    fn write_notes(&mut self, notes: &[(&'static CStr, Option<&'r CStr>)]) {
        let table = self.notes_table();
        // Nearly no request has such a note already, and APR's own search is slow among names that begin alike.
        let are_new = !self.has_a_note_that_begins(NOTES.to_bytes());
        for (name, value) in notes {
            // SAFETY: a live table of the request; the names are static, and the values live in the one pool that
            // all these requests have (modules/http/http_request.c, internal_internal_redirect).
            unsafe {
                match value {
                    Some(value) if are_new => sys::apr_table_addn(table, name.as_ptr(), value.as_ptr()),
                    Some(value) => sys::apr_table_setn(table, name.as_ptr(), value.as_ptr()),
                    None if are_new => {}
                    None => sys::apr_table_unset(table, name.as_ptr()),
                }
            }
        }
    }

    /// Whether a note's name begins with `prefix`, in letters of any case, as APR compares names.
    fn has_a_note_that_begins(&self, prefix: &[u8]) -> bool {
        // SAFETY: a live table, which is an array of entries (apr_tables.c) and never null; a name is a text that
        // lives as long as its entry. Where there is no entry, the pointer to the first is not looked at.
        unsafe {
            let array = &*sys::apr_table_elts(self.notes_table());
            let first = array.elts.cast::<sys::apr_table_entry_t>();
            (0..array.nelts as usize).map(|at| (*first.add(at)).key).any(|key| {
                !key.is_null()
                    && CStr::from_ptr(key)
                        .to_bytes()
                        .get(..prefix.len())
                        .is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
            })
        }
    }

    /// This request, and those that it led to inside the server, in their order.
    fn chain(&self) -> impl Iterator<Item = Request<'r>> + use<'r> {
        std::iter::successors(Some(self.same()), |r| r.redirected_to())
    }

    /// Whether the server itself started this request, for an answer that is none of a success: its own test
    /// (modules/http/http_request.c, ap_die_r).
    fn is_error_document(&self) -> bool {
        self.redirected_from().is_some_and(|before| before.status() != sys::HTTP_OK as c_int)
    }

    fn has_no_notes(&self) -> bool {
        // SAFETY: a live table, which is an array of entries (apr_tables.c) and never null.
        unsafe { (*sys::apr_table_elts(self.notes_table())).nelts == 0 }
    }
}

/// Of what was said of a chain of requests, what tells most of the one that the client sent: the first refusal; else
/// what was said last of a resource that is no error document; else what was said of the error document.
fn choose<'r>(chosen: Option<(Said<'r>, bool)>, r: &Request<'r>) -> Option<(Said<'r>, bool)> {
    // What a subrequest met only counts where it became the answer.
    let counts = |said: &Said<'_>| !said.of_subrequest || r.status() != sys::HTTP_OK as c_int;
    let Some(said) = r.said().filter(counts) else { return chosen };
    let is_error_document = r.is_error_document();
    let wins = chosen.as_ref().is_none_or(|(before, was_error_document)| {
        said.replaces(Some(before))
            && (said.weight > before.weight || *was_error_document || !is_error_document)
    });
    if wins { Some((said, is_error_document)) } else { chosen }
}
