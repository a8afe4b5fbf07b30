# shellcheck shell=bash
# Native code by package.loadlib.

. /lab/kinds.sh selinux
modes native_code
