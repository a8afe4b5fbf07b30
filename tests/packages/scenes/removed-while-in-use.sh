# shellcheck shell=bash
# shellcheck disable=SC2016,SC2153,SC2154 # $status and $said are of stage.sh; what bash -c runs expands there
# The package goes while sites use it. The running server is not lost and not unconfined; a new start fails, and says why.

install_old
confining_site
check "it confines" confines
pid=$(server_pid)

apt remove libapache2-mod-confine
check "removing succeeds" [ "$status" = 0 ]
check "it names the lines" says '/etc/apache2/conf-(enabled|available)/site.conf:[0-9]+: *ConfineContext landlock:pages'
check "it says what to do" says 'IT WILL NOT START AGAIN'
check "the running server was left alone" [ "$pid" = "$(server_pid)" ]
check "the running server confines" confines
run service apache2 reload
check "after a reload that was asked for, too" confines
check "a configuration test fails" fails apache2ctl configtest
check "and names the module" says 'mod_confine.so'
run service apache2 stop
check "a new start fails" fails service apache2 start
check "and serves nobody" not_running

install_old
run service apache2 start
check "installed again, it confines" confines

# The silent kinds: rules that are skipped without the module, and rules that go with the module's own file.
cat >"$ROOT/etc/apache2/conf-available/site.conf" <<'CONF'
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
run service apache2 restart
check "it confines by rules in IfModule" confines
apt remove libapache2-mod-confine
check "removing succeeds with rules in IfModule" [ "$status" = 0 ]
check "the running server confines by rules in IfModule" confines
run service apache2 stop
check "a new start fails with rules in IfModule" fails service apache2 start
check "and serves nobody unconfined" bash -c '! curl -s -m 5 http://127.0.0.1/other/page.html | grep secret'

install_old
run service apache2 start
sed -n '/<IfModule/,$p' "$ROOT/etc/apache2/conf-available/site.conf" | sed '/IfModule/d' >>"$ROOT/etc/apache2/mods-available/confine.conf"
sed -i '/<IfModule/,$d' "$ROOT/etc/apache2/conf-available/site.conf"
run service apache2 restart
check "it confines by rules in confine.conf" confines
apt remove libapache2-mod-confine
check "the running server confines by rules in confine.conf" confines
apt purge libapache2-mod-confine
check "purging succeeds" [ "$status" = 0 ]
check "it warns" says 'served without confinement'
check "purging restarts nothing: the running server confines" confines
check "no link is left" [ ! -L "$ROOT/etc/apache2/mods-enabled/confine.load" ]
