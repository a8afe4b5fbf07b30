//! How the server's own file handler gets the content of a file: it reads the file or maps it into memory
//! (`EnableMMAP`).
//!
//! Under a rule files are read. When a tenant truncates a file while the server has it mapped and looks at it (for
//! TLS, compression or HTTP/2), the process gets SIGBUS and ends, with the requests of everybody in it. A mapping is
//! also expensive for a worker: to unmap it interrupts every processor on which a thread of the process ran, and all
//! threads wait for each other to change the mappings.

use std::ffi::c_uint;

use apache_sys as sys;

/// How many bytes are read at once where `ReadBufferSize` is not set. The default of httpd, 8 kB, is small, because
/// httpd maps most files.
const PIECE: sys::apr_size_t = 64 << 10;

/// The value of the field when files are read.
const OFF: c_uint = sys::ENABLE_MMAP_OFF as c_uint;

/// Whether files are mapped.
pub fn maps(core: &sys::core_dir_config) -> bool {
    core.enable_mmap() != OFF
}

/// Sets that files are read.
pub fn read(core: &mut sys::core_dir_config) {
    core.set_enable_mmap(OFF);
    if core.read_buf_size == 0 {
        core.read_buf_size = PIECE;
    }
}
