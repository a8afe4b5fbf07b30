# shellcheck shell=bash
# Many guests, one verdict.

# count WORD FILE: how many results are of that kind
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

# suite KERNEL:LSM:TESTS...: as many guests at a time as LAB_JOBS says, each one's results
# printed when it has ended.
suite() {
    local start=$SECONDS guest kernel lsm tests number=0 pids=() parts=() summary=$CACHE/log/summary.log
    local jobs=${LAB_JOBS:-$(nproc)}
    (($# > 1)) || jobs=1 # then its results come as they are
    mkdir -p -- "$CACHE/log"
    for guest in "$@"; do
        IFS=: read -r kernel lsm tests <<<"$guest"
        number=$((number + 1))
        parts+=("$CACHE/log/part-$number.log")
        if ((jobs == 1)); then
            run_guest "$kernel" "$lsm" "$tests" | tee "${parts[-1]}"
            continue
        fi
        while (($(jobs -rp | wc -l) >= jobs)); do wait -n; done
        run_guest "$kernel" "$lsm" "$tests" >"${parts[-1]}" &
        pids+=("$!")
    done
    ((${#pids[@]} == 0)) || { wait "${pids[@]}" && cat -- "${parts[@]}"; }
    cat -- "${parts[@]}" >"$summary"
    printf '# all: %s passed, %s failed, %s skipped, %s s\n' "$(count ok "$summary")" \
        "$(count 'not ok' "$summary")" "$(count skip "$summary")" "$((SECONDS - start))"
    # Said again at the end, in words that no reader counts once more.
    ! sed -n 's/^not ok /# failed: /p' "$summary" | grep .
}

# speed [KERNEL [CLOCK]]: the comparison of tests/speed, alone on this machine if the clock is
# the real one. Rounds are shorter where nothing disturbs them.
speed() {
    local kernel=${1:-6.12} clock=${2:-instructions} seconds=1
    case $clock in
        instructions) ;;
        time) seconds=3 ;;
        *) die "no clock $clock here; there are instructions, time" ;;
    esac
    export LAB_CLOCK=$clock
    # As distributions boot: denials are recorded all the same, but not every system call of every
    # thread prepares to be.
    export LAB_AUDIT=
    BOOT_TIMEOUT=${LAB_BOOT_TIMEOUT:-1200} \
        LAB_APPEND="lab.limit=1000 lab.speed-seconds=$seconds ${LAB_APPEND:-}" \
        suite "$kernel:selinux:speed/*"
}
