# shellcheck shell=bash
# limit: 300
# The Debian packages on a machine that enforces: install, enable, first confined request, a refused one, removal.
# shellcheck disable=SC2154 # $said is of lib.sh

stop
lsms=,$(</sys/kernel/security/lsm),
case $lsms in
    *,selinux,*)
        context=selinux:alice.process:s0
        server=':httpd_t:' # as service(8) starts it
        refusal='denied .*scontext=alice\.process:s0 tcontext=bob\.readable'
        ;;
    *)
        context=apparmor:lab_alice
        server='^apache2 \(enforce\)'
        refusal='apparmor="DENIED" .*profile="lab_alice" name="/lab/www/bob/index.html"'
        ;;
esac
pid_file=/run/apache2/apache2.pid
# Without systemd invoke-rc.d blocks what packages ask for, unless somebody says that they may.
printf '#!/bin/sh\nexit 0\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
printf 'ServerName localhost\nStartServers 2\nMinSpareServers 1\n' >/etc/apache2/conf-enabled/lab.conf

service apache2 start >/dev/null 2>&1
before=$(server_pid)
said=$(dpkg --install /lab/debs/*.deb 2>&1) && said+=$'\n'installed
like 'the packages are installed' "$said" '^installed$'
like 'the module is enabled' "$(a2query -m confine 2>&1)" 'enabled'
if [[ $(server_pid) != "$before" ]]; then pass 'the server was restarted with it'; else fail 'the server was restarted with it' "$before"; fi
like 'it is loaded' "$(apache2ctl -M 2>&1)" 'confine_module'
like 'the server is where it should be' "$(server_context)" "$server"
[[ $lsms != *,selinux,* ]] || like "the module's file has its type" "$(ls -Z /usr/lib/apache2/modules/mod_confine.so)" ':httpd_modules_t:'
like 'doctor knows the LSM' "$(confinectl doctor 2>&1)" "${context%%:*}"

cat >/etc/apache2/conf-available/site.conf <<CONF
LogLevel confine:info
Alias "/alice" "/lab/www/alice"
Alias "/bob" "/lab/www/bob"
<Directory "/lab/www">
    Require all granted
    ConfineContext $context
</Directory>
CONF
a2enconf -q site
: >"$log"
forget
service apache2 restart >/dev/null 2>&1
serves 'the first confined request' '^page of alice' /alice/index.html
logged 'is logged' "confined GET /alice/index.html .*context=$context"
status "a page that is not alice's is refused" 403 /bob/index.html
denial 'by the kernel' "$refusal"

a2disconf -q site
said=$(dpkg --remove libapache2-mod-confine confinectl 2>&1) && said+=$'\n'removed
like 'the packages are removed' "$said" '^removed$'
unlike 'the module is not loaded any more' "$(apache2ctl -M 2>&1)" 'confine_module'
service apache2 stop >/dev/null 2>&1
rm -f "$pid_file" /usr/sbin/policy-rc.d
