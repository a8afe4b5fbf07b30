# shellcheck shell=bash
# A CGI program inherits the domain, and none of the server's descriptors.

mkdir -p /srv/www/cgi
cat >/srv/www/cgi/show <<'SH'
#!/bin/sh
printf 'Content-Type: text/plain\n\n'
echo "context=$CONFINE_CONTEXT"
ls -l /proc/self/fd
read -r line </srv/www/cgi/note.txt && echo "note=$line"
read -r line </etc/hostname && echo "hostname=$line"
SH
chmod 755 /srv/www/cgi/show
echo 'of the program' >/srv/www/cgi/note.txt
policy <<P
$httpd_domain
task manual_domain_transition $httpd_domain //cgi

$httpd_domain //cgi
use_profile 1
P
server prefork cgi confine <<'CONF'
<Directory /srv/www/cgi>
    Require all granted
    Options ExecCGI
    SetHandler cgi-script
    ConfineContext tomoyo://cgi
</Directory>
DocumentRoot /srv/www
CONF
fetch /cgi/show
like 'the program runs and is told its context' "$body" '^context=tomoyo://cgi'
like 'its descriptors are shown' "$body" '/proc/'
unlike 'none of them leads to the policy' "$body" 'security/tomoyo'
unlike 'nor is there any' "$(ls -l /proc/self/fd)" 'security/tomoyo'
like 'it lies in a domain below' "$(domain "$httpd_domain //cgi /srv/www/cgi/show")" '^use_profile 1'
# What was learned, without the file that it should not read, and then enforced.
policy <<P
$httpd_domain //cgi
use_profile 3

$httpd_domain //cgi /srv/www/cgi/show
delete file read /etc/hostname
use_profile 3
P
graceful 1
forget_refusals
fetch /cgi/show
like 'enforced, it reads its note' "$body" '^note=of the program'
unlike 'and nothing else' "$body" '^hostname='
refused 'by the kernel' "^enforcing $httpd_domain //cgi /srv/www/cgi/show: file read /etc/hostname"
