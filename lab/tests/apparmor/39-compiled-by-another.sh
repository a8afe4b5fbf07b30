# shellcheck shell=bash
# What PHP shares between requests.

. /lab/kinds.sh apparmor
modes compiled_by_another
