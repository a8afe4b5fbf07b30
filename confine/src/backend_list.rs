//! The list of backends: a line here and a module below [`lsm`](crate::lsm) are a backend.
//!
//! The list is a macro, because names stand below backends: [`context`](crate::context) takes the names from it, and
//! [`backends`](crate::backends) takes how a backend is made.

/// Hands every backend to the macro `$then`: its name in code, its name in configurations, an example of its contexts,
/// and how it is made (from Landlock's rulesets, which only one backend needs). The order is that of messages.
macro_rules! every_backend {
    ($then:ident) => {
        $then! {
            /// SELinux: a security context, or `domain:range`.
            SELINUX, "selinux", "selinux:httpd_dog_t:s0", |_| Arc::new(crate::lsm::selinux::Selinux::new());
            /// AppArmor: a profile, a hat, or `stack NAME`.
            APPARMOR, "apparmor", "apparmor:blog", |_| Arc::new(crate::lsm::apparmor::AppArmor::new());
            /// TOMOYO: a chain below the server's domain, or a whole domain.
            TOMOYO, "tomoyo", "tomoyo://dog", |_| Arc::new(crate::lsm::tomoyo::Tomoyo::new());
            /// Landlock: the name of a ruleset.
            LANDLOCK, "landlock", "landlock:tenant-a", |rulesets| Arc::<Landlock>::clone(rulesets);
            /// The user that a process of its own runs as: a name.
            UID, "uid", "uid:alice", |_| Arc::new(crate::lsm::uid::Uid::default());
        }
    };
}
