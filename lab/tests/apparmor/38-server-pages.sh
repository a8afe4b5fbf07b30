# shellcheck shell=bash
# Pages about the server, named by a tenant.

. /lab/kinds.sh apparmor
modes pages_about_the_server
