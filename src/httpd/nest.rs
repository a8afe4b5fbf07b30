//! What workers are made of, kept from one to the next: a stack, and the attributes with which a
//! thread starts.

use std::{
    ffi::{c_int, c_void},
    mem::MaybeUninit,
    ptr::null_mut,
    sync::{Mutex, PoisonError},
};

use apache_sys as sys;

use super::{
    identity::{Identity, ThreadPool},
    log,
    signals::Masks,
    stack::Stack,
};

/// Nests without a worker. The last one used comes first: its pages are still in the processor's cache.
/// There are never more than there were workers at one time.
static EMPTY: Mutex<Vec<Nest>> = Mutex::new(Vec::new());

/// A place for one worker at a time.
pub struct Nest {
    attributes: Attributes,
    masks: Masks,
    stack: Stack,
    pool: ThreadPool,
}

impl Nest {
    /// A nest whose workers are to block `masks`. The error is an errno.
    pub fn take(masks: &Masks) -> Result<Self, c_int> {
        let kept = EMPTY.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match kept {
            Some(nest) if nest.masks.same(masks) => Ok(nest),
            Some(mut nest) => {
                nest.attributes.set_mask(masks)?;
                nest.masks = *masks;
                Ok(nest)
            }
            None => Self::new(masks),
        }
    }

    fn new(masks: &Masks) -> Result<Self, c_int> {
        let mut attributes = Attributes::new()?;
        // SAFETY: the server's own setting, written before children start.
        let asked = unsafe { sys::ap_thread_stacksize };
        let size = if asked == 0 { attributes.stack_size()? } else { asked };
        let stack = Stack::new(size).map_err(|e| e.raw_os_error().unwrap_or(libc::ENOMEM))?;
        attributes.set_stack(&stack)?;
        attributes.set_mask(masks)?;
        Ok(Self { attributes, masks: *masks, stack, pool: ThreadPool::new()? })
    }

    /// Makes the calling thread, this nest's worker, one of the server's kind while the answer lives.
    pub fn identity(&self) -> Result<Identity<'_>, sys::apr_status_t> {
        Identity::of_this_thread(&self.pool)
    }

    /// Runs `function` on this stack in a new thread and waits for its end. The error is the errno of
    /// a thread that could not be made.
    pub fn hatch(
        &self,
        function: extern "C" fn(*mut c_void) -> *mut c_void,
        data: *mut c_void,
    ) -> Result<(), c_int> {
        let mut thread = MaybeUninit::uninit();
        // SAFETY: attributes that new() made, with a stack that no other thread runs on: whoever has the
        // nest waits here for the one that does. `data` outlives the thread for the same reason.
        let made =
            unsafe { libc::pthread_create(thread.as_mut_ptr(), self.attributes.as_ptr(), function, data) };
        if made != 0 {
            return Err(made);
        }
        // SAFETY: a joinable thread that nobody else joins.
        let joined = unsafe { libc::pthread_join(thread.assume_init(), null_mut()) };
        if joined != 0 {
            // The thread may still run on this stack frame and this request: no way on is sound.
            log::main(
                log::Level::Error,
                &format!("confine: cannot join a worker (errno {joined}); aborting the child"),
            );
            std::process::abort();
        }
        Ok(())
    }

    /// Keeps it for the next worker of this process.
    pub fn keep(self) {
        self.stack.trim();
        EMPTY.lock().unwrap_or_else(PoisonError::into_inner).push(self);
    }
}

/// Attributes of a thread.
struct Attributes(Box<libc::pthread_attr_t>);

impl Attributes {
    fn new() -> Result<Self, c_int> {
        let mut raw = Box::new(MaybeUninit::uninit());
        // SAFETY: a place for the attributes, which the call fills where it succeeds.
        unsafe {
            errno(libc::pthread_attr_init(raw.as_mut_ptr()))?;
            Ok(Self(raw.assume_init()))
        }
    }

    /// The size that the C library gives stacks (`ulimit -s`, mostly).
    fn stack_size(&self) -> Result<usize, c_int> {
        let mut size = 0;
        // SAFETY: initialised attributes, a place for the answer.
        errno(unsafe { libc::pthread_attr_getstacksize(self.as_ptr(), &mut size) }).map(|()| size)
    }

    /// Threads are to run on `stack`, which has to live longer than they.
    fn set_stack(&mut self, stack: &Stack) -> Result<(), c_int> {
        // SAFETY: initialised attributes and memory of the size that is said.
        errno(unsafe { libc::pthread_attr_setstack(&mut *self.0, stack.base(), stack.size()) })
    }

    /// Threads are to start with the signals of workers blocked. So the mask costs no system call: the
    /// C library sets one in every new thread anyway.
    fn set_mask(&mut self, masks: &Masks) -> Result<(), c_int> {
        // SAFETY: initialised attributes, a full set.
        errno(unsafe { pthread_attr_setsigmask_np(&mut *self.0, masks.of_workers()) })
    }

    fn as_ptr(&self) -> *const libc::pthread_attr_t {
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
    fn pthread_attr_setsigmask_np(
        attributes: *mut libc::pthread_attr_t,
        mask: *const libc::sigset_t,
    ) -> c_int;
}
