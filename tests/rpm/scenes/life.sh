# shellcheck shell=bash
# shellcheck disable=SC2016,SC2153,SC2154 # $status and $said are of stage.sh; what bash -c runs expands there
# Install, first requests, upgrade under load, remove.
# shellcheck source=tests/rpm/words.sh
. "$REPO/tests/rpm/words.sh"


fedora
check "what stands for Fedora is there" succeeded
server start
files >"$COPY/before"
run curl -s -D - -o /run/page http://127.0.0.1/
before=$(sed '/^Date:/d' <<<"$said" && sha256sum <"$ROOT/run/page")

upgrade_to old
check "installing succeeds" succeeded
rpm --verify mod_confine mod_confine-selinux confinectl
check "every file is as it was packed" succeeded
check "the configuration is right" succeeds httpd -t
check "the module is not loaded by installing" answers / 200 front
server restart
run httpd -M
check "the module is loaded after a start" says confine_module
run curl -s -D - -o /run/page http://127.0.0.1/
check "that changed no answer" [ "$before" = "$(sed '/^Date:/d' <<<"$said" && sha256sum <"$ROOT/run/page")" ]
check "it warns of nothing" bash -c '! grep "confine:\(warn\|error\)" "$1"' - "$ROOT$LOG"
check "confinectl runs" succeeds confinectl --version
for page in man8/mod_confine.8 man5/confine.map.5 man1/confinectl.1; do
    check "the page $page is there" [ -s "$ROOT/usr/share/man/$page.gz" ]
done
for file in bash-completion/completions/confinectl fish/vendor_completions.d/confinectl.fish zsh/site-functions/_confinectl \
    mod_confine/monitoring/confine.rules.yml mod_confine/monitoring/grafana-dashboard.json; do
    check "/usr/share/$file is there" [ -s "$ROOT/usr/share/$file" ]
done
run semodule -s targeted --list=full
check "the policy is installed, and the form for categories is not" bash -c \
    '[ "$(grep -c mod_confine <<<"$1")" = 1 ] && grep -qE "^200 mod_confine +cil" <<<"$1"' - "$said"

# Word by word what 10-confine.conf says.
sed -n '/^#   cd /,/^#$/s/^#   //p' "$ROOT/etc/httpd/conf.modules.d/10-confine.conf" |
    sed 's/systemctl reload httpd/httpd -k graceful/' >"$ROOT/run/first-steps"
cat "$ROOT/run/first-steps" >>"$TRANSCRIPT"
check "the shipped example starts" succeeds sh -e /run/first-steps
pages
site <<'CONF'
Alias "/site" "/srv/www"
<Directory "/srv/www">
    Require all granted
</Directory>
CONF
check "the example in report mode serves" answers /site/page.html 200 granted
check "and says what it would do" logged 'confine: would confine GET /site/page.html user=- .*rule=\S*confine.map:[0-9]+ context=landlock:guest'
rm "$ROOT/etc/httpd/conf.d/confine.conf" "$ROOT/etc/httpd/confine.map"

confining_site
check "the first confined request is answered, and a forbidden one refused" confines
check "the log line of the first request" logged 'confine: confined GET /granted/page.html .*context=landlock:pages'
under_load upgrade_to new
rpm --upgrade --replacepkgs "$(packages new mod_confine)"
check "installing it again succeeds" succeeded
check "it confines still" confines
printf '<ConfineLandlock tools>\n    LandlockABI 2\n    LandlockInclude base php\n</ConfineLandlock>\n' >"$ROOT/etc/httpd/conf.d/include.conf"
check "the shipped parts of rulesets are found" succeeds httpd -t
rm "$ROOT/etc/httpd/conf.d/include.conf"

rm "$ROOT/etc/httpd/conf.d/site.conf"
server reload
erase
check "removing succeeds" succeeded
check "it has nothing to say" bash -c '! grep mod_confine: <<<"$1"' - "$said"
server restart
check "and serves" answers / 200 front
run semodule -s targeted --list=full
check "the policy is gone" silent_about mod_confine
rm -rf "$ROOT"/srv/{www,other,tenants}
files | sed '/^var\/lib\/selinux\//d' >"$COPY/after"
sed -i '/^var\/lib\/selinux\//d' "$COPY/before"
diff "$COPY/before" "$COPY/after" >"$COPY/left" || true
cat "$COPY/left" >>"$TRANSCRIPT"
check "nothing is left" [ ! -s "$COPY/left" ]
