# shellcheck shell=bash
# Words of the story, and of the files in applications/.

# What a file in applications/ may change.
MODULES=()
MPM=event
prepare() { :; }
server() { :; }
host() { :; }

# A TCP service of the machine's, which is no application's business.
readonly PORT=9999
OUT=$(mktemp) JAR=$(mktemp) TROUBLE=

# What packages switched on at their installation, beside what every server has.
mapfile -t ENABLED < <(cd /etc/apache2/mods-enabled &&
    find . -regex './\(mpm_\|php\|perl\|wsgi\|dav\|authz_svn\|cgi\).*\.load' -printf '%f\n' | sed 's/\.load$//')

# holds WHAT COMMAND...: one result. The next ones build on it, so a failure ends the story.
holds() {
    local what=$1 status
    shift
    # Not in a condition: bash ignores `set -e` there.
    (set -euo pipefail && "$@") >"$OUT" 2>&1 </dev/null
    status=$?
    if [ "$status" = 0 ]; then
        echo "ok $NAME: $what"
        return
    fi
    echo "not ok $NAME: $what: $* ended with status $status"
    sed 's/^/#   /' "$OUT" | tail -n 40
    echo "#   the server's log:"
    grep -vE 'confine: (learning|confined) ' "$LOG" 2>/dev/null | tail -n 12 | sed 's/^/#   /'
    if [ -n "$TROUBLE" ]; then
        echo "#   the rulesets, and what was refused:"
        { cat "$RULES" && $TROUBLE; } 2>&1 | tail -n 120 | sed 's/^/#   /'
    fi
    exit 1
}

# A browser that keeps cookies, and says so where the answer is an error.
browse() { curl --globoff --silent --show-error --fail --max-time 60 --cookie "$JAR" --cookie-jar "$JAR" "$@"; }

# field NAME: the value of this field of a form that is read from the standard input.
field() {
    FIELD=$1 perl -0777 -ne 'for (/<input\b[^>]*>/g) {
        print($1), last if index($_, "name=\"$ENV{FIELD}\"") >= 0 && /\bvalue="([^"]*)"/
    }'
}

# says TEXT: the standard input holds it. All of it is read, so that who writes does not fail.
says() {
    local text
    text=$(tr -d '\0')
    [[ $text == *"$1"* ]] || { printf 'no "%s" in: %s\n' "$1" "${text:0:3000}" && return 1; }
}
says_not() { fails says "$1"; }

# fails COMMAND...: it must not succeed. (`!` would hide a success from `set -e`.)
fails() {
    if "$@"; then
        echo "succeeded, and must not: $*"
        return 1
    fi
}

# An application with code that has a hole: `hole php NAME` puts leak.php beside the tenant's own files, and
# `hole_host NAME` shows it to clients.
hole() { install -D -m 0644 "holes/leak.$1" "/srv/$2/hole/leak.$1"; }
hole_host() { echo "Alias \"/hole\" \"/srv/$1/hole\""; }
HOLE=/hole/leak.php
leak() { curl --silent --max-time 20 "http://$1.example.org$HOLE?do=$2&what=$3"; }

# A folder of the tenant's own for what PHP writes by itself, sessions and uploads: `php_folder NAME` makes it, and
# `php_folder_host NAME` names it to PHP.
php_folder() { install -d -o www-data -g www-data "/srv/$1/tmp"; }
php_folder_host() {
    local setting
    for setting in session.save_path upload_tmp_dir sys_temp_dir; do
        echo "    php_admin_value $setting \"/srv/$1/tmp\""
    done
}

# An application that runs no code of its tenant's has holes in the server's configuration instead.
server_hole() {
    install -D holes/leak.sh /srv/hole/leak.sh
    MODULES+=(proxy proxy_http)
    with_cgi
    leak() {
        local file=''
        [ "$2" != read ] || file=$3
        curl --silent --max-time 20 "http://$1.example.org/hole/$2$file"
    }
}
server_hole_host() {
    cat <<END
    <Location "/hole">
        Require all granted
        ConfineOutOfProcess allow
    </Location>
    ProxyPass "/hole/connect" "http://127.0.0.1:$PORT/"
    ScriptAlias "/hole/run" "/srv/hole/leak.sh"
    Alias "/hole/read/" "/"
END
}

# mod_cgi, which starts programs from the worker, also beside a threaded MPM, for which a2enmod takes mod_cgid.
with_cgi() { ln -sf ../mods-available/cgi.load /etc/apache2/mods-enabled/cgi.load; }
