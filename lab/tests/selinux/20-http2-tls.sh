# shellcheck shell=bash
# The same over TLS, with HTTP/2: many streams of a connection, a worker each.

tenants_server

for user in alice three; do
    said=$(curl -sk --http2 -u "$user:$user" -w '%{http_version} %{http_code} %{time_total}\n' \
        "https://localhost/$user/index.html" "https://localhost/carol/index.html")
    echo "#   ${said//$'\n'/|}"
    like "$user reads the own page" "$said" "^page of $user"
    like "$user's request is HTTP/2" "$said" '^2 200 '
    like "carol's page is refused to $user" "$said" '^2 403 '
done
denial 'by the kernel' 'scontext=alice\.process:s0 tcontext=carol\.readable'
