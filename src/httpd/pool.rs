//! APR pools: memory and cleanups that live exactly as long as a configuration or a request.

use std::{
    any::TypeId,
    cell::RefCell,
    ffi::{CStr, c_char, c_void},
    fmt::{self, Write as _},
    marker::PhantomData,
    mem::size_of,
    ptr::NonNull,
};

use apache_sys as sys;

use crate::httpd::boundary::guard;

/// A pool that lives for at least `'p`.
#[derive(Clone, Copy)]
pub struct Pool<'p> {
    raw: NonNull<sys::apr_pool_t>,
    life: PhantomData<&'p ()>,
}

impl<'p> Pool<'p> {
    /// Wraps a pool that the server handed over.
    ///
    /// # Safety
    /// `raw` is a live pool for all of `'p`, used by one thread at a time.
    pub unsafe fn from_raw(raw: *mut sys::apr_pool_t) -> Option<Self> {
        NonNull::new(raw).map(|raw| Self { raw, life: PhantomData })
    }

    /// The pool, for a call into the server.
    pub fn as_ptr(self) -> *mut sys::apr_pool_t {
        self.raw.as_ptr()
    }

    /// Copies `bytes` into the pool, with a NUL behind them.
    pub fn text(self, bytes: &[u8]) -> &'p CStr {
        // SAFETY: the source is valid for its length; the pool lives for 'p, and so does its memory.
        // APR aborts the process when memory is short, so the result is not null.
        unsafe {
            let copy = sys::apr_pstrmemdup(self.as_ptr(), bytes.as_ptr().cast(), bytes.len());
            CStr::from_ptr(copy)
        }
    }

    /// Writes a value into the pool. A short text needs no other memory.
    pub fn written(self, value: &dyn fmt::Display) -> &'p CStr {
        let mut short = Short { bytes: [0; Short::ROOM], used: 0 };
        match write!(short, "{value}") {
            Ok(()) => self.text(&short.bytes[..short.used]),
            Err(_) => self.text(value.to_string().as_bytes()),
        }
    }

    /// Copies all parts into the pool, one behind the other, with a NUL behind the last one.
    pub fn joined<const N: usize>(self, parts: [&[u8]; N]) -> &'p CStr {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        // SAFETY: apr_palloc returns length + 1 writable bytes that live as long as the pool. The parts fill the first
        // `length` of them. APR aborts the process when memory is short, so the result is not null.
        unsafe {
            let place = sys::apr_palloc(self.as_ptr(), (length + 1) as _).cast::<u8>();
            let mut end = place;
            for part in parts {
                end.copy_from_nonoverlapping(part.as_ptr(), part.len());
                end = end.add(part.len());
            }
            end.write(0);
            CStr::from_ptr(place.cast())
        }
    }

    /// A pool that ends when the returned value is dropped, and with this pool at the latest. `None` if there is no
    /// memory.
    pub fn scratch(self) -> Option<Scratch<'p>> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: a live parent, which one thread uses at a time; its own functions for want of memory and its
        // allocator, as null asks for.
        let status = unsafe { sys::apr_pool_create_ex(&mut raw, self.as_ptr(), None, std::ptr::null_mut()) };
        // SAFETY: a fresh pool, which lives until Scratch is dropped or its parent ends, 'p.
        (status == 0).then(|| unsafe { Self::from_raw(raw) }).flatten().map(Scratch)
    }

    /// Puts a plain value (one that needs no drop) into the pool.
    pub fn place<T>(self, value: T) -> &'p mut T {
        const { assert!(align_of::<T>() <= 8, "APR aligns to 8 bytes") };
        const { assert!(!std::mem::needs_drop::<T>(), "such a value is to be owned, see own()") };
        // SAFETY: apr_palloc returns size_of::<T>() writable bytes, aligned to 8, that live as long
        // as the pool; nobody else has the pointer.
        unsafe {
            let place = sys::apr_palloc(self.as_ptr(), size_of::<T>() as _).cast::<T>();
            place.write(value);
            &mut *place
        }
    }

    /// Gives `value` to the pool, which drops it when the pool is cleared or destroyed.
    ///
    /// The result is a pointer, because whoever keeps it in a configuration must promise how long it is used.
    pub fn own<T>(self, value: T) -> NonNull<T> {
        unsafe extern "C" fn drop_it<T>(data: *mut c_void) -> sys::apr_status_t {
            guard(
                // SAFETY: registered below with a pointer from Box::into_raw; APR runs a cleanup once.
                || drop(unsafe { Box::from_raw(data.cast::<T>()) }),
                |_| (),
            );
            0
        }
        let raw = Box::into_raw(Box::new(value));
        // SAFETY: the pool is live; the cleanup matches the pointer's type. A child that execs
        // inherits nothing from us, hence the null cleanup there.
        unsafe {
            sys::apr_pool_cleanup_register(
                self.as_ptr(),
                raw.cast(),
                Some(drop_it::<T>),
                Some(sys::apr_pool_cleanup_null),
            );
            NonNull::new_unchecked(raw)
        }
    }

    /// The one value of this type that the pool holds. The first call makes it.
    pub fn single<T: Default + 'static>(self) -> &'p T {
        const KEY: &CStr = c"mod_confine: single values";
        type Known = RefCell<Vec<(TypeId, NonNull<c_void>)>>;
        let known = self.recall::<Known>(KEY).unwrap_or_else(|| {
            let new = self.own(Known::default());
            self.remember(KEY, new);
            new
        });
        // SAFETY: this function alone uses the key, for this type. The pool owns the value and lives for 'p.
        let known = unsafe { known.as_ref() };
        let is_it = |(id, _): &&(TypeId, NonNull<c_void>)| *id == TypeId::of::<T>();
        let found = known.borrow().iter().find(is_it).map(|(_, value)| value.cast::<T>());
        let value = found.unwrap_or_else(|| {
            let new = self.own(T::default());
            known.borrow_mut().push((TypeId::of::<T>(), new.cast()));
            new
        });
        // SAFETY: stored above for this type. The pool owns the value, lives for 'p and never moves it.
        unsafe { value.as_ref() }
    }

    /// The value that [`Pool::remember`] stored under `key`.
    pub fn recall<T>(self, key: &'static CStr) -> Option<NonNull<T>> {
        let mut data: *mut c_void = std::ptr::null_mut();
        // SAFETY: live pool, NUL-terminated key.
        unsafe { sys::apr_pool_userdata_get(&mut data, key.as_ptr(), self.as_ptr()) };
        NonNull::new(data.cast())
    }

    /// Stores a value that the pool owns under `key`.
    pub fn remember<T>(self, key: &'static CStr, value: NonNull<T>) {
        // SAFETY: live pool; the key is static, as userdata_setn asks; no cleanup of its own.
        unsafe {
            sys::apr_pool_userdata_setn(
                value.as_ptr().cast::<c_void>(),
                key.as_ptr().cast::<c_char>(),
                None,
                self.as_ptr(),
            )
        };
    }
}

/// A short text that is made on the stack.
struct Short {
    bytes: [u8; Self::ROOM],
    used: usize,
}

impl Short {
    const ROOM: usize = 256;

    fn push(&mut self, bytes: &[u8]) -> fmt::Result {
        let room = self.bytes.get_mut(self.used..self.used + bytes.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(bytes);
        self.used += bytes.len();
        Ok(())
    }
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes())
    }
}

/// A pool for a short time.
pub struct Scratch<'p>(Pool<'p>);

impl Scratch<'_> {
    /// The pool. It lives until this is dropped.
    pub fn pool(&self) -> Pool<'_> {
        self.0
    }

    /// Keeps the pool until its parent ends.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        // SAFETY: live (see Pool::scratch), and every borrow of it has ended.
        unsafe { sys::apr_pool_destroy(self.0.as_ptr()) }
    }
}
