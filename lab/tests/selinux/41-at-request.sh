# shellcheck shell=bash
# A context that only the request knows cannot be checked at startup: the request pays.

server event confine <<'CONF'
SetEnvIf Request_URI "^/(.*)/index" TENANT=$1.process:s0
SetEnvIf X-Context "(.+)" TENANT=$1
<Directory /lab/www>
    Require all granted
    ConfineEnv TENANT
</Directory>
CONF

serves 'a good context confines' '^page of alice' /alice/index.html
for context in unbounded.process:s0 forbidden.process:s0 nobody.process:s0 alice.readable:s0 'alice.process:s0:c9999' '::'; do
    forget
    status "refused: $context" 500 /alice/index.html '' "X-Context: $context"
    look
    [[ -z $records ]] || echo "#   ${records%%$'\n'*}"
    log_lines 1
done
unlike 'no page got out' "$body" 'page of'
status "a context that is not the file's owner's" 403 /alice/index.html '' 'X-Context: bob.process:s0'
