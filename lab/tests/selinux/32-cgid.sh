# shellcheck shell=bash
# mod_cgid starts programs from a daemon that is not confined: refused.

cgi_server event cgid /lab/users.map 'ScriptSock /run/apache2/cgid.sock'

as alice
status 'a CGI program under mod_cgid is refused' 403 /alice/cgi/show
logged 'and the log says what to use' 'refused GET /alice/cgi/show .*use mod_cgi'
serves 'other files are served' '^page of alice' /alice/index.html
