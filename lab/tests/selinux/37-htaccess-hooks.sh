# shellcheck shell=bash
# Code that .htaccess names.

. /lab/kinds.sh selinux
modes hooks_of_htaccess
