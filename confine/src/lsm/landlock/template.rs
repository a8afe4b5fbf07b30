//! A path as the administrator writes it, with expressions that get their values from each request.
//!
//! `/srv/tenants/%{REMOTE_USER}/data` is split once, at startup. The first part is literal (`/srv/tenants/`), and the
//! rest holds the expressions. `%{` begins an expression and the matching `}` ends it. Braces can nest, so
//! `%{tolower:%{REMOTE_USER}}` is one expression. A `%` without `{` behind it is an ordinary character. There is no way
//! to write a literal `%{`.
//!
//! The value of an expression is a part of one component (`/x-%{A}-y/` is possible). If a component has two
//! expressions, different values can give the same name. Put a separator between them that the values cannot hold.

use crate::problem::Problem;
use std::path::Path;

use super::super::{EnterError, Values, escaped};

/// The longest name of one directory entry, in bytes (kernel: include/uapi/linux/limits.h, NAME_MAX).
const NAME_MAX: usize = 255;

/// Stands for an expression while the components are checked. The text itself holds no NUL.
const HOLE: &str = "\0";

/// An absolute path, which may have expressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    /// The path as it was written.
    text: Box<str>,
    /// The number of bytes of `text` before the component with the first expression. The slash is counted. Without an
    /// expression it is the whole text.
    prefix: usize,
    /// What follows the prefix. It is empty without an expression.
    rest: Box<[Piece]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Box<str>),
    Value { index: usize, expression: Box<str> },
}

/// Why a text cannot be a path with expressions. The `String` is the path as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// It does not begin with `/`.
    #[error("path \"{0}\" is not absolute; begin it with /")]
    Relative(String),
    /// A component is `.` or `..`.
    #[error("path \"{path}\" holds the component \"{component}\"; write the path it leads to")]
    Dots {
        /// The path as written, escaped.
        path: String,
        /// `.` or `..`.
        component: String,
    },
    /// It holds a NUL byte.
    #[error("path \"{0}\" holds a NUL byte, which no file name has; remove it")]
    Nul(String),
    /// An expression has no `}`.
    #[error("path \"{path}\": the expression \"{expression}\" has no closing brace; end it with }}")]
    Unclosed {
        /// The path as written, escaped.
        path: String,
        /// The text from `%{` to the end, escaped.
        expression: String,
    },
    /// An expression is empty (`%{}`).
    #[error("path \"{0}\" holds the empty expression %{{}}; put a name in, such as %{{REMOTE_USER}}")]
    EmptyExpression(String),
}

impl PathTemplate {
    /// Splits `text`. The second part of the result has the text of each expression without `%{` and `}`, for the
    /// server to compile. [`Values::value`] is later asked for number `first_index + i` to get the value of expression
    /// `i`.
    pub fn parse(text: &str, first_index: usize) -> Result<(Self, Vec<String>), TemplateError> {
        if text.contains('\0') {
            return Err(TemplateError::Nul(escaped(text)));
        }
        if !text.starts_with('/') {
            return Err(TemplateError::Relative(escaped(text)));
        }
        let segments = segments(text)?;
        refuse_dots(text, &segments)?;

        let first_literal = match segments.first() {
            Some(Segment::Literal(l)) => *l,
            _ => "",
        };
        let expressions: Vec<String> = segments
            .iter()
            .filter_map(|s| match s {
                Segment::Expression(e) => Some((*e).to_owned()),
                Segment::Literal(_) => None,
            })
            .collect();
        if expressions.is_empty() {
            return Ok((Self { text: text.into(), prefix: text.len(), rest: Box::default() }, expressions));
        }

        // An absolute text has a slash in its first literal part.
        let prefix = first_literal.rfind('/').map_or(0, |slash| slash + 1);
        let mut rest = Vec::new();
        let mut index = first_index;
        for (position, segment) in segments.iter().enumerate() {
            match segment {
                Segment::Literal(l) => {
                    let l = if position == 0 { &l[prefix..] } else { l };
                    if !l.is_empty() {
                        rest.push(Piece::Literal(l.into()));
                    }
                }
                Segment::Expression(e) => {
                    rest.push(Piece::Value { index, expression: (*e).into() });
                    index += 1;
                }
            }
        }
        Ok((Self { text: text.into(), prefix, rest: rest.into() }, expressions))
    }

    /// Whether it has an expression.
    pub fn is_dynamic(&self) -> bool {
        !self.rest.is_empty()
    }

    /// The numbers of its expressions.
    pub fn expressions(&self) -> impl Iterator<Item = usize> + use<'_> {
        self.rest.iter().filter_map(|piece| match piece {
            Piece::Value { index, .. } => Some(*index),
            Piece::Literal(_) => None,
        })
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The directory of the first component with an expression. Without an expression it is the whole path.
    pub fn prefix(&self) -> &Path {
        Path::new(&self.text[..self.prefix])
    }

