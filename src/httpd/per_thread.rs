//! A pointer for each thread, kept by the C library in the thread's own descriptor.
//!
//! Rust's `thread_local!` in a library that is loaded at run time costs every new thread an allocation at
//! its first use (elf/dl-tls.c, tls_get_addr_tail), which a thread for one request has to pay each time.

use std::{ffi::c_void, marker::PhantomData, sync::OnceLock};

/// A place for one pointer to `T` in each thread; null until set.
pub struct PerThread<T> {
    key: OnceLock<Option<libc::pthread_key_t>>,
    pointee: PhantomData<fn(*const T)>,
}

impl<T> PerThread<T> {
    /// For a `static`.
    pub const fn new() -> Self {
        Self { key: OnceLock::new(), pointee: PhantomData }
    }

    fn key(&self) -> Option<libc::pthread_key_t> {
        *self.key.get_or_init(|| {
            let mut key = 0;
            // SAFETY: a place for the key; no destructor, so nothing runs at a thread's end.
            (unsafe { libc::pthread_key_create(&mut key, None) } == 0).then_some(key)
        })
    }

    /// This thread's pointer.
    pub fn get(&self) -> *const T {
        // SAFETY: a key that was made here and is never deleted.
        self.key()
            .map_or(std::ptr::null(), |key| unsafe { libc::pthread_getspecific(key) }.cast_const().cast())
    }

    /// Sets this thread's pointer while `run` runs, then what it was before. Panics where the C library has
    /// no room, before `run`.
    pub fn with<R>(&self, pointer: *const T, run: impl FnOnce() -> R) -> R {
        struct Reset<'p, T>(&'p PerThread<T>, *const T);
        impl<T> Drop for Reset<'_, T> {
            fn drop(&mut self) {
                // To the value before, for which there was room.
                self.0.set(self.1);
            }
        }
        let before = self.get();
        assert!(self.set(pointer), "no room for a thread's own data (pthread_setspecific)");
        let _reset = Reset(self, before);
        run()
    }

    fn set(&self, pointer: *const T) -> bool {
        let value = pointer.cast_mut().cast::<c_void>();
        // SAFETY: as get().
        self.key().is_some_and(|key| unsafe { libc::pthread_setspecific(key, value) } == 0)
    }
}
