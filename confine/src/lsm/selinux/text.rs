//! Security contexts: the kernel's form, and the shorter one that administrators write.
//!
//! Written are either a *pair* `domain:range`, relative to the server's own context, or a *whole*
//! context `user:role:type[:range]`. Ranges hold colons themselves (`s0:c1`, `s0:c1,c3`,
//! `s0-s0:c0.c1023`), so the forms are told apart by this rule, in this order:
//!
//! 1. No colon: a domain.
//! 2. It begins with `*:`: a pair (no user is called `*`).
//! 3. One colon: a pair. The second part may not end in `_r`, `_t` or `_u`, as roles, types and
//!    users do by convention: that would be a piece of a whole context.
//! 4. More colons, and the second field is a sensitivity, `sN` or `sN-sN` (N a number): a pair.
//! 5. More colons, and the second field ends in `_r`: a whole context.
//! 6. Anything else is refused, with both forms in the message.
//!
//! So a sensitivity that the policy calls something else than `sN` can be written alone
//! (`app_t:secret`), behind `*` (`*:secret:c1`) and in a whole context.
//!
//! `*` stands for the server's own domain or range and for nothing else. A range that is not
//! written is the server's. Behind an earlier move that changed such a part, it has to be written
//! out: the server's would be given back, or the reader deceived.

use std::fmt;

use crate::{context::excerpt, problem::Problem, value::Given};

/// Longer texts cannot reach the kernel (kernel: fs/proc/base.c and security/security.c,
/// lsm_set_self_attr, take at most a page, of which `struct lsm_ctx` is a part).
const MAX_LEN: usize = 4000;

/// A security context in the kernel's form: `user:role:type`, and `:range` where the policy has
/// levels (MCS, MLS).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecurityContext {
    /// SELinux user.
    pub user: String,
    /// Role.
    pub role: String,
    /// Type; of a process, its domain.
    pub domain: String,
    /// Range of levels, such as `s0-s0:c0.c1023`. `None` under a policy without levels.
    pub range: Option<String>,
}

impl SecurityContext {
    /// Reads the kernel's form. `None` if it has fewer than three fields or an empty one.
    pub fn parse(raw: &str) -> Option<Self> {
        let mut fields = raw.splitn(4, ':').map(|f| Some(f.to_owned()).filter(|f| !f.is_empty()));
        let (user, role, domain) = (fields.next()??, fields.next()??, fields.next()??);
        let range = match fields.next() {
            Some(range) => Some(range?),
            None => None,
        };
        Some(Self { user, role, domain, range })
    }

    /// The same process at another range.
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

/// What was written, taken apart. `None` is the server's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written<'a> {
    pub user_and_role: Option<(&'a str, &'a str)>,
    pub domain: Option<&'a str>,
    pub range: Option<&'a str>,
}

/// The parts of a context that a text leaves to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    user_and_role: bool,
    domain: bool,
    range: bool,
}

impl Left {
    /// All is written.
    pub(super) const NOTHING: Self = Self { user_and_role: false, domain: false, range: false };

    /// Whether these parts are the same in both contexts.
    pub(super) fn same(self, a: &SecurityContext, b: &SecurityContext) -> bool {
        (!self.user_and_role || (&a.user, &a.role) == (&b.user, &b.role))
            && (!self.domain || a.domain == b.domain)
            && (!self.range || a.range == b.range)
    }

    /// `target` with these parts as `there` has them.
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

/// An error with both forms as the remedy.
fn forms(why: impl Into<String>) -> Problem {
    Problem::new(
        why,
        "write domain:range, as in httpd_app_t:s0:c1, *:s0:c1 or httpd_app_t:*, or a whole \
         user:role:type:range, as in system_u:system_r:httpd_app_t:s0:c1",
    )
}

impl<'a> Written<'a> {
    /// Takes `text` apart by the rule above.
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

    /// What is not written.
    pub(super) fn left(self) -> Left {
        Left {
            user_and_role: self.user_and_role.is_none(),
            domain: self.domain.is_none(),
            range: self.range.is_none(),
        }
    }

    /// The whole context, with the server's own parts where none are written.
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

/// `None` for `*`. A `*` elsewhere is refused.
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

/// `sN` or `sN-sN`: the first field of a range.
fn is_sensitivity(field: &str) -> bool {
    let one =
        |s: &str| s.strip_prefix('s').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    match field.split_once('-') {
        Some((low, high)) => one(low) && one(high),
        None => one(field),
    }
}

/// Whether what a request supplied is a context, or beside text of the configuration one part of it: a range that
/// stands alone behind `domain:`, or letters, digits and `_` (in a domain `.` and `-`, too) in a place that the
/// configuration chose.
///
/// # Errors
/// It holds what takes a context, or a range, apart.
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
