# shellcheck shell=bash
# shellcheck disable=SC2154 # $status is of stage.sh
# Played by stage.sh: what most scenes find installed.
apt install apache2 curl
[ "$status" = 0 ] || not_ok "the server is installed"
