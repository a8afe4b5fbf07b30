//! Finds the paths by which a source file names other modules of its crate.
//!
//! The file is read as tokens and not as lines. So nested braces, renames, and paths inside of functions or macros
//! count, and words in comments and texts do not. Code for tests alone counts, too.

use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path that begins with `crate`, `super` or `apache_sys`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Import {
    pub line: usize,
    /// The path from the root of the crate, or `["apache_sys"]`. It is empty for the root itself.
    pub path: Vec<String>,
    /// Whether it stands in a `pub use`.
    pub is_public: bool,
}

/// Every import in `source`, which is the module `module` (from the root of its crate).
pub fn of(source: &str, module: &[String]) -> Result<Vec<Import>, String> {
    let tokens = TokenStream::from_str(source).map_err(|e| e.to_string())?;
    let mut found = Vec::new();
    walk(tokens, module, false, &mut found)?;
    Ok(found)
}

/// The names that the `pub use` items of a crate's root define, with the paths that they stand for.
pub fn reexports(root: &str) -> Result<Vec<(String, Vec<String>)>, String> {
    let tokens: Vec<_> = TokenStream::from_str(root).map_err(|e| e.to_string())?.into_iter().collect();
    let mut found = Vec::new();
    for (i, _) in tokens.iter().enumerate().filter(|(_, t)| is_word(t, "use")) {
        let mut leaves = Vec::new();
        tree(&tokens[i + 1..], Vec::new(), &mut leaves);
        found.extend(leaves.into_iter().filter_map(|(_, path)| Some((path.last()?.clone(), path))));
    }
    Ok(found)
}

/// Adds the imports in `tokens`, which stand in the module `module`. `public` says whether they stand in a `pub use`.
fn walk(tokens: TokenStream, module: &[String], public: bool, found: &mut Vec<Import>) -> Result<(), String> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut is_public = public;
    for (at, token) in tokens.iter().enumerate() {
        let place = Place { tokens: &tokens, at, module };
        match token {
            TokenTree::Group(group) => match place.before(1) {
                Some(TokenTree::Ident(name)) if place.opens_module(group.delimiter()) => {
                    let inner = [module, &[name.to_string()]].concat();
                    walk(group.stream(), &inner, false, found)?;
                }
                _ => walk(group.stream(), module, is_public, found)?,
            },
            TokenTree::Punct(punct) if punct.as_char() == ';' => is_public = false,
            // `pub use` and `pub(crate) use`.
            TokenTree::Ident(word) if word == "use" => {
                is_public = [1, 2].iter().any(|n| place.before(*n).is_some_and(|t| is_word(t, "pub")));
            }
            TokenTree::Ident(word) => {
                let import = |(line, path)| Import { line, path, is_public };
                found.extend(place.paths(&word.to_string())?.into_iter().map(import));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A token, and the tokens around it.
struct Place<'t> {
    tokens: &'t [TokenTree],
    at: usize,
    module: &'t [String],
}

impl Place<'_> {
    fn next(&self, n: usize) -> Option<&TokenTree> {
        self.tokens.get(self.at + n)
    }

    fn before(&self, n: usize) -> Option<&TokenTree> {
        self.at.checked_sub(n).map(|at| &self.tokens[at])
    }

    fn line(&self) -> usize {
        self.tokens[self.at].span().start().line
    }

    /// Whether this group is the body of a module.
    fn opens_module(&self, delimiter: Delimiter) -> bool {
        delimiter == Delimiter::Brace && self.before(2).is_some_and(|t| is_word(t, "mod"))
    }

    /// The paths that begin with `word`, which stands here, each with its line.
    fn paths(&self, word: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
        self.refuse_what_hides(word)?;
        if word == "apache_sys" {
            return Ok(vec![(self.line(), vec![word.to_owned()])]);
        }
        let Some(base) = self.base(word) else { return Ok(Vec::new()) };
        // If no path follows, this is a visibility (`pub(crate)`).
        let rest = match (self.next(1), self.next(2)) {
            (Some(a), Some(b)) if is_colon(a) && is_colon(b) => &self.tokens[self.at + 3..],
            (Some(a), _) if is_word(a, "as") => &self.tokens[self.at + 1..],
            _ => return Ok(Vec::new()),
        };
        let mut leaves = Vec::new();
        tree(rest, base, &mut leaves);
        let with_line = |(line, path)| (if line == 0 { self.line() } else { line }, path);
        Ok(leaves.into_iter().map(with_line).collect())
    }

    /// The path from the root of the crate that `word` means, if it can begin a path.
    fn base(&self, word: &str) -> Option<Vec<String>> {
        // This is `pub(in crate::map)`.
        if self.at == 1 && self.before(1).is_some_and(|t| is_word(t, "in")) {
            return None;
        }
        let follows_path = self.before(1).is_some_and(is_colon);
        let follows_self = self.before(3).is_some_and(|t| is_word(t, "self"));
        match word {
            "crate" => Some(Vec::new()),
            "super" if !follows_path || follows_self => {
                Some(self.module[..self.module.len().saturating_sub(1)].to_vec())
            }
            _ => None,
        }
    }

    /// Refuses code that would hide an import from this check.
    fn refuse_what_hides(&self, word: &str) -> Result<(), String> {
        let is_next = |text: &str| self.next(1).is_some_and(|t| t.to_string() == text);
        let what = match word {
            "include" if is_next("!") => "include! hides what a file imports",
            "path" if self.at == 0 && is_next("=") => "#[path] hides the room in which a module stands",
            "crate" if is_next("self") => "another name for the crate hides what is imported",
            _ => return Ok(()),
        };
        Err(format!("line {}: {what}", self.line()))
    }
}

/// Follows a path after a `::` to each of its ends.
fn tree(tokens: &[TokenTree], mut path: Vec<String>, leaves: &mut Vec<(usize, Vec<String>)>) {
    let mut i = 0;
    let mut line = 0;
    while let Some(token) = tokens.get(i) {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let inside: Vec<_> = group.stream().into_iter().collect();
                for branch in inside.split(|t| t.to_string() == ",").filter(|branch| !branch.is_empty()) {
                    tree(branch, path.clone(), leaves);
                }
                return;
            }
            TokenTree::Ident(word) if word == "as" => break,
            TokenTree::Ident(word) => {
                line = word.span().start().line;
                match word.to_string().as_str() {
                    "super" => drop(path.pop()),
                    "self" => {}
                    name => path.push(name.to_owned()),
                }
            }
            _ => break,
        }
        if !(tokens.get(i + 1).is_some_and(is_colon) && tokens.get(i + 2).is_some_and(is_colon)) {
            break;
        }
        i += 3;
    }
    leaves.push((line, path));
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

