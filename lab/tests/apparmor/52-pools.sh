# shellcheck shell=bash
# limit: 120
# Pools of processes: PHP in two profiles, from its start on.

. /lab/pools.sh apparmor
pool_server
domain_of() { context_of "$1"; }

in_context erin '^lab_erin \(enforce\)$'
in_context frank '^lab_frank \(enforce\)$'
each_its_own erin frank
denial 'by the kernel' 'apparmor="DENIED" .*profile="lab_erin" name="/lab/www/frank/(note.txt|data/php)"'
each_its_own frank erin
shares_nothing erin frank
handles

# ---- the other's socket ----
for socket in $(sockets); do query+="&socket=$socket"; done
serves 'no socket of the pools is reached by its name' '^socket /run/.*=refused' "/erin/pool.php?${query#&}"
unlike 'none' "$body" '=OK'
processes_of frank
folder=$(find /run/apache2/confine-tmp -name '*frank*')
serves "frank's temporary folder is closed to her" "=refused" "/erin/pool.php?write=$folder/by-erin"
denial 'by the kernel' "apparmor=\"DENIED\" .*profile=\"lab_erin\" name=\"$folder/by-erin\""

# ---- a program that is started stays ----
forget
serves 'what the profile does not name is not executed' '^run /usr/bin/id=refused' '/erin/pool.php?run=/usr/bin/id'

# ---- by maps, one behind the other ----
by_maps 'lab_carol may not execute /usr/bin/php-cgi8.2; add `/usr/bin/php-cgi8.2 mrix,`'

# ---- a profile that may not execute it ----
status 'a profile without the right is refused' 500 /carol/pool.php?pid
logged 'with the rule that lacks' 'refused GET /carol/pool.php .*lab_carol may not execute /usr/bin/php-cgi8.2; add `/usr/bin/php-cgi8.2 mrix,` to the profile lab_carol'
