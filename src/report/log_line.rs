//! The log lines about requests.
//!
//! All lines have one grammar, with the same fields in the same order:
//!
//! `confine: EVENT METHOD PATH user=U addr=A vhost=V rule=FILE:LINE context=C[: REASON]`
//!
//! An unknown field is `-`. A value is one word, and all but plain characters are written as in URLs. The reason
//! never looks like a field. So no name can forge a field: see [`confine::field`].

use std::{
    ffi::CStr,
    fmt::{self, Write as _},
    os::unix::ffi::OsStrExt,
};

use confine::field::{Field, Reason, Words};

use confine::policy::decide::RuleAt;

use super::{Event, Grounds};
use crate::httpd::request::Request;

/// The value of a field.
pub fn field(text: Option<&CStr>) -> Field<'_> {
    Field(text.map(CStr::to_bytes))
}

/// The place of a rule.
pub struct Place<'a>(pub RuleAt<'a>);

impl<'a> Place<'a> {
    /// The configuration file or map.
    pub fn file(&self) -> Field<'a> {
        Field(Some(self.0.file.as_os_str().as_bytes()))
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file(), self.0.line)
    }
}

/// One line about a request, in the common grammar.
pub fn line(r: &Request<'_>, event: Event, grounds: &Grounds<'_>, reason: &str) -> String {
    let mut out = String::with_capacity(256);
    // To write to a String cannot fail.
    let _ = write!(
        out,
        "confine: {event} {} {} user={} addr=",
        field(r.method()),
        field(r.uri()),
        field(grounds.user)
    );
    let _ = match r.client() {
        Some(addr) => write!(out, "{}", addr.to_canonical()),
        None => write!(out, "-"),
    };
    let _ = write!(out, " vhost={} rule=", field(r.server().name()));
    let _ = match grounds.rule {
        Some(rule) => write!(out, "{}", Place(rule)),
        None => write!(out, "-"),
    };
    let context = grounds.context.map(CStr::to_string_lossy);
    let _ = write!(out, " context={}", Words(context.as_deref()));
    if !reason.is_empty() {
        let _ = write!(out, ": {}", Reason(reason));
    }
    out
}
