//! Watches what a thread and its programs do, while the kernel lets them do it.
//!
//! The kernel has no permissive mode for Landlock. So report mode, learn mode and `ConfineExplain` watch. A seccomp
//! filter makes the kernel stop each call that a ruleset could refuse, and tell this process. This process looks at
//! the call, lets it go on unchanged (`SECCOMP_USER_NOTIF_FLAG_CONTINUE`), and judges it afterwards. **This enforces
//! nothing.** The arguments are in memory that another thread can change between this look and the kernel's own. The
//! log is then wrong, and nothing else happens.
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
//! - A thread puts the filter on itself (`watch_this_thread`). All that it starts inherits the filter. No other
//!   thread has it or is slowed down by it. It ends with the thread.
//! - The answering thread neither allocates nor takes a lock from the look to the answer, because the watched thread
//!   may hold that lock. The judging thread may wait (for example to log through syslog(3)). A watched call waits for
//!   it for a short time at most.
//! - A listener stays open until the last task is gone, because a closed listener makes each watched call fail.
//! - The filter needs `no_new_privs`, as a ruleset does. So set-user-ID and set-group-ID programs run without the
//!   privileges of their files.
//!
//! These are not seen: 32-bit system calls and io_uring (the log says so once), sendmsg(2) with an address, and files
//! that were open before.
//!
//! Sources: kernel, Documentation/userspace-api/seccomp_filter.rst, kernel/seccomp.c; seccomp_unotify(2).
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
