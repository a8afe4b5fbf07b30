//! Security contexts: the form of the kernel, and the shorter form that administrators may write.
//!
//! An administrator writes either a *pair* `domain:range`, which is relative to the server's own context, or a *whole*
//! context `user:role:type[:range]`. A range can hold colons (`s0:c1`, `s0:c1,c3`, `s0-s0:c0.c1023`). This rule tells
//! the forms apart. The first line that fits counts:
//!
//! 1. The text has no colon. It is a domain.
//! 2. It begins with `*:`. It is a pair, because no user is called `*`.
//! 3. It has one colon. It is a pair. The second part must not end in `_r`, `_t` or `_u`, because roles, types and
//!    users end so by convention: the text would be a piece of a whole context.
//! 4. It has more colons, and the second field is a sensitivity, `sN` or `sN-sN` with a number N. It is a pair.
//! 5. It has more colons, and the second field ends in `_r`. It is a whole context.
//! 6. Anything else is refused, and the message shows both forms.
//!
//! A sensitivity that the policy calls something else than `sN` can still be written by itself (`app_t:secret`), behind
//! `*` (`*:secret:c1`) and in a whole context.
//!
//! `*` stands for the server's own domain or range, and for nothing else. A range that is not written is the server's.
//! Behind an early move that has changed such a part, the part must be written. Otherwise the request would get the
//! server's part back, and the reader of the configuration would expect something else.

use std::fmt;

use crate::{context::excerpt, problem::Problem, value::Given};

/// The longest text, in bytes. The kernel takes at most a page (fs/proc/base.c, and security/security.c for
/// lsm_set_self_attr, where `struct lsm_ctx` takes a part of the page).
const MAX_LEN: usize = 4000;

/// A security context in the kernel's form: `user:role:type`, and `:range` where the policy has levels (MCS, MLS).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecurityContext {
    /// The SELinux user.
    pub user: String,
    /// The role.
    pub role: String,
    /// The type, which is called domain where it is the type of a process.
    pub domain: String,
    /// The range of levels, such as `s0-s0:c0.c1023`. `None` under a policy without levels.
    pub range: Option<String>,
}

impl SecurityContext {
    /// Reads the kernel's form. `None` says that the text has fewer than three fields, or an empty field.
    pub fn parse(raw: &str) -> Option<Self> {
        let mut fields = raw.splitn(4, ':').map(|f| Some(f.to_owned()).filter(|f| !f.is_empty()));
        let (user, role, domain) = (fields.next()??, fields.next()??, fields.next()??);
        let range = match fields.next() {
            Some(range) => Some(range?),
            None => None,
        };
        Some(Self { user, role, domain, range })
    }

    /// The same context with another range.
    pub(super) fn at_range(&self, range: &str) -> Self {
        Self { range: Some(range.to_owned()), ..self.clone() }
    }
}

impl fmt::Display for SecurityContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.user, self.role, self.domain)?;
        self.range.iter().try_for_each(|range| write!(f, ":{range}"))
    }
}

/// A context as it was written, in its parts. A part that is `None` is the server's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written<'a> {
    pub user_and_role: Option<(&'a str, &'a str)>,
    pub domain: Option<&'a str>,
    pub range: Option<&'a str>,
}

/// The parts of a context that a text leaves to the server's context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    user_and_role: bool,
    domain: bool,
    range: bool,
}

impl Left {
    /// The text has all parts.
    pub(super) const NOTHING: Self = Self { user_and_role: false, domain: false, range: false };

    /// Whether these parts are the same in both contexts.
    pub(super) fn same(self, a: &SecurityContext, b: &SecurityContext) -> bool {
        (!self.user_and_role || (&a.user, &a.role) == (&b.user, &b.role))
            && (!self.domain || a.domain == b.domain)
            && (!self.range || a.range == b.range)
    }

    /// `target`, but with these parts from `there`.
    pub(super) fn as_in(self, there: &SecurityContext, target: &SecurityContext) -> SecurityContext {
        let of = |left: bool| if left { there } else { target };
        SecurityContext {
            user: of(self.user_and_role).user.clone(),
            role: of(self.user_and_role).role.clone(),
            domain: of(self.domain).domain.clone(),
            range: of(self.range).range.clone(),
        }
    }
}

