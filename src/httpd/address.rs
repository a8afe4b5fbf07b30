//! APR's addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use apache_sys as sys;

/// The IP address in an APR address; `None` where there is none (a Unix socket).
///
/// # Safety
/// `addr` is null or a live `apr_sockaddr_t`.
pub unsafe fn ip_of(addr: *const sys::apr_sockaddr_t) -> Option<IpAddr> {
    // SAFETY: the caller's promise; APR points ipaddr_ptr at ipaddr_len bytes of address.
    unsafe {
        let addr = addr.as_ref()?;
        let ptr = addr.ipaddr_ptr;
        match addr.ipaddr_len {
            _ if ptr.is_null() => None,
            4 => Some(IpAddr::from(Ipv4Addr::from(ptr.cast::<[u8; 4]>().read_unaligned()))),
            16 => Some(IpAddr::from(Ipv6Addr::from(ptr.cast::<[u8; 16]>().read_unaligned()))),
            _ => None,
        }
    }
}
