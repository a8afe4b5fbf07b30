# shellcheck shell=bash
# Inside httpd, libselinux believes that SELinux is off (it may not look into
# /etc/selinux). Who asks it would serve everything unconfined; we ask the kernel.

server event lab_escape confine <<'CONF'
<Directory /lab/www>
    Require all granted
    ConfineContext alice.process:s0
</Directory>
<Location /alice/escape>
    SetHandler lab-escape
</Location>
<Location /plain>
    ConfineContext unconfined
    SetHandler lab-escape
</Location>
CONF

serves 'is_selinux_enabled() is 0 in the server' '^is_selinux_enabled=0' '/plain?libselinux'
serves 'we confine all the same' '^read /lab/www/bob/index.html=EACCES' '/alice/escape?read=/lab/www/bob/index.html'
denial 'on record' 'scontext=alice\.process:s0 tcontext=bob\.readable'
