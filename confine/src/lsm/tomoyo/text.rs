//! Names of domains: the form of the kernel, and the shorter form that administrators may write.
//!
//! The name of a domain is a namespace, such as `<kernel>`, and words that begin with `/`. One blank stands between two
//! of them. An administrator writes either such a *whole* name, or a *chain* of words (`//dog //app`). A chain means
//! the domain with these words behind the server's own domain.
//!
//! TOMOYO writes a backslash as `\\`, and a byte that is not printable ASCII as `\ooo`, in octal (kernel:
//! security/tomoyo/util.c, tomoyo_correct_word2). The kernel compares names byte by byte in this notation, so each name
//! has exactly one spelling.

use std::fmt;

use crate::{context::excerpt, problem::Problem, value::Given};

/// The longest name, in bytes, that the kernel takes (security/tomoyo/securityfs_if.c, tomoyo_write_self: it must be
/// shorter than TOMOYO_EXEC_TMPSIZE - 10).
const MAX_LEN: usize = 4096 - 10 - 1;

/// The name of a domain in the kernel's notation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(Box<str>);

impl Domain {
    /// Reads a whole name as the kernel or a policy has it.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(name: &str) -> Result<Self, String> {
        Written::parse(name, Notation::Tomoyo).map_err(|e| format!("{}; {}", e.why, e.remedy)).and_then(
            |written| match written {
                Written { whole: true, words } => Ok(Self(words.into())),
                _ => Err("a whole name begins with a namespace, such as <kernel>".to_owned()),
            },
        )
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it lies below `above`: it has the same words, and more behind them.
    pub fn is_below(&self, above: &Self) -> bool {
        self.0.strip_prefix(&*above.0).is_some_and(|rest| rest.starts_with(' '))
    }

    /// The namespace, in angle brackets.
    pub fn namespace(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a text writes bytes that a name cannot have as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    /// Backslashes begin escapes, as in TOMOYO's policy. Configurations and maps are written so. Other bytes get their
    /// escapes.
    Tomoyo,
    /// Every byte stands for itself. Values of requests are read so.
    Raw,
}

/// A context as it was written, in the kernel's notation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// Whether it begins with a namespace, so that it is a whole name.
    whole: bool,
    words: String,
}

/// An error whose remedy shows both forms.
fn forms(why: impl Into<String>) -> Problem {
    Problem::new(
        why,
        "write //name, or //name //name, for a domain below the server's own, or a whole name, as in \
         <kernel> /usr/sbin/apache2 //name",
    )
}

impl Written {
    /// Cuts a text at its blanks and puts the words into the kernel's notation.
    pub(super) fn parse(text: &str, notation: Notation) -> Result<Self, Problem> {
        let mut words = String::with_capacity(text.len());
        let mut whole = false;
        for (i, word) in text.split_ascii_whitespace().enumerate() {
            if i > 0 {
                words.push(' ');
            }
            if i == 0 && word.starts_with('<') {
                whole = true;
                push_namespace(&mut words, word)?;
                continue;
            }
            if !word.starts_with('/') {
                return Err(forms(format!("\"{}\" does not begin with /", shown(word))));
            }
            push_word(&mut words, word, notation)?;
        }
        if words.is_empty() {
            return Err(forms("it is empty"));
        }
        Ok(Self { whole, words })
    }

    /// The name of the domain, for a server in the domain `own`.
    pub(super) fn complete(self, own: &Domain) -> Result<Domain, Problem> {
        let name = if self.whole { self.words } else { format!("{own} {}", self.words) };
        if name.len() > MAX_LEN {
            return Err(Problem::new(
                format!("it makes a name of {} bytes, and the kernel takes at most {MAX_LEN}", name.len()),
                "write a shorter one",
            ));
        }
        Ok(Domain(name.into()))
    }
}

