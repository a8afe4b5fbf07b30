# shellcheck shell=bash
# Words that every part of the lab uses.

LAB_DIR=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
REPO_DIR=$(dirname -- "$LAB_DIR")
CACHE=${LAB_CACHE:-$LAB_DIR/cache}

say() { printf 'lab: %s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

# The steps that need root: installing packages, building a root file system,
# and writing security.* attributes, which the kernel allows to nobody else.
as_root() {
    if [[ $(id -u) == 0 ]]; then
        "$@"
    else
        sudo -- "$@"
    fi
}

# hash_of PATH...: one short key for the content and names of files and folders.
hash_of() {
    (cd -- "$REPO_DIR" &&
        find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum) |
        sha256sum | cut -c1-16
}

# is_fresh NAME KEY: was NAME in the cache finished with these inputs?
is_fresh() { [[ -e $CACHE/$1.key && $(<"$CACHE/$1.key") == "$2" ]]; }

# set_fresh NAME KEY: written last, so that a broken-off build is not taken for whole.
set_fresh() { printf '%s\n' "$2" >"$CACHE/$1.key"; }

# timed WHAT COMMAND...: run it with its output in a log, say how long it took.
timed() {
    local what=$1 log start=$SECONDS status
    shift
    log=$CACHE/log/${what// /-}.log
    mkdir -p -- "$CACHE/log"
    # Not `if ! "$@"`: in a condition bash ignores `set -e` in all that it calls.
    set +e
    (set -e && "$@") >"$log" 2>&1
    status=$?
    set -e
    if ((status != 0)); then
        tail -n 30 -- "$log" >&2
        die "$what failed; the whole log: $log"
    fi
    say "$what: $((SECONDS - start)) s"
}
