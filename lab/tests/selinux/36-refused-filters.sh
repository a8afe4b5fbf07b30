# shellcheck shell=bash
# Filters of a refused request.

. /lab/kinds.sh selinux
modes filters_of_a_refused_request
