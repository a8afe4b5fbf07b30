# shellcheck shell=bash
# guide NAME: follows the page NAME.md of docs or docs/guides, whose script is in /lab/guides, on the distribution's own
# server with the module where its package puts it. It ends with that server stopped.
guide() {
    local file
    stop
    for file in sudo systemctl; do [[ -x /usr/local/bin/$file ]] || guide_program "$file"; done
    cp /lab/modules/mod_confine.so /usr/lib/apache2/modules/
    cp /lab/bin/confinectl /usr/bin/
    echo 'LoadModule confine_module /usr/lib/apache2/modules/mod_confine.so' >/etc/apache2/mods-available/confine.load
    mkdir -p /usr/share/selinux/packages/mod_confine
    cp /lab/conf/selinux/mod_confine*.cil /usr/share/selinux/packages/mod_confine/
    [[ ! -e /sys/fs/selinux/enforce ]] || restorecon -R /usr/lib/apache2/modules /usr/bin/confinectl /etc/apache2
    # A start and a reload with fewer children take less time under emulation.
    printf 'ServerName localhost\nStartServers 2\nMinSpareServers 1\n' >/etc/apache2/conf-enabled/lab.conf
    a2enmod -q confine
    # The reader says yes.
    echo 'APT::Get::Assume-Yes "true";' >/etc/apt/apt.conf.d/yes
    : >"$log"
    forget
    PATH=/usr/local/bin:$PATH bash "/lab/guides/$1.sh" || :
    service apache2 stop >/dev/null 2>&1
}

# What a guest without systemd and without passwords has in their place.
guide_program() {
    case $1 in
        sudo) printf '%s\n' '#!/bin/sh' '[ "$1" = --user ] || exec "$@"' 'user=$2' 'shift 2' 'exec runuser --user "$user" -- "$@"' ;;
        systemctl) printf '#!/bin/sh\nexec service "$2" "$1"\n' ;;
    esac >"/usr/local/bin/$1"
    chmod 755 "/usr/local/bin/$1"
}
