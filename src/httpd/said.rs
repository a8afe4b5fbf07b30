//! What this module said about a request, kept for the access log.
//!
//! The texts are kept in the request's private record, where no application finds them. Every application can write
//! the table of notes, so the table only gets a copy when the server logs the request.

use std::ffi::{CStr, c_int};

use apache_sys as sys;

use crate::httpd::request::Request;

/// The beginning of the names of all notes.
const NOTES: &CStr = c"confine-";

/// What was said about one request. Each text is as it stands in the log line.
#[derive(Clone, Copy)]
pub struct Said<'r> {
    /// What happened.
    pub event: &'static CStr,
    /// Of two texts with the same weight the first stays, and one of more weight replaces it. Of weight 0, the last
    /// stays.
    pub weight: u8,
    /// Whether it was said about a subrequest of this request.
    pub of_subrequest: bool,
    /// The proven user.
    pub user: Option<&'r CStr>,
    /// The rule that decided.
    pub rule: Option<&'r CStr>,
    /// The rule's contexts.
    pub context: Option<&'r CStr>,
    /// The reason.
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

    /// Whether this replaces what was said `before` about the same request.
    pub(super) fn replaces(&self, before: Option<&Self>) -> bool {
        before.is_none_or(|before| self.weight > before.weight || (self.weight == 0 && before.weight == 0))
    }
}

impl<'r> Request<'r> {
    /// Puts what was said about this request, and about those that it was redirected to inside the server, into the
    /// notes of each. modules/loggers/mod_log_config.c reads the notes of the last one, or of the first (`%<{...}n`).
    /// Other notes of these names are removed.
    pub fn note_what_was_said(&mut self) {
        let mut first = self.same();
        while let Some(before) = first.redirected_from() {
            first = before;
        }
        let said = match first.redirected_to() {
            None => first.said_that_counts(),
            Some(_) => first.chain().fold(None, |chosen, r| choose(chosen, &r)).map(|(said, _)| said),
        };
        let notes = Said::notes(said.as_ref());
        for mut r in first.chain() {
            // Most requests have neither: nothing was said about them, and nobody left a note.
            if said.is_none() && r.has_no_notes() {
                continue;
            }
            r.write_notes(&notes);
        }
    }

    /// Writes the notes, and removes all others of their names.
    fn write_notes(&mut self, notes: &[(&'static CStr, Option<&'r CStr>)]) {
        let table = self.notes_table();
        // Almost no request has such a note already, and APR's own search is slow for names that begin alike.
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

    /// Whether a note's name begins with `prefix`. As APR does, this ignores the case of letters.
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
                        // Of CONFINE_CONTEXT, which nearly every request has, the last byte differs.
                        .is_some_and(|begin| {
                            begin.last() == prefix.last() && begin.eq_ignore_ascii_case(prefix)
                        })
            })
        }
    }

    /// This request, and those that it was redirected to inside the server, in their order.
    fn chain(&self) -> impl Iterator<Item = Request<'r>> + use<'r> {
        std::iter::successors(Some(self.same()), |r| r.redirected_to())
    }

    /// Whether this is an error document that the server itself started, because the response before it was no
    /// success. The test is the server's own (modules/http/http_request.c, ap_die_r).
    fn is_error_document(&self) -> bool {
        self.redirected_from().is_some_and(|before| before.status() != sys::HTTP_OK as c_int)
    }

    /// What was said about this request. What was said about a subrequest only counts if it became the response.
    fn said_that_counts(&self) -> Option<Said<'r>> {
        self.said().filter(|said| !said.of_subrequest || self.status() != sys::HTTP_OK as c_int)
    }

    fn has_no_notes(&self) -> bool {
        // SAFETY: a live table, which is an array of entries (apr_tables.c) and never null.
        unsafe { (*sys::apr_table_elts(self.notes_table())).nelts == 0 }
    }
}

/// Chooses one text for a whole chain of requests: the first refusal; without one, the last text about a resource
/// that is no error document; without this, the last text about the error document.
fn choose<'r>(chosen: Option<(Said<'r>, bool)>, r: &Request<'r>) -> Option<(Said<'r>, bool)> {
    let Some(said) = r.said_that_counts() else { return chosen };
    let is_error_document = r.is_error_document();
    let wins = chosen.as_ref().is_none_or(|(before, was_error_document)| {
        said.replaces(Some(before))
            && (said.weight > before.weight || *was_error_document || !is_error_document)
    });
    if wins { Some((said, is_error_document)) } else { chosen }
}
