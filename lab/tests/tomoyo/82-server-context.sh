# shellcheck shell=bash
# ConfineServerContext: the server itself moves, and the domains of requests lie below its new one.

mkdir -p /srv/www/moved
echo 'a page' >/srv/www/moved/index.html
policy <<P
$httpd_domain
task manual_domain_transition $httpd_domain //server

$httpd_domain //server
use_profile 2
task manual_domain_transition $httpd_domain //server //site

$httpd_domain //server //site
use_profile 3
file read /srv/www/moved/\\*
P
server event lab_escape confine <<'CONF'
ConfineBackend tomoyo
ConfineServerContext //server
DocumentRoot /srv/www/moved
<Directory /srv/www/moved>
    Require all granted
    ConfineContext //site
</Directory>
<Location /escape>
    SetHandler lab-escape
</Location>
CONF
logged 'the server moves' 'the server moved to //server'
serves 'a request moves on from there' '^a page' /index.html
fetch '/escape?read=/srv/www/moved/index.html&read=/srv/www/names/index.html'
like 'it reads its own' "$body" '^read /srv/www/moved/index.html=OK'
like 'and nothing else' "$body" '^read /srv/www/names/index.html=E'
graceful 1
serves 'also after a restart' '^a page' /index.html
not_logged 'nothing was wrong with it' 'confine:error'
stop
