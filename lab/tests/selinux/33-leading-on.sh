# shellcheck shell=bash
# Handlers that run before the move, because the request is led on.

. /lab/kinds.sh selinux
modes handlers_that_lead_on