/// An error whose remedy shows both forms.
fn forms(why: impl Into<String>) -> Problem {
    Problem::new(
        why,
        "write domain:range, as in httpd_app_t:s0:c1, *:s0:c1 or httpd_app_t:*, or a whole \
         user:role:type:range, as in system_u:system_r:httpd_app_t:s0:c1",
    )
}

impl<'a> Written<'a> {
    /// Reads `text` by the rule at the top of this file.
    pub(super) fn parse(text: &'a str) -> Result<Self, Problem> {
        check_shape(text)?;
        let Some((first, rest)) = text.split_once(':') else {
            return Self::pair(text, None);
        };
        let (second, has_more) = match rest.split_once(':') {
            Some((second, _)) => (second, true),
            None => (rest, false),
        };
        if first == "*" || (has_more && is_sensitivity(second)) {
            Self::pair(first, Some(rest))
        } else if has_more && second.ends_with("_r") {
            Self::whole(first, rest)
        } else if has_more {
            Err(forms(format!(
                "it could be domain:range or user:role:type: \"{}\" is neither a sensitivity (s0) nor a \
                 role (one that ends in _r)",
                excerpt(second)
            )))
        } else if ["_r", "_t", "_u"].iter().any(|end| second.ends_with(end)) {
            let second = excerpt(second);
            Err(forms(format!("\"{second}\" is not a range, and a whole context has more parts")))
        } else {
            Self::pair(first, Some(rest))
        }
    }

    fn pair(domain: &'a str, range: Option<&'a str>) -> Result<Self, Problem> {
        if is_sensitivity(domain) {
            return Err(Problem::new(
                "it begins with a range",
                format!(
                    "write *:{}... to keep the server's domain, or put a domain before it",
                    excerpt(domain)
                ),
            ));
        }
        Ok(Self { user_and_role: None, domain: part(domain)?, range: range.map(part).transpose()?.flatten() })
    }

    fn whole(user: &'a str, rest: &'a str) -> Result<Self, Problem> {
        let mut fields = rest.splitn(3, ':');
        let (Some(role), Some(domain)) = (fields.next(), fields.next()) else {
            return Err(forms("it ends before its type"));
        };
        let range = fields.next().map(part).transpose()?.flatten();
        match (part(user)?, part(role)?, part(domain)?) {
            (Some(user), Some(role), Some(domain)) => {
                Ok(Self { user_and_role: Some((user, role)), domain: Some(domain), range })
            }
            _ => Err(forms("* cannot stand for a part of a whole context other than its range")),
        }
    }

    /// The parts that are not written.
    pub(super) fn left(self) -> Left {
        Left {
            user_and_role: self.user_and_role.is_none(),
            domain: self.domain.is_none(),
            range: self.range.is_none(),
        }
    }

    /// The whole context. A part that is not written is taken from the server's context `own`.
    pub(super) fn complete(self, own: &SecurityContext) -> Result<SecurityContext, Problem> {
        let (user, role) = self.user_and_role.unwrap_or((&own.user, &own.role));
        let range = match (self.range, &own.range) {
            (Some(range), None) => {
                return Err(Problem::new(
                    format!(
                        "it has a range, and the loaded policy has no levels (the server's context is {own})"
                    ),
                    format!("leave \":{}\" out, or load a policy with MCS or MLS", excerpt(range)),
                ));
            }
            (written, own) => written.map(str::to_owned).or_else(|| own.clone()),
        };
        Ok(SecurityContext {
            user: user.to_owned(),
            role: role.to_owned(),
            domain: self.domain.unwrap_or(&own.domain).to_owned(),
            range,
        })
    }
}

/// A part of a pair. `None` stands for `*`. A `*` beside other characters is refused.
fn part(text: &str) -> Result<Option<&str>, Problem> {
    match text {
        "*" => Ok(None),
        t if t.contains('*') => {
            Err(forms("* stands for the server's whole domain or range, not for a piece of it"))
        }
        t => Ok(Some(t)),
    }
}

fn check_shape(text: &str) -> Result<(), Problem> {
    if text.is_empty() {
        return Err(forms("it is empty"));
    }
    if text.len() > MAX_LEN {
        return Err(Problem::new(
            format!("it has {} bytes, and the kernel takes at most {MAX_LEN}", text.len()),
            "name fewer categories, or use category ranges (c0.c9)",
        ));
    }
    if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(forms(format!("it holds {c:?}, and contexts are printable ASCII without spaces")));
    }
    if text.split(':').any(str::is_empty) {
        return Err(forms("it has an empty part"));
    }
    Ok(())
}

