# shellcheck shell=bash
# PHP's opcode cache, where the configuration lets applications share it: its lock takes a block of the policy.

server prefork php confine < <(
    cat /lab/php.conf
    echo 'ConfinePHPCache shared'
)
as shop
forget
serves 'with the block scripts run' '^read /lab/www/shop/index.html=OK' '/app/app.php?read=/lab/www/shop/index.html'
no_denial 'and nothing is refused'
as alice
fetch '/app/app.php?read=/lab/www/alice/index.html'
echo "#   without it: $code ${body:0:80}"
denial 'without it the lock is not taken' 'scontext=alice\.process:s0 tcontext=httpd_tmp_t'
