# shellcheck shell=bash
# Permissive: the kernel refuses nothing, and the module says so. Last, as it changes the
# mode of the whole guest and sets it back.

setenforce 0
server event confine <<'CONF'
<Directory /lab/www>
    Require all granted
    ConfineContext alice.process:s0
</Directory>
CONF
logged 'a warning at startup' '[Pp]ermissive'
serves 'the move is made' '^page of alice' /alice/index.html
status 'refusals are only recorded' 200 /bob/index.html
denial 'as permissive' 'scontext=alice\.process:s0 tcontext=bob\.readable.*permissive=1'
setenforce 1
status 'enforcing again: refused again' 403 /bob/index.html
