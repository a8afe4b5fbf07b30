# shellcheck shell=bash
# From nothing to enforcement, as docs/tomoyo.md tells it: the server's own domain and an application's
# are learned under load and then enforced.

stop
mkdir -p /srv/www/learn
echo 'a page' >/srv/www/learn/index.html
echo 'note' >/srv/www/learn/note.txt
echo 'other' >/srv/www/learn/other.txt
profile() { printf '%s\nuse_profile %s\n%s //learn\nuse_profile %s\n' "$httpd_domain" "$1" "$httpd_domain" "$1" | policy; }
learning_server() {
    server event lab_escape confine <<'CONF'
DocumentRoot /srv/www/learn
<Directory /srv/www/learn>
    Require all granted
    ConfineContext tomoyo://learn
</Directory>
<Location /escape>
    SetHandler lab-escape
</Location>
CONF
}
printf '%s\ntask manual_domain_transition %s //learn\n' "$httpd_domain" "$httpd_domain" | policy
profile 1
learning_server
serves 'while it learns' '^a page' /index.html
fetch '/escape?read=/srv/www/learn/note.txt&log'
graceful 1
stop
learned=$(domain "$httpd_domain")
like "the server's start was learned" "$learned" 'file write.* securityfs:/tomoyo/self_domain'
like 'and what it asks of the policy' "$learned" 'file read/write.* securityfs:/tomoyo/domain_policy'
echo "$learned" | sed -n 's/^file .*tomoyo.*/#   &/p'

# No two starts have the same temporary names and process ids: they become patterns.
domain "$httpd_domain" | sed -nE 's/(lab\.pid\.)[A-Za-z0-9]{6}/\1\\?\\?\\?\\?\\?\\?/gp; s/([./-])[0-9]{3,}( |$)/\1\\$\2/gp' |
    sort -u >"$work/patterns"
sed 's/^/#   /' "$work/patterns"
{ echo "$httpd_domain"; echo "$(<"$work/patterns")"; } | policy

profile 3
learning_server
serves 'enforced, the server and the application serve' '^a page' /index.html
forget_refusals
fetch '/escape?read=/srv/www/learn/note.txt&read=/srv/www/learn/other.txt'
like 'what was learned' "$body" '^read /srv/www/learn/note.txt=OK'
like 'and nothing else' "$body" '^read /srv/www/learn/other.txt=EPERM'
refused 'by the kernel' "^enforcing $httpd_domain //learn: file read /srv/www/learn/other.txt"
not_logged 'no warning is left' 'does not enforce everything'
stop
profile 2
printf '%s\nuse_profile 2\n' "$httpd_domain" | policy