/// Checks that the part of a context which a request supplied is one word of a chain, or a piece of a word. A value
/// holds no blank, so it cannot add a word.
///
/// # Errors
/// It would begin a whole name, or it is empty, so that the chain would lack a word.
pub(super) fn one_word(given: &Given) -> Result<(), Problem> {
    if given.text().starts_with('<') && given.touches(0..1) {
        return Err(Problem::new(
            "a value is one word of a chain, and this one begins a whole domain's name",
            "write the whole name in the directive, or give a word that begins with /",
        ));
    }
    if given.has_gap() {
        return Err(Problem::new(
            "a value in it is empty, and the chain would lead to another domain than with it",
            "set the value, or give these requests a rule of their own",
        ));
    }
    Ok(())
}

/// A word, for a log line.
fn shown(word: &str) -> String {
    excerpt(word).escape_debug().to_string()
}

/// Adds a namespace as it is written. A byte that would need an escape is refused, because no namespace that people use
/// has one.
fn push_namespace(words: &mut String, word: &str) -> Result<(), Problem> {
    let inner = word.strip_prefix('<').and_then(|w| w.strip_suffix('>'));
    match inner {
        Some(inner) if !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') => {
            words.push_str(word);
            Ok(())
        }
        _ => Err(forms(format!("\"{}\" is no namespace", shown(word)))),
    }
}

fn push_word(words: &mut String, word: &str, notation: Notation) -> Result<(), Problem> {
    let mut rest = word.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'\\' && notation == Notation::Tomoyo {
            let Some(escape) = escape(rest) else {
                return Err(Problem::new(
                    format!("\"{}\" has a backslash that begins no escape", shown(word)),
                    "write \\\\ for a backslash, and \\ooo, in octal, for a byte that is no printable ASCII",
                ));
            };
            words.push('\\');
            words.extend(escape.iter().map(|b| char::from(*b)));
            rest = &rest[escape.len()..];
            continue;
        }
        push_byte(words, byte);
    }
    Ok(())
}

/// The escape behind a backslash: another backslash, or the octal number of a byte that cannot stand for itself.
fn escape(rest: &[u8]) -> Option<&[u8]> {
    match *rest {
        [b'\\', ..] => rest.get(..1),
        [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
            let byte = (a - b'0') << 6 | (b - b'0') << 3 | (c - b'0');
            rest.get(..3).filter(|_| byte != 0 && !byte.is_ascii_graphic())
        }
        _ => None,
    }
}

