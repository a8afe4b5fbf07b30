# shellcheck shell=bash
# docs/guides/tomoyo.md, command by command, after the boot.

. /lab/guide.sh
forget_refusals
guide tomoyo
