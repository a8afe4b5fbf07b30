//! A guide as a script for bash, so that it runs wherever bash does: in namespaces here, in the lab's guests there.

use std::fmt::Write as _;

use crate::guide::{Exchange, Step, What};

/// What the steps call. A command of a `console` block that only looks may be too early, as after a reload: it is
/// repeated for some seconds.
const LIBRARY: &str = r##"set -u
cd /root || exit 1
out=$(mktemp)
# On a terminal curl shows no meter where it prints what it got.
echo no-progress-meter >.curlrc

fault() {
    echo "not ok $page:$1: $2"
    sed 's/^/#   /' "$out"
    for log in /var/log/apache2/error.log; do
        [ ! -s "$log" ] || { echo "#   the end of $log:"; tail -n 8 "$log" | sed 's/^/#   /'; }
    done
    exit 1
}

# Each command writes into a file of its own, because what an earlier one left running may still write into its own.
fresh() {
    rm -f "$out"
    out=$(mktemp)
}

run() {
    fresh
    bash -eo pipefail -c "$2" >"$out" 2>&1 </dev/null || fault "$1" "ended with status $?"
    echo "ok $page:$1: ${2%%$'\n'*}"
}

put() {
    mkdir -p "${2%/*}" && printf '%s' "$3" >"$2" || fault "$1" "$2 cannot be written"
    echo "ok $page:$1: $2"
}

answers() {
    local tries=1 answer
    case $2 in curl\ * | *\ /var/log/apache2/*.log) tries=40 ;; esac
    while :; do
        fresh
        bash -c "$2" >"$out" 2>&1 </dev/null
        answer=$(<"$out")
        # shellcheck disable=SC2053 # a pattern
        if [[ $answer == $3 ]]; then
            echo "ok $page:$1: ${2%%$'\n'*}"
            return
        fi
        ((--tries)) || break
        sleep 0.25
    done
    fault "$1" "$2 does not answer what the page shows"
}

"##;

/// The script of a page. It tells each step in a line (`ok PAGE:LINE: ...`, `not ok ...`, `# not run ...`), and ends at
/// the first that fails, because the next ones build on it.
pub fn of(page: &str, steps: &[Step]) -> String {
    let mut script = format!("#!/bin/bash\npage={}\n{LIBRARY}", quoted(page));
    for Step { line, what } in steps {
        let _ = match what {
            What::Run(text) => writeln!(script, "run {line} {}", quoted(text)),
            What::Write { path, text } => writeln!(script, "put {line} {} {}", quoted(path), quoted(text)),
            What::Skip(why) => {
                writeln!(script, "echo {}", quoted(&format!("# not run {page}:{line}: {why}")))
            }
            What::Type(exchanges) => {
                for Exchange { command, answer } in exchanges {
                    let _ =
                        writeln!(script, "answers {line} {} {}", quoted(command), quoted(&pattern(answer)));
                }
                Ok(())
            }
        };
    }
    script.push_str("echo '## followed to its end'\n");
    script
}

/// One word of bash.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What the page shows as a pattern of bash: `...` is anything, everything else is itself.
fn pattern(answer: &str) -> String {
    let literal = |part: &str| {
        part.chars().fold(String::new(), |mut text, c| {
            if !c.is_alphanumeric() && !c.is_whitespace() {
                text.push('\\');
            }
            text.push(c);
            text
        })
    };
    answer.trim_end().split("...").map(literal).collect::<Vec<_>>().join("*")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::guide::steps;

    fn follow(page: &str) -> (bool, String) {
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        let steps = steps(page).unwrap_or_else(|e| panic!("{e}"));
        let script = of("page.md", &steps).replace("/root", &folder.path().display().to_string());
        let output =
            Command::new("bash").arg("-c").arg(script).output().unwrap_or_else(|e| panic!("bash: {e}"));
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    #[test]
    fn what_the_page_says_is_done() {
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        let file = folder.path().join("a/b").display().to_string();
        let page = format!(
            "As `{file}`:\n\n```text\nit's $HOME\n```\n\n```sh\ntest -s {file}\n```\n\n\
             ```console\n$ cat {file}\nit's $HOME\n$ echo 'a [b] * c'; echo d >&2\na [b] ...\nd\n```\n"
        );
        let (fine, said) = follow(&page);
        assert!(fine && said.ends_with("## followed to its end\n"), "{said}");
        assert_eq!(said.lines().filter(|line| line.starts_with("ok page.md:")).count(), 4, "{said}");
    }

    #[test]
    fn what_runs_on_writes_into_no_later_answer() {
        let page = "```sh\n(sleep 0.2; echo from behind) &\n```\n\n```console\n$ sleep 0.4; echo a\na\n```\n";
        let (fine, said) = follow(page);
        assert!(fine, "{said}");
    }

    #[test]
    fn what_does_not_come_out_is_a_fault() {
        let bad = [
            "```sh\nfalse\ntrue\n```\n",
            "```sh\nfalse | true\n```\n",
            "```console\n$ echo a\nb\n```\n",
            "```console\n$ echo a b\na\n```\n",
            "```console\n$ true\nsomething\n```\n",
        ];
        for page in bad {
            let (fine, said) = follow(page);
            assert!(!fine && said.contains("not ok page.md:1: "), "{page}: {said}");
            assert!(!said.contains("followed"), "{page}: {said}");
        }
    }
}