/// Whether `field` is `sN` or `sN-sN`, the first field of a range.
fn is_sensitivity(field: &str) -> bool {
    let one =
        |s: &str| s.strip_prefix('s').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    match field.split_once('-') {
        Some((low, high)) => one(low) && one(high),
        None => one(field),
    }
}

/// Checks what a request supplied. It may be a whole context. Where the configuration has text beside it, it is one
/// part of a context: a range that stands alone behind `domain:`, or letters, digits and `_` in a place that the
/// configuration chose. In a domain `.` and `-` are allowed, too.
///
/// # Errors
/// It holds a character that would begin another part of the context, or of the range.
pub(super) fn one_part(given: &Given) -> Result<(), Problem> {
    if given.is_whole() {
        return Ok(());
    }
    let text = given.text();
    let colon = text.find(':').unwrap_or(text.len());
    for part in given.parts() {
        let value = &text[part.clone()];
        let sensitivity = value.split(':').next().unwrap_or_default();
        if *part == (colon + 1..text.len()) && is_sensitivity(sensitivity) {
            continue;
        }
        let in_domain = part.end <= colon;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || in_domain && b"-.".contains(&b);
        if !value.bytes().all(plain) {
            return Err(Problem::new(
                format!("the value {:?} is more than one part of a context", excerpt(value)),
                "give a domain or a whole range, or letters, digits and _ where the directive has the rest",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OWN: &str = "system_u:system_r:httpd_t:s0-s0:c0.c1023";

    fn complete_in(own: &str, text: &str) -> Result<String, Problem> {
        let own = SecurityContext::parse(own).unwrap();
        Ok(Written::parse(text)?.complete(&own)?.to_string())
    }

    fn complete(text: &str) -> Result<String, String> {
        complete_in(OWN, text).map_err(|e| e.why)
    }

    #[test]
    fn the_kernels_form_is_read_back_as_it_was() {
        for raw in [OWN, "u:r:t", "u:r:t:s0", "system_u:system_r:kernel_t:s15:c0.c1023"] {
            assert_eq!(SecurityContext::parse(raw).unwrap().to_string(), raw);
        }
        for wrong in ["", "kernel", "u:r", "u:r:", ":r:t", "u::t", "u:r:t:"] {
            assert_eq!(SecurityContext::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_pair_takes_the_rest_from_the_server() {
        for (text, whole) in [
            ("app_t", "system_u:system_r:app_t:s0-s0:c0.c1023"),
            ("app_t:*", "system_u:system_r:app_t:s0-s0:c0.c1023"),
            ("app_t:s0", "system_u:system_r:app_t:s0"),
            ("app_t:s0:c1", "system_u:system_r:app_t:s0:c1"),
            ("app_t:s0:c1,c3", "system_u:system_r:app_t:s0:c1,c3"),
            ("app_t:s0-s0:c0.c1023", "system_u:system_r:app_t:s0-s0:c0.c1023"),
            ("app_t:s0:c1-s2:c1.c9", "system_u:system_r:app_t:s0:c1-s2:c1.c9"),
            ("app_t:s0-s15", "system_u:system_r:app_t:s0-s15"),
            ("app_t:secret", "system_u:system_r:app_t:secret"),
            ("*:s0:c1", "system_u:system_r:httpd_t:s0:c1"),
            ("*:s0", "system_u:system_r:httpd_t:s0"),
            ("*:secret:c1", "system_u:system_r:httpd_t:secret:c1"),
            ("*:*", OWN),
            ("*", OWN),
        ] {
            assert_eq!(complete(text).as_deref(), Ok(whole), "{text}");
        }
    }

    #[test]
    fn a_whole_context_replaces_everything_but_an_unwritten_range() {
        for (text, whole) in [
            ("staff_u:staff_r:app_t:s0:c1", "staff_u:staff_r:app_t:s0:c1"),
            ("staff_u:staff_r:app_t:s0-s0:c0.c3", "staff_u:staff_r:app_t:s0-s0:c0.c3"),
            ("staff_u:staff_r:app_t:secret", "staff_u:staff_r:app_t:secret"),
            ("staff_u:staff_r:app_t:*", "staff_u:staff_r:app_t:s0-s0:c0.c1023"),
            ("staff_u:staff_r:app_t", "staff_u:staff_r:app_t:s0-s0:c0.c1023"),
        ] {
            assert_eq!(complete(text).as_deref(), Ok(whole), "{text}");
        }
    }

    #[test]
    fn a_text_that_could_be_either_is_refused_with_both_forms() {
        let error = complete_in(OWN, "staff_u:staff:app_t:s0").unwrap_err();
        assert_eq!(
            error.why,
            "it could be domain:range or user:role:type: \"staff\" is neither a sensitivity (s0) nor a role (one \
             that ends in _r)"
        );
        assert_eq!(
            error.remedy,
            "write domain:range, as in httpd_app_t:s0:c1, *:s0:c1 or httpd_app_t:*, or a whole \
             user:role:type:range, as in system_u:system_r:httpd_app_t:s0:c1"
        );
        for (text, why) in [
            ("", "it is empty"),
            ("system_u:system_r", "\"system_r\" is not a range, and a whole context has more parts"),
            ("system_u:app_t", "\"app_t\" is not a range, and a whole context has more parts"),
            ("app_t:", "it has an empty part"),
            ("app_t::c1", "it has an empty part"),
            (":s0", "it has an empty part"),
            ("app t:s0", "it holds ' ', and contexts are printable ASCII without spaces"),
            ("app_t:s0\0", "it holds '\\0', and contexts are printable ASCII without spaces"),
            ("app_t:s0\n", "it holds '\\n', and contexts are printable ASCII without spaces"),
            ("äpp_t", "it holds 'ä', and contexts are printable ASCII without spaces"),
            ("s0:c1", "it begins with a range"),
            ("s0", "it begins with a range"),
            ("s0-s0:c0", "it begins with a range"),
            ("app_*:s0", "* stands for the server's whole domain or range, not for a piece of it"),
            ("app_t:s0:c*", "* stands for the server's whole domain or range, not for a piece of it"),
            ("u_u:u_r:*:s0", "* cannot stand for a part of a whole context other than its range"),
        ] {
            assert_eq!(complete(text).unwrap_err(), why, "{text}");
        }
        let long = format!("app_t:s0:{}", "c".repeat(MAX_LEN));
        assert_eq!(complete(&long).unwrap_err(), "it has 4009 bytes, and the kernel takes at most 4000");
    }

    #[test]
    fn without_levels_in_the_policy_there_is_no_range_to_write() {
        let own = "system_u:system_r:httpd_t";
        for text in ["app_t", "app_t:*"] {
            assert_eq!(complete_in(own, text).unwrap(), "system_u:system_r:app_t");
        }
        assert_eq!(complete_in(own, "u_u:u_r:app_t").unwrap(), "u_u:u_r:app_t");
        let error = complete_in(own, "app_t:s0").unwrap_err();
        assert_eq!(
            (&*error.why, &*error.remedy),
            (
                "it has a range, and the loaded policy has no levels (the server's context is \
                 system_u:system_r:httpd_t)",
                "leave \":s0\" out, or load a policy with MCS or MLS"
            )
        );
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,40}", raw in "[a-z_:*0-9.,-]{0,40}") {
            let _ = Written::parse(&text);
            let _ = SecurityContext::parse(&text);
            if let Ok(written) = Written::parse(&raw) {
                let own = SecurityContext::parse(OWN).unwrap();
                let whole = written.complete(&own).unwrap().to_string();
                // What comes out is a context in the kernel's form, with nothing left to fill in.
                prop_assert!(SecurityContext::parse(&whole).is_some());
                prop_assert!(!whole.contains('*'));
            }
        }

        #[test]
        fn both_forms_of_a_context_mean_the_same(
            domain in "[a-z][a-z_]{0,8}_t",
            range in "s[0-9]{1,2}(-s[0-9]{1,2})?(:c[0-9]{1,3}([.,]c[0-9]{1,3})?)?",
        ) {
            let pair = complete(&format!("{domain}:{range}")).unwrap();
            let whole = complete(&format!("system_u:system_r:{domain}:{range}")).unwrap();
            prop_assert_eq!(&pair, &whole);
            prop_assert_eq!(complete(&pair).unwrap(), pair);
        }
    }
}
