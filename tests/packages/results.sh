# shellcheck shell=bash
# How runs of packages' tests count.

# shellcheck disable=SC2034 # read by who runs the tests
passed=0 failed=0
# Lines "ok NAME" and "not ok NAME: why" are the results; all else is shown as it is.
tally() {
    local line
    while IFS= read -r line; do
        printf '%s\n' "$line"
        case $line in
        'ok '*) passed=$((passed + 1)) ;;
        'not ok '*) failed=$((failed + 1)) ;;
        esac
    done
}

# step COMMAND...: counts its lines; one that dies without a word counts as a failure.
step() {
    local out=$WORK/out status=0
    { "$@" || status=$?; } >"$out" 2>&1
    tally <"$out"
    [ "$status" = 0 ] || grep -q '^not ok ' "$out" || tally <<<"not ok $(basename "${4:-$1}" .txt): broke off with status $status"
}

result() { if "${@:2}"; then echo "ok packages: $1"; else echo "not ok packages: $1"; fi; }
