//! The attributes with which a thread starts: its stack and its signal mask.

use std::{ffi::c_int, mem::MaybeUninit};

use apache_sys as sys;

use crate::thread::{signals::Masks, stack::Stack};

/// The attributes of a thread that is to be made.
pub struct Attributes(Box<libc::pthread_attr_t>);

impl Attributes {
    /// The default attributes of the C library, with the stack size of `ThreadStackSize`. The errors of all these
    /// functions are errnos.
    pub fn new() -> Result<Self, c_int> {
        let mut raw = Box::new(MaybeUninit::uninit());
        // SAFETY: a place for the attributes, which the call fills where it succeeds.
        let mut attributes = unsafe {
            errno(libc::pthread_attr_init(raw.as_mut_ptr()))?;
            Self(raw.assume_init())
        };
        // SAFETY: the server's own setting, written before children start.
        let asked = unsafe { sys::ap_thread_stacksize };
        if asked != 0 {
            // SAFETY: initialised attributes.
            errno(unsafe { libc::pthread_attr_setstacksize(&mut *attributes.0, asked) })?;
        }
        Ok(attributes)
    }

    /// Makes the threads detached, because nobody will join them.
    pub fn set_detached(&mut self) -> Result<(), c_int> {
        // SAFETY: initialised attributes.
        errno(unsafe { libc::pthread_attr_setdetachstate(&mut *self.0, libc::PTHREAD_CREATE_DETACHED) })
    }

    /// The size of the stacks: `ThreadStackSize`, or what the C library chooses (mostly `ulimit -s`).
    pub fn stack_size(&self) -> Result<usize, c_int> {
        let mut size = 0;
        // SAFETY: initialised attributes, a place for the answer.
        errno(unsafe { libc::pthread_attr_getstacksize(self.as_ptr(), &mut size) }).map(|()| size)
    }

    /// Makes the threads run on `stack`, which must live longer than they do.
    pub fn set_stack(&mut self, stack: &Stack) -> Result<(), c_int> {
        // SAFETY: initialised attributes and memory of the size that is said.
        errno(unsafe { libc::pthread_attr_setstack(&mut *self.0, stack.base(), stack.size()) })
    }

    /// Makes the threads start with the signals blocked that workers block. This costs no system call, because the C
    /// library sets a mask in every new thread anyway.
    pub fn set_mask(&mut self, masks: &Masks) -> Result<(), c_int> {
        // SAFETY: initialised attributes, a full set.
        errno(unsafe { pthread_attr_setsigmask_np(&mut *self.0, masks.of_workers()) })
    }

    /// The pointer for `pthread_create`.
    pub fn as_ptr(&self) -> *const libc::pthread_attr_t {
        &*self.0
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised attributes, which are not used afterwards.
        unsafe { libc::pthread_attr_destroy(&mut *self.0) };
    }
}

fn errno(answer: c_int) -> Result<(), c_int> {
    if answer == 0 { Ok(()) } else { Err(answer) }
}

unsafe extern "C" {
    /// glibc 2.32 and newer.
    pub fn pthread_attr_setsigmask_np(
        attributes: *mut libc::pthread_attr_t,
        mask: *const libc::sigset_t,
    ) -> c_int;
}
