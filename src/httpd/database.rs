//! The database behind mod_dbd: a connection of its pool for one query.
//!
//! The connection goes back before the request goes on, so no application finds it on the request. If the request
//! holds a connection already (mod_authn_dbd keeps one to the end of the request), that connection is used. Otherwise
//! each request could hold one connection and wait for a second, and if all did this, the server would stand still
//! for ever. Some connections that a request holds are not known here, so every wait has an end (`limited_wait.rs`).

use std::{
    ffi::{CStr, c_char, c_int},
    ptr::{NonNull, null, null_mut},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use apache_sys as sys;
use confine::policy::{
    answer_cache::Holds,
    facts::{Rows, Statement},
};

use crate::httpd::{hooks, pool::Pool, request::Request};

/// The source file of the module with the connections.
const MODULE: &CStr = c"mod_dbd.c";

/// The type of `ap_dbd_open`.
pub type Open = unsafe extern "C" fn(*mut sys::apr_pool_t, *mut sys::server_rec) -> *mut sys::ap_dbd_t;
/// The type of `ap_dbd_close`.
pub type Close = unsafe extern "C" fn(*mut sys::server_rec, *mut sys::ap_dbd_t);
/// Opens a connection for a server and waits for it, for a limited time. It is called as `ap_dbd_open` is.
pub type Wait = unsafe fn(Open, Close, *mut sys::server_rec) -> Result<Opened, NoConnection>;

type Acquire = unsafe extern "C" fn(*mut sys::request_rec) -> *mut sys::ap_dbd_t;

/// How many null pointers follow the values for a statement. A driver reads as many values as its statement has
/// parameters, and another module could have stored a statement of its own under the same label.
const SPARE_VALUES: usize = 64;

const NO_CONNECTION: &str = "no connection; the line of mod_dbd before this one says why (not configured: add DBDDriver and DBDParams)";

const ALL_IN_USE: &str = "all connections of mod_dbd's pool are in use, and none came free in time; raise DBDMax, or look for who \
    keeps them: a slow database, or applications that take connections of the server's (r:dbacquire of mod_lua)";

/// Whether the module with the connections is loaded.
pub fn is_there() -> bool {
    hooks::module_loaded(MODULE)
}

/// Runs a statement in the database of the request's virtual host. The error is the driver's text, or says where to
/// look. `wait` opens a connection if the request holds none.
pub fn ask(r: &Request<'_>, statement: &Statement, values: &[&[u8]], wait: Wait) -> Result<Rows, String> {
    let connection = Connection::of(r, wait)?;
    // The connection is dropped before the pool of the results.
    let scratch = r.pool().scratch().ok_or("no memory for the answer")?;
    connection.select(statement, values, scratch.pool())
}

/// Whether a connection is held for this request in any case, so that other requests may have to wait for it.
pub fn holds(r: &Request<'_>) -> Holds {
    if is_held(r) { Holds::Something } else { Holds::Nothing }
}

/// Why there is no connection.
pub enum NoConnection {
    /// All connections are in use and stayed so.
    AllInUse,
    /// mod_dbd gave none and wrote the reason into the log.
    Refused,
    /// There was no thread or no memory for the wait. The value is an errno.
    NoThread(c_int),
}

/// A connection, the pool that it may live in, and the function that gives it back.
pub struct Opened {
    raw: NonNull<sys::ap_dbd_t>,
    server: *mut sys::server_rec,
    close: Close,
    /// The last field, because the connection must be dropped before its pool.
    _pool: Box<dyn Send>,
}

// SAFETY: mod_dbd's connections wander from thread to thread, each used by one at a time; the server lives longer
// than any request.
unsafe impl Send for Opened {}

impl Opened {
    /// A connection that is given back when this is dropped.
    ///
    /// # Safety
    /// `raw` is what the same module's `ap_dbd_open` gave for `server`, which lives as long as the process serves
    /// requests; `pool` keeps the pool that it was given, until it is dropped.
    pub unsafe fn new(
        raw: NonNull<sys::ap_dbd_t>,
        server: *mut sys::server_rec,
        close: Close,
        pool: Box<dyn Send>,
    ) -> Self {
        Self { raw, server, close, _pool: pool }
    }

    /// The connection.
    fn raw(&self) -> NonNull<sys::ap_dbd_t> {
        self.raw
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // SAFETY: what the same module's ap_dbd_open gave for the same server, given back once.
        unsafe { (self.close)(self.server, self.raw.as_ptr()) }
    }
}

/// A connection for one query.
enum Connection {
    /// The request held it before, and keeps it afterwards.
    Held(NonNull<sys::ap_dbd_t>),
    /// It goes back when this is dropped.
    Own(Opened),
}

impl Connection {
    fn of(r: &Request<'_>, wait: Wait) -> Result<Self, String> {
        // SAFETY: mod_dbd registers functions of these types under these names (modules/database/mod_dbd.h).
        let (open, close, acquire) = unsafe {
            let open = optional_function(c"ap_dbd_open").map(|f| std::mem::transmute::<Function, Open>(f));
            let close = optional_function(c"ap_dbd_close").map(|f| std::mem::transmute::<Function, Close>(f));
            let acquire =
                optional_function(c"ap_dbd_acquire").map(|f| std::mem::transmute::<Function, Acquire>(f));
            (open, close, acquire)
        };
        let (Some(open), Some(close), Some(acquire)) = (open, close, acquire) else {
            return Err("mod_dbd is not loaded; load it".to_owned());
        };
        if is_held(r) {
            // SAFETY: a live request that only this thread uses.
            let raw = NonNull::new(unsafe { acquire(r.as_ptr()) });
            return raw.map(Self::Held).ok_or_else(|| NO_CONNECTION.to_owned());
        }
        // SAFETY: mod_dbd's own functions; a virtual host lives as long as its configuration.
        unsafe { wait(open, close, r.server().as_ptr()) }.map(Self::Own).map_err(|error| match error {
            NoConnection::Refused => NO_CONNECTION.to_owned(),
            NoConnection::AllInUse => ALL_IN_USE.to_owned(),
            NoConnection::NoThread(errno) => {
                format!(
                    "no thread to wait for a connection with (errno {errno}); see the limits of the service"
                )
            }
        })
    }

    fn rec(&self) -> &sys::ap_dbd_t {
        let raw = match self {
            Self::Held(raw) => *raw,
            Self::Own(opened) => opened.raw(),
        };
        // SAFETY: a connection that this request alone has until it is given back.
        unsafe { raw.as_ref() }
    }

    fn select(&self, statement: &Statement, values: &[&[u8]], pool: Pool<'_>) -> Result<Rows, String> {
        if values.iter().any(|value| value.contains(&0)) {
            return Err("a value holds a NUL byte, which no parameter can hold".to_owned());
        }
        let mut arguments: Vec<*const c_char> =
            values.iter().map(|value| pool.text(value).as_ptr()).collect();
        arguments.resize(values.len() + SPARE_VALUES, null());
        let label = &statement.label;
        // SAFETY: the table of the connection's statements, and a C string.
        let prepared = unsafe {
            sys::apr_hash_get(self.rec().prepared, label.as_ptr().cast(), sys::APR_HASH_KEY_STRING as _)
        };
        if prepared.is_null() {
            return Err(format!("mod_dbd prepared no statement called {label:?} on this connection"));
        }
        let ask = |prepared| self.query(prepared, &arguments, values.len(), pool);
        ask(prepared.cast()).or_else(|first| self.select_anew(statement, &first, pool, ask))
    }

    /// Prepares a statement again after it failed, and runs it once more. A connection that the driver had to open
    /// again knows none of its statements (apr-util, dbd/apr_dbd_pgsql.c, check_conn). A statement of SQLite becomes
    /// invalid when the tables of the database change. If the statement failed for another reason, it fails again.
    fn select_anew(
        &self,
        statement: &Statement,
        first: &str,
        pool: Pool<'_>,
        ask: impl Fn(*mut sys::apr_dbd_prepared_t) -> Result<Rows, String>,
    ) -> Result<Rows, String> {
        let both = |then: String| {
            if then == first { then } else { format!("{first}, and when it was prepared again {then}") }
        };
        let rec = self.rec();
        // SAFETY: the connection's own driver and handle, and a live pool.
        let status = unsafe { sys::apr_dbd_check_conn(rec.driver, pool.as_ptr(), rec.handle) };
        if status != 0 && status != sys::CONFINE_APR_ENOTIMPL as c_int {
            return Err(both(self.error(status)));
        }
        if was_in_vain_just_now() {
            return Err(first.to_owned());
        }
        // SAFETY: the connection's pool, which this thread alone uses as long as it has the connection.
        let own = unsafe { Pool::from_raw(rec.pool) }
            .and_then(Pool::scratch)
            .ok_or("no memory for the statement")?;
        let again = self.prepare(statement, own.pool()).map_err(both)?;
        let rows = ask(again).map_err(|then| {
            note_in_vain();
            both(then)
        })?;
        // SAFETY: the connection's table, in which the label stands already; the statement lives as long as the
        // connection, for so does its pool.
        unsafe {
            let label = statement.label.as_ptr().cast();
            sys::apr_hash_set(rec.prepared, label, sys::APR_HASH_KEY_STRING as _, again.cast());
        }
        own.keep();
        Ok(rows)
    }

    fn prepare(&self, statement: &Statement, pool: Pool<'_>) -> Result<*mut sys::apr_dbd_prepared_t, String> {
        let (rec, mut prepared) = (self.rec(), null_mut());
        // SAFETY: the connection's own driver and handle; C strings that the driver copies.
        let status = unsafe {
            let (sql, label) = (statement.sql.as_ptr(), statement.label.as_ptr());
            sys::apr_dbd_prepare(rec.driver, pool.as_ptr(), rec.handle, sql, label, &mut prepared)
        };
        if status == 0 && !prepared.is_null() { Ok(prepared) } else { Err(self.error(status)) }
    }

    /// Runs the statement and reads the first column of its rows. All rows are fetched before the first one is looked
    /// at (the argument 1, which APR calls `random`), so nothing is left on the connection.
    fn query(
        &self,
        prepared: *mut sys::apr_dbd_prepared_t,
        arguments: &[*const c_char],
        count: usize,
        pool: Pool<'_>,
    ) -> Result<Rows, String> {
        let (rec, mut results) = (self.rec(), null_mut());
        // SAFETY: the connection's own driver, handle and statement; as many C strings as the statement has
        // parameters (start-up counted them) and null pointers behind them, which the driver only reads.
        let status = unsafe {
            let values = arguments.as_ptr().cast_mut();
            let (driver, handle) = (rec.driver, rec.handle);
            sys::apr_dbd_pselect(
                driver,
                pool.as_ptr(),
                handle,
                &mut results,
                prepared,
                1,
                count as c_int,
                values,
            )
        };
        if status != 0 || results.is_null() {
            return Err(self.error(status));
        }
        let mut row = null_mut();
        if !self.next(results, &mut row, pool)? {
            return Ok(Rows::None);
        }
        // SAFETY: a row of live results; null, or a C string that lives until the next row is asked for.
        let value = unsafe {
            let entry = sys::apr_dbd_get_entry(rec.driver, row, 0);
            if entry.is_null() { Vec::new() } else { CStr::from_ptr(entry).to_bytes().to_vec() }
        };
        Ok(if self.next(results, &mut row, pool)? { Rows::Several } else { Rows::One(value) })
    }

    /// Goes to the next row, if there is one.
    fn next(
        &self,
        results: *mut sys::apr_dbd_results_t,
        row: &mut *mut sys::apr_dbd_row_t,
        pool: Pool<'_>,
    ) -> Result<bool, String> {
        // SAFETY: live results of this connection; -1 asks for the row behind `row`.
        match unsafe { sys::apr_dbd_get_row(self.rec().driver, pool.as_ptr(), results, row, -1) } {
            0 => Ok(true),
            -1 => Ok(false),
            status => Err(self.error(status)),
        }
    }

    /// The driver's own text about its last error, on one line and in quotes.
    fn error(&self, status: c_int) -> String {
        let rec = self.rec();
        // SAFETY: the connection's own driver and handle; null or a C string of the driver's.
        let text = unsafe {
            let text = sys::apr_dbd_error(rec.driver, rec.handle, status);
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        };
        let words: Vec<_> = text.iter().flat_map(|text| text.split_whitespace()).collect();
        if words.is_empty() {
            return format!("the driver failed with status {status}");
        }
        format!("the driver says {:?}", words.join(" "))
    }
}

/// Whether a connection is held for this request until it ends. This looks at what ap_dbd_acquire looks at.
fn is_held(r: &Request<'_>) -> bool {
    match r.redirected_from().or_else(|| r.main()) {
        Some(source) => is_held(&source),
        None => r.has_config_of(MODULE),
    }
}

type Function = unsafe extern "C" fn();

/// A function that a module offers under this name.
fn optional_function(name: &CStr) -> Option<Function> {
    // SAFETY: a C string; the table of these functions does not change while requests are served.
    unsafe { sys::apr_dynamic_fn_retrieve(name.as_ptr()) }
}

/// For so long after a repeated preparation did not help, no statement is prepared again. SQLite's driver keeps each
/// prepared statement until the connection ends, so repeated preparations would use more and more memory.
const IN_VAIN: Duration = Duration::from_secs(10);

static LAST_IN_VAIN: Mutex<Option<Instant>> = Mutex::new(None);

fn was_in_vain_just_now() -> bool {
    let last = *LAST_IN_VAIN.lock().unwrap_or_else(PoisonError::into_inner);
    last.is_some_and(|last| last.elapsed() < IN_VAIN)
}

fn note_in_vain() {
    *LAST_IN_VAIN.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
}
