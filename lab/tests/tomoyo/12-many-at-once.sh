# shellcheck shell=bash
# Many requests of one child at once, for four domains: each asks the policy through the same descriptor, and
# each arrives where it should. What one move costs, in system calls.

shipped_policy
server event confine </lab/programs.conf
bombard() { ab -q -n 60 -c 6 -H "Host: ${1%/*}" "http://localhost/${1#*/}/index.html" >"$work/ab.${1//\//.}" 2>&1; }
for program in $programs; do bombard "$program" & done
wait
for program in $programs; do
    like "$program: all are answered" "$(<"$work/ab.${program//\//.}")" '^Complete requests: +60'
    unlike "$program: and none is refused" "$(<"$work/ab.${program//\//.}")" '^Non-2xx'
done
mapfile -t lines <"$log"
wrong=0 right=0
for line in "${lines[@]}"; do
    [[ $line =~ confined\ GET\ /([a-z]+)/.*vhost=([a-z.]+)\ .*context=\"tomoyo:(.*)\" ]] || continue
    if [[ ${BASH_REMATCH[3]} == "//${BASH_REMATCH[2]} //${BASH_REMATCH[1]}" ]]; then
        right=$((right + 1))
    else
        wrong=$((wrong + 1))
    fi
done
is 'each is in its own domain' "$wrong wrong, $right right" '0 wrong, 240 right'

children=()
while read -r child; do children+=(-p "$child"); done < <(pgrep -P "$(server_pid)")
strace -f -y -e trace=read,write -o "$work/calls" "${children[@]}" 2>/dev/null &
tracer=$!
nap 2
host=dog.example.com
fetch /blog/index.html
nap 1
kill "$tracer"
wait "$tracer" 2>/dev/null
is 'a move takes five system calls on these files' "$(grep -c 'security/tomoyo' "$work/calls")" 5
grep 'security/tomoyo' "$work/calls" | sed 's/^/#   /' | cut -c1-200
