# shellcheck shell=bash
# 500 requests of five tenants, 20 at a time, own and other's in turn: none is mixed up.

tenants_server

tenants=(alice bob carol three four)
declare -A other=([alice]=bob [bob]=carol [carol]=three [three]=four [four]=alice)
out=$work/mixed
mkdir -p "$out"
for ((i = 0; i < 500; i++)); do
    user=${tenants[i % 5]}
    target=$user
    (((i / 5) % 2)) && target=${other[$user]}
    ((i == 0)) || echo next
    printf 'url = "http://127.0.0.1/%s/index.html"\nuser = "%s:%s"\noutput = "%s/%s"\n' \
        "$target" "$user" "$user" "$out" "$i"
    printf 'write-out = "%s %s %s %%{http_code}\\n"\n' "$i" "$user" "$target"
done >"$work/mixed.curl"
curl -s --no-progress-meter --parallel --parallel-max 20 --max-time 50 -K "$work/mixed.curl" >"$work/mixed.out"

right=0 wrong=
while read -r i user target code; do
    page=
    [[ ! -s $out/$i ]] || read -r page <"$out/$i"
    if [[ $user == "$target" && $code == 200 && $page == "page of $user" ]] ||
        [[ $user != "$target" && $code == 403 && $page != page* ]]; then
        right=$((right + 1))
    else
        wrong+="$user asked for $target: $code $page; "
    fi
done <"$work/mixed.out"
is '500 mixed requests, each answered as it should be' "$right ${wrong:0:300}" '500 '
forget
as alice
status 'and one more' 403 /bob/index.html
denial 'the refusals came from the kernel' 'scontext=alice\.process:s0 tcontext=bob\.readable'
rm -rf "$out"
