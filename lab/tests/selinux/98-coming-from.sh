# shellcheck shell=bash
# limit: 600
# docs/mod_selinux.md, command by command, its database too. The policy is built in the guest, which takes its time.

. /lab/guide.sh
guide mod_selinux
service postgresql stop >/dev/null 2>&1
a2dissite -q tenants
