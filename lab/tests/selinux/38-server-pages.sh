# shellcheck shell=bash
# Pages about the server, named by a tenant.

. /lab/kinds.sh selinux
modes pages_about_the_server
