//! The table of a module's directives, as the server reads it.

use std::{
    ffi::{CStr, c_void},
    ptr::{null, null_mut},
};

use apache_sys as sys;

use crate::httpd::command::{Learn, Run, Runner, one_word, section, with_words};

/// Where a directive may stand.
#[derive(Clone, Copy)]
pub struct AllowedIn(i32);

impl AllowedIn {
    /// The server's configuration and virtual hosts.
    pub const SERVER: Self = Self(sys::RSRC_CONF);
    /// Directory sections of the server's configuration.
    pub const SECTION: Self = Self(sys::ACCESS_CONF);
    /// Anywhere, and also in `.htaccess` files under `AllowOverride FileInfo`.
    pub const FILE_INFO: Self = Self(sys::OR_FILEINFO);
    /// Directory sections, and also `.htaccess` files under `AllowOverride AuthConfig`.
    pub const AUTH_CONFIG: Self = Self(sys::OR_AUTHCFG);

    /// All places that `self` or `other` allows.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A directive.
#[derive(Clone, Copy)]
pub struct DirectiveEntry {
    name: &'static CStr,
    kind: Kind,
    place: AllowedIn,
    help: &'static CStr,
}

#[derive(Clone, Copy)]
enum Kind {
    Words(Run),
    Section(Run),
    OfAnother(Learn),
}

impl DirectiveEntry {
    /// A directive whose words the server splits.
    pub const fn of(name: &'static CStr, run: Run, place: AllowedIn, help: &'static CStr) -> Self {
        Self { name, kind: Kind::Words(run), place, help }
    }

    /// A section, such as `<ConfineLandlock`, or a lost end of one.
    pub const fn section(name: &'static CStr, run: Run, place: AllowedIn, help: &'static CStr) -> Self {
        Self { name, kind: Kind::Section(run), place, help }
    }

    /// Another module's directive, allowed where that module allows it. This module only notes what it says.
    pub const fn of_another(
        name: &'static CStr,
        learn: Learn,
        place: AllowedIn,
        help: &'static CStr,
    ) -> Self {
        Self { name, kind: Kind::OfAnother(learn), place, help }
    }

    /// The entry for the server. `R` runs the directive.
    const fn record<R: Runner>(self) -> sys::command_rec {
        let (func, args_how, data) = match self.kind {
            Kind::Words(run) => {
                (sys::cmd_func { take_argv: Some(with_words::<R>) }, sys::TAKE_ARGV, run as *const ())
            }
            Kind::Section(run) => {
                (sys::cmd_func { raw_args: Some(section::<R>) }, sys::RAW_ARGS, run as *const ())
            }
            Kind::OfAnother(learn) => {
                (sys::cmd_func { take1: Some(one_word) }, sys::TAKE1, learn as *const ())
            }
        };
        sys::command_rec {
            name: self.name.as_ptr(),
            func,
            cmd_data: data as *mut c_void,
            req_override: self.place.0,
            args_how,
            errmsg: self.help.as_ptr(),
        }
    }
}

/// A table of `N` directives.
#[repr(C)]
pub struct CommandTable<const N: usize> {
    entries: [sys::command_rec; N],
    end: sys::command_rec,
}

// SAFETY: constant data. The pointers in it are to static strings and functions.
unsafe impl<const N: usize> Sync for CommandTable<N> {}

impl<const N: usize> CommandTable<N> {
    /// The table of `entries`, of which there are `N`. `R` runs them.
    pub const fn new<R: Runner>(entries: &[DirectiveEntry]) -> Self {
        assert!(entries.len() == N, "the table has room for exactly these entries");
        let mut table = Self { entries: [END; N], end: END };
        let mut number = 0;
        while number < N {
            table.entries[number] = entries[number].record::<R>();
            number += 1;
        }
        table
    }

    /// For the module record.
    pub const fn as_ptr(&'static self) -> *const sys::command_rec {
        std::ptr::from_ref(self).cast()
    }
}

/// The entry behind the last directive. It has no name.
pub const END: sys::command_rec = sys::command_rec {
    name: null(),
    func: sys::cmd_func { no_args: None },
    cmd_data: null_mut(),
    req_override: 0,
    args_how: sys::RAW_ARGS,
    errmsg: null(),
};
