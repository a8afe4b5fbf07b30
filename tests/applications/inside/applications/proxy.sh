# shellcheck shell=bash disable=SC2034,SC2164 # the story reads it, and ends where something fails
# A service for each tenant behind mod_proxy: WebSockets, and events that the server sends.
MODULES=(proxy_wstunnel)
server_hole

port() { if [ "$1" = dog ]; then echo 9010; else echo 9020; fi; }

prepare() {
    python3 backend.py "$1" "$(port "$1")" >/dev/null 2>&1 &
}

host() {
    local port
    port=$(port "$1")
    cat <<END
    <Location "/">
        ConfineOutOfProcess allow
        Require all granted
    </Location>
    ProxyPass "/talk" "ws://127.0.0.1:$port/"
    ProxyPass "/events" "http://127.0.0.1:$((port + 1))/" flushpackets=on
END
    server_hole_host
}

walk() {
    local first
    python3 - "$1" "$2" <<'END'
import asyncio, sys, websockets
name, number = sys.argv[1:]

async def main():
    async with websockets.connect(f'ws://{name}.example.org/talk') as socket:
        for word in ('one', 'two', 'x' * 100_000, f'walk {number}'):
            await socket.send(word)
            assert await socket.recv() == f'{name} heard {word}', word

asyncio.run(main())
END
    browse --no-buffer "http://$1.example.org/events" >events &
    sleep 0.9
    # The first is there before the last is sent.
    first=$(<events)
    wait $!
    says "event 0 of $1" <<<"$first"
    says_not 'event 2' <<<"$first"
    says "event 2 of $1" <events
}
