//! What the kernel lets a process do to another one of the same user, and no security module but SELinux refuses.
//!
//! Landlock keeps a process from signals, memory and descriptors of those outside of its ruleset. It does not look at
//! limits and priorities (kernel: security/landlock/task.c has no hook for them): `prlimit` with no processor time left
//! ends the neighbour, and with no descriptors left the server itself (kernel: kernel/sys.c, check_prlimit_permission
//! asks for the same user alone). So a filter of system calls takes these away. Each call still works on the process
//! itself, where it says so by 0.

use std::io;

use libc::sock_filter;

use crate::bpf::{ALLOW, IF_AT_LEAST, IF_EQUAL, NATIVE, Program, X32, number};

/// The calls, with the arguments that mean the calling process and that must be so.
struct Call {
    native: libc::c_long,
    /// The same in the table of 32-bit programs on this architecture.
    foreign: u32,
    own: &'static [(usize, u32)],
}

const fn call(native: libc::c_long, i386: u32, arm: u32, own: &'static [(usize, u32)]) -> Call {
    Call { native, foreign: if cfg!(target_arch = "x86_64") { i386 } else { arm }, own }
}

const OWN_ID: &[(usize, u32)] = &[(0, 0)];

/// Kernel: arch/x86/entry/syscalls/syscall_32.tbl and arch/arm64/tools/syscall_32.tbl have the numbers of 32-bit
/// programs. PRIO_PROCESS is 0, and IOPRIO_WHO_PROCESS is 1.
const CALLS: [Call; 7] = [
    call(libc::SYS_prlimit64, 340, 369, OWN_ID),
    call(libc::SYS_setpriority, 97, 97, &[(0, 0), (1, 0)]),
    call(libc::SYS_ioprio_set, 289, 314, &[(0, 1), (1, 0)]),
    call(libc::SYS_sched_setaffinity, 241, 241, OWN_ID),
    call(libc::SYS_sched_setscheduler, 156, 156, OWN_ID),
    call(libc::SYS_sched_setparam, 154, 154, OWN_ID),
    call(libc::SYS_sched_setattr, 351, 380, OWN_ID),
];

const fn refused(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno.unsigned_abs()
}

fn filter() -> Option<Vec<sock_filter>> {
    let native = NATIVE?;
    let mut foreign = Program::of_calls();
    let mut p = Program::of_calls();
    // The numbers of 32-bit programs are known for these two. On others such programs do not run.
    if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        foreign.load_number();
        CALLS.iter().for_each(|call| own_alone(&mut foreign, call.foreign, call.own));
        foreign.answer(ALLOW);
    } else {
        foreign.answer(refused(libc::ENOSYS));
    }
    let foreign = foreign.instructions().split_off(1);
    p.push(IF_EQUAL, native, u8::try_from(foreign.len()).ok()?, 0);
    p.extend(foreign);
    p.load_number();
    if cfg!(target_arch = "x86_64") {
        p.push(IF_AT_LEAST, X32, 0, 1);
        p.answer(refused(libc::ENOSYS));
    }
    CALLS.iter().for_each(|call| own_alone(&mut p, number(call.native), call.own));
    p.answer(ALLOW);
    Some(p.instructions())
}

/// The call with this number goes on where its arguments mean the process itself. The kernel takes the lower half of
/// each, because it is an `int`.
fn own_alone(p: &mut Program, number: u32, own: &[(usize, u32)]) {
    const EACH: u8 = 3;
    p.push(IF_EQUAL, number, 0, EACH * own.len() as u8 + 1);
    for (argument, value) in own {
        p.load_argument(*argument, false);
        p.push(IF_EQUAL, *value, 1, 0);
        p.answer(refused(libc::EPERM));
    }
    p.answer(ALLOW);
}

/// Takes from the calling thread, and from all that it starts, what it could do to its neighbours. It cannot be undone.
///
/// # Errors
/// EACCES where the thread has neither `no_new_privs` nor CAP_SYS_ADMIN; ENOSYS, EINVAL without filters in the kernel,
/// and on an architecture whose numbers are not known here.
pub fn leave_alone() -> io::Result<()> {
    let filter = filter().ok_or(io::Error::from_raw_os_error(libc::ENOSYS))?;
    let len =
        libc::c_ushort::try_from(filter.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut() };
    // SAFETY: a program with its length, which the kernel only reads. Without TSYNC the call concerns this thread alone.
    // SPEC_ALLOW: this filter hides no secrets from its own process, so it needs no slower processor.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
            &raw const program,
        )
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::{
        process::{Child, Command},
        ptr::null_mut,
        thread,
    };

    use super::*;

    struct Neighbour(Child);

    impl Drop for Neighbour {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn errno(answer: libc::c_long) -> i32 {
        if answer == 0 { 0 } else { io::Error::last_os_error().raw_os_error().unwrap_or(-1) }
    }

    /// What each call answers about this process.
    fn answers(process: libc::c_long) -> Vec<i32> {
        let (none, zeros) = (null_mut::<libc::c_void>(), [0_u64; 32]);
        let everywhere = [u64::MAX; 16];
        // SAFETY: numbers, null where the kernel takes nothing or writes nothing, and rooms that are large enough. What
        // would be set is what is there already.
        unsafe {
            let class = libc::SYS_ioprio_set;
            let params = zeros.as_ptr();
            vec![
                errno(libc::syscall(libc::SYS_prlimit64, process, libc::RLIMIT_CPU, none, none)),
                errno(libc::syscall(libc::SYS_setpriority, 0, process, 0)),
                errno(libc::syscall(class, 1, process, 0)),
                errno(libc::syscall(libc::SYS_sched_setaffinity, process, 128, everywhere.as_ptr())),
                errno(libc::syscall(libc::SYS_sched_setscheduler, process, libc::SCHED_OTHER, params)),
                errno(libc::syscall(libc::SYS_sched_setparam, process, params)),
            ]
        }
    }

    #[test]
    fn a_process_changes_itself_and_not_its_neighbour() {
        if NATIVE.is_none() {
            return;
        }
        let neighbour = Neighbour(Command::new("sleep").arg("60").spawn().expect("sleep"));
        let pid = libc::c_long::from(neighbour.0.id());
        let told = thread::spawn(move || {
            let before = answers(pid);
            // SAFETY: this prctl takes integers only.
            unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1 as libc::c_ulong, 0, 0, 0) };
            leave_alone().expect("a filter");
            (before, answers(pid), answers(0))
        });
        let (before, neighbours, own) = told.join().expect("no panic");
        assert_eq!(before, [0; 6], "without the filter");
        assert_eq!(neighbours, [libc::EPERM; 6]);
        assert_eq!(own, [0; 6]);
    }
}
