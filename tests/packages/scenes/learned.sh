# shellcheck shell=bash
# shellcheck disable=SC2016,SC2153,SC2154 # $status and $said are of stage.sh; what bash -c runs expands there
# Learn mode with the folder that the package brings: used, suggested, held to it. What was learned outlives a purge.

install_old
learned=/var/lib/mod_confine/learned
site <<CONF
LogLevel confine:info
ConfineLearnFolder "$learned"
ConfineMode learn
Alias "/granted" "/srv/www"
Alias "/other" "/srv/other"
<Directory "/srv">
    Require all granted
    ConfineContext landlock:pages
</Directory>
CONF
check "learning, it serves" answers /granted/page.html 200 granted
check "and says so" logged 'confine: learning GET /granted/page.html .*context=landlock:pages'
check "what was done is in the package's folder" [ -s "$ROOT$learned/pages.learned" ]
check "whose folder others may enter" [ "$(stat -c %a "$ROOT/var/lib/mod_confine")" = 755 ]
run confinectl suggest pages
check "a ruleset is suggested" says '^<ConfineLandlock pages>'
check "of what was read" says 'LandlockRead "/srv/www'
printf '%s\n' "$said" >"$ROOT/etc/apache2/conf-enabled/landlock-pages.conf"
sed -i 's/^ConfineMode learn/ConfineMode enforce/' "$ROOT/etc/apache2/conf-available/site.conf"
check "the configuration with it is right" succeeds apache2ctl configtest
run service apache2 restart
check "held to it, it confines" confines

run a2disconf -q site
rm "$ROOT/etc/apache2/conf-enabled/landlock-pages.conf"
run service apache2 restart
apt purge libapache2-mod-confine confinectl
check "purging succeeds" [ "$status" = 0 ]
check "what was learned stays" [ -s "$ROOT$learned/pages.learned" ]
