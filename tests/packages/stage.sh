#!/usr/bin/env bash
# The first process of a scene: mounts the root, and gives the scene its words. See `in_a_root` in roots.sh.
# Environment: LOWER, COPY, DEBS, SCENE, TRANSCRIPT.
set -euo pipefail

readonly ROOT=$COPY/root
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$COPY/upper,workdir=$COPY/work" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount -t sysfs -o ro sysfs "$ROOT/sys"
mount -t tmpfs -o mode=0755 tmpfs "$ROOT/run"
mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
mount -t tmpfs -o mode=0755 tmpfs "$ROOT/dev"
for device in null zero full random urandom tty; do
    touch "$ROOT/dev/$device"
    mount --bind "/dev/$device" "$ROOT/dev/$device"
done
ln -s /proc/self/fd "$ROOT/dev/fd"
mkdir -m 1777 "$ROOT/dev/shm" "$ROOT/run/lock"
mkdir -p "$ROOT/debs"
mount --bind "$DEBS" "$ROOT/debs"
mkdir "$ROOT/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$ROOT/dev/pts"
ln -s pts/ptmx "$ROOT/dev/ptmx"
ip link set lo up
hostname server.example
echo '127.0.0.1 localhost server.example' >"$ROOT/etc/hosts"
# Without an init system invoke-rc.d blocks what packages ask for, unless somebody says that they may.
printf '#!/bin/sh\nexit 0\n' >"$ROOT/usr/sbin/policy-rc.d"
chmod 0755 "$ROOT/usr/sbin/policy-rc.d"
: >"$TRANSCRIPT"

inside() {
    chroot "$ROOT" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "$@"
}

# record TITLE COMMAND...: the transcript shows the title and what the command says. The last output is in $said.
said='' status=0
record() {
    printf '\n# %s\n' "$1" >>"$TRANSCRIPT"
    shift
    status=0
    "$@" </dev/null >"$COPY/said" 2>&1 || status=$?
    said=$(<"$COPY/said")
    printf '%s\n' "$said" >>"$TRANSCRIPT"
    [ "$status" = 0 ] || echo "(status $status)" >>"$TRANSCRIPT"
}
# run COMMAND...: in the root.
run() { record "$*" inside "$@"; }

PLACE=${PLACE:-Debian $(cut -d. -f1 "$ROOT/etc/debian_version")}
ok() { echo "ok $PLACE, $SCENE_NAME: $*"; }
not_ok() {
    echo "not ok $PLACE, $SCENE_NAME: $*"
    tail -n 15 "$TRANSCRIPT" | sed 's/^/  | /'
}
# check NAME COMMAND...: one result.
check() {
    local name=$1
    shift
    if "$@"; then ok "$name"; else not_ok "$name: failed: $*"; fi
}
succeeds() { run "$@" && [ "$status" = 0 ]; }
fails() { run "$@" && [ "$status" != 0 ]; }
says() { grep -qE -- "$1" <<<"$said"; }
silent_about() { ! says "$1"; }

