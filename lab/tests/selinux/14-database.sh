# shellcheck shell=bash
# The database-client profile: a connection to a database's port and socket, under the
# same boolean as the server's own.

php_server

# Stands in for a database: one line for each who connects.
perl -MIO::Socket::INET -e '
    my $listen = IO::Socket::INET->new(LocalAddr => "127.0.0.1:5432", Listen => 5, ReuseAddr => 1) or die;
    while (my $client = $listen->accept) { print $client "hello from the database\n"; close $client }' &
database=$!
connect='/app/app.php?connect=tcp://127.0.0.1:5432'

boolean httpd_can_network_connect_db 1
as shop
forget
for ((i = 0; i < 20; i++)); do
    fetch "$connect"
    [[ $body == *OK* ]] && break
    nap 0.1
done
like 'the shop reaches its database' "$body" '^connect .*=OK hello from the database'
no_denial 'with what the profile gives'
as alice
forget
serves 'alice, scripting profile, does not' '^connect .*=refused' "$connect"
denial 'by the kernel' 'scontext=alice\.process:s0 .*tclass=tcp_socket'
boolean httpd_can_network_connect_db 0
as shop
forget
serves 'nor the shop when the boolean is off' '^connect .*=refused' "$connect"
denial 'by the kernel' 'denied  \{ name_connect \}.*scontext=shop\.process:s0 tcontext=postgresql_port_t'
kill "$database"
