# shellcheck shell=bash
# Native code by package.loadlib.

. /lab/kinds.sh tomoyo
modes native_code
