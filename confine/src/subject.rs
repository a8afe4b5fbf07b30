//! The facts of a request that choose a context.
//!
//! ```
//! use confine::Subject;
//!
//! let anonymous = Subject { host: Some(b"www.example.com"), ..Subject::default() };
//! assert_eq!(anonymous.user, None);
//! ```

use std::net::IpAddr;

/// The facts of one request. They are borrowed from the server for one decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The HTTP user, but only if authentication has proved it. A name that somebody only typed is `None`. It is bytes,
    /// because HTTP does not require UTF-8.
    pub user: Option<&'a [u8]>,
    /// The address of the client as the server knows it (`useragent_ip`, which mod_remoteip sets).
    pub addr: Option<IpAddr>,
    /// The virtual host's ServerName.
    pub host: Option<&'a [u8]>,
    /// The absolute path of the file that the request maps to.
    pub path: Option<&'a [u8]>,
}
