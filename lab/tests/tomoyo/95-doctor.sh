# shellcheck shell=bash
# confinectl doctor, in a guest: what it finds in TOMOYO's policy is there.

policy <<P
$httpd_domain
task manual_domain_transition $httpd_domain //tired

$httpd_domain //tired
use_profile 2
task manual_domain_transition $httpd_domain
P
configure event confine <<'CONF'
ConfineBackend tomoyo
<Location />
    ConfineContext //tired
</Location>
CONF
said=$(/lab/bin/confinectl doctor --config "$work/httpd.conf")
is 'errors give the exit status' $? 1
like 'TOMOYO is among the modules' "$said" '^ok .*active security modules: .*tomoyo'
like 'the server is in the policy' "$said" "^ok       tomoyo: the policy has the server's domain $httpd_domain,"
like 'a way back is found' "$said" "^error    tomoyo: an application in $httpd_domain //tired may leave it for $httpd_domain"
like 'a profile that does not enforce is found' "$said" "^error    tomoyo: $httpd_domain //tired has profile 2"
like 'the module is found' "$said" '^ok       httpd: confine_module is loaded'
said=$(setpriv --reuid=33 --regid=33 --clear-groups /lab/bin/confinectl doctor --config "$work/httpd.conf")
like 'without root it says what it did not see' "$said" '^not seen tomoyo: its policy: '
policy <<P
delete $httpd_domain //tired
select $httpd_domain
delete task manual_domain_transition $httpd_domain //tired
P
