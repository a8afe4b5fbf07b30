# shellcheck shell=bash
# Native code by package.loadlib.

. /lab/kinds.sh apparmor
modes native_code
