# shellcheck shell=bash
# The packages under test, twice: `old` is what the changelog says, `new` one revision higher, for the upgrade.

# newer FOLDER: one more entry in the changelog.
newer() {
    local version
    version=$(dpkg-parsechangelog -l "$1/debian/changelog" -S Version)
    {
        printf 'mod-confine (%s.1) unstable; urgency=medium\n\n  * A higher version, for the test of upgrades.\n\n' "$version"
        printf ' -- mod_confine maintainers <mod-confine@packages.debian.org>  %s\n\n' "$(date -R)"
        cat "$1/debian/changelog"
    } >"$1/debian/changelog.new"
    mv "$1/debian/changelog.new" "$1/debian/changelog"
}

# moved FROM TO: what a build left beside its sources.
moved() {
    mkdir -p "$2"
    mv "$1"/*.deb "$1"/*.buildinfo "$1"/*.changes "$2"
}

# What is left: there is no bug yet that asks for the package, bytes of code may look like a misspelt word, and with the
# site of the manual the pages are larger than the module, whose package they belong to.
readonly NOT_SAID=initial-upload-closes-no-bugs,spelling-error-in-binary,arch-dep-package-has-big-usr-share
lint() {
    lintian --fail-on none --display-info --suppress-tags "$NOT_SAID" "$1"/*.changes >"$WORK/lintian" 2>&1
    ! grep -E '^[EWI]:' "$WORK/lintian"
}

# No folder of this machine stands in the files, and they are stripped. clean_binaries MODULE COMMAND PATTERN...
clean_binaries() {
    local file found problems=0 files=("$1" "$2")
    shift 2
    for file in "${files[@]}"; do
        echo "# $(stat -c %s "$file") bytes: ${file#"$WORK"/tree}"
        # All is read: a grep that ends early lets strings fail, and the pipeline with it (pipefail), as if nothing was found.
        if found=$(strings -a "$file" | grep -F "$@"); then
            head -n 3 <<<"$found"
            problems=1
        fi
        if file "$file" | grep -q 'not stripped'; then problems=1; fi
    done
    return "$problems"
}

# unpacked DEBS: into $WORK/tree.
unpacked() {
    local file
    rm -rf "$WORK/tree"
    for file in "$1"/libapache2-mod-confine_*.deb "$1"/confinectl_*.deb; do dpkg-deb -x "$file" "$WORK/tree"; done
}

# Links of the installed pages lead to files that are there.
whole_links() {
    local doc=$WORK/tree/usr/share/doc page link broken=0
    while IFS= read -r page; do
        while IFS= read -r link; do
            [[ $link == *:* || -z ${link%%#*} || -e $(dirname "$page")/${link%%#*} ]] || { echo "# $page: $link" && broken=1; }
        done < <(grep -oE '\]\([^() ]+\)' "$page" | sed 's/^](//; s/)$//')
    done < <(find "$doc" -name '*.md')
    return "$broken"
}

# all_that_ships DOC [FOLDER PLACE]...: the pages of the manual, the examples and the parts of rulesets are in $WORK/tree,
# DOC being the folder of the documentation; and policies of FOLDER are in PLACE, too, where they are used. Man pages are
# compressed.
all_that_ships() {
    local file place missing=0 doc=$WORK/tree/usr/share/doc/$1 count=0
    shift
    while IFS= read -r file; do
        case $file in
            docs/man/*) place=$WORK/tree/usr/share/man/man${file##*.}/${file##*/}.gz ;;
            conf/landlock/* | conf/monitoring/*) place=$WORK/tree/usr/share/mod_confine/${file#conf/} ;;
            *) place=$doc/$file ;;
        esac
        count=$((count + 1))
        [ -s "$place" ] || { echo "# $file is missing: $place" && missing=1; }
    done < <(cd "$REPO" && find docs conf -type f)
    while [ $# -gt 0 ]; do
        for file in "$REPO/$1"/mod_confine*; do
            place=$WORK/tree/$2/${file##*/}
            [ -s "$place" ] || { echo "# ${file#"$REPO"/} is missing: $place" && missing=1; }
        done
        shift 2
    done
    echo "# $count files of docs and conf"
    [ "$missing" = 0 ] && [ "$count" -gt 50 ]
}

# packages_of_here FOLDER: by `make deb`.
packages_of_here() {
    local tree
    if ! scripts/deb; then
        echo "not ok packages: make deb"
        return 1
    fi
    tree=$(find "$REPO/target/deb" -maxdepth 1 -name 'mod-confine-*' -type d)
    moved "$REPO/target/deb" "$1/old"
    cp "$1"/old/* "$REPO/target/deb/"
    newer "$tree"
    (cd "$tree" && DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -b -us -uc -nc -d) >"$CACHE/log/newer.log" 2>&1 || return 1
    mkdir -p "$1/new"
    mv "$REPO"/target/deb/*-[0-9]*.1_*.{deb,changes,buildinfo} "$1/new"
    result "lintian" lint "$1/old"
    unpacked "$1/old"
    result "no path of the build, stripped" clean_binaries "$WORK/tree/usr/lib/apache2/modules/mod_confine.so" \
        "$WORK/tree/usr/bin/confinectl" -e "$REPO" -e /.cargo/ -e /.rustup/
    result "links of the pages" whole_links
    result "all pages, examples, policies and parts of rulesets" all_that_ships libapache2-mod-confine \
        conf/apparmor/abstractions etc/apparmor.d/abstractions conf/selinux usr/share/selinux/packages/mod_confine
}

# native_packages RELEASE FOLDER: in a root of that release, by its own compiler, in two folders, without a network.
native_packages() {
    local release=$1 out=$2 root words
    read -ra words <<<"$(builders "$release")"
    root=$(root_folder "$release" build "${words[@]}")
    scripts/sources vendor
    scripts/sources stage "$out/source"
    in_a_root "$root" "$out" "$REPO/tests/packages/native-build.sh" "$CACHE/log/native-$release.txt" || return 1
    mv "$out"/native/* "$out"
}

# same_from_source DEBS: the source package, built in a folder of another name, gives the same bytes.
same_from_source() {
    local source=$WORK/source folder=$WORK/built/by/somebody/else
    mkdir -p "$folder"
    scripts/deb --source "$source" || return 1
    (cd "$folder" && dpkg-source --extract "$source"/*.dsc tree && cd tree &&
        DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -b -us -uc -d) >"$CACHE/log/twice.log" 2>&1 || return 1
    (cd "$1" && sha256sum ./*.deb) | tee "$WORK/one" | sed 's/^/# /'
    (cd "$folder" && sha256sum ./*.deb) >"$WORK/two"
    diff "$WORK/one" "$WORK/two"
}
