//! How the server's own file handler gets at the content of files: read, or mapped into memory (`EnableMMAP`).
//!
//! Under a rule files are read. A tenant who cuts a file short while the server has it mapped and looks at it (TLS,
//! compression, HTTP/2) ends the process with SIGBUS, and so everybody's requests in it. And mapping is dear for a
//! worker: unmapping interrupts every processor that a thread of the process was on, and all threads wait for each
//! other to change what is mapped.

use std::ffi::c_uint;

use apache_sys as sys;

/// What is read at a time of files where `ReadBufferSize` is not set, in bytes: httpd's 8 kB are meant for where
/// nothing much is read.
const PIECE: sys::apr_size_t = 64 << 10;

/// The field's value for files that are read.
const OFF: c_uint = sys::ENABLE_MMAP_OFF as c_uint;

/// Whether files are mapped.
pub fn maps(core: &sys::core_dir_config) -> bool {
    core.enable_mmap() != OFF
}

/// Has them read.
pub fn read(core: &mut sys::core_dir_config) {
    core.set_enable_mmap(OFF);
    if core.read_buf_size == 0 {
        core.read_buf_size = PIECE;
    }
}
