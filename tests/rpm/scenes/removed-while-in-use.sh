# shellcheck shell=bash
# shellcheck disable=SC2016,SC2034,SC2153,SC2154 # $status and $said are of stage.sh; what bash -c runs expands there
# The package goes while sites use it. The running server is not lost and not unconfined; a new start fails.
# shellcheck source=tests/rpm/words.sh
. "$REPO/tests/rpm/words.sh"


POLICY=no
fedora
upgrade_to old
server start
confining_site
check "it confines" confines
pid=$(server_pid)
erase
check "removing succeeds" succeeded
check "it names the lines" says '/etc/httpd/conf.d/site.conf:[0-9]+: *ConfineContext landlock:pages'
check "it says what to do" says 'IT WILL NOT START AGAIN'
check "the running server was left alone" [ "$pid" = "$(server_pid)" ]
check "the running server confines" confines
check "a configuration test fails" fails httpd -t
check "and names the module" says 'mod_confine.so'
server reload
check "after a reload that was asked for it confines" confines
server stop
server start
check "a new start fails" not_running

# Rules that httpd skips in silence where the module is not loaded.
cat >"$ROOT/etc/httpd/conf.d/site.conf" <<'CONF'
Alias "/granted" "/srv/www"
Alias "/other" "/srv/other"
<Directory "/srv">
    Require all granted
</Directory>
<IfModule confine_module>
    <ConfineLandlock pages>
        LandlockABI 2
        LandlockRead /srv/www
    </ConfineLandlock>
    <Directory "/srv">
        ConfineContext landlock:pages
    </Directory>
</IfModule>
CONF
server start
check "a new start fails with rules in IfModule" not_running
check "and serves nobody unconfined" bash -c '! curl -s -m 5 http://127.0.0.1/other/page.html | grep secret'

upgrade_to old
check "it is installed again" succeeded
check "and leaves no second configuration" bash -c '! ls "$1"/*.rpm*' - "$ROOT/etc/httpd/conf.modules.d"
server start
check "installed again, it confines by rules in IfModule" confines
erase
check "removed once more, the running server confines" confines
server stop
server start
check "a new start fails" not_running

# What was said: take the lines out, and the file.
rm "$ROOT/etc/httpd/conf.d/site.conf" "$ROOT/etc/httpd/conf.modules.d/10-confine.conf"
server start
check "without the lines and the file the server starts" answers / 200 front
