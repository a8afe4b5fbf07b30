# shellcheck shell=bash
# Many guests, one verdict.

# report FILE LABEL: counts of a finished guest's results; a guest that broke off fails.
count() { grep -c "^$1 " "$2" || true; }

run_guest() {
    local kernel=$1 lsm=$2 out from
    shift 2
    out=$CACHE/log/results-$kernel-$lsm.log
    from=$(date +%s.%N)
    printf '# ---- kernel %s, %s\n' "$kernel" "$lsm"
    boot "$kernel" "$lsm" "$@" | tee "$out"
    grep -q '^## done' "$out" || printf 'not ok guest %s %s: did not reach its end\n' "$kernel" "$lsm" | tee -a "$out"
    printf '# kernel %s, %s: %s passed, %s failed, %s skipped, %.1f s\n' "$kernel" "$lsm" \
        "$(count ok "$out")" "$(count 'not ok' "$out")" "$(count skip "$out")" \
        "$(awk -v a="$from" -v b="$(date +%s.%N)" 'BEGIN { print b - a }')"
}

# suite KERNEL:LSM:TESTS...
suite() {
    local start=$SECONDS guest kernel lsm tests summary=$CACHE/log/summary.log
    mkdir -p -- "$CACHE/log"
    : >"$summary"
    for guest in "$@"; do
        IFS=: read -r kernel lsm tests <<<"$guest"
        run_guest "$kernel" "$lsm" "$tests" | tee -a "$summary"
    done
    printf '# all: %s passed, %s failed, %s skipped, %s s\n' "$(count ok "$summary")" \
        "$(count 'not ok' "$summary")" "$(count skip "$summary")" "$((SECONDS - start))"
    grep '^not ok ' "$summary" && return 1
    return 0
}
