# shellcheck shell=bash
# Code that .htaccess names.

. /lab/kinds.sh apparmor
modes hooks_of_htaccess
