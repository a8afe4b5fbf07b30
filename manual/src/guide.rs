//! A guide's page as the steps that a reader takes.
//!
//! | block | what the reader does with it |
//! |---|---|
//! | `sh` | runs it; a command that fails is a fault of the page |
//! | `console` | types what stands behind `$ ` and compares the answer; `...` stands for anything |
//! | any other | writes it to the file that the sentence before it names last: "... as `/etc/x.conf`:" |
//!
//! A block that nobody is to follow has a comment before it that says why: `<!-- not run: Fedora's form -->`. There is
//! no other way to have a block that is not tried.

use std::fmt;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// One thing that a reader of the page does.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// The line of the page on which the block begins.
    pub line: usize,
    /// What is done.
    pub what: What,
}

/// What a step does.
#[derive(Debug, PartialEq, Eq)]
pub enum What {
    /// Runs these lines in a shell.
    Run(String),
    /// Types each command, and compares what it answers.
    Type(Vec<Exchange>),
    /// Writes a file.
    Write {
        /// Where to.
        path: String,
        /// What.
        text: String,
    },
    /// Nothing: the page says why.
    Skip(String),
}

/// A command of a `console` block with the answer that the page shows.
#[derive(Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What is typed.
    pub command: String,
    /// What the page shows below it.
    pub answer: String,
}

/// A block that is no step.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line of the page.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

/// What stands before a block and says what it is for.
#[derive(Default)]
struct Before {
    /// The last words in backquotes of the paragraph.
    named: Option<String>,
    /// The paragraph so far.
    text: String,
    /// What a comment says.
    not_run: Option<String>,
}

/// The steps of a page, in their order.
pub fn steps(page: &str) -> Result<Vec<Step>, Fault> {
    let mut steps = Vec::new();
    let mut before = Before::default();
    let mut block: Option<(usize, String, String)> = None;
    for (event, range) in Parser::new_ext(page, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = match kind {
                    CodeBlockKind::Fenced(info) => info.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                block = Some((line_of(page, range.start), language, String::new()));
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some((line, language, text)) = block.take() {
                    let what = step(&language, text, std::mem::take(&mut before));
                    steps.push(Step { line, what: what.map_err(|why| Fault { line, why })? });
                }
            }
            Event::Start(Tag::Paragraph | Tag::Heading { .. } | Tag::Item) => {
                let not_run = before.not_run.take();
                before = Before { not_run, ..Before::default() };
            }
            Event::Text(text) => match &mut block {
                Some((_, _, lines)) => lines.push_str(&text),
                None => before.text.push_str(&text),
            },
            Event::Code(word) => before.named = Some(word.to_string()),
            Event::Html(text) => {
                let said = text.trim().strip_prefix("<!-- not run: ").and_then(|t| t.strip_suffix(" -->"));
                before.not_run = said.map(str::to_owned).or(before.not_run);
            }
            _ => {}
        }
    }
    Ok(steps)
}

fn step(language: &str, text: String, before: Before) -> Result<What, String> {
    if let Some(why) = before.not_run {
        return Ok(What::Skip(why));
    }
    match language {
        "sh" => Ok(What::Run(text)),
        "console" => exchanges(&text).map(What::Type),
        _ => {
            let is_named = before.text.trim_end().ends_with(':');
            let path = before.named.filter(|path| is_named && path.starts_with('/'));
            let path =
                path.ok_or("the sentence before this block ends with no \"`/FILE`:\" to write it to")?;
            Ok(What::Write { path, text })
        }
    }
}

fn exchanges(text: &str) -> Result<Vec<Exchange>, String> {
    let mut found: Vec<Exchange> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        match (line.strip_prefix("$ "), found.last_mut()) {
            (Some(command), _) => {
                found.push(Exchange { command: command.to_owned(), answer: String::new() });
                goes_on = command.ends_with('\\');
            }
            (None, Some(last)) if goes_on => {
                last.command.push('\n');
                last.command.push_str(line);
                goes_on = line.ends_with('\\');
            }
            (None, Some(last)) => {
                last.answer.push_str(line);
                last.answer.push('\n');
            }
            (None, None) => return Err("a console block begins with \"$ \" and a command".to_owned()),
        }
    }
    Ok(found)
}

fn line_of(page: &str, at: usize) -> usize {
    page[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Title\n\nInstall `it`:\n\n```sh\napt install it\n```\n\nWrite `/etc/a` as `/etc/b`:\n\n\
        ```apache\nLine\n```\n\nAsk:\n\n```console\n$ curl \\\n  x\nyes ...\n$ true\n```\n\n\
        <!-- not run: Fedora's form -->\n```sh\ndnf install it\n```\n";

    #[test]
    fn each_block_is_what_the_page_says_of_it() {
        let steps = steps(PAGE).unwrap_or_else(|e| panic!("{e}"));
        let lines: Vec<usize> = steps.iter().map(|step| step.line).collect();
        assert_eq!(lines, [5, 11, 17, 25]);
        let typed = |command: &str, answer: &str| Exchange { command: command.into(), answer: answer.into() };
        let whats: Vec<What> = steps.into_iter().map(|step| step.what).collect();
        assert_eq!(
            whats,
            [
                What::Run("apt install it\n".into()),
                What::Write { path: "/etc/b".into(), text: "Line\n".into() },
                What::Type(vec![typed("curl \\\n  x", "yes ...\n"), typed("true", "")]),
                What::Skip("Fedora's form".into()),
            ]
        );
    }

    #[test]
    fn a_block_that_goes_nowhere_is_a_fault() {
        for page in
            ["So:\n\n```apache\nLine\n```\n", "In `/etc/a`.\n\n```apache\nLine\n```\n", "```\nLine\n```\n"]
        {
            let fault = steps(page).expect_err(page);
            assert!(fault.why.contains("to write it to"), "{fault}");
        }
        assert!(steps("```console\nyes\n```\n").is_err());
    }
}
