# shellcheck shell=bash
# The lock of PHP's opcode cache is a file that the server keeps open: an application locks it and no more.

server prefork php lab_reach confine < <(
    cat /lab/php.conf
    printf '%s\n' 'ConfinePHPCache shared' '<Location /alice/reach>' 'SetHandler lab-reach' '</Location>'
)
as alice
forget
serves 'where applications share the cache, their scripts run' '^read /lab/www/alice/index.html=OK' '/app/app.php?read=/lab/www/alice/index.html'
serves 'again, from the cache' '^read /lab/www/alice/index.html=OK' '/app/app.php?read=/lab/www/alice/index.html'
no_denial 'and nothing is refused'
serves 'the lock is there' ' file rw' /alice/reach?numbers
unlike 'and neither read nor written' "$body" ' file rw.*=OK'
