# shellcheck shell=bash
# Handlers that name another one and decline.

. /lab/kinds.sh apparmor
modes handlers_that_decline
