# shellcheck shell=bash
# Code that .htaccess names.

. /lab/kinds.sh tomoyo
modes hooks_of_htaccess
