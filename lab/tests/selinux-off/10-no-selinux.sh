# shellcheck shell=bash
# A kernel without SELinux, or with SELinux and no policy: a rule that wants it stops the
# server; nothing is served unconfined.

configure event confine <<'CONF'
<Directory /lab/www>
    Require all granted
    ConfineContext alice.process:s0
</Directory>
CONF
refuses_to_start 'a context without SELinux' 'httpd.conf:[0-9]+: .*selinux is not active'
echo "#   ${line:0:400}"
printf 'alice alice.process:s0\n' >"$work/users.map"
configure event confine <<CONF
<Directory /lab/www>
    Require all granted
    ConfineMap $work/users.map
</Directory>
CONF
refuses_to_start 'a map without SELinux' 'selinux is not active'
configure event confine <<'CONF'
<Directory /lab/www>
    Require all granted
    ConfineEnv TENANT
</Directory>
CONF
refuses_to_start 'an environment variable without SELinux' 'selinux is not active'
server event confine <<'CONF'
<Directory /lab/www>
    Require all granted
</Directory>
CONF
serves 'a server without rules serves' '^page of alice' /alice/index.html
