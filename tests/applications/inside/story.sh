#!/usr/bin/env bash
# One application from learn mode to enforcement, in a Debian of its own (manual/machine).
#
# usage: story.sh NAME
#
# A file in applications/ says what is special about one. It may set and define:
#
#   MODULES        modules of the server's that it needs beside those of every server
#   MPM            prefork or event
#   prepare NAME   makes the files of the tenant NAME in /srv/NAME
#   server         prints lines for the whole server
#   host NAME      prints lines for the tenant's virtual host
#   walk NAME N    uses it as somebody does who tries it; done for the N-th time. A command that fails is a failure.
#   leak NAME read FILE | connect PORT | run
#                  what a hole in it gives away: a file, "connected" where a TCP port answers, and the answer of
#                  `/usr/bin/factor 7`
#
# Words that all may use stand in words.sh.
set -uo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")" || exit 1
readonly NAME=$1 TENANTS=(dog cat) LOG=/var/log/apache2/error.log RULES=/etc/apache2/conf-enabled/landlock.conf
# shellcheck source=tests/applications/inside/words.sh
. ./words.sh
# shellcheck source=/dev/null
. "./applications/$NAME.sh"

# A server with two tenants, whose requests are watched and not held.
begin() {
    local tenant
    apt-get -q -y install /root/*.deb
    ((${#ENABLED[@]} == 0)) || a2dismod -q -f "${ENABLED[@]}"
    a2enmod -q "mpm_$MPM" confine "${MODULES[@]}"
    a2dissite -q 000-default
    mkdir /srv/service
    echo connected >/srv/service/index.html
    python3 -m http.server --bind 127.0.0.1 --directory /srv/service "$PORT" >/dev/null 2>&1 &
    { echo "ServerName localhost" && server; } >/etc/apache2/conf-enabled/server.conf
    for tenant in "${TENANTS[@]}"; do
        mkdir -p "/srv/$tenant/htdocs"
        echo "the secret of $tenant" >"/srv/$tenant/secret"
        echo "127.0.0.1 $tenant.example.org" >>/etc/hosts
        prepare "$tenant"
        site "$tenant" >"/etc/apache2/sites-enabled/$tenant.conf"
    done
    apache2ctl configtest
    service apache2 restart
}

site() {
    cat <<END
<VirtualHost *:80>
    ServerName $1.example.org
    DocumentRoot "/srv/$1/htdocs"
    <Directory "/srv/$1">
        Require all granted
    </Directory>
    LogLevel confine:info
    ConfineMode learn
    ConfineContext landlock:$1
$(host "$1")
</VirtualHost>
END
}

# The rulesets are what the command says, to the letter.
take_suggestion() {
    # What was done last is written down a moment later.
    sleep 1
    confinectl suggest >"$RULES"
    apache2ctl configtest
}

# The hole was used, and the command grants nobody what it got.
leaves_to_decide() {
    local section
    section=$(confinectl suggest "$1")
    echo "$section"
    fails grep -E "^ *Landlock[^#]*\"-?(/etc/passwd|/srv/$2[/\"])" <<<"$section"
    grep -F '# LandlockRead "/etc/passwd"' <<<"$section"
    grep -E "# LandlockRead \"/srv/$2" <<<"$section"
}

enforce() {
    sed -i 's/ConfineMode learn/ConfineMode enforce/' /etc/apache2/sites-enabled/*.conf
    : >"$LOG"
    apache2ctl configtest
    service apache2 restart
}

# Requests of the tenant were confined, and none was let off.
was_confined() {
    grep -c "confine: confined .*context=landlock:$1\b" "$LOG"
    fails grep -E "confine: (learning|would confine|warned|unconfined)" "$LOG"
}

gives() { leak "$1" "$2" "$3" | says "$4"; }
gives_not() { leak "$1" "$2" "$3" | says_not "$4"; }

# What the kernel refused where something fails under its ruleset: the server says so when it is asked to explain.
explain() {
    sed -i 's/ConfineMode enforce/&\n    ConfineExplain on/' /etc/apache2/sites-enabled/*.conf
    service apache2 restart
    (walk "$1" 9)
    grep -o 'confine: denied.*' "$LOG"
}

neighbour() { if [ "$1" = dog ]; then echo cat; else echo dog; fi; }

holds "a server with two tenants in learn mode" begin
for tenant in "${TENANTS[@]}"; do
    holds "$tenant: all of it works in learn mode" walk "$tenant" 1
    holds "$tenant: the hole gives a neighbour's secret away" gives "$tenant" read "/srv/$(neighbour "$tenant")/secret" "the secret of"
    holds "$tenant: and the machine's accounts" gives "$tenant" read /etc/passwd root:
done
holds "the server takes what is suggested" take_suggestion
for tenant in "${TENANTS[@]}"; do
    holds "$tenant: what the hole got is left to decide" leaves_to_decide "$tenant" "$(neighbour "$tenant")"
    holds "$tenant: the hole connects to whom it likes" gives "$tenant" connect "$PORT" connected
    holds "$tenant: and runs programs" gives "$tenant" run '' '7: 7'
done
holds "the rulesets are enforced, unchanged" enforce
for tenant in "${TENANTS[@]}"; do
    TROUBLE="explain $tenant" holds "$tenant: all of it works under its ruleset" walk "$tenant" 2
    holds "$tenant: the neighbour's secret is refused" gives_not "$tenant" read "/srv/$(neighbour "$tenant")/secret" "the secret of"
    holds "$tenant: the machine's accounts are refused" gives_not "$tenant" read /etc/passwd root:
    holds "$tenant: TCP is refused" gives_not "$tenant" connect "$PORT" connected
    holds "$tenant: programs are refused" gives_not "$tenant" run '' '7: 7'
    holds "$tenant: its requests were confined, each of them" was_confined "$tenant"
done
service apache2 stop >/dev/null
