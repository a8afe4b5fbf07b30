# shellcheck shell=bash
# limit: 200
# docs/mod_apparmor.md, command by command: a site that the other module confines, until its package is purged.

. /lab/guide.sh
stop
printf apache2 >/sys/kernel/security/apparmor/.remove
rm -f /etc/apparmor.d/apache2
guide mod_apparmor
a2dissite -q site
printf apache2 >/sys/kernel/security/apparmor/.remove
