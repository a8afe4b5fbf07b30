//! The server's objects, each wrapped once. Outside this folder the module is safe Rust, except for
//! the C-visible functions that hand their pointers to these wrappers.

mod address;
pub mod boundary;
mod broken_stream;
pub mod command;
pub mod command_table;
pub mod config_tree;
mod core_files;
pub mod database;
pub mod directives;
pub mod expression;
pub mod filters;
pub mod first_use;
pub mod hooks;
pub mod hosts;
mod loaded;
pub mod log;
pub mod lua_state;
pub mod memory;
pub mod named_code;
pub mod php;
pub mod pool;
pub mod proofs;
pub mod providers;
pub mod request;
pub mod server;
pub mod status;
pub mod synthetic_request;
pub mod table;

use std::ffi::c_void;

use apache_sys as sys;

/// This module's entry of a configuration vector (what the C macro `ap_get_module_config` reads).
///
/// # Safety
/// `vector` is a live configuration vector made by httpd after this module was loaded.
pub unsafe fn config_entry(vector: *const sys::ap_conf_vector_t) -> *mut c_void {
    // SAFETY: httpd allocates vectors as arrays of pointers with room for every module index.
    unsafe { *vector.cast::<*mut c_void>().offset(crate::module_index() as isize) }
}

/// Sets this module's entry of a configuration vector.
///
/// # Safety
/// As [`config_entry`]; and nobody else reads the vector meanwhile.
pub unsafe fn set_config_entry(vector: *mut sys::ap_conf_vector_t, value: *mut c_void) {
    // SAFETY: see config_entry.
    unsafe { *vector.cast::<*mut c_void>().offset(crate::module_index() as isize) = value }
}
