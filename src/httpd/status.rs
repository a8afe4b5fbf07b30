//! What a hook returns to the server.

use std::ffi::c_int;

use apache_sys as sys;

/// What a hook returns: one of the server's own answers, or the status code of an error page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "an answer that nobody gives to the server lets the request go on"]
pub struct Status(c_int);

impl Status {
    /// The hook did its part.
    pub const OK: Self = Self(sys::OK);
    /// The hook leaves the request to the next hook.
    pub const DECLINED: Self = Self(sys::DECLINED);
    /// The request is answered already.
    pub const DONE: Self = Self(sys::DONE);
    /// The handler goes on with the request later.
    pub const SUSPENDED: Self = Self(sys::SUSPENDED);
    /// 403.
    pub const FORBIDDEN: Self = Self(sys::HTTP_FORBIDDEN as c_int);
    /// 500.
    pub const INTERNAL_SERVER_ERROR: Self = Self(sys::HTTP_INTERNAL_SERVER_ERROR as c_int);
    /// 503.
    pub const SERVICE_UNAVAILABLE: Self = Self(sys::HTTP_SERVICE_UNAVAILABLE as c_int);

    /// The number that one of the server's functions returned.
    pub const fn from_raw(number: c_int) -> Self {
        Self(number)
    }

    /// The number for the server.
    pub const fn as_raw(self) -> c_int {
        self.0
    }

    /// The status code of an HTTP response, where it is one.
    pub fn http(self) -> Option<u16> {
        u16::try_from(self.0).ok().filter(|code| (100..600).contains(code))
    }

    /// Whether the request was served completely, so that its stream must be ended.
    pub fn is_served(self) -> bool {
        self == Self::OK || self == Self::DONE
    }

    /// This answer, unless it is DECLINED; otherwise the answer of `next`.
    pub fn or_else(self, next: impl FnOnce() -> Self) -> Self {
        if self == Self::DECLINED { next() } else { self }
    }
}
