//! One pointer for each thread. It is null in every new thread. `local.c` says why this is not `thread_local!`.

use std::{
    ffi::{c_uint, c_void},
    marker::PhantomData,
};

unsafe extern "C" {
    safe fn confine_slot_get(slot: c_uint) -> *const c_void;
    safe fn confine_slot_set(slot: c_uint, value: *const c_void);
}

/// Names one of the places in local.c. Each place is used for one type.
#[derive(Clone, Copy)]
pub enum Slot {
    /// The worker that this thread runs.
    Worker = 0,
    /// The masks of the server's thread that this thread works for.
    WorksFor = 1,
    /// The masks of this thread itself. They are set when they are first needed.
    Masks = 2,
    /// Whether the thread is in PHP's handler.
    Php = 3,
}

/// A place for one pointer to `T` in each thread.
pub struct PerThread<T> {
    slot: Slot,
    pointee: PhantomData<fn(*const T)>,
}

impl<T> PerThread<T> {
    /// For a `static`, one for each slot.
    pub const fn new(slot: Slot) -> Self {
        Self { slot, pointee: PhantomData }
    }

    /// The pointer of the calling thread.
    pub fn get(&self) -> *const T {
        confine_slot_get(self.slot as c_uint).cast()
    }

    /// Sets this thread's pointer for good.
    pub fn set(&self, pointer: &'static T) {
        confine_slot_set(self.slot as c_uint, std::ptr::from_ref(pointer).cast());
    }

    /// Sets the calling thread's pointer while `run` runs, and restores it afterwards.
    pub fn with<R>(&self, pointer: *const T, run: impl FnOnce() -> R) -> R {
        struct Reset(Slot, *const c_void);
        impl Drop for Reset {
            fn drop(&mut self) {
                confine_slot_set(self.0 as c_uint, self.1);
            }
        }
        let _reset = Reset(self.slot, self.get().cast());
        confine_slot_set(self.slot as c_uint, pointer.cast());
        run()
    }
}