    /// The part behind [`PathTemplate::prefix`], with the values of this request. It is relative to the prefix.
    ///
    /// # Errors
    /// A value is not a part of one path component, which is the fault of the request ([`EnterError::forbidden`]). Or
    /// the server cannot give a value, which is not.
    pub(super) fn render(&self, values: &dyn Values) -> Result<Vec<u8>, EnterError> {
        let mut path = Vec::with_capacity(self.text.len() + NAME_MAX);
        for piece in &self.rest {
            match piece {
                Piece::Literal(l) => path.extend_from_slice(l.as_bytes()),
                Piece::Value { index, expression } => {
                    let value = values.value(*index).map_err(|e| self.no_value(expression, &e))?;
                    if let Some(fault) = component_fault(&value) {
                        return Err(self.bad_value(expression, &value, fault));
                    }
                    path.extend_from_slice(&value);
                }
            }
        }
        Ok(path)
    }

    fn no_value(&self, expression: &str, message: &str) -> EnterError {
        EnterError {
            problem: Problem {
                why: format!(
                    "path {}: the expression {} could not be evaluated: {}",
                    escaped(&self.text),
                    escaped(expression),
                    escaped(message),
                ),
                errno: None,
                remedy: "correct the expression in the ruleset".to_owned(),
            },
            forbidden: false,
        }
    }

    fn bad_value(&self, expression: &str, value: &[u8], fault: &str) -> EnterError {
        // A refused value can be as long as a header line. Its beginning is enough to recognise it.
        let shown = value
            .get(..64)
            .map_or_else(|| value.escape_ascii().to_string(), |start| format!("{}...", start.escape_ascii()));
        EnterError {
            problem: Problem {
                why: format!(
                    "path {}: the value \"{shown}\" of {} {fault}",
                    escaped(&self.text),
                    escaped(expression),
                ),
                errno: None,
                remedy: "a value must be the name of one path component: \
                     not empty, not . or .., without / and NUL, at most 255 bytes"
                    .to_owned(),
            },
            forbidden: true,
        }
    }
}

/// A part of a path as it was written.
#[derive(Clone, Copy)]
enum Segment<'a> {
    Literal(&'a str),
    /// An expression with its `%{` and `}`.
    Expression(&'a str),
}

fn segments(text: &str) -> Result<Vec<Segment<'_>>, TemplateError> {
    let mut segments = Vec::new();
    let mut left = text;
    while let Some(start) = left.find("%{") {
        let (literal, from_start) = left.split_at(start);
        if !literal.is_empty() {
            segments.push(Segment::Literal(literal));
        }
        let Some(len) = expression_len(from_start) else {
            return Err(TemplateError::Unclosed { path: escaped(text), expression: escaped(from_start) });
        };
        let (expression, after) = from_start.split_at(len);
        if expression == "%{}" {
            return Err(TemplateError::EmptyExpression(escaped(text)));
        }
        segments.push(Segment::Expression(expression));
        left = after;
    }
    if !left.is_empty() {
        segments.push(Segment::Literal(left));
    }
    Ok(segments)
}

