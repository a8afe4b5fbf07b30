# shellcheck shell=bash
# limit: 120
# Pools of processes: PHP in two domains, from its start on.

. /lab/pools.sh tomoyo
pool_server

in_context erin "^$httpd_domain //erin$"
in_context frank "^$httpd_domain //frank$"
forget_refusals
each_its_own erin frank
refused 'by the kernel' "^enforcing $httpd_domain //erin: file read /lab/www/frank/note.txt"
each_its_own frank erin
shares_nothing erin frank
handles

# ---- the other's socket ----
for socket in $(sockets); do query+="&socket=$socket"; done
serves 'no socket of the pools is reached by its name' '^socket /run/.*=refused' "/erin/pool.php?${query#&}"
unlike 'none' "$body" '=OK'
# Were all names and files open to everybody, the policy would still say no.
chmod -R a+rwX /run/apache2/confine-fastcgi
forget_refusals
fetch "/erin/pool.php?${query#&}"
unlike 'with every permission of files neither' "$body" '=OK'
refused 'by the kernel' "^enforcing $httpd_domain //erin: network unix stream connect /run/apache2/confine-fastcgi/"

# ---- a program that is started stays ----
serves 'what the policy does not name is not executed' '^run /usr/bin/id=refused' '/erin/pool.php?run=/usr/bin/id'

# ---- by maps, one behind the other ----
by_maps '//carol may not execute /usr/bin/php-cgi; add `file execute /usr/bin/php-cgi keep`'

# ---- a domain that may not execute it ----
status 'a domain without the right is refused' 500 /carol/pool.php?pid
logged 'with the line that lacks' 'refused GET /carol/pool.php .*//carol may not execute /usr/bin/php-cgi; add `file execute /usr/bin/php-cgi keep` to the policy of <kernel> /usr/sbin/apache2 //carol'
printf '%s\n' "$httpd_domain //carol" 'file execute /usr/bin/php-cgi' | policy
nap 1
status 'one that the program would leave, too' 500 /carol/pool.php?pid
logged 'with the word that lacks' "whoever executes /usr/bin/php-cgi in $httpd_domain //carol goes on to $httpd_domain //carol /usr/bin/php-cgi, which the policy does not have; write .file execute /usr/bin/php-cgi keep."
