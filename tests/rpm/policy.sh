# shellcheck shell=bash
# shellcheck disable=SC2154 # $status is of stage.sh
# Played by stage.sh: a policy by the name that Fedora's has, from Debian's modules. Nothing is loaded.
run sh -c 'mkdir -p /etc/selinux && cp -a /etc/selinux/default /etc/selinux/targeted &&
    printf "SELINUX=enforcing\nSELINUXTYPE=targeted\n" >/etc/selinux/config &&
    semodule -n -s targeted -i /usr/share/selinux/default/*.pp.bz2'
[ "$status" = 0 ] || not_ok "the policy is built"
