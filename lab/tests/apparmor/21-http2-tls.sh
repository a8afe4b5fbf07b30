# shellcheck shell=bash
# The same over TLS, with HTTP/2: many streams of a connection, a worker each.

server event ssl http2 confine <<'CONF'
Listen 443
Protocols h2 http/1.1
<Directory /lab/www>
    Include /lab/users.conf
    ConfineMap /lab/people.map
</Directory>
<VirtualHost *:443>
    SSLEngine on
    SSLCertificateFile /lab/tls/cert.pem
    SSLCertificateKeyFile /lab/tls/key.pem
</VirtualHost>
CONF

for user in alice carol; do
    forget
    said=$(curl -sk --http2 -u "$user:$user" -w '%{http_version} %{http_code} %{time_total}\n' \
        "https://localhost/$user/index.html" "https://localhost/bob/index.html")
    echo "#   ${said//$'\n'/|}"
    like "$user reads the own page" "$said" "^page of $user"
    like "$user's request is HTTP/2" "$said" '^2 200 '
    like "bob's page is refused to $user" "$said" '^2 403 '
    denial 'by the kernel' 'apparmor="DENIED" .*name="/lab/www/bob/index.html"'
done
