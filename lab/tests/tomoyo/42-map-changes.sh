# shellcheck shell=bash
# A map that names a new domain, taken over without a restart.

mkdir -p /srv/www/mapped
echo 'a page' >/srv/www/mapped/index.html
policy <<P
$httpd_domain
task manual_domain_transition $httpd_domain //first

$httpd_domain //first
use_profile 3
file read /srv/www/mapped/\\*
P
printf '* tomoyo://first\n' >"$work/domains.map"
server event confine <<CONF
DocumentRoot /srv/www/mapped
<Directory /srv/www/mapped>
    Require all granted
    ConfineMap $work/domains.map
</Directory>
CONF
serves 'by the first map' '^a page' /index.html
logged 'in its domain' 'context=tomoyo://first'
printf '* tomoyo://second\n' >"$work/domains.map"
nap 3
serves 'a map with a domain that is not there is not taken' '^a page' /index.html
logged 'and says why' 'the loaded policy has no domain <kernel> /usr/sbin/apache2 //second'
is 'no domain was made' "$(domain "$httpd_domain //second")" ''
policy <<P
$httpd_domain
task manual_domain_transition $httpd_domain //second

$httpd_domain //second
use_profile 3
file read /srv/www/mapped/\\*
P
printf '# now\n* tomoyo://second\n' >"$work/domains.map"
nap 3
serves 'once it is there' '^a page' /index.html
logged 'it is served in' 'context=tomoyo://second'
stop
