# shellcheck shell=bash
# shellcheck disable=SC2016,SC2153,SC2154 # $status and $said are of stage.sh; what bash -c runs expands there
# Played by stage.sh in a root that has the release's own compiler: the packages from two folders, compared.

# shellcheck source=tests/packages/builds.sh
. "$REPO/tests/packages/builds.sh"

built() {
    local folder=$1
    mkdir -p "$ROOT$folder/source"
    cp -a "$ROOT/debs/source/." "$ROOT$folder/source/"
    run sh -c "cd $folder/source && DEB_BUILD_OPTIONS='$2' dpkg-buildpackage -b -us -uc"
    [ "$status" = 0 ]
}
sums() { (cd "$ROOT$1" && sha256sum ./*.deb); }

check "the package builds, without a network, and passes its tests" built /build/one ''
check "it builds in another folder" built /srv/of/somebody/else nocheck
sums /build/one >"$COPY/one"
sums /srv/of/somebody/else >"$COPY/two"
sed 's/^/# /' "$COPY/one" | tee -a "$TRANSCRIPT"
check "both are the same" cmp "$COPY/one" "$COPY/two"
run sh -c "cd /build/one && lintian --display-info --suppress-tags $NOT_SAID *.changes"
check "lintian" silent_about '^[EWI]:'
mkdir -p "$ROOT/debs/native/old" "$ROOT/debs/native/new"
mv "$ROOT"/build/one/*.{deb,changes,buildinfo} "$ROOT/debs/native/old"

newer "$ROOT/build/one/source"
check "a higher version builds" succeeds sh -c 'cd /build/one/source && DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -b -us -uc -nc'
mv "$ROOT"/build/one/*.{deb,changes,buildinfo} "$ROOT/debs/native/new"
