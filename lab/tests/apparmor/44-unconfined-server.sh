# shellcheck shell=bash
# A server without a profile of its own: its requests are confined all the same, and it is told.

stop
printf apache2 >/sys/kernel/security/apparmor/.remove
server event lab_escape confine <<'CONF'
ConfineBackend apparmor
SetEnvIf X-Context "(.+)" TENANT=$1
<Directory /lab/www>
    Require all granted
    ConfineEnv TENANT
    ConfineContext lab_alice
</Directory>
CONF
is 'the server is not confined' "$(server_context)" unconfined
logged 'a warning says so' 'AppArmor does not confine the server itself'
serves 'her page' '^page of alice' /alice/index.html
status "bob's page is refused" 403 /bob/index.html
denial 'by the kernel' 'apparmor="DENIED" .*profile="lab_alice" name="/lab/www/bob/index.html"'
for context in u unc apparmor:unconfined lab_nobody; do
    status "no way round: $context" 500 /bob/index.html '' "X-Context: $context"
done
unlike 'nothing was served' "$body" 'page of'
if [[ $(uname -r) != 6.1.* ]]; then
    status 'nor by a profile in unconfined mode' 500 /bob/index.html '' 'X-Context: lab_unconfined'
    logged 'the worker looks where it has arrived' 'let the thread go to lab_unconfined \(unconfined\) instead of lab_unconfined'
fi
stop
apparmor_parser --skip-cache --replace /etc/apparmor.d/apache2
