# shellcheck shell=bash
# What PHP shares between requests.

. /lab/kinds.sh selinux
modes compiled_by_another