/// The length of the expression at the start of `text`, up to and with its `}`.
fn expression_len(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn refuse_dots(text: &str, segments: &[Segment<'_>]) -> Result<(), TemplateError> {
    let shape: String = segments
        .iter()
        .map(|s| match s {
            Segment::Literal(l) => l,
            Segment::Expression(_) => HOLE,
        })
        .collect();
    match shape.split('/').find(|c| matches!(*c, "." | "..")) {
        Some(component) => Err(TemplateError::Dots { path: escaped(text), component: component.to_owned() }),
        None => Ok(()),
    }
}

/// Why `value` cannot be one path component, or a part of one.
fn component_fault(value: &[u8]) -> Option<&'static str> {
    match value {
        b"" => Some("is empty"),
        b"." | b".." => Some("leads to another directory"),
        v if v.contains(&b'/') => Some("holds a slash"),
        v if v.contains(&0) => Some("holds a NUL byte"),
        v if v.len() > NAME_MAX => Some("is longer than a file name can be"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lsm::NoValues;

    /// Values by number.
    struct Table<'a>(&'a [&'a [u8]]);

    impl Values for Table<'_> {
        fn value(&self, index: usize) -> Result<Vec<u8>, String> {
            self.0.get(index).map(|v| v.to_vec()).ok_or_else(|| format!("no expression {index}"))
        }
    }

    fn parse(text: &str) -> PathTemplate {
        PathTemplate::parse(text, 0).unwrap().0
    }

    fn render(text: &str, values: &[&[u8]]) -> Result<Vec<u8>, EnterError> {
        parse(text).render(&Table(values))
    }

    #[test]
    fn a_plain_path_is_its_own_prefix() {
        let (template, expressions) = PathTemplate::parse("/var/www/100%/x", 7).unwrap();
        assert!(!template.is_dynamic());
        assert!(expressions.is_empty());
        assert_eq!(template.prefix(), Path::new("/var/www/100%/x"));
        assert_eq!(template.render(&NoValues).unwrap(), b"");
    }

    #[test]
    fn expressions_are_numbered_from_the_first_index() {
        let (template, expressions) =
            PathTemplate::parse("/srv/t/x-%{A}-%{tolower:%{B}}/%{md5:{a/b}}/data", 5).unwrap();
        assert!(template.is_dynamic());
        assert_eq!(expressions, ["%{A}", "%{tolower:%{B}}", "%{md5:{a/b}}"]);
        assert_eq!(template.prefix(), Path::new("/srv/t/"));
        let values: &[&[u8]] = &[b"", b"", b"", b"", b"", b"alice", b"bob", b"\xff"];
        assert_eq!(template.render(&Table(values)).unwrap(), b"x-alice-bob/\xff/data");
    }

    #[test]
    fn an_expression_may_stand_first_or_last() {
        assert_eq!(parse("/%{A}").prefix(), Path::new("/"));
        assert_eq!(render("/%{A}", &[b"a"]).unwrap(), b"a");
        assert_eq!(render("/s/%{A}/", &[b"a b"]).unwrap(), b"a b/");
        assert_eq!(render("/s/.%{A}", &[b"x"]).unwrap(), b".x");
    }

    #[test]
    fn texts_that_are_no_template_say_why() {
        for (text, message) in [
            ("", "path \"\" is not absolute; begin it with /"),
            ("srv/x", "path \"srv/x\" is not absolute; begin it with /"),
            ("%{A}/x", "path \"%{A}/x\" is not absolute; begin it with /"),
            ("/a/../b", "path \"/a/../b\" holds the component \"..\"; write the path it leads to"),
            ("/a/.", "path \"/a/.\" holds the component \".\"; write the path it leads to"),
            ("/%{A}/..", "path \"/%{A}/..\" holds the component \"..\"; write the path it leads to"),
            ("/a\0b\n", "path \"/a\\u{0}b\\n\" holds a NUL byte, which no file name has; remove it"),
            (
                "/a/%{b{c}/d",
                "path \"/a/%{b{c}/d\": the expression \"%{b{c}/d\" has no closing brace; end it with }",
            ),
            (
                "/a/%{}",
                "path \"/a/%{}\" holds the empty expression %{}; put a name in, such as %{REMOTE_USER}",
            ),
        ] {
            assert_eq!(PathTemplate::parse(text, 0).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_value_must_be_one_component() {
        let long = vec![b'a'; 256];
        let cases: &[(&[u8], &str)] = &[
            (b"", "the value \"\" of %{A} is empty"),
            (b".", "the value \".\" of %{A} leads to another directory"),
            (b"..", "the value \"..\" of %{A} leads to another directory"),
            (b"a/b", "the value \"a/b\" of %{A} holds a slash"),
            (b"/", "the value \"/\" of %{A} holds a slash"),
            (b"a\0", "the value \"a\\x00\" of %{A} holds a NUL byte"),
            (b"\x1b[2J\n/", "the value \"\\x1b[2J\\n/\" of %{A} holds a slash"),
            (&long, "...\" of %{A} is longer than a file name can be"),
        ];
        for (value, message) in cases {
            let error = render("/srv/%{A}/d", &[value]).unwrap_err();
            assert!(error.forbidden, "{error}");
            assert_eq!(error.problem.errno, None);
            let text = error.to_string();
            assert!(text.starts_with("path /srv/%{A}/d: the value"), "{text}");
            assert!(text.contains(message), "{text}");
            assert!(text.contains("a value must be the name of one path component"), "{text}");
            assert!(!text.contains(char::is_control), "{text:?}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_had_is_the_servers_fault() {
        let error = parse("/srv/%{A}").render(&NoValues).unwrap_err();
        assert!(!error.forbidden);
        assert_eq!(
            error.to_string(),
            "path /srv/%{A}: the expression %{A} could not be evaluated: no value for expression 0; \
             correct the expression in the ruleset"
        );
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_numbers_every_expression(text in "[/%{}a.\0-]{0,24}") {
            if let Ok((template, expressions)) = PathTemplate::parse(&text, 0) {
                prop_assert_eq!(template.as_str(), &text);
                prop_assert_eq!(template.is_dynamic(), !expressions.is_empty());
                for e in &expressions {
                    let whole = e.starts_with("%{") && e.ends_with("}");
                    prop_assert!(whole, "{}", e);
                }
            }
        }

        #[test]
        fn what_is_rendered_stays_below_the_prefix(
            value in proptest::collection::vec(proptest::sample::select(&b"a./\0~"[..]), 0..4),
            affix in "[a.]{0,2}",
        ) {
            let text = format!("/srv/{affix}%{{A}}{affix}/d");
            if let Ok(path) = render(&text, &[&value]) {
                let path = String::from_utf8(path).unwrap();
                let parts: Vec<_> = path.split('/').collect();
                prop_assert_eq!(parts.len(), 2);
                prop_assert!(!parts.iter().any(|p| matches!(*p, "" | "." | "..")));
            }
        }
    }
}
