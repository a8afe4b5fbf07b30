//! mod_php as the server sees it: its module, its handler, and its part of a directory configuration.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    ptr::{NonNull, null_mut},
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
};

use apache_sys as sys;

use crate::{
    httpd::local::{PerThread, Slot},
    httpd::{request::Request, server::Server, status::Status},
};

/// The type of a handler hook, as C sees it.
pub type HandlerHook = unsafe extern "C" fn(*mut sys::request_rec) -> c_int;

/// PHP's module of this configuration.
pub struct Module {
    record: NonNull<sys::module>,
    /// A part of a directory configuration that sets nothing.
    bare: *mut c_void,
}

// SAFETY: the record of a loaded module and an empty part of a configuration, which nobody changes.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

impl Module {
    /// Finds PHP's module by its directive `php_admin_value`. Its name differs between versions (`php5_module`,
    /// `php7_module`, `php_module`; `mod_php5.c`, `mod_php7.c`, `mod_php.c`).
    ///
    /// It must be called while the configuration is read, when there is one thread.
    pub fn find(main: &Server<'_>) -> Option<Self> {
        // SAFETY: the list of loaded modules, complete once the configuration is read; a C string.
        let mut found = unsafe { sys::ap_top_module };
        // SAFETY: as above; the function leaves the module that has the command in `found`.
        let command = unsafe { sys::ap_find_command_in_modules(c"php_admin_value".as_ptr(), &mut found) };
        let record = NonNull::new(found).filter(|_| !command.is_null())?;
        // SAFETY: a loaded module's own function, called as the server calls it (server/config.c,
        // create_dir_config), with the configuration's live pool.
        let bare = unsafe {
            let pool = (*(*main.as_ptr()).process).pconf;
            record.as_ref().create_dir_config.map_or(null_mut(), |create| create(pool, null_mut()))
        };
        Some(Self { record, bare })
    }

    /// Makes the server call `instead` where it calls PHP's handler. [`call`] calls the original. The answer is false
    /// if PHP has no handler or more than one, because this is then not the module that is known here.
    ///
    /// It must be called after the configuration was read (the server then sorts its hooks) and before the first
    /// request.
    pub fn wrap_handler(&self, instead: HandlerHook) -> bool {
        // SAFETY: the array of hooks, which the server keeps as long as the configuration and which nobody reads
        // or changes meanwhile, as there is one thread and no request.
        let links: &mut [sys::ap_LINK_handler_t] = unsafe {
            let array = sys::ap_hook_get_handler();
            if array.is_null() || (*array).elts.is_null() {
                return false;
            }
            std::slice::from_raw_parts_mut((*array).elts.cast(), (*array).nelts.max(0) as usize)
        };
        // SAFETY: null or the registering module's name: the server sets it before it calls the module's
        // register_hooks (server/config.c, ap_register_hooks).
        let own = |link: &&mut sys::ap_LINK_handler_t| unsafe {
            !link.szName.is_null() && CStr::from_ptr(link.szName) == CStr::from_ptr(self.record.as_ref().name)
        };
        let mut links = links.iter_mut().filter(own);
        let (Some(link), None) = (links.next(), links.next()) else { return false };
        let Some(function) = link.pFunc else { return false };
        if !std::ptr::fn_addr_eq(function, instead) {
            ORIGINAL.store(function as *mut c_void, Ordering::Release);
            link.pFunc = Some(instead);
        }
        true
    }

    /// The value of a setting in php.ini. `None` says that php.ini does not set it, or that PHP cannot be asked.
    ///
    /// It must be called after PHP's own post_config, which starts PHP, and before the first child.
    pub fn setting(&self, name: &CStr) -> Option<CString> {
        type IniString = unsafe extern "C" fn(*const c_char, usize, c_int) -> *const c_char;
        // The variable is null until PHP has started (PHP: main/SAPI.c, sapi_startup). Before that there are no
        // settings.
        let sapi = self.symbol(c"sapi_module")?.cast::<*mut c_void>();
        // SAFETY: a pointer variable of the loaded library.
        if unsafe { *sapi.as_ptr() }.is_null() {
            return None;
        }
        let ask = self.symbol(c"zend_ini_string")?;
        // SAFETY: PHP's function of that name (since PHP 7: Zend/zend_ini.h), called in the thread that started it,
        // with a name and its length. The answer is null or a string of PHP's, copied at once.
        unsafe {
            let ask = std::mem::transmute::<*mut c_void, IniString>(ask.as_ptr());
            let value = ask(name.as_ptr(), name.count_bytes(), 0);
            (!value.is_null()).then(|| CStr::from_ptr(value).to_owned())
        }
    }

    /// A symbol that PHP's library exports.
    fn symbol(&self, name: &CStr) -> Option<NonNull<c_void>> {
        let mut found: sys::apr_dso_handle_sym_t = null_mut();
        // SAFETY: a loaded module's record and library; a C string and a place for the answer.
        let status = unsafe {
            let library = self.record.as_ref().dynamic_load_handle.cast::<sys::apr_dso_handle_t>();
            if library.is_null() {
                return None;
            }
            sys::apr_dso_sym(&mut found, library, name.as_ptr())
        };
        NonNull::new(found).filter(|_| status == 0)
    }

    /// This module's place in every directory configuration.
    pub(super) fn index(&self) -> isize {
        // SAFETY: a loaded module's record; the server has given it its number.
        unsafe { self.record.as_ref().module_index as isize }
    }

    /// The part of a directory configuration that sets nothing.
    pub(super) fn bare(&self) -> *mut c_void {
        self.bare
    }
}

/// PHP's own handler, which [`Module::wrap_handler`] replaced.
static ORIGINAL: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

/// Set while the thread is in PHP's handler.
static INSIDE: PerThread<AtomicUsize> = PerThread::new(Slot::Php);

/// How many threads of this process are in PHP's handler.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Where PHP already runs in this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Running {
    /// Nowhere.
    No,
    /// In this thread: one of its pages included another page (`virtual()`).
    Here,
    /// In another thread of this process.
    Elsewhere,
}

/// Where PHP already runs in this process.
pub fn running() -> Running {
    match (INSIDE.get().is_null(), THREADS.load(Ordering::Acquire)) {
        (false, _) => Running::Here,
        (true, 0) => Running::No,
        (true, _) => Running::Elsewhere,
    }
}

/// Calls PHP's handler, as the server would.
pub fn call(r: &mut Request<'_>) -> Status {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            THREADS.fetch_sub(1, Ordering::AcqRel);
        }
    }
    let original = ORIGINAL.load(Ordering::Acquire);
    if original.is_null() {
        return Status::DECLINED;
    }
    // SAFETY: stored by wrap_handler from a function of this very type, whose module is loaded as long as the
    // configuration that this request is served by.
    let handler = unsafe { std::mem::transmute::<*mut c_void, HandlerHook>(original) };
    // SAFETY: a handler hook, called with a live request in the handlers' phase.
    let run = || Status::from_raw(unsafe { handler(r.as_ptr()) });
    if !INSIDE.get().is_null() {
        return run();
    }
    THREADS.fetch_add(1, Ordering::AcqRel);
    let _leave = Leave;
    INSIDE.with(&THREADS, run)
}

/// Whether `no_new_privs` is set for this thread: programs that it starts ignore the set-user-ID and set-group-ID
/// bits.
pub fn no_new_privileges() -> bool {
    // SAFETY: a plain query.
    unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 }
}