fn push_byte(words: &mut String, byte: u8) {
    match byte {
        b'\\' => words.push_str("\\\\"),
        b if b.is_ascii_graphic() => words.push(char::from(b)),
        b => {
            words.push('\\');
            words.extend([b >> 6, b >> 3 & 7, b & 7].map(|digit| char::from(b'0' + digit)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OWN: &str = "<kernel> /usr/sbin/apache2";

    fn own() -> Domain {
        Domain::parse(OWN).unwrap()
    }

    fn complete(text: &str, notation: Notation) -> Result<String, Problem> {
        Written::parse(text, notation)?.complete(&own()).map(|d| d.to_string())
    }

    #[test]
    fn a_chain_is_put_behind_the_servers_domain_and_a_whole_name_stands_for_itself() {
        for (text, name) in [
            ("//dog", "<kernel> /usr/sbin/apache2 //dog"),
            ("//dog.example.com //app", "<kernel> /usr/sbin/apache2 //dog.example.com //app"),
            (" //dog   /x\t//y ", "<kernel> /usr/sbin/apache2 //dog /x //y"),
            ("<kernel>", "<kernel>"),
            ("<kernel> //apache /www.example.com", "<kernel> //apache /www.example.com"),
            ("<web> /usr/sbin/httpd //dog", "<web> /usr/sbin/httpd //dog"),
            ("//dög", "<kernel> /usr/sbin/apache2 //d\\303\\266g"),
        ] {
            for notation in [Notation::Tomoyo, Notation::Raw] {
                assert_eq!(complete(text, notation).as_deref(), Ok(name), "{text}");
            }
        }
    }

    #[test]
    fn escapes_are_taken_from_configurations_and_not_from_requests() {
        for (text, written, raw) in [
            (r"//d\303\266g", r"//d\303\266g", r"//d\\303\\266g"),
            (r"//a\040b", r"//a\040b", r"//a\\040b"),
            (r"//a\\b", r"//a\\b", r"//a\\\\b"),
        ] {
            assert_eq!(complete(text, Notation::Tomoyo).unwrap(), format!("{OWN} {written}"));
            assert_eq!(complete(text, Notation::Raw).unwrap(), format!("{OWN} {raw}"));
        }
    }

    #[test]
    fn what_is_no_name_says_why() {
        let forms = "write //name, or //name //name, for a domain below the server's own, or a whole name, as in \
                     <kernel> /usr/sbin/apache2 //name";
        let escapes =
            "write \\\\ for a backslash, and \\ooo, in octal, for a byte that is no printable ASCII";
        for (text, why, remedy) in [
            ("", "it is empty", forms),
            ("  ", "it is empty", forms),
            ("dog", "\"dog\" does not begin with /", forms),
            ("//dog app", "\"app\" does not begin with /", forms),
            ("//dog <kernel>", "\"<kernel>\" does not begin with /", forms),
            ("<kernel /x", "\"<kernel\" is no namespace", forms),
            ("<> /x", "\"<>\" is no namespace", forms),
            (r"//a\b", "\"//a\\\\b\" has a backslash that begins no escape", escapes),
            (r"//a\", "\"//a\\\\\" has a backslash that begins no escape", escapes),
            (r"//a\*", "\"//a\\\\*\" has a backslash that begins no escape", escapes),
            (r"//a\101", "\"//a\\\\101\" has a backslash that begins no escape", escapes),
            (r"//a\000", "\"//a\\\\000\" has a backslash that begins no escape", escapes),
            (r"//a\400", "\"//a\\\\400\" has a backslash that begins no escape", escapes),
        ] {
            let error = complete(text, Notation::Tomoyo).unwrap_err();
            assert_eq!((&*error.why, &*error.remedy), (why, remedy), "{text}");
        }
        let long = format!("//{}", "a".repeat(MAX_LEN));
        assert_eq!(
            complete(&long, Notation::Raw).unwrap_err().why,
            "it makes a name of 4114 bytes, and the kernel takes at most 4085"
        );
    }

    #[test]
    fn below_is_by_words() {
        let domain = |text: &str| Domain::parse(text).unwrap();
        assert!(domain("<kernel> /usr/sbin/apache2 //dog").is_below(&own()));
        assert!(!domain("<kernel> /usr/sbin/apache22 //dog").is_below(&own()));
        assert!(!own().is_below(&own()));
        assert_eq!(domain("<web> /x").namespace(), "<web>");
        assert!(Domain::parse("//dog").is_err());
    }

    proptest! {
        /// A value, whatever it holds, becomes words that decode to it, and never a byte that ends a
        /// line or begins another command.
        #[test]
        fn a_value_survives_its_notation(value in "[^ \t\n\r\x0c\x00]{1,40}") {
            let name = complete(&format!("//{value}"), Notation::Raw).unwrap();
            prop_assert!(name.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
            let encoded = name.strip_prefix(OWN).unwrap().strip_prefix(" //").unwrap();
            prop_assert_eq!(decode(encoded), value.as_bytes());
            // In the policy's notation it means itself.
            prop_assert_eq!(complete(&format!("//{encoded}"), Notation::Tomoyo).unwrap(), name);
        }
    }

    fn decode(encoded: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = encoded;
        while let Some(byte) = rest.bytes().next() {
            if byte != b'\\' {
                bytes.push(byte);
                rest = &rest[1..];
            } else if rest[1..].starts_with('\\') {
                bytes.push(b'\\');
                rest = &rest[2..];
            } else {
                bytes.push(u8::from_str_radix(&rest[1..4], 8).unwrap());
                rest = &rest[4..];
            }
        }
        bytes
    }
}
