# shellcheck shell=bash
# The same over TLS, with HTTP/2: many streams of a connection, a worker each.

tenants_server

for user in alice bob three; do
    said=$(curl -sk --http2 -u "$user:$user" -w '%{http_version} %{http_code} %{time_total}\n' \
        "https://localhost/$user/index.html" "https://localhost/carol/index.html")
    echo "#   ${said//$'\n'/|}"
    like "$user reads the own page" "$said" "^page of $user"
    like "$user's request is HTTP/2" "$said" '^2 200 '
    like "carol's page is refused to $user" "$said" '^2 403 '
done
denial 'by the kernel' 'scontext=bob\.process:s0 tcontext=carol\.readable'
said=$(curl -sk --http1.1 -u alice:alice -w '%{http_version} %{http_code}\n' https://localhost/alice/index.html)
like 'HTTP/1.1 over TLS too' "$said" '^1.1 200$'
