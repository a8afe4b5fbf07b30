//! Content that another process makes does not inherit the worker's context.

use std::{
    ffi::CStr,
    sync::atomic::{AtomicBool, Ordering},
};

use confine::rule::RuleAt;

use crate::{
    config::{Mode, OutOfProcess, Ready, Settings},
    httpd::request::Request,
    record::{self, Refusal},
};

/// Who would make the content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Maker {
    /// mod_cgid's daemon.
    Cgid,
    /// mod_fcgid's pool of processes.
    Fcgid,
    /// A backend behind mod_proxy.
    Proxy,
}

impl Maker {
    fn of(r: &Request<'_>, cgid: bool) -> Option<Self> {
        match r.handler().map(CStr::to_bytes)? {
            // The two names that mod_cgid's handler answers to.
            b"cgi-script" | b"application/x-httpd-cgi" if cgid => Some(Self::Cgid),
            b"fcgid-script" => Some(Self::Fcgid),
            b"proxy-server" => Some(Self::Proxy),
            handler if handler.starts_with(b"proxy:") => Some(Self::Proxy),
            _ => None,
        }
    }

    fn default_policy(self) -> OutOfProcess {
        match self {
            Self::Cgid | Self::Fcgid => OutOfProcess::Deny,
            Self::Proxy => OutOfProcess::Warn,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Cgid => "mod_cgid",
            Self::Fcgid => "mod_fcgid",
            Self::Proxy => "a backend behind mod_proxy",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Cgid => "use mod_cgi instead of mod_cgid, or ConfineOutOfProcess allow",
            Self::Fcgid => "use mod_cgi, or ConfineOutOfProcess allow",
            Self::Proxy => "confine that process by its own means, or ConfineOutOfProcess allow",
        }
    }
}

/// Warned already in this process. A child serves one generation, so this is once a child.
static WARNED: AtomicBool = AtomicBool::new(false);

/// Lets pass, warns of, or gives the refusal of a request whose content another process would make.
/// `decided` is the rule and the contexts of a request that is about to move.
///
/// For a request that is about to move, and for every redirect and subrequest of one that has: also
/// where these lead to a place without rules, because the context they are under stays.
pub fn check(
    r: &mut Request<'_>,
    settings: &Settings,
    ready: &Ready,
    decided: Option<(RuleAt<'_>, &CStr)>,
) -> Result<(), Refusal> {
    let report = settings.mode == Some(Mode::Report) && decided.is_some();
    let set = settings.out_of_process;
    if ready.cgid && !report && set.unwrap_or(Maker::Cgid.default_policy()) == OutOfProcess::Deny {
        // mod_cgid also takes over `#exec` of server-side includes, past any handler.
        r.forbid_ssi_exec();
    }
    let Some(maker) = Maker::of(r, ready.cgid) else { return Ok(()) };
    match set.unwrap_or(maker.default_policy()) {
        OutOfProcess::Allow => Ok(()),
        OutOfProcess::Warn => {
            if !WARNED.swap(true, Ordering::Relaxed) {
                let (rule, context) = decided.unzip();
                let text = format!(
                    "{} makes the content in another process, which does not inherit the context \
                     (said once in each child); {}",
                    maker.name(),
                    maker.remedy()
                );
                let context = context.map(CStr::to_string_lossy);
                record::warned(r, rule, context.as_deref(), &text);
            }
            Ok(())
        }
        OutOfProcess::Deny => Err(Refusal::out_of_process(maker.name(), maker.remedy())),
    }
}
