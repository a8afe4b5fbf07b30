//! The names of a configuration's servers, their addresses, and the user that their children run as.

use std::{
    ffi::{CStr, c_char},
    path::Path,
};

use apache_sys as sys;
use confine::{Origin, dump::User};

use crate::httpd::{server::Server, synthetic_request::core_entry};

impl<'s> Server<'s> {
    /// The main server (this one), then the virtual hosts in the order in which they were read. The server's own list
    /// begins with the host that was read last (server/core.c, virtualhost_section).
    pub fn with_hosts(self) -> Vec<Server<'s>> {
        let all = std::iter::successors(Some(self), |server| {
            // SAFETY: live for 's; the next one is null or lives as long.
            unsafe { Server::from_raw((*server.as_ptr()).next) }
        });
        let mut servers: Vec<_> = all.collect();
        servers[1..].reverse();
        servers
    }

    /// Its other names (ServerAlias).
    pub fn aliases(&self) -> Vec<String> {
        // SAFETY: live for 's; two arrays of C strings, or null.
        unsafe {
            let server = &*self.as_ptr();
            [server.names, server.wild_names].into_iter().flat_map(|names| strings(names)).collect()
        }
    }

    /// DocumentRoot.
    pub fn document_root(&self) -> Option<&'s CStr> {
        // SAFETY: live for 's; core's entry of the vector is its own configuration of each server, whose field is null or
        // a string of the configuration.
        unsafe {
            let core = core_entry::<sys::core_server_config>((*self.as_ptr()).module_config);
            let root = core.as_ref()?.ap_document_root;
            (!root.is_null()).then(|| CStr::from_ptr(root))
        }
    }

    /// Its addresses, as they are written in `<VirtualHost ...>`.
    pub fn addresses(&self) -> Vec<String> {
        let shown = |record: &sys::server_addr_rec| {
            // SAFETY: a C string of the configuration.
            let host = unsafe { CStr::from_ptr(record.virthost) }.to_string_lossy();
            let host =
                if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.into() };
            if record.host_port == 0 { host } else { format!("{host}:{}", record.host_port) }
        };
        let mut shown: Vec<_> = self.address_records().map(shown).filter(|text| !text.is_empty()).collect();
        // The server keeps `*` as two addresses, one of IPv4 and one of IPv6.
        shown.dedup();
        shown
    }

    pub(super) fn address_records(&self) -> impl Iterator<Item = &'s sys::server_addr_rec> {
        // SAFETY: live for 's; a list that ends with null, of the configuration's pool.
        let first = unsafe { (*self.as_ptr()).addrs.as_ref() };
        // SAFETY: as above.
        std::iter::successors(first, |record| unsafe { record.next.as_ref() })
    }

    /// The line where its section begins. The main server has none.
    pub fn begins_at(&self) -> Option<Origin> {
        // SAFETY: live for 's; null or a C string of the configuration.
        unsafe {
            let server = &*self.as_ptr();
            if server.is_virtual == 0 || server.defn_name.is_null() {
                return None;
            }
            let file = CStr::from_ptr(server.defn_name).to_string_lossy();
            Some(Origin::new(Path::new(&*file), server.defn_line_number))
        }
    }
}

/// # Safety
/// `array` is null or an array of C strings.
unsafe fn strings(array: *const sys::apr_array_header_t) -> Vec<String> {
    // SAFETY: the caller's promise.
    unsafe {
        let Some(array) = array.as_ref().filter(|a| !a.elts.is_null()) else { return Vec::new() };
        let names =
            std::slice::from_raw_parts(array.elts.cast::<*const c_char>(), array.nelts.max(0) as usize);
        names.iter().map(|name| CStr::from_ptr(*name).to_string_lossy().into_owned()).collect()
    }
}

/// The user that the children run as: `User`, if it is set and this process may change to it.
pub fn child_user() -> Option<User> {
    // SAFETY: the server's own settings, which only the reading of a configuration changes.
    let (name, id) = unsafe {
        let config = &raw const sys::ap_unixd_config;
        ((*config).user_name, (*config).user_id)
    };
    if name.is_null() || id == u32::MAX {
        return None;
    }
    // SAFETY: a C string of the configuration.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
    Some(User { name, id })
}

/// As which group the children run: `Group`.
pub fn child_group() -> u32 {
    let config = &raw const sys::ap_unixd_config;
    // SAFETY: as in child_user().
    unsafe { (*config).group_id }
}
