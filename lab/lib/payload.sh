# shellcheck shell=bash
# The second disk: the module under test, test programs, tests and their content.
# It is made in about a second, so a new build of the module needs no new root image.

MODULE=${LAB_MODULE:-$REPO_DIR/target/release/libmod_confine.so}
# The command is built beside the module.
COMMAND=${LAB_COMMAND:-$(dirname -- "$MODULE")/confinectl}
# The pages of the manual that guests follow, below docs.
readonly FOLLOWED=(guides/apparmor guides/selinux guides/tomoyo mod_apparmor mod_selinux mod_ccs)

# The Debian packages under test, without their debugging symbols; none unless LAB_DEBS names their folder.
debs() { [[ -z ${LAB_DEBS:-} ]] || find "$LAB_DEBS" -maxdepth 1 -name '*.deb' ! -name '*-dbgsym_*' | sort; }

payload_key() {
    local module=none command=none pages=("${FOLLOWED[@]/#/docs/}")
    [[ ! -e $MODULE ]] || module=$(sha256sum "$MODULE" | cut -c1-16)
    [[ ! -e $COMMAND ]] || command=$(sha256sum "$COMMAND" | cut -c1-16)
    printf '%s-%s-%s-%s-%s\n' "$(<"$CACHE/root.img.key")" "$module" "$command" "$(debs | xargs -r cat | sha256sum | cut -c1-16)" \
        "$(hash_of lab/guest lab/src lab/tests lab/www lab/app lab/policy conf "${pages[@]/%/.md}" manual/src lab/lib/payload.sh)"
}

# Built against this machine's httpd headers, which are the guest's. Warnings are errors in our own sources alone
# (-isystem): a newer gcc may have some about the headers.
compile_programs() {
    local out=$1 source name
    mkdir -p -- "$out/bin" "$out/modules"
    gcc -std=gnu11 -Wall -Wextra -Werror -O1 -pthread -o "$out/bin/thread-move" "$LAB_DIR/src/thread-move.c"
    for source in "$LAB_DIR"/src/mod_*.c; do
        name=$(basename -- "$source" .c)
        # shellcheck disable=SC2046 # flags are words
        gcc -std=gnu11 -Wall -Wextra -Werror -O1 -shared -fPIC $(apxs -q EXTRA_CPPFLAGS) \
            -isystem "$(apxs -q INCLUDEDIR)" -isystem "$(apxs -q APR_INCLUDEDIR)" -isystem "$(apxs -q APU_INCLUDEDIR)" \
            -o "$out/modules/$name.so" "$source"
    done
}

# Those pages, as scripts.
write_guides() {
    local page
    mkdir -p -- "$1"
    for page in "${FOLLOWED[@]}"; do
        (cd -- "$REPO_DIR" && cargo run -q --locked -p confine-manual -- script "docs/$page.md") >"$1/${page##*/}.sh"
    done
}

# Everyone's Basic credentials, so that a test needs no program to make them.
credentials() {
    local name
    while IFS=: read -r name _; do
        printf '%s %s\n' "$name" "$(printf '%s:%s' "$name" "$name" | base64)"
    done
}

build_payload() {
    local tree
    tree=$(mktemp -d)
    mkdir -p -- "$tree/lab"
    cp -- "$LAB_DIR"/guest/{run,shell,lib.sh,guide.sh,kinds.sh,reach.sh,pools.sh,mixed.pl,upgrade.pl,speed.awk,users,*.map,*.conf,*.tomoyo} "$tree/lab/"
    cp -R -- "$LAB_DIR"/{tests,www,app} "$REPO_DIR/conf" "$tree/lab/"
    mkdir -- "$tree/lab/policy"
    cp -R -- "$LAB_DIR"/policy/{apparmor,tomoyo} "$tree/lab/policy/"
    credentials <"$LAB_DIR/guest/users" >"$tree/lab/credentials"
    compile_programs "$tree/lab"
    write_guides "$tree/lab/guides"
    [[ ! -e $MODULE ]] || cp -- "$MODULE" "$tree/lab/modules/mod_confine.so"
    # Without its symbols it fits on the disk beside everything else.
    [[ ! -e $COMMAND ]] || strip -o "$tree/lab/bin/confinectl" -- "$COMMAND"
    mkdir -- "$tree/lab/debs"
    debs | xargs -r cp -t "$tree/lab/debs"
    mkdir -- "$tree/lab/tls"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
        -subj /CN=localhost -keyout "$tree/lab/tls/key.pem" -out "$tree/lab/tls/cert.pem"
    chmod -R u=rwX,go=rX "$tree"
    chmod 755 "$tree"/lab/{run,shell}
    find "$tree/lab/www" \( -path '*/cgi/*' -o -name cgi \) -type f -exec chmod 755 {} +
    as_root find "$tree/lab/www" \( -name data -o -path '*/data/*' \) -exec chown 33:33 {} +
    label "$CACHE/root" "$tree"
    disk "$tree/lab" "$CACHE/payload.img" 64
    as_root rm -rf -- "$tree"
}

payload() {
    local key
    key=$(payload_key)
    is_fresh payload "$key" && return 0
    [[ -e $COMMAND ]] || say "no command at $COMMAND; tests that need it will fail"
    [[ -e $MODULE ]] || say "no module at $MODULE; tests that need it will say so"
    timed 'payload' build_payload
    set_fresh payload "$key"
}
