# shellcheck shell=bash
# mod_cgid starts programs from a daemon that is not confined: refused.

server event cgid confine <<'CONF'
ScriptSock /run/apache2/cgid.sock
<Directory /lab/www>
    Include /lab/users.conf
    ConfineMap /lab/users.map
</Directory>
<Directory /lab/www/alice/cgi>
    Options ExecCGI
    SetHandler cgi-script
</Directory>
CONF

as alice
status 'a CGI program under mod_cgid is refused' 403 /alice/cgi/show
logged 'and the log says what to use' 'refused GET /alice/cgi/show .*use mod_cgi'
serves 'other files are served' '^page of alice' /alice/index.html
