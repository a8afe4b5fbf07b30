# shellcheck shell=bash
# What cannot work is found at startup, all of it at once, with file, line and the line of policy that
# lacks.

policy <<P
$httpd_domain
task manual_domain_transition $httpd_domain //absent
task manual_domain_transition $httpd_domain //disabled
task manual_domain_transition $httpd_domain //learning

$httpd_domain //forbidden
use_profile 3

$httpd_domain //disabled
use_profile 0

$httpd_domain //learning
use_profile 1
P
printf '/srv/\\* //absent\n' >"$work/table"
configure event confine <<CONF
ConfineBackend tomoyo
<Location /1>
    ConfineContext //forbidden
</Location>
<Location /2>
    ConfineContext //absent
</Location>
<Location /3>
    ConfineContext //disabled
</Location>
<Location /4>
    ConfineContext "//x y"
</Location>
<Location /5>
    ConfineContext "$httpd_domain"
</Location>
<Location /6>
    ConfineContext "<web> /x"
</Location>
TOMOYO_TransitionMap $work/table
CONF
refuses_to_start 'a move that is not allowed' "httpd.conf:[0-9]+: .*may not move to $httpd_domain //forbidden \(EPERM\); add to the domain policy, below $httpd_domain: task manual_domain_transition $httpd_domain //forbidden"
says() {
    like "$1" "$said" "$2"
    echo "#   ${line:0:500}"
}
says 'a domain that the policy does not hold' 'httpd.conf:[0-9]+: .*the loaded policy has no domain <kernel> /usr/sbin/apache2 //absent'
says 'a profile that does nothing' 'httpd.conf:[0-9]+: .*has profile 0, which is disabled'
says 'no name at all' 'httpd.conf:[0-9]+: .*does not begin with /'
says "the server's own domain" "httpd.conf:[0-9]+: .*it is the server's own domain"
says 'another namespace' 'httpd.conf:[0-9]+: .*the loaded policy has no domain <web> /x'
says 'a table with such a line' 'table:1: .*//absent'
is 'and no domain was made' "$(domain "$httpd_domain //absent")" ''

printf 'ConfineBackend tomoyo\n<Location /1>\nConfineContext //learning\n</Location>\n' >"$work/learning"
server event confine <"$work/learning"
logged 'a profile that does not enforce is warned of' "$httpd_domain //learning has profile 1, which does not enforce everything \(CONFIG is learning\)"
stop

configure event confine <"$work/learning"
echo 'Listen 8080' >>"$work/httpd.conf"
sed -i 's/^Listen 80$//; s/^ErrorLog.*/ErrorLog \/dev\/null/' "$work/httpd.conf"
said=$(setsid -w setpriv --reuid=33 --regid=33 --clear-groups apache2 -f "$work/httpd.conf" -k start 2>&1 | cat)
like 'a server that was not started as root says what it cannot know' "$said" 'domain_policy cannot be opened: Permission denied .*; start the server as root'

umount /sys/kernel/security
configure event confine <"$work/learning"
refuses_to_start 'without securityfs' 'there is no /sys/kernel/security/lsm; mount securityfs'
mount -t securityfs securityfs /sys/kernel/security