# What a client gets: `answers PATH STATUS [CONTENT]`.
answers() {
    local got
    got=$(curl -s -m 10 -o "$COPY/body" -w '%{http_code}' "http://127.0.0.1$1") || true
    printf '\n# curl http://127.0.0.1%s\n%s %s\n' "$1" "$got" "$(head -c 300 "$COPY/body" 2>/dev/null | head -n 3)" >>"$TRANSCRIPT"
    [ "$got" = "$2" ] && { [ $# -lt 3 ] || grep -q -- "$3" "$COPY/body"; }
}
# Where the server writes, and how it is told; a scene may say otherwise.
LOG=/var/log/apache2/error.log PID_FILE=/run/apache2/apache2.pid
server() { run service apache2 "$1"; }
logged() {
    grep -E -- "$1" "$ROOT$LOG" | tail -n 2 | tee -a "$TRANSCRIPT" | grep -q .
}
server_pid() { cat "$ROOT$PID_FILE" 2>/dev/null; }
running() { [ -n "$(server_pid)" ] && [ -d "$ROOT/proc/$(server_pid)" ]; }
not_running() { ! running; }

# apt takes what it needs from its cache; there is no network here.
apt() { run sh -c "apt-get -q -y $*"; }
install_old() { apt install '/debs/old/libapache2-mod-confine_*.deb /debs/old/confinectl_*.deb' && [ "$status" = 0 ]; }

# A site that needs the module: one folder that the ruleset grants, one that it does not.
pages() {
    mkdir -p "$ROOT/srv/www" "$ROOT/srv/other"
    echo granted >"$ROOT/srv/www/page.html"
    echo secret >"$ROOT/srv/other/page.html"
}
site() {
    pages
    cat >"$ROOT/etc/apache2/conf-available/site.conf"
    run a2enconf -q site
    run service apache2 restart
}
confining_site() {
    site <<'CONF'
LogLevel confine:info
<ConfineLandlock pages>
    LandlockABI 2
    LandlockRead /srv/www
</ConfineLandlock>
Alias "/granted" "/srv/www"
Alias "/other" "/srv/other"
<Directory "/srv">
    Require all granted
    ConfineContext landlock:pages
</Directory>
CONF
}
confines() { answers /granted/page.html 200 granted && answers /other/page.html 403; }

# under_load COMMAND...: clients ask for a granted and for a forbidden page while the command replaces the module.
load() {
    local path=$1 out=$2 until=$((SECONDS + 60))
    while [ ! -e "$COPY/stop" ] && [ "$SECONDS" -lt "$until" ]; do
        curl -s -m 10 -o /dev/null -w '%{http_code} %{time_total}\n' "http://127.0.0.1$path" || true
    done >"$out"
}
# shellcheck disable=SC2016 # what bash -c runs expands there
under_load() {
    local old_pid new_pid
    load /granted/page.html "$COPY/load.1" & load /granted/page.html "$COPY/load.2" &
    load /other/page.html "$COPY/load.3" & load /other/page.html "$COPY/load.4" &
    sleep 1
    old_pid=$(server_pid)
    "$@"
    check "upgrading under load succeeds" [ "$status" = 0 ]
    sleep 1
    touch "$COPY/stop"
    wait
    new_pid=$(server_pid)
    echo "# under load: granted $(cut -d' ' -f1 "$COPY"/load.[12] | sort | uniq -c | xargs), forbidden $(cut -d' ' -f1 "$COPY"/load.[34] | sort | uniq -c | xargs) (000: no connection)" |
        tee -a "$TRANSCRIPT"
    check "the server was restarted, not reloaded" [ "$old_pid" != "$new_pid" ]
    run grep -h mod_confine "/proc/$new_pid/maps"
    check "it has the new module" bash -c 'grep -q "mod_confine.so$" <<<"$1" && ! grep -q deleted <<<"$1"' - "$said"
    check "clients were served before and after" bash -c 'head -n 1 "$1" | grep -q ^200 && tail -n 1 "$1" | grep -q ^200' - "$COPY/load.1"
    check "no request got the forbidden page" bash -c '! grep -q ^200 "$1" "$2" && grep -q ^403 "$1"' - "$COPY/load.3" "$COPY/load.4"
    check "nobody got anything else" bash -c '! cut -d" " -f1 "$@" | grep -vxE "200|403|000"' - "$COPY"/load.[1-4]
    check "it confines" confines
    check "no child crashed" bash -c '! grep -E "exit signal|AH00052" "$1"' - "$ROOT$LOG"
}

# Files outside of what packages' managers and logs write for themselves. a2enmod and its kin make folders for what they
# remember at their first use; those are the server's own.
files() {
    find "$ROOT" -xdev \( -path "$ROOT/var/lib/dpkg" -o -path "$ROOT/var/cache" -o -path "$ROOT/var/log" \
        -o -path "$ROOT/var/lib/apt" -o -path "$ROOT/var/lib/rpm" -o -path "$ROOT/debs" -o -path "$ROOT/etc/ld.so.cache" \) -prune \
        -o -path "$ROOT/var/lib/apache2/*_by_*" -type d -o -printf '%P %l\n' | LC_ALL=C sort
}

SCENE_NAME=$(basename "$SCENE" .sh | tr - ' ')
# shellcheck source=/dev/null
. "$SCENE"
if running; then server stop; fi
