# shellcheck shell=bash
# shellcheck disable=SC2016,SC2153,SC2154 # $status and $said are of stage.sh; what bash -c runs expands there
# PHP in processes of its own, by the package that is suggested and the shipped part of a ruleset; upgraded while they run.

install_old
run dpkg-query -W -f '${Suggests}\n' libapache2-mod-confine
check "the program's package is suggested" says '(^|, )php-cgi(,|$)'
apt install php-cgi
check "php-cgi is installed" [ "$status" = 0 ]
run a2enmod -q proxy_fcgi
for tenant in alice bob; do
    mkdir -p "$ROOT/srv/$tenant"
    cat >"$ROOT/srv/$tenant/page.php" <<'PHP'
<?php
foreach (["alice", "bob"] as $tenant)
    echo $tenant, @file_get_contents("/srv/$tenant/data") === false ? " closed\n" : " open\n";
echo "process ", getmypid(), "\n";
PHP
    echo "data of $tenant" >"$ROOT/srv/$tenant/data"
done
site <<'CONF'
LogLevel confine:info
<ConfineLandlock alice>
    LandlockABI 2
    LandlockInclude php-cgi
    LandlockRead /srv/alice
</ConfineLandlock>
<ConfineLandlock bob>
    LandlockABI 2
    LandlockInclude php-cgi
    LandlockRead /srv/bob
</ConfineLandlock>
<ConfineFastCGI php>
    Program /usr/bin/php-cgi
</ConfineFastCGI>
<FilesMatch "\.php$">
    SetHandler confine-fastcgi:php
</FilesMatch>
Alias "/alice" "/srv/alice"
Alias "/bob" "/srv/bob"
<Directory "/srv">
    Require all granted
</Directory>
<Directory "/srv/alice">
    ConfineContext landlock:alice
</Directory>
<Directory "/srv/bob">
    ConfineContext landlock:bob
</Directory>
CONF
process() { sed -n 's/^process //p' "$COPY/body"; }
kept_apart() {
    answers /alice/page.php 200 'alice open' && grep -qx 'bob closed' "$COPY/body" && alice=$(process) &&
        answers /bob/page.php 200 'bob open' && grep -qx 'alice closed' "$COPY/body" && [ "$(process)" != "$alice" ]
}
check "each tenant's script reads its own file, and not the other's, in a process of its own" kept_apart
check "the log says so" logged 'confine: pool started process=[0-9]+ program=php context=landlock:alice'
before=$alice
apt install '/debs/new/libapache2-mod-confine_*.deb /debs/new/confinectl_*.deb'
check "upgrading succeeds" [ "$status" = 0 ]
check "they are kept apart by the new module" kept_apart
check "in processes that it started" [ "$before" != "$alice" ]
check "the former processes are gone" [ ! -d "$ROOT/proc/$before" ]
