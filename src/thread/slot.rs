//! The memory of one worker, which stays here from one worker to the next: a stack, a pool, and the attributes with
//! which the thread starts.

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

/// The slots in which no worker runs. The slot that was used last is taken first, because its pages are still in the
/// processor's cache. There are never more slots than there were workers at one time.
static FREE: Mutex<Vec<WorkerSlot>> = Mutex::new(Vec::new());

/// The memory for one worker at a time.
pub struct WorkerSlot {
    attributes: Attributes,
    masks: &'static Masks,
    stack: Stack,
    pool: ThreadPool,
}

impl WorkerSlot {
    /// Takes a free slot, or makes one. Its worker will block the signals of `masks`. The error is an errno.
    pub fn take(masks: &'static Masks) -> Result<Self, c_int> {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match free {
            Some(slot) if std::ptr::eq(slot.masks, masks) => Ok(slot),
            Some(mut slot) => {
                slot.attributes.set_mask(masks)?;
                slot.masks = masks;
                Ok(slot)
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

    /// The pool of the worker that runs in this slot.
    pub fn pool(&self) -> &ThreadPool {
        &self.pool
    }

    /// Runs `function` in a new thread on this stack and waits for the end of that thread. The error is the errno of a
    /// thread that could not be made.
    pub fn spawn_and_join(
        &self,
        function: extern "C" fn(*mut c_void) -> *mut c_void,
        data: *mut c_void,
    ) -> Result<(), c_int> {
        let mut thread = MaybeUninit::uninit();
        // SAFETY: new() made the attributes. No other thread runs on their stack: whoever has the slot waits here
        // for the one thread that does. `data` outlives the thread for the same reason.
        let made =
            unsafe { libc::pthread_create(thread.as_mut_ptr(), self.attributes.as_ptr(), function, data) };
        if made != 0 {
            return Err(made);
        }
        // SAFETY: a joinable thread that nobody else joins.
        let joined = unsafe { libc::pthread_join(thread.assume_init(), null_mut()) };
        if joined != 0 {
            // The thread may still use this stack frame and this request. No way to go on is sound.
            log::main(
                log::Level::Error,
                &format!("confine: cannot join a worker (errno {joined}); aborting the child"),
            );
            std::process::abort();
        }
        Ok(())
    }

    /// Gives the slot back for the next worker of this process.
    pub fn give_back(self) {
        self.stack.trim();
        FREE.lock().unwrap_or_else(PoisonError::into_inner).push(self);
    }
}
