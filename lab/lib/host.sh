# shellcheck shell=bash
# What the machine that runs the lab needs, and where packages come from.

# Command and the Debian package that has it.
HOST_TOOLS=(
    'qemu-system-x86_64 qemu-system-x86'
    'mmdebstrap mmdebstrap'
    'mke2fs e2fsprogs'
    'cpio cpio'
    'xz xz-utils'
    'busybox busybox-static'
    'apxs apache2-dev'
    'gcc gcc'
    'openssl openssl'
)

installed_version() { dpkg-query -W -f='${db:Status-Status} ${Version}' "$1" 2>/dev/null | sed -n 's/^installed //p'; }

# Is a qemu-utils here that does not belong to the QEMU that apt would install?
foreign_qemu_utils() {
    local here candidate
    here=$(installed_version qemu-utils)
    candidate=$(apt-cache policy qemu-system-x86 | sed -n 's/ *Candidate: //p')
    [[ -n $here && $here != "$candidate" ]]
}

host_packages() {
    local tool package need=()
    for tool in "${HOST_TOOLS[@]}"; do
        read -r tool package <<<"$tool"
        command -v "$tool" >/dev/null || [[ -x /usr/sbin/$tool ]] || need+=("$package")
    done
    ((${#need[@]})) || return 0

    # A qemu-utils from a newer release, as some images carry it, conflicts with this release's QEMU. The lab has no use
    # for it, but somebody else on this machine may: it is taken away (the minus) only where that was asked for.
    if [[ " ${need[*]} " == *" qemu-system-x86 "* ]] && foreign_qemu_utils; then
        if [[ ${LAB_REPLACE_QEMU_UTILS:-} != 1 ]]; then
            echo "skip lab: installing qemu-system-x86 would remove qemu-utils $(installed_version qemu-utils);" \
                "LAB_REPLACE_QEMU_UTILS=1 allows that"
            [[ -z ${CI:-} ]]
            exit
        fi
        need+=(qemu-utils-)
    fi
    say "installing with apt: ${need[*]}"
    timed 'apt-get update' as_root apt-get -q update
    timed 'apt-get install' as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y --no-install-recommends install "${need[@]}"
}

# The suite of this machine. The module is built here and runs in the guest, so
# both have the same httpd and the same C library.
host_suite() (
    # shellcheck source=/dev/null
    . /etc/os-release
    [[ $ID == debian ]] || die "this machine runs $ID; the lab wants Debian 12, like the guest"
    printf '%s\n' "$VERSION_CODENAME"
)

# apt_sources SUITE: a sources.list for another suite, from the servers this machine uses.
# apt knows them once it has updated (`Origin` comes from the suite's Release file).
apt_sources() {
    local suite=$1 here keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    here=$(host_suite)
    # shellcheck disable=SC2016 # apt's variables
    apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(RELEASE) $(REPO_URI)' \
        'Created-By: Packages' 'Component: main' |
        awk -v here="$here" -v suite="$suite" -v key="$keyring" '
            $1 == "Debian" && $2 ~ "^" here {
                sub(here, suite, $3)
                line = "deb [signed-by=" key "] " $4 " " $3 " main"
                if (!seen[line]++) print line
            }' |
        grep . || die "apt names no Debian server for $here; run: apt-get update"
}

# apt_acquire: proxies and checks as this machine has them.
apt_acquire() { apt-config dump | grep -E '^Acquire::([a-z]+::Proxy|Check-|Retries)' || true; }
