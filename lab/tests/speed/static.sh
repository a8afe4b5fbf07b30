# shellcheck shell=bash
# A file of 4 kB, event MPM, keep-alive, 8 connections: requests per second without the
# module, with a thread and no move, and confined by maps of ten and of 100,000 lines.
#
# Four servers are up at once. Each round asks each of them in turn, in an order that goes
# round, and is compared within itself; what counts are medians over the rounds. Maps go by
# client address, so that no side pays for authentication. The line that matches is the last
# but one, and the others name domains of three tenants.

read -r arguments </proc/cmdline
option() { # NAME DEFAULT: lab.speed-NAME=VALUE of the kernel's command line
    local value=${arguments#*" lab.speed-$1="}
    if [[ $value == "$arguments" ]]; then echo "$2"; else echo "${value%% *}"; fi
}
rounds=$(option rounds 9) seconds=$(option seconds 3)
cells=(stock thread ten many)
declare -A port=([stock]=80 [thread]=443 [ten]=8008 [many]=8080) place measured
page=/alice/4096.html

map() { # LINES
    awk -v lines="$1" 'BEGIN {
        for (i = 1; i < lines - 1; i++)
            printf "10.%d.%d.%d %s.process:s0\n", i / 65536, (i / 256) % 256, i % 256, i % 3 ? "bob" : "carol"
        print "127.0.0.1 alice.process:s0\n* bob.process:s0"
    }'
}

rules() { # CELL
    [[ $1 == stock ]] || echo 'LoadModule confine_module /lab/modules/mod_confine.so'
    case $1 in
        thread) echo 'ConfineContext unconfined' ;; # a worker is made, nothing moves
        ten | many) echo "ConfineMap ${place[$1]}/map" ;;
    esac
}

start_cell() { # CELL
    local said
    place[$1]=$work/$1
    mkdir -p "${place[$1]}"
    case $1 in
        ten) map 10 >"${place[ten]}/map" ;;
        many) map 100000 >"${place[many]}/map" ;;
    esac
    { cat /lab/speed.conf && rules "$1"; } >"${place[$1]}/httpd.conf"
    said=$(PORT=${port[$1]} PLACE=${place[$1]} setsid -w apache2 -f "${place[$1]}/httpd.conf" -k start 2>&1)
    [[ -z $said ]] || { fail "$1: the server starts" "$said" && exit 0; }
}

answers() { # CELL PATH: the status
    local reply=
    for ((i = 0; i < 100; i++)); do
        { exec {http}<>"/dev/tcp/127.0.0.1/${port[$1]}"; } 2>/dev/null && break
        nap 0.1
    done
    printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&"$http"
    IFS= read -r -t 20 reply <&"$http"
    exec {http}>&-
    echo "${reply:9:3}"
}

# ask CELL SECONDS: $rate, requests a second, and for each request $used, microseconds of the
# server's processor time, and $faults, its page faults; threads that ended are included
ask() {
    local before after child said requests=0
    child=$(pgrep -P "$(<"${place[$1]}/pid")")
    read -ra before <"/proc/$child/stat"
    said=$(wrk -t 1 -c 8 -d "$2s" "http://127.0.0.1:${port[$1]}$page")
    read -ra after <"/proc/$child/stat"
    rate=0 used=0 faults=0
    [[ $said =~ Requests/sec:\ +([0-9.]+) ]] && rate=${BASH_REMATCH[1]}
    [[ $said =~ ([0-9]+)' requests in' ]] && requests=${BASH_REMATCH[1]}
    if ((requests == 0)) || [[ $said == *Non-2xx* || $said == *'Socket errors'* ]]; then
        fail "$1: every request is answered" "$said"
        return
    fi
    used=$(((after[13] + after[14] - before[13] - before[14]) * 10000 / requests))
    faults=$(((after[9] - before[9]) * 10 / requests))
    faults=$((faults / 10)).$((faults % 10))
}

for cell in "${cells[@]}"; do start_cell "$cell"; done
printf '%4096s' x >"/lab/www$page"
restorecon "/lab/www$page"
for cell in "${cells[@]}"; do
    is "$cell: the file is served" "$(answers "$cell" "$page")" 200
    case $cell in stock | thread) wanted=200 ;; *) wanted=403 ;; esac
    is "$cell: another tenant's file" "$(answers "$cell" /bob/index.html)" "$wanted"
done

echo "# $rounds rounds of $seconds s a cell; of each request: requests/s, us of the server, its page faults"
for cell in "${cells[@]}"; do ask "$cell" 1; done # warm up: caches, translated code
forget
for ((round = 1; round <= rounds; round++)); do
    for ((i = 0; i < ${#cells[@]}; i++)); do
        cell=${cells[(round + i) % ${#cells[@]}]}
        ask "$cell" "$seconds"
        measured[$cell]="$rate $used $faults"
    done
    line=
    for cell in "${cells[@]}"; do line+="$cell ${measured[$cell]} "; done
    printf '%s\n' "$line" >>"$work/rounds"
    echo "# round $round: $line"
done
for cell in "${cells[@]}"; do kill -TERM "$(<"${place[$cell]}/pid")"; done
no_denial 'none of it was refused or recorded'

summary=$(awk -f /lab/speed.awk "$work/rounds")
echo "# ${summary//$'\n'/$'\n# '}"
while read -r verdict; do
    if [[ $verdict == *': '*'wanted'* ]]; then fail "${verdict%%:*}" "${verdict#*: }"; else pass "$verdict"; fi
done < <(awk -v verdict=1 -f /lab/speed.awk "$work/rounds")
