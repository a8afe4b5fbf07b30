# shellcheck shell=bash
# The policy changes while the server serves: what a request meets, and that no domain is made.

mkdir -p /srv/www/changes
echo 'a page' >/srv/www/changes/index.html
tenant() { # PROFILE
    policy <<P
$httpd_domain //tenant
use_profile $1
file read /srv/www/changes/\\*
P
}
policy <<P
$httpd_domain
task manual_domain_transition $httpd_domain //tenant
task manual_domain_transition $httpd_domain //never
P
tenant 3

changing() { # MPM
    tenant 3
    server "$1" confine <<'CONF'
ConfineBackend tomoyo
DocumentRoot /srv/www/changes
<Directory /srv/www/changes>
    Require all granted
</Directory>
<LocationMatch ^/index>
    ConfineContext //tenant
</LocationMatch>
<Location /never>
    ConfineExpr //never
</Location>
CONF
    serves "$1: served" '^a page' /index.html
    before=$(domain "$httpd_domain")
    status "$1: permitted and absent" 500 /never
    logged "$1: refused before the move" 'context=tomoyo://never: the loaded policy has no domain <kernel> /usr/sbin/apache2 //never, and the kernel would make one'
    is "$1: the kernel made no domain" "$(domain "$httpd_domain //never")" ''
    is "$1: nor changed the server's" "$(domain "$httpd_domain")" "$before"

    echo "delete $httpd_domain //tenant" | policy
    status "$1: deleted while serving" 500 /index.html
    is "$1: and not made anew" "$(domain "$httpd_domain //tenant")" ''
    echo "$httpd_domain //tenant" | policy
    status "$1: half loaded, when every domain has profile 0" 500 /index.html
    logged "$1: is not served" 'has profile 0, which is disabled'
    tenant 3
    serves "$1: whole again" '^a page' /index.html
    tenant 2
    status "$1: made permissive while serving" 500 /index.html
    logged "$1: needs a restart" 'had not when the server was started; write use_profile 3, or restart the server'
    graceful 1
    serves "$1: after which it serves" '^a page' /index.html
    logged "$1: with a warning" '//tenant has profile 2, which does not enforce everything \(CONFIG is permissive\)'
    tenant 3
    printf '%s\ndelete task manual_domain_transition %s //tenant\n' "$httpd_domain" "$httpd_domain" | policy
    status "$1: the right to move withdrawn" 500 /index.html
    logged "$1: names the line" "\(EPERM\); add to the domain policy, below $httpd_domain: task manual_domain_transition $httpd_domain //tenant"
    printf '%s\ntask manual_domain_transition %s //tenant\n' "$httpd_domain" "$httpd_domain" | policy
    serves "$1: and given back" '^a page' /index.html
}
changing event
changing prefork

# tomoyo-loadpolicy -df makes the policy what the file says, and leaves alone what is the same.
tomoyo-savepolicy -d >"$work/policy"
tomoyo-loadpolicy -df <"$work/policy"
serves 'a whole reload' '^a page' /index.html
# A server whose own domain is deleted stays in it, with its rules; the new one of that name is another.
own=$(domain "$httpd_domain")
{ echo "delete $httpd_domain"; echo "$own"; } | policy
serves "the server's own domain deleted and loaded anew" '^a page' /index.html
: >"$log"
graceful 1
serves 'goes on after a restart' '^a page' /index.html
logged 'which says what it means' "the domain $httpd_domain was deleted from the policy while the server ran in it.*stop and start it"
stop
