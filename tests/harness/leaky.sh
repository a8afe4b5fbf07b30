#!/bin/bash
# leaky.lua, as a program of its own: for runs without mod_lua. The server runs it by mod_cgi, in the thread (and so in
# the context) of the request.
export LC_ALL=C
decoded() { printf '%b' "${1//%/\\x}"; }

# What goes wrong is said like leaky.lua says it; what can be read goes out as it is.
read_it() {
    local error
    { error=$(cat -- "$1" 2>&1 >&4); } 4>&1
    [ -z "$error" ] || printf 'failed: %s: %s\n' "$1" "${error##*: }"
}

write_it() {
    local error
    if error=$({ printf written >"$1"; } 2>&1); then printf written; else printf 'failed: %s: %s\n' "$1" "${error##*: }"; fi
}

remove_it() {
    local error
    if error=$(rm -- "$1" 2>&1); then printf removed; else printf 'failed: %s: %s\n' "$1" "${error##*: }"; fi
}

printf 'Content-Type: text/plain\nX-Context: %s\nX-User: %s\n\n' "${CONFINE_CONTEXT:--}" "${REMOTE_USER:--}"
[ "$REQUEST_METHOD" != HEAD ] || exit 0
IFS='&' read -ra pairs <<<"$QUERY_STRING"
for pair in "${pairs[@]}"; do
    value=$(decoded "${pair#*=}")
    case ${pair%%=*} in
    read) read_it "$value" ;;
    write) write_it "$value" ;;
    remove) remove_it "$value" ;;
    run) sh -c "$value 2>&1; echo status=\$?" 2>&1 ;;
    body) cat ;;
    esac
done
