//! Which system calls are watched. This is the filter as the kernel runs it, in classic BPF.

use libc::{seccomp_data, sock_filter};

use crate::bpf::{ALLOW, IF_AT_LEAST, IF_EQUAL, NATIVE, Program, X32, number};

/// Calls that show that a program uses the other architecture of this kernel (32-bit programs): open, execve, openat,
/// openat2.
const FOREIGN: [u32; 4] = [5, 11, OPENAT, 437];

const OPENAT: u32 = if cfg!(target_arch = "x86_64") {
    295
} else if cfg!(target_arch = "aarch64") {
    322
} else {
    288
};

/// The native calls that are watched whatever their arguments are.
const WATCHED: &[libc::c_long] = &[
    #[cfg(any(target_arch = "x86_64", target_arch = "powerpc64", target_arch = "s390x"))]
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_openat2,
    #[cfg(any(target_arch = "x86_64", target_arch = "powerpc64", target_arch = "s390x"))]
    libc::SYS_creat,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_truncate,
    #[cfg(any(target_arch = "x86_64", target_arch = "powerpc64", target_arch = "s390x"))]
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    #[cfg(any(target_arch = "x86_64", target_arch = "powerpc64", target_arch = "s390x"))]
    libc::SYS_mknod,
    libc::SYS_mknodat,
    #[cfg(any(target_arch = "x86_64", target_arch = "powerpc64", target_arch = "s390x"))]
    libc::SYS_symlink,
    libc::SYS_symlinkat,
    #[cfg(any(target_arch = "x86_64", target_arch = "powerpc64", target_arch = "s390x"))]
    libc::SYS_link,
    libc::SYS_linkat,
    #[cfg(any(target_arch = "x86_64", target_arch = "powerpc64", target_arch = "s390x"))]
    libc::SYS_rename,
    #[cfg(any(target_arch = "x86_64", target_arch = "powerpc64", target_arch = "s390x"))]
    libc::SYS_renameat,
    libc::SYS_renameat2,
    #[cfg(any(target_arch = "x86_64", target_arch = "powerpc64", target_arch = "s390x"))]
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    #[cfg(any(target_arch = "x86_64", target_arch = "powerpc64", target_arch = "s390x"))]
    libc::SYS_rmdir,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_send_signal,
    libc::SYS_io_uring_setup,
];

/// Device controls that Landlock never refuses (kernel: security/landlock/fs.c, is_masked_device_ioctl): FIONCLEX,
/// FIOCLEX, FIONBIO, FIOASYNC, FIOQSIZE, FIGETBSZ, FS_IOC_FIEMAP.
const ANY_DEVICE: [u32; 7] = [0x5450, 0x5451, 0x5421, 0x5452, 0x5460, 2, 0xc020_660b];

const NOTIFY: u32 = libc::SECCOMP_RET_USER_NOTIF;

/// The filter.
pub(super) fn program() -> Vec<sock_filter> {
    let Some(native) = NATIVE else { return Vec::new() };
    let mut p = Program::of_calls();
    // Calls of another architecture have other numbers.
    let foreign = 2 + 2 * FOREIGN.len() as u8;
    p.push(IF_EQUAL, native, foreign, 0);
    p.load_number();
    p.answer_if(FOREIGN, NOTIFY);
    p.answer(ALLOW);

    p.load_number();
    if cfg!(target_arch = "x86_64") {
        p.push(IF_AT_LEAST, X32, 0, 1);
        p.answer(NOTIFY);
    }
    p.answer_if(WATCHED.iter().map(|call| number(*call)), NOTIFY);

    // ioctl(fd, command, ...)
    let ioctl = 2 + 2 * ANY_DEVICE.len() as u8;
    p.push(IF_EQUAL, number(libc::SYS_ioctl), 0, ioctl);
    p.load_argument(1, false);
    p.answer_if(ANY_DEVICE, ALLOW);
    p.answer(NOTIFY);

    // sendto(fd, data, length, flags, address, ...) is only watched if it has an address.
    p.push(IF_EQUAL, number(libc::SYS_sendto), 1, 0);
    p.answer(ALLOW);
    p.load_argument(4, false);
    p.push(IF_EQUAL, 0, 1, 0);
    p.answer(NOTIFY);
    p.load_argument(4, true);
    p.answer_if([0], ALLOW);
    p.answer(NOTIFY);
    p.instructions()
}

/// Whether a call uses the kernel's other table of calls, in which the numbers mean something else.
pub(super) fn is_foreign(data: &seccomp_data) -> bool {
    Some(data.arch) != NATIVE || (cfg!(target_arch = "x86_64") && data.nr as u32 >= X32)
}
