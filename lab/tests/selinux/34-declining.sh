# shellcheck shell=bash
# Handlers that name another one and decline.

. /lab/kinds.sh selinux
modes handlers_that_decline
