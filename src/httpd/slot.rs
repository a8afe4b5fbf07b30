//! This module's entries of the server's configuration vectors, each tied to its type once.
//!
//! The server keeps one vector for each server section and one for each directory section. Functions of the module
//! record make and merge a module's entries, and the server hands these entries out as untyped pointers. A slot is
//! the only place that knows the type. The module record takes its functions from the slot, and every reader of an
//! entry asks the slot.

use std::{
    ffi::{c_char, c_int, c_void},
    marker::PhantomData,
    ptr::{NonNull, from_mut, null_mut},
};

use apache_sys as sys;

use crate::httpd::{boundary::guard, command::Command, log, pool::Pool, request::Request, server::Server};

unsafe extern "C" {
    /// The module record, which `lib.rs` defines.
    static confine_module: sys::module;
}

/// The index that the server gave this module: its place in every configuration vector.
pub fn module_index() -> c_int {
    // SAFETY: the server writes it while it loads the module, before any of the module's code runs and while there
    // is one thread.
    unsafe { (&raw const confine_module.module_index).read() }
}

/// This module's entry of a configuration vector (what the C macro `ap_get_module_config` reads).
///
/// # Safety
/// `vector` is a live configuration vector made by httpd after this module was loaded.
pub unsafe fn config_entry(vector: *const sys::ap_conf_vector_t) -> *mut c_void {
    // SAFETY: httpd allocates vectors as arrays of pointers with room for every module index.
    unsafe { *vector.cast::<*mut c_void>().offset(module_index() as isize) }
}

/// Sets this module's entry of a configuration vector.
///
/// # Safety
/// As [`config_entry`]; and nobody else reads the vector meanwhile.
pub unsafe fn set_config_entry(vector: *mut sys::ap_conf_vector_t, value: *mut c_void) {
    // SAFETY: see config_entry.
    unsafe { *vector.cast::<*mut c_void>().offset(module_index() as isize) = value }
}

/// What a module keeps for a section. It is plain data, and may refer to data in the same pool.
pub trait ConfigEntry: 'static {
    /// The entry, in a pool that lives for `'c`.
    type At<'c>: Copy + 'c;

    /// The entry of a section that says nothing.
    fn create<'c>(pool: Pool<'c>) -> Self::At<'c>;

    /// The entry of an inner section over that of an outer one.
    fn merge<'c>(pool: Pool<'c>, outer: &'c Self::At<'c>, inner: &'c Self::At<'c>) -> Self::At<'c>;
}

/// The function of the module record that merges two entries.
pub type Merge = unsafe extern "C" fn(*mut sys::apr_pool_t, *mut c_void, *mut c_void) -> *mut c_void;
/// The function of the module record that makes a server section's entry.
pub type CreateServer = unsafe extern "C" fn(*mut sys::apr_pool_t, *mut sys::server_rec) -> *mut c_void;
/// The function of the module record that makes a directory section's entry.
pub type CreateDirectory = unsafe extern "C" fn(*mut sys::apr_pool_t, *mut c_char) -> *mut c_void;

/// The kind of section that an entry belongs to: server sections, or directory sections.
pub trait Section {
    /// The owner of an entry: a server, or a request, for which the server merges the directory sections.
    type Owner<'a>;

    /// The entry of `owner`: null, or what the slot's functions made, in a pool that lives as long as `owner`.
    fn entry(owner: &Self::Owner<'_>) -> *mut c_void;

    /// The entry of the section that a directive stands in: null, or what the slot's functions made, in a pool that
    /// lives as long as the configuration.
    ///
    /// # Errors
    /// The directive stands in no such section.
    fn entry_at(command: &Command<'_>) -> Result<*mut c_void, String>;

    /// The error if the section has no entry.
    const MISSING: &'static str;
}

/// Server sections.
pub struct InServer;

/// Directory sections.
pub struct InDirectory;

impl Section for InServer {
    type Owner<'a> = Server<'a>;
    const MISSING: &'static str = "this server has no configuration";

    fn entry(server: &Server<'_>) -> *mut c_void {
        server.module_config()
    }

    fn entry_at(command: &Command<'_>) -> Result<*mut c_void, String> {
        Ok(command.server().ok_or("the server gave no section")?.module_config())
    }
}

impl Section for InDirectory {
    type Owner<'a> = Request<'a>;
    const MISSING: &'static str = "this section has no configuration";

    fn entry(r: &Request<'_>) -> *mut c_void {
        r.directory_config()
    }

    fn entry_at(command: &Command<'_>) -> Result<*mut c_void, String> {
        Ok(command.directory_config())
    }
}

/// The entry `E` of the sections `S`.
pub struct Slot<E, S>(PhantomData<(E, S)>);

/// The entry `E` of server sections.
pub type ServerSlot<E> = Slot<E, InServer>;

/// The entry `E` of directory sections.
pub type DirectorySlot<E> = Slot<E, InDirectory>;

impl<E: ConfigEntry> ServerSlot<E> {
    /// The function for the module record.
    pub const fn create(&self) -> CreateServer {
        create_server::<E>
    }

    /// Replaces a server's entry. It must be called at the end of startup, before the first request.
    pub fn put<'s>(&self, server: &Server<'s>, pool: Pool<'s>, entry: E::At<'s>) {
        server.set_module_config(from_mut(pool.place(entry)).cast());
    }
}

impl<E: ConfigEntry> DirectorySlot<E> {
    /// The function for the module record.
    pub const fn create(&self) -> CreateDirectory {
        create_directory::<E>
    }
}

impl<E: ConfigEntry, S: Section> Slot<E, S> {
    /// # Safety
    /// The functions of the module record for these sections are `create` and [`Slot::merge`] of this very type.
    pub const unsafe fn new() -> Self {
        Self(PhantomData)
    }

