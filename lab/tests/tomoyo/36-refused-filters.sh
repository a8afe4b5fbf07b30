# shellcheck shell=bash
# Filters of a refused request.

. /lab/kinds.sh tomoyo
modes filters_of_a_refused_request
