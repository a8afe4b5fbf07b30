# shellcheck shell=bash
# The server's program has an initialize_domain line. A CGI program that may execute it gets into the server's own
# domain, which is permissive; a no_initialize_domain line, as the manual says, keeps it below its own.

mkdir -p /srv/www/run
cat >/srv/www/run/run <<'SH'
#!/bin/sh
printf 'Content-Type: text/plain\n\n'
/usr/sbin/apache2 -t -f "$QUERY_STRING" 2>&1
SH
chmod 755 /srv/www/run/run
echo 'LoadFile /Word-of-the-outside' >/srv/www/outside.txt
echo 'LoadFile /Word-of-the-program' >/srv/www/run/own.txt
policy <<P
$httpd_domain
task manual_domain_transition $httpd_domain //run

$httpd_domain //run
use_profile 1
P
server prefork cgi confine <<'CONF'
<Directory /srv/www/run>
    Require all granted
    Options ExecCGI
    SetHandler cgi-script
    ConfineContext tomoyo://run
</Directory>
DocumentRoot /srv/www
CONF
fetch /run/run?/srv/www/run/own.txt
like 'it executes the program, as is learned' "$body" 'Word-of-the-program'
policy <<P
$httpd_domain //run
use_profile 3

$httpd_domain //run /srv/www/run/run
use_profile 3
P
graceful 1
fetch /run/run?/srv/www/outside.txt
like 'enforced, that reads in the domain of the server' "$body" 'Word-of-the-outside'

printf 'no_initialize_domain /usr/sbin/apache2 from /srv/www/run/run\n' | tomoyo-loadpolicy -e
forget_refusals
fetch /run/run?/srv/www/outside.txt
unlike 'with the line it does not' "$body" 'Word-of-the-outside'
like 'as it is in a domain below' "$(domain "$httpd_domain //run /srv/www/run/run /usr/sbin/apache2")" '^use_profile 3'
refused 'by the kernel' "^enforcing $httpd_domain //run /srv/www/run/run /usr/sbin/apache2: (file|misc) "
printf 'delete no_initialize_domain /usr/sbin/apache2 from /srv/www/run/run\n' | tomoyo-loadpolicy -e