    /// The function for the module record.
    pub const fn merge(&self) -> Merge {
        merge::<E>
    }

    /// The entry of a server, or the merged entry of a request. `None` if there is none.
    pub fn of<'a>(&self, owner: &S::Owner<'a>) -> Option<&'a E::At<'a>> {
        let raw = NonNull::new(S::entry(owner).cast::<E::At<'a>>())?;
        // SAFETY: the functions of this slot made the entry (see new), in a pool that lives at least as long as the
        // server or the request.
        Some(unsafe { raw.as_ref() })
    }

    /// Changes the entry of the section, or of the `.htaccess` file, in which a directive stands.
    pub fn edit<'c, T>(
        &self,
        command: &Command<'c>,
        edit: impl FnOnce(&mut E::At<'c>) -> T,
    ) -> Result<T, String> {
        let raw = S::entry_at(command)?.cast::<E::At<'c>>();
        // SAFETY: as in of(). One thread reads a section, and it alone uses the entry.
        unsafe { change(raw, edit) }.ok_or_else(|| S::MISSING.to_owned())
    }
}

/// Changes a copy and then puts it in the entry's place. So `edit` still reads the unchanged entry if it looks there.
///
/// # Safety
/// `entry` is null or a live entry that one thread uses.
unsafe fn change<A: Copy, T>(entry: *mut A, edit: impl FnOnce(&mut A) -> T) -> Option<T> {
    if entry.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let mut copy = unsafe { entry.read() };
    let result = edit(&mut copy);
    // SAFETY: as above.
    unsafe { entry.write(copy) };
    Some(result)
}

unsafe extern "C" fn create_server<E: ConfigEntry>(
    pool: *mut sys::apr_pool_t,
    _: *mut sys::server_rec,
) -> *mut c_void {
    // SAFETY: the server hands the function of a module record the configuration's live pool.
    unsafe { create::<E>(pool) }
}

unsafe extern "C" fn create_directory<E: ConfigEntry>(
    pool: *mut sys::apr_pool_t,
    _: *mut c_char,
) -> *mut c_void {
    // SAFETY: the server hands the function of a module record the live pool of the configuration, or of the request
    // whose .htaccess file is read.
    unsafe { create::<E>(pool) }
}

/// # Safety
/// `pool` is null or a live pool.
unsafe fn create<E: ConfigEntry>(pool: *mut sys::apr_pool_t) -> *mut c_void {
    let body = || {
        // SAFETY: the caller's promise.
        let Some(pool) = (unsafe { Pool::from_raw(pool) }) else { return null_mut() };
        from_mut(pool.place(E::create(pool))).cast()
    };
    guard(body, end)
}

/// Merges two entries. For directory sections this runs on requests.
unsafe extern "C" fn merge<E: ConfigEntry>(
    pool: *mut sys::apr_pool_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_void {
    let body = || {
        // SAFETY: the server hands the function of a module record a live pool, and entries of the same slot, which
        // live as long as the pool.
        let parts = unsafe {
            (Pool::from_raw(pool), outer.cast::<E::At<'_>>().as_ref(), inner.cast::<E::At<'_>>().as_ref())
        };
        let (Some(pool), Some(outer), Some(inner)) = parts else { return inner };
        from_mut(pool.place(E::merge(pool, outer, inner))).cast()
    };
    guard(body, end)
}

/// A panic leaves no entry, and a request without an entry would have no rules. So the process ends.
fn end(panic: &str) -> *mut c_void {
    log::main(log::Level::Error, &format!("confine: panic while a configuration is made: {panic}"));
    std::process::abort()
}
