//! Free ports that parallel tests do not take from each other.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, Ipv6Addr, TcpListener},
    sync::{Mutex, PoisonError},
};

/// Ports that this process has used. It uses no port twice, because a server that another test is restarting may need
/// its port again.
static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A port that is free on 127.0.0.1 and on ::1. Another process may still take it before the server binds it, so the
/// start of the server is repeated in that case.
pub fn free() -> u16 {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = taken.get_or_insert_default();
    for _ in 0..1000 {
        if let Some(port) = free_on_both().filter(|port| taken.insert(*port)) {
            return port;
        }
    }
    panic!("no TCP port is free on both 127.0.0.1 and ::1 (is IPv6 off on the loopback?)")
}

fn free_on_both() -> Option<u16> {
    let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    let port = v4.local_addr().ok()?.port();
    TcpListener::bind((Ipv6Addr::LOCALHOST, port)).ok().map(|_| port)
}
