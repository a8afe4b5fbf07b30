# shellcheck shell=bash
# shellcheck disable=SC2016,SC2153,SC2154 # $status and $said are of stage.sh; what bash -c runs expands there
# Install, first requests, upgrade under load, reinstall, remove, purge.

run service apache2 start
files >"$COPY/before"
run curl -s -D - -o /run/page http://127.0.0.1/
before=$(sed '/^Date:/d' <<<"$said" && sha256sum <"$ROOT/run/page")

check "installing succeeds" install_old
run a2query -m confine
check "the module is enabled" says 'enabled by maintainer script'
check "the configuration is right" succeeds apache2ctl configtest
run apache2ctl -M
check "the module is loaded" says confine_module
run curl -s -D - -o /run/page http://127.0.0.1/
check "enabling changed no answer" [ "$before" = "$(sed '/^Date:/d' <<<"$said" && sha256sum <"$ROOT/run/page")" ]
check "enabling warns of nothing" bash -c '! grep "confine:\(warn\|error\)" "$1"' - "$ROOT/var/log/apache2/error.log"
check "confinectl runs" succeeds confinectl --version
run confinectl doctor
for page in man8/mod_confine.8 man5/confine.map.5 man1/confinectl.1; do
    check "the page $page is there" [ -s "$ROOT/usr/share/man/$page.gz" ]
done
for file in share/mod_confine/landlock/base.conf share/mod_confine/monitoring/{confine.rules.yml,grafana-dashboard.json} \
    share/bash-completion/completions/confinectl libexec/mod_confine/rules-in-use; do
    check "/usr/$file is there" [ -s "$ROOT/usr/$file" ]
done

# Word by word what README.Debian says.
sed -n '/^  cd .usr.share/,/^$/s/^  //p' "$ROOT/usr/share/doc/libapache2-mod-confine/README.Debian" |
    sed 's/systemctl reload apache2/service apache2 reload/' >"$ROOT/run/first-steps"
cat "$ROOT/run/first-steps" >>"$TRANSCRIPT"
check "the shipped example starts" succeeds sh -e /run/first-steps
run confinectl check
pages
cat >"$ROOT/etc/apache2/conf-available/site.conf" <<'CONF'
Alias "/site" "/srv/www"
<Directory "/srv/www">
    Require all granted
</Directory>
CONF
run a2enconf -q site
run service apache2 restart
check "the example in report mode serves" answers /site/page.html 200 granted
check "and says what it would do" logged 'confine: would confine GET /site/page.html user=- .*rule=\S*confine.map:[0-9]+ context=landlock:guest'

mkdir -p "$ROOT/run/tests"
cp "$REPO/debian/tests/first-request" "$ROOT/run/tests/"
check "the first confined request is answered, and a forbidden one refused" succeeds /run/tests/first-request
check "the log line of the first request" logged 'confine: confined GET /of-www/page.html .*context=landlock:guest'
run a2disconf -q confine first-request site

# Under load: clients ask for a granted and for a forbidden page while the package is replaced.
confining_site
check "the site confines" confines
under_load apt install '/debs/new/libapache2-mod-confine_*.deb /debs/new/confinectl_*.deb'

apt install --reinstall '/debs/new/libapache2-mod-confine_*.deb'
check "reinstalling succeeds" [ "$status" = 0 ]
check "it confines still" confines

run a2disconf -q site
run service apache2 reload
apt remove libapache2-mod-confine confinectl
check "removing succeeds" [ "$status" = 0 ]
run apache2ctl -M
check "the module is not loaded any more" silent_about confine_module
check "the server goes on" answers / 200
run dpkg-query -W -f '${db:Status-Status}\n' libapache2-mod-confine
check "configuration files stay" says config-files
apt purge libapache2-mod-confine confinectl
check "purging succeeds" [ "$status" = 0 ]
check "the server goes on after the purge" answers / 200
check "the configuration is right after the purge" succeeds apache2ctl configtest

# What the administrator made goes, too; then all must be as before.
rm -rf "$ROOT"/srv/{www,other,tenants} "$ROOT"/etc/apache2/confine.map \
    "$ROOT"/etc/apache2/conf-available/{confine,site,first-request}.conf \
    "$ROOT"/var/lib/apache2/conf/disabled_by_admin/{confine,site,first-request}
files >"$COPY/after"
diff "$COPY/before" "$COPY/after" >"$COPY/left" || true
cat "$COPY/left" >>"$TRANSCRIPT"
check "nothing is left" [ ! -s "$COPY/left" ]
