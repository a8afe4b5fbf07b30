# shellcheck shell=bash
# Filters of a refused request.

. /lab/kinds.sh apparmor
modes filters_of_a_refused_request
