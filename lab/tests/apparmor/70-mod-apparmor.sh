# shellcheck shell=bash
# A configuration of mod_apparmor, translated (docs/mod_apparmor.md): a hat for a location, a default
# for the virtual host; and the hat that the expression names.

server event lab_escape confine <<'CONF'
ConfineBackend apparmor
<Directory /lab/www>
    Require all granted
</Directory>
<LocationMatch ^/[a-z]+/escape$>
    SetHandler lab-escape
</LocationMatch>
<VirtualHost *:80>
    ServerName localhost
    # AADefaultHatName localhost
    <Location />
        ConfineContext apache2//localhost
    </Location>
    # <Location /carol> AAHatName carol </Location>
    <Location /carol>
        ConfineContext apache2//carol
    </Location>
</VirtualHost>
<VirtualHost *:80>
    ServerName carol
    # without AADefaultHatName: the hat is called as the ServerName is
    <Location />
        ConfineExpr "apache2//%{SERVER_NAME}"
    </Location>
</VirtualHost>
CONF
serves 'AAHatName: the page is served' '^page of carol' /carol/index.html
fetch '/carol/escape?context'
like 'in the hat of the location' "$body" '^context=apache2//carol \(enforce\)'
serves 'AADefaultHatName: another location' '^page of dave' /dave/index.html
fetch '/dave/escape?context'
like 'in the hat of the virtual host' "$body" '^context=apache2//localhost \(enforce\)'
forget
status 'which is not to read all' 403 /bob/index.html
denial 'by the kernel' 'apparmor="DENIED" .*profile="apache2//localhost" name="/lab/www/bob/index.html"'
host=carol
fetch '/carol/escape?context'
like 'by the name of the virtual host' "$body" '^context=apache2//carol \(enforce\)'
host=
