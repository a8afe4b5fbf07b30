# shellcheck shell=bash
# TOMOYO and Landlock on one rule: each refuses what it does not grant, and the second failing after the
# first succeeded serves nothing.

mkdir -p /srv/www/both
for name in common tomoyo landlock; do echo "note for $name" >/srv/www/both/$name.txt; done
policy <<P
$httpd_domain
task manual_domain_transition $httpd_domain //both

$httpd_domain //both
use_profile 3
file read /srv/www/both/common.txt
file read /srv/www/both/tomoyo.txt
P
server event lab_escape confine <<'CONF'
DocumentRoot /srv/www
<ConfineLandlock both>
    LandlockABI 1
    LandlockRead /srv/www/both/common.txt /srv/www/both/landlock.txt
    LandlockConnect any
    LandlockBind any
    LandlockScope none
</ConfineLandlock>
<Directory /srv/www/both>
    Require all granted
</Directory>
<LocationMatch ^/both/>
    SetHandler lab-escape
</LocationMatch>
<Location /both/tl>
    ConfineContext tomoyo://both landlock:both
</Location>
<Location /both/lt>
    ConfineContext landlock:both tomoyo://both
</Location>
CONF
forget_refusals
for way in tl lt; do
    fetch "/both/$way?read=/srv/www/both/common.txt&read=/srv/www/both/tomoyo.txt&read=/srv/www/both/landlock.txt"
    like "$way: what both grant" "$body" '^read /srv/www/both/common.txt=OK'
    like "$way: what TOMOYO alone grants, Landlock refuses" "$body" '^read /srv/www/both/tomoyo.txt=EACCES'
    like "$way: what Landlock alone grants, TOMOYO refuses" "$body" '^read /srv/www/both/landlock.txt=E(PERM|ACCES)'
done
refused 'as the kernel wrote down' "^enforcing $httpd_domain //both: file read /srv/www/both/landlock.txt"

printf '%s\ndelete task manual_domain_transition %s //both\n' "$httpd_domain" "$httpd_domain" | policy
fetch '/both/lt?read=/srv/www/both/common.txt'
is 'Landlock entered, TOMOYO refused: an error' "$code" 500
unlike 'nothing is served' "$body" 'common.txt='
logged 'the refusal names the second' 'refused GET /both/lt.*\(EPERM\); add to the domain policy'
stop
