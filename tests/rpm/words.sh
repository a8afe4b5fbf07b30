# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # read by stage.sh, or set there
# What scenes of the RPM packages say beyond the words of stage.sh.

LOG=/var/log/httpd/error_log PID_FILE=/run/httpd/httpd.pid
mkdir -p "$ROOT/run/httpd" "$ROOT/var/www/html"
echo front >"$ROOT/var/www/html/index.html"
# The ETag of a file that was changed within a second is another one.
touch -d '1 hour ago' "$ROOT/var/www/html/index.html"

# The rpm of this machine, which works on the root.
rpm() { record "rpm $*" command rpm --root "$ROOT" --dbpath /var/lib/rpm "$@"; }
succeeded() { [ "$status" = 0 ]; }
failed() { [ "$status" != 0 ]; }

# packages OLD_OR_NEW NAME...: their files.
packages() {
    local age=$1 name
    shift
    for name in "$@"; do find "$DEBS/$age" -name "$name-[0-9]*.rpm" ! -name '*.src.rpm'; done
}
# What stands for Fedora, and the packages under test. POLICY=no: on a machine without SELinux's policy, which spares its
# compilation.
POLICY=yes
# shellcheck disable=SC2046 # names of files without blanks
fedora() { rpm --upgrade $(packages stand-ins glibc httpd) $([ "$POLICY" = no ] || packages stand-ins selinux-policy-targeted); }
# shellcheck disable=SC2046 # names of files without blanks
upgrade_to() { rpm --upgrade $(packages "$1" mod_confine confinectl) $([ "$POLICY" = no ] || packages "$1" mod_confine-selinux); }
# shellcheck disable=SC2046 # a name or none
erase() { rpm --erase mod_confine confinectl $([ "$POLICY" = no ] || echo mod_confine-selinux); }

server() {
    case $1 in
        start)
            run httpd -k start
            # It goes to the background before its modules start and its process's number is written down.
            [ "$status" != 0 ] || for _ in {1..100}; do running && break; sleep 0.1; done
            ;;
        stop)
            local pid
            pid=$(server_pid)
            # httpd -k stop wants a configuration that is right.
            run kill -TERM "$pid"
            for _ in {1..100}; do [ -d "$ROOT/proc/$pid" ] || break; sleep 0.1; done
            ;;
        reload) run httpd -k graceful && sleep 1 ;;
        restart) ! running || server stop; server start ;;
    esac
}
site() {
    pages
    cat >"$ROOT/etc/httpd/conf.d/site.conf"
    server restart
}
