//! Servers: the main one and the virtual hosts.

use std::{ffi::CStr, marker::PhantomData, ptr::NonNull};

use apache_sys as sys;

use crate::httpd::pool::Pool;

/// Identifies a server of a configuration: the main one or a virtual host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerId(usize);

/// A `server_rec` that lives for `'s`: as long as its configuration.
#[derive(Clone, Copy)]
pub struct Server<'s> {
    raw: NonNull<sys::server_rec>,
    life: PhantomData<&'s ()>,
}

impl<'s> Server<'s> {
    /// Wraps a server that httpd handed over.
    ///
    /// # Safety
    /// `raw` is a live `server_rec` for all of `'s`.
    pub unsafe fn from_raw(raw: *mut sys::server_rec) -> Option<Self> {
        NonNull::new(raw).map(|raw| Self { raw, life: PhantomData })
    }

    /// The server, for a call into httpd.
    pub fn as_ptr(&self) -> *mut sys::server_rec {
        self.raw.as_ptr()
    }

    /// The file and line of `<VirtualHost>`. `None` for the main server.
    pub fn defined_at(&self) -> Option<(&'s CStr, u32)> {
        // SAFETY: live for 's; the field is null or a string of the configuration pool.
        unsafe {
            let raw = &*self.as_ptr();
            let named = raw.is_virtual != 0 && !raw.defn_name.is_null();
            named.then(|| (CStr::from_ptr(raw.defn_name), raw.defn_line_number))
        }
    }

    /// ServerName without the port, or the name that httpd uses instead.
    pub fn name(&self) -> Option<&'s CStr> {
        // SAFETY: live for 's; the field is null or a string of the configuration pool.
        unsafe {
            let name = (*self.as_ptr()).server_hostname;
            (!name.is_null()).then(|| CStr::from_ptr(name))
        }
    }

    /// The identity of this server, for a caller that only tells servers apart.
    pub fn id(&self) -> ServerId {
        ServerId(self.raw.as_ptr().addr())
    }

    /// The configuration's pool.
    pub fn pool(&self) -> Option<Pool<'s>> {
        // SAFETY: a live server's process record and pool; the pool lives as long as the configuration.
        unsafe { Pool::from_raw((*(*self.as_ptr()).process).pconf) }
    }

    /// Changes this module's configuration vector entry. See [`super::slot`].
    pub(super) fn set_module_config(&self, entry: *mut std::ffi::c_void) {
        // SAFETY: live for 's; every server has a vector of its own, and nobody reads it while the configuration is read.
        unsafe { super::slot::set_config_entry((*self.as_ptr()).module_config, entry) }
    }

    /// This module's configuration vector entry. See [`super::slot`].
    pub(super) fn module_config(&self) -> *mut std::ffi::c_void {
        // SAFETY: live for 's; every server has a vector, indexed by loaded modules.
        unsafe { super::slot::config_entry((*self.as_ptr()).module_config) }
    }
}
