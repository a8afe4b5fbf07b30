//! Filters of system calls as the kernel runs them, in classic BPF.

use std::mem::offset_of;

use libc::{seccomp_data, sock_filter};

/// The number of the architecture (kernel: include/uapi/linux/audit.h). `None` on one that is missing
/// here.
pub(crate) const NATIVE: Option<u32> = if cfg!(target_arch = "x86_64") {
    Some(0xc000_003e)
} else if cfg!(target_arch = "aarch64") {
    Some(0xc000_00b7)
} else if cfg!(target_arch = "riscv64") {
    Some(0xc000_00f3)
} else if cfg!(all(target_arch = "powerpc64", target_endian = "little")) {
    Some(0xc000_0015)
} else if cfg!(target_arch = "s390x") {
    Some(0x8000_0016)
} else {
    None
};

/// The bit in the numbers of x32 calls. Their architecture is the native one (kernel:
/// arch/x86/include/uapi/asm/unistd.h).
pub(crate) const X32: u32 = 0x4000_0000;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
pub(crate) const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
pub(crate) const IF_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// A filter while it is made.
pub(crate) struct Program(Vec<sock_filter>);

impl Program {
    /// One that begins with the architecture of the call.
    pub(crate) fn of_calls() -> Self {
        let mut program = Self(Vec::with_capacity(160));
        program.load(offset_of!(seccomp_data, arch));
        program
    }

    /// What was made.
    pub(crate) fn instructions(self) -> Vec<sock_filter> {
        self.0
    }

    /// One instruction.
    pub(crate) fn push(&mut self, code: u16, k: u32, jt: u8, jf: u8) {
        self.0.push(sock_filter { code, jt, jf, k });
    }

    /// Further instructions.
    pub(crate) fn extend(&mut self, more: Vec<sock_filter>) {
        self.0.extend(more);
    }

    fn load(&mut self, offset: usize) {
        self.push(LOAD, u32::try_from(offset).unwrap_or(u32::MAX), 0, 0);
    }

    /// Loads the number of the call.
    pub(crate) fn load_number(&mut self) {
        self.load(offset_of!(seccomp_data, nr));
    }

    /// Loads one half of an argument, because a load has 32 bits.
    pub(crate) fn load_argument(&mut self, number: usize, high: bool) {
        let upper = high == cfg!(target_endian = "little");
        self.load(offset_of!(seccomp_data, args) + 8 * number + if upper { 4 } else { 0 });
    }

    /// Ends with `answer` if what is loaded is one of `values`.
    pub(crate) fn answer_if(&mut self, values: impl IntoIterator<Item = u32>, answer: u32) {
        for value in values {
            self.push(IF_EQUAL, value, 0, 1);
            self.answer(answer);
        }
    }

    /// Ends with this answer.
    pub(crate) fn answer(&mut self, answer: u32) {
        self.push(RETURN, answer, 0, 0);
    }
}

/// The call goes on.
pub(crate) const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

/// The number of a call, as filters compare it.
pub(crate) fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}
