# shellcheck shell=bash
# Clean Debian roots, made once and kept below target/packages.

# Where packages come from is what this machine's apt says; the lab knows how to ask it.
# shellcheck source=/dev/null
. "$REPO/lab/lib/host.sh"

# What scenes install later, without a network: it is fetched when the root is made.
readonly FETCHED=(apache2 apparmor curl libapache2-mod-apparmor php-cgi)

# What building the packages needs there, and looking them over. Debian 12 has its newer compiler as rustc-web.
builders() {
    local rust=(rustc cargo)
    [[ $1 != 12 ]] || rust=(rustc-web cargo-web)
    echo build-essential debhelper dh-apache2 apache2-dev libclang-dev lintian "${rust[@]}"
}

codename() {
    case $1 in
        12) echo bookworm ;;
        13) echo trixie ;;
        *) die "no Debian $1 here; there are 12 and 13" ;;
    esac
}

# make_root RELEASE FOLDER PACKAGE...: a minimal root with some packages, and those of FETCHED in apt's cache.
make_root() {
    local release=$1 folder=$2 suite include
    shift 2
    suite=$(codename "$release")
    include=$(IFS=, && echo "$*")
    apt_acquire >"$WORK/acquire.conf"
    rm -rf -- "$folder.new"
    # shellcheck disable=SC2016 # mmdebstrap's own variable
    apt_sources "$suite" | mmdebstrap --variant=minbase --mode=root --format=directory \
        --aptopt="$WORK/acquire.conf" \
        --aptopt='APT::Install-Recommends "false"' \
        --aptopt='Acquire::Languages "none"' \
        --dpkgopt='force-unsafe-io' \
        ${include:+--include="$include"} \
        --skip=cleanup/apt --skip=cleanup/reproducible \
        --customize-hook='APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -q -y --download-only -o APT::Install-Recommends=true install '"${FETCHED[*]}" \
        "$suite" "$folder.new" - || return 1
    mv -- "$folder.new" "$folder"
}

# root_folder RELEASE KIND [PACKAGE...]: where the root is. It is made where it is not there, or older than a week:
# Debian's own packages change, and what was fetched long ago is no test of today's.
root_folder() {
    local release=$1 kind=$2 key folder
    shift 2
    key=$(printf '%s\n' "$@" "${FETCHED[@]}" | sha256sum | cut -c1-12)
    folder=$CACHE/root-$release-$kind-$key
    if [[ ! -d $folder || -n $(find "$folder" -maxdepth 0 -mtime +7) ]]; then
        echo "packages: making a root of Debian $release" >&2
        rm -rf -- "$CACHE/root-$release-$kind-"*
        make_root "$release" "$folder" "$@" >"$CACHE/log/root-$release-$kind.log" 2>&1 || {
            tail -n 20 "$CACHE/log/root-$release-$kind.log" >&2
            die "no root of Debian $release"
        }
    fi
    echo "$folder"
}

# in_a_root LAYERS PACKAGES SCENE TRANSCRIPT: plays a scene in a copy of the root, with processes, mounts and a network
# of its own. All of them end with the scene.
in_a_root() {
    local copy
    copy=$(mktemp -d "$WORK/root.XXXXXX")
    mkdir "$copy/upper" "$copy/work" "$copy/root"
    LOWER=$1 COPY=$copy DEBS=$2 SCENE=$3 TRANSCRIPT=$4 \
        unshare --mount --pid --fork --kill-child --net --uts --ipc "$REPO/tests/packages/stage.sh"
}

# with_a_server ROOT FOLDER: makes the layer that a root needs on top to have Debian's httpd and a client.
with_a_server() {
    local copies
    in_a_root "$1" "$WORK" "$REPO/tests/packages/server.sh" "$CACHE/log/server.txt" || return 1
    copies=("$WORK"/root.*)
    mv "${copies[-1]}/upper" "$2"
}
