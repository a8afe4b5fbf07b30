//! What a thread and the programs that it starts do, seen from beside while the kernel lets them.
//!
//! Landlock has no permissive mode. So report mode, learn mode and `ConfineExplain` watch: a seccomp filter has the kernel
//! stop each call that a ruleset could refuse and tell this process of it, which looks at the call, lets it go on as it is
//! (`SECCOMP_USER_NOTIF_FLAG_CONTINUE`), and judges it afterwards. **Nothing is enforced by this.** The arguments lie in
//! memory that another thread may change between the look and the kernel's own, which would make the log wrong, and
//! nothing else.
//!
//! ```text
//! watched thread        answering thread           judging thread
//!   open("x") stops -->   look: path, folder,
//!                         real path, object
//!   goes on         <--   answer
//!                         ring of records    -->     judge: what was asked for
//!                                                    observer: grants? log line
//! ```
//!
//! - The filter is put on one thread by that thread (`watch_this_thread`). What it starts inherits it, and nobody else
//!   has it or pays for it. It ends with the thread.
//! - The answering thread neither allocates nor takes a lock between look and answer: the watched thread may hold the lock.
//!   The judging thread may wait (to log through syslog(3), say): a watched call does not wait for it for long.
//! - A listener stays open until the last task is gone, because a closed one makes each watched call fail.
//! - The filter needs `no_new_privs`, as a ruleset does: programs that are set-user-ID or set-group-ID run without.
//!
//! Not seen: 32-bit system calls and io_uring (said once), sendmsg(2) with an address, what was open before.
//!
//! Facts: kernel, Documentation/userspace-api/seccomp_filter.rst, kernel/seccomp.c; seccomp_unotify(2).
//!
//! ```
//! use std::{sync::{Arc, Mutex, atomic::{AtomicBool, Ordering}}, thread};
//! use confine::watch::{Act, Hub, Observer, Remark};
//!
//! #[derive(Default)]
//! struct Seen(Mutex<Vec<String>>);
//! impl Observer for Seen {
//!     fn saw(&self, act: &Act) {
//!         let object = String::from_utf8_lossy(&act.object()).into_owned();
//!         self.0.lock().unwrap().push(format!("{} {object}", act.word()));
//!     }
//!     fn missed(&self, _: Remark) {}
//! }
//!
//! let (hub, over, seen) = (Hub::new()?, AtomicBool::new(false), Arc::new(Seen::default()));
//! let is_over = || over.load(Ordering::Relaxed);
//! thread::scope(|s| {
//!     s.spawn(|| hub.answer(is_over));
//!     s.spawn(|| hub.judge(is_over, |tell| tell()));
//!     let watched = s.spawn(|| hub.watch_this_thread(seen.clone()).map(|_| std::fs::read("/etc/passwd")));
//!     let answer = watched.join().unwrap();
//!     while answer.is_ok() && seen.0.lock().unwrap().is_empty() {
//!         thread::yield_now();
//!     }
//!     over.store(true, Ordering::Relaxed);
//! });
//! # Ok::<(), std::io::Error>(())
//! ```

mod act;
mod call;
mod filter;
mod hub;
mod judge;
mod kernel;
mod record;
mod ring;
mod task;
#[cfg(test)]
mod tests;

pub use act::{Act, Remark};
pub use hub::{Handle, Hub, NotWatched, Observer};
pub use kernel::NotInstalled;
