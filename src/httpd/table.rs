//! A table of strings that httpd keeps with a request.

use std::{ffi::CStr, marker::PhantomData, ptr::NonNull};

use apache_sys as sys;

use crate::httpd::pool::Pool;

/// A table that lives for `'r`, with its strings. One thread at a time uses it: the request's.
#[derive(Clone, Copy)]
pub struct Table<'r> {
    raw: NonNull<sys::apr_table_t>,
    life: PhantomData<&'r ()>,
}

impl<'r> Table<'r> {
    /// Wraps one of the server's tables.
    ///
    /// # Safety
    /// `raw` is null or a table that lives for all of `'r` with its strings, and this thread is its only user.
    pub unsafe fn from_raw(raw: *mut sys::apr_table_t) -> Option<Self> {
        NonNull::new(raw).map(|raw| Self { raw, life: PhantomData })
    }

    /// An empty table. APR ends the process when memory is short.
    pub fn new(pool: Pool<'r>) -> Self {
        // SAFETY: a live pool; the table lives as long, and is never null.
        unsafe { Self::from_raw(sys::apr_table_make(pool.as_ptr(), 8)).unwrap_unchecked() }
    }

    /// The table, for a call into the server.
    pub fn as_ptr(self) -> *mut sys::apr_table_t {
        self.raw.as_ptr()
    }

    /// The first value of `name`. The case of letters does not count.
    pub fn get(self, name: &CStr) -> Option<&'r CStr> {
        // SAFETY: a live table of C strings.
        unsafe {
            let value = sys::apr_table_get(self.as_ptr(), name.as_ptr());
            (!value.is_null()).then(|| CStr::from_ptr(value))
        }
    }

    /// Adds a value. The table keeps the strings themselves, not copies.
    pub fn add(self, name: &'r CStr, value: &'r CStr) {
        // SAFETY: a live table, strings that live as long.
        unsafe { sys::apr_table_addn(self.as_ptr(), name.as_ptr(), value.as_ptr()) }
    }

    /// Removes all values of `name`.
    pub fn remove(self, name: &CStr) {
        // SAFETY: a live table and a C string.
        unsafe { sys::apr_table_unset(self.as_ptr(), name.as_ptr()) }
    }

    /// Names and values in their order, without entries that have no value (mod_authn_dbd makes such an entry for a
    /// column that is NULL). The table must not change meanwhile, because the next step could then return another
    /// entry, or none.
    pub fn entries(self) -> impl Iterator<Item = (&'r CStr, &'r CStr)> {
        let mut index = 0;
        std::iter::from_fn(move || {
            loop {
                // SAFETY: a table is an array of entries whose names are never null (apr_tables.c); the index is
                // checked against its present length before an entry is looked at.
                unsafe {
                    let array = &*sys::apr_table_elts(self.as_ptr());
                    if index >= array.nelts.max(0) as usize {
                        return None;
                    }
                    let entry = &*array.elts.cast::<sys::apr_table_entry_t>().add(index);
                    index += 1;
                    if !entry.val.is_null() {
                        return Some((CStr::from_ptr(entry.key), CStr::from_ptr(entry.val)));
                    }
                }
            }
        })
    }

    /// The entries whose names `wanted` accepts, in a new table. `None` if there is no such entry.
    pub fn select(self, pool: Pool<'r>, wanted: impl Fn(&CStr) -> bool) -> Option<Self> {
        let mut selected = None;
        for (name, value) in self.entries().filter(|(name, _)| wanted(name)) {
            selected.get_or_insert_with(|| Self::new(pool)).add(name, value);
        }
        selected
    }
}
