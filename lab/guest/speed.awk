# Rounds of the speed comparison, each a line of `CELL RATE MICROSECONDS FAULTS` for every
# cell: prints a table of medians, or with -v verdict=1 how they stand to what is promised.
# A ratio is of two cells in the same round.

{
    for (i = 1; i < NF; i += 4) {
        cell[(i + 3) / 4] = $i
        rate[$i, NR] = $(i + 1)
        used[$i, NR] = $(i + 2)
        faults[$i, NR] = $(i + 3)
    }
    cells = NF / 4
}

# sorts v[1..NR]
function sort(    i, j, t) {
    for (i = 2; i <= NR; i++) {
        t = v[i]
        for (j = i - 1; j > 0 && v[j] > t; j--) v[j + 1] = v[j]
        v[j + 1] = t
    }
}

function median() {
    sort()
    return NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
}

function median_of(what, name,    r) {
    for (r = 1; r <= NR; r++) v[r] = what[name, r]
    return median()
}

function ratio(name, base,    r) {
    for (r = 1; r <= NR; r++) v[r] = rate[base, r] ? rate[name, r] / rate[base, r] : 0
    return median()
}

function spread() { return sprintf("(%.3f..%.3f)", v[1], v[NR]) }

function promise(what, got, least) {
    printf "%s is %.3f%s\n", what, got, (got >= least ? "" : ": wanted at least " least)
}

END {
    if (verdict) {
        promise("confined by ten lines to stock", ratio("ten", "stock"), 0.65)
        promise("confined by 100,000 lines to ten lines", ratio("many", "ten"), 0.97)
        exit
    }
    printf "%-8s %8s %10s %8s  %-22s %s\n", "cell", "req/s", "us server", "faults", "to stock", "to ten lines"
    for (i = 1; i <= cells; i++) {
        name = cell[i]
        printf "%-8s %8.0f %10.0f %8.1f", name, median_of(rate, name), median_of(used, name), median_of(faults, name)
        printf "  %.3f %-16s", ratio(name, "stock"), spread()
        printf " %.3f %s\n", ratio(name, "ten"), spread()
    }
}
