# shellcheck shell=bash
# docs/mod_ccs.md, command by command.

. /lab/guide.sh
guide mod_ccs
a2dissite -q cat
