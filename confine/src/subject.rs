//! The facts of a request that choose a context.
//!
//! ```
//! use confine::Subject;
//!
//! let anonymous = Subject { host: Some(b"www.example.com"), ..Subject::default() };
//! assert_eq!(anonymous.user, None);
//! ```

use std::net::IpAddr;

/// What is known of the party behind one request. Borrowed from the server for one decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The HTTP user, only when authentication proved it. A name that was merely typed is `None`.
    /// Bytes, because HTTP does not promise UTF-8.
    pub user: Option<&'a [u8]>,
    /// The client's address as the server sees it (`useragent_ip`: mod_remoteip is respected).
    pub addr: Option<IpAddr>,
    /// The virtual host's ServerName.
    pub host: Option<&'a [u8]>,
    /// The absolute path of the file that the request maps to.
    pub path: Option<&'a [u8]>,
}
