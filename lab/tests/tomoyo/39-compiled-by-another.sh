# shellcheck shell=bash
# What PHP shares between requests.

. /lab/kinds.sh tomoyo
modes compiled_by_another
