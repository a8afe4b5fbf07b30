# shellcheck shell=bash
# ConfineWorkers per-context: each user's worker serves that user again, and nobody else.

policy <<P
$httpd_domain
task manual_domain_transition $httpd_domain //alice
task manual_domain_transition $httpd_domain //bob

$httpd_domain //alice
use_profile 3
file read /lab/www/alice/\\*

$httpd_domain //bob
use_profile 3
file read /lab/www/bob/\\*
P
printf 'alice tomoyo://alice\nbob tomoyo://bob\n' >"$work/kept.map"
server event lab_escape confine <<CONF
ConfineGate handler
ConfineWorkers per-context idle=120
<Directory /lab/www>
    Include /lab/users.conf
    ConfineMap $work/kept.map
</Directory>
<LocationMatch ^/[a-z]+/escape$>
    SetHandler lab-escape
</LocationMatch>
CONF
forget_refusals
D=${httpd_domain// /+}
kept_workers "domain=$D+//bob&domain=$D&held=$D+//bob"
like "not to another user's domain" "$tries" "^domain $httpd_domain //bob=EPERM"
like "not back to the server's" "$tries" "^domain $httpd_domain=EPERM"
like "nor by the server's descriptor" "$tries" '^held self_domain=EPERM'
refused 'the kernel refused his page' "^enforcing $httpd_domain //alice: file read /lab/www/bob/index.html"
stop
