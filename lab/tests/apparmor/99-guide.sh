# shellcheck shell=bash
# docs/guides/apparmor.md, command by command, on a server that has no profile at first, as on Debian.

. /lab/guide.sh
stop
printf apache2 >/sys/kernel/security/apparmor/.remove
rm -f /etc/apparmor.d/apache2 /etc/apparmor.d/mod_confine_blog
rm -rf /srv/www/blog
guide apparmor
