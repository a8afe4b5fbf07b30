# shellcheck shell=bash
# limit: 120
# Pools of processes: PHP in two domains, from its start on.

. /lab/pools.sh selinux
boolean httpd_can_network_connect_db 1
pool_server
domain_of() { context_of "$1"; }

in_context erin ':erin\.process:s0$'
in_context frank ':frank\.process:s0$'
each_its_own erin frank
denial 'by the kernel' 'scontext=erin\.process:s0 tcontext=frank\.(read|writ)able'
each_its_own frank erin
shares_nothing erin frank
handles

# ---- the other's socket ----
processes_of frank
folder=$(find /run/apache2/confine-tmp -name '*frank*')
like 'the temporary folder is his' "$(stat -c %C "$folder")" ':frank\.temporary_folder:s0$'
for socket in $(sockets); do query+="&socket=$socket"; done
serves 'no socket of the pools is reached by its name' '^socket /run/.*=refused' "/erin/pool.php?${query#&}"
unlike 'none' "$body" '=OK'
# Were all names and files open to everybody, the policy would still say no.
chmod -R a+rwX /run/apache2/confine-fastcgi
forget
fetch "/erin/pool.php?${query#&}"
facts=$(grep -c '=OK$' <<<"$body")
is 'with every permission of files she reaches two, her own' "$facts" 2
denial "not frank's, by the kernel" 'denied  \{ connectto \}.*scontext=erin\.process:s0 tcontext=frank\.process:s0'

# ---- a program that is started stays ----
forget
serves 'what the policy does not name is not executed' '^run /usr/bin/id=refused' '/erin/pool.php?run=/usr/bin/id'

# ---- by maps, one behind the other ----
by_maps 'carol\.process may not execute /usr/bin/php-cgi .*\(allow carol\.process mod_confine\.pool_exec'

# ---- a context that may not execute it ----
status 'a context without the right is refused' 500 /carol/pool.php?pid
logged 'with the rule that lacks' 'refused GET /carol/pool.php .*carol\.process may not execute /usr/bin/php-cgi .*\(allow carol\.process mod_confine\.pool_exec \(file \(read open map execute execute_no_trans\)\)\)'

# ---- with a ruleset of Landlock beside it ----
pool_server 'LandlockIncludeDir /lab/conf/landlock
<ConfineLandlock erin>
    # What Linux 6.1 has, which is one of the two kernels here.
    LandlockABI 1
    LandlockInclude php-cgi
    LandlockRead /lab/app /lab/www/erin
</ConfineLandlock>
<Location /erin/data>
    ConfineContext selinux:erin.process:s0 landlock:erin
</Location>
AliasMatch ^/erin/data/pool\.php$ /lab/app/pool.php'
serves 'both in order: served' '^read /lab/www/erin/note.txt=OK' '/erin/data/pool.php?read=/lab/www/erin/note.txt&write=/lab/www/erin/data/php'
like 'what SELinux allows, Landlock refuses' "$body" '^write /lab/www/erin/data/php=refused'
