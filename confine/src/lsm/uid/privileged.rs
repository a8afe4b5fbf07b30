//! The privileged part: the calling process becomes another user. All that needs root's rights is in this file.
//!
//! The order of the calls is that of httpd's own support/suexec.c, and the reason is the same: without the user's
//! rights nobody may change groups any more. What follows the calls goes further than suexec, and trusts no return value:
//!
//! 1. The process has one thread ([`is_alone`]). The kernel keeps credentials by thread. The C library's `setresuid`
//!    changes all threads of a process, by a signal to each (glibc: nptl/nptl_setxid.c), and would so change the whole
//!    server. So the calls here are the kernel's own, and with a second thread nothing is called at all.
//! 2. The supplementary groups, the group and the user are set, each of the latter with its real, effective and saved
//!    id. The id for file systems follows the effective one (kernel: kernel/sys.c, __sys_setresuid).
//! 3. All capabilities are dropped. A change from root to another user drops them, but not with the secure bits
//!    `keep_caps` or `no_setuid_fixup`, and not from another user who only has CAP_SETUID (kernel:
//!    security/commoncap.c, cap_task_fix_setuid). With the permitted and the inheritable ones go the ambient ones.
//! 4. The kernel is asked what the process is now, and for the way back, which it must refuse.
//!
//! No program that is executed later is looked at here ([`super::program`]).

use nix::unistd::{getresgid, getresuid};
use rustix::{
    io::Errno,
    process::{Gid, Uid, getgroups},
    thread::{
        CapabilitySet, CapabilitySets, UnshareFlags, capabilities, set_capabilities, set_thread_groups,
        set_thread_res_gid, set_thread_res_uid, unshare_unsafe,
    },
};

/// Who a process is to be. [`super::users`] has looked at the ids before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// The supplementary groups, sorted.
    pub groups: Box<[u32]>,
}

/// What the process could not do. It must not go on: it may be another user by half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// It has more than one thread. Nothing was changed.
    NotAlone,
    /// The kernel does not tell how many threads it has. Nothing was changed.
    Unknown(i32),
    /// The kernel refused this call.
    Refused(&'static str, i32),
    /// The kernel accepted the calls, and this is not as it must be afterwards.
    Unchanged(&'static str),
}

/// The calling process becomes this user, with all that this takes, for good.
pub(super) fn become_user(user: &Identity) -> Result<(), Failed> {
    is_alone()?;
    let groups: Vec<Gid> = user.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let refused = |call| move |errno: Errno| Failed::Refused(call, errno.raw_os_error());
    set_thread_groups(&groups).map_err(refused("setgroups"))?;
    set_thread_res_gid(gid, gid, gid).map_err(refused("setresgid"))?;
    set_thread_res_uid(uid, uid, uid).map_err(refused("setresuid"))?;
    set_capabilities(None, no_capabilities()).map_err(refused("capset"))?;
    has_become(user)
}

/// Asks the kernel who the process is now, and tries the way back.
fn has_become(user: &Identity) -> Result<(), Failed> {
    let holds = |what, holds: bool| if holds { Ok(()) } else { Err(Failed::Unchanged(what)) };
    let same = |now: [u32; 3], wanted| now.iter().all(|id| *id == wanted);
    let users = getresuid().map(|now| [now.real, now.effective, now.saved].map(nix::unistd::Uid::as_raw));
    holds("the user", users.is_ok_and(|now| same(now, user.uid)))?;
    let groups = getresgid().map(|now| [now.real, now.effective, now.saved].map(nix::unistd::Gid::as_raw));
    holds("the group", groups.is_ok_and(|now| same(now, user.gid)))?;
    let mut others: Vec<u32> = getgroups().unwrap_or_default().into_iter().map(Gid::as_raw).collect();
    others.sort_unstable();
    holds("the supplementary groups", *others == *user.groups)?;
    holds("the capabilities", capabilities(None) == Ok(no_capabilities()))?;
    // The way back: to root by any of the three ids, and to another group.
    let root = Some(Uid::ROOT);
    for (real, effective, saved) in [(root, None, None), (None, root, None), (None, None, root)] {
        holds("the way back to root", set_thread_res_uid(real, effective, saved) == Err(Errno::PERM))?;
    }
    holds("the way to other groups", set_thread_groups(&[Gid::ROOT]) == Err(Errno::PERM))
}

fn no_capabilities() -> CapabilitySets {
    let none = CapabilitySet::empty();
    CapabilitySets { effective: none, permitted: none, inheritable: none }
}

/// Whether the calling thread is the only one of its process.
///
/// `unshare(CLONE_THREAD)` is the question: it succeeds for such a process and does nothing, and is EINVAL for any other
/// (kernel: kernel/fork.c, check_unshare_flags). Where a seccomp filter forbids `unshare`, as those of containers do,
/// /proc tells: the folder has a link for itself, one for its parent, and one for each thread.
pub(super) fn is_alone() -> Result<(), Failed> {
    let flags = UnshareFlags::from_bits_retain(libc::CLONE_THREAD as u32);
    // SAFETY: with this flag alone nothing is unshared, no descriptor among it; the call only asks.
    match unsafe { unshare_unsafe(flags) } {
        Ok(()) => Ok(()),
        Err(Errno::INVAL) => Err(Failed::NotAlone),
        Err(errno) => match rustix::fs::stat("/proc/self/task") {
            Ok(folder) if folder.st_nlink == 3 => Ok(()),
            Ok(folder) if folder.st_nlink > 3 => Err(Failed::NotAlone),
            _ => Err(Failed::Unknown(errno.raw_os_error())),
        },
    }
}

/// Whether this process may become other users. A server asks at startup, before its children give up root's rights.
pub(super) fn may_become_others() -> bool {
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID;
    capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}
