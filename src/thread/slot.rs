//! What workers are made of, kept from one to the next: a stack, and the attributes with which a
//! thread starts.

use std::{
    ffi::{c_int, c_void},
    mem::MaybeUninit,
    ptr::null_mut,
    sync::{Mutex, PoisonError},
};

use crate::{
    httpd::log,
    thread::{apr_thread::ThreadPool, attributes::Attributes, signals::Masks, stack::Stack},
};

/// Nests without a worker. The last one used comes first: its pages are still in the processor's cache.
/// There are never more than there were workers at one time.
static EMPTY: Mutex<Vec<Nest>> = Mutex::new(Vec::new());

/// A place for one worker at a time.
pub struct Nest {
    attributes: Attributes,
    masks: &'static Masks,
    stack: Stack,
    pool: ThreadPool,
}

impl Nest {
    /// A nest whose workers are to block `masks`. The error is an errno.
    pub fn take(masks: &'static Masks) -> Result<Self, c_int> {
        let kept = EMPTY.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match kept {
            Some(nest) if std::ptr::eq(nest.masks, masks) => Ok(nest),
            Some(mut nest) => {
                nest.attributes.set_mask(masks)?;
                nest.masks = masks;
                Ok(nest)
            }
            None => Self::new(masks),
        }
    }

    fn new(masks: &'static Masks) -> Result<Self, c_int> {
        let mut attributes = Attributes::new()?;
        let size = attributes.stack_size()?;
        let stack = Stack::new(size).map_err(|e| e.raw_os_error().unwrap_or(libc::ENOMEM))?;
        attributes.set_stack(&stack)?;
        attributes.set_mask(masks)?;
        Ok(Self { attributes, masks, stack, pool: ThreadPool::new()? })
    }

    /// The pool of this nest's worker.
    pub fn pool(&self) -> &ThreadPool {
        &self.pool
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