fn is_colon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(source: &str, module: &[&str]) -> Vec<(usize, String)> {
        let module: Vec<_> = module.iter().map(|m| (*m).to_owned()).collect();
        let found = of(source, &module).unwrap_or_else(|e| panic!("{e}"));
        found.into_iter().map(|i| (i.line, i.path.join("::"))).collect()
    }

    #[test]
    fn each_branch_of_nested_braces_is_found_at_its_line() {
        let source = "use crate::{\n a::{self, b::C as D},\n super_name,\n e::*,\n};";
        let found = paths(source, &["x"]);
        assert_eq!(
            found,
            [(2, "a".into()), (2, "a::b::C".into()), (3, "super_name".into()), (4, "e".into())]
        );
    }

    #[test]
    fn a_path_counts_wherever_it_stands() {
        for source in [
            "fn f() { crate::a::g::<u8>(); }",
            "macro_rules! m { () => { $crate::a::g() } }",
            "fn f() { println!(\"{}\", crate::a::g()); }",
            "#[cfg(test)] mod tests { use super::super::a::g; }",
            "use super::a::g;",
            "use self::super::a::g;",
            "use {super::a::g};",
            "fn f(x: Option<crate::a::g>) {}",
        ] {
            assert_eq!(paths(source, &["x"]), [(1, "a::g".into())], "{source}");
        }
    }

    #[test]
    fn other_names_for_the_root_are_the_root() {
        for source in
            ["use crate as root;", "use super as root;", "use crate::*;", "use crate::{self as root};"]
        {
            assert_eq!(paths(source, &["x"]), [(1, String::new())], "{source}");
        }
        for source in ["extern crate self as me;", "#[path = \"a.rs\"] mod b;", "include!(\"a.rs\");"] {
            assert!(of(source, &["x".into()]).is_err(), "{source}");
        }
    }

    #[test]
    fn words_that_are_no_paths_do_not_count() {
        let source = "//! crate::a\n/* crate::a */ pub(in crate::a) mod x; pub(crate) fn f() -> &'static str { \"crate::a\" }";
        assert_eq!(paths(source, &["x"]), []);
    }

    #[test]
    fn the_raw_bindings_are_found_and_so_is_their_reexport() {
        let found = of("pub(crate) use apache_sys as sys;", &[]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(found, [Import { line: 1, path: vec!["apache_sys".into()], is_public: true }]);
        assert_eq!(paths("fn f() { ::apache_sys::g() }", &["x"]), [(1, "apache_sys".into())]);
    }

    #[test]
    fn what_a_root_passes_on_is_known_by_its_path() {
        let found = reexports("mod a; pub use a::{B, c::D};").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            found,
            [
                ("B".into(), vec!["a".into(), "B".into()]),
                ("D".into(), vec!["a".into(), "c".into(), "D".into()])
            ]
        );
    }
}
