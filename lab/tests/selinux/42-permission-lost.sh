# shellcheck shell=bash
# The policy takes a domain away while the server runs; the next request is refused, and
# served again when it is given back.

server event confine <<'CONF'
<Directory /lab/www>
    Require all granted
    ConfineContext dave.process:s0
</Directory>
CONF

serves 'before' '^page of dave' /dave/index.html
boolean lab_dave_allowed 0
forget
status 'the move is no longer allowed: nothing is served' 500 /dave/index.html
denial 'on record' 'denied  \{ dyntransition \}.*tcontext=dave\.process'
logged 'the log names the rule that lacks' 'refused GET /dave/index.html .*EACCES'
boolean lab_dave_allowed 1
serves 'given back' '^page of dave' /dave/index.html
load_policy
serves 'a reload of the same policy changes nothing' '^page of dave' /dave/index.html
status "and still no other's file" 403 /alice/index.html
