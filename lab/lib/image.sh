# shellcheck shell=bash
# What is built once and kept in the cache:
#   kernel-6.1, kernel-6.12   vmlinuz, initrd
#   root                      the guest's file system as Debian delivers it
#   root.img                  the same with our policy, labelled, as an ext4 image
#   payload.img               module, test programs and tests, labelled; see payload.sh

PACKAGES=$LAB_DIR/packages
POLICY_SOURCES=(conf/selinux lab/policy/selinux)

build_root() {
    local root=$CACHE/root packages
    packages=$(grep -Ev '^(#|$)' "$PACKAGES" | paste -sd, -)
    apt_acquire >"$CACHE/acquire.conf"
    as_root rm -rf -- "$root"
    # Only what a request or a test can meet: no manuals, no translations.
    # shellcheck disable=SC2016 # "$1" belongs to mmdebstrap's hook
    apt_sources "$(host_suite)" | as_root mmdebstrap --variant=minbase --mode=root \
        --aptopt="$CACHE/acquire.conf" \
        --aptopt='APT::Install-Recommends "false"' \
        --aptopt='Acquire::Languages "none"' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/bitcode/*' \
        --dpkgopt='path-exclude=/usr/lib/x86_64-linux-gnu/libLLVM*' \
        --dpkgopt='force-unsafe-io' \
        --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/boot/*' \
        --customize-hook='tar -C "$1" -cf "$1/root/policy-as-shipped.tar" etc/selinux var/lib/selinux' \
        --include="$packages" "$(host_suite)" "$root" -
}

# The policy store goes back to what Debian ships before ours is installed, so a
# module that was dropped from the tree is gone from the image too.
#
# Two policies come of it: with all modules, which labels the files and which tests load
# for tenants in the server's own domain (/etc/selinux/mcs.policy), and without that form,
# which the guest boots with.
build_policy() {
    local root=$CACHE/root file
    as_root rm -rf -- "$root/etc/selinux" "$root/var/lib/selinux" "$root/root/cil"
    as_root tar -C "$root" -xf "$root/root/policy-as-shipped.tar"
    # Off in Debian: with it the build names a right that a bounded domain has and
    # its parent lacks, instead of leaving the kernel to mask it.
    as_root sed -i 's/^expand-check=.*/expand-check=1/' "$root/etc/selinux/semanage.conf"
    as_root mkdir -p -- "$root/root/cil"
    for file in "${POLICY_SOURCES[@]}"; do
        as_root cp -- "$REPO_DIR/$file"/*.cil "$root/root/cil/"
    done
    as_root chroot "$root" /bin/sh -c 'exec semodule -s default -n -i /root/cil/*.cil'
    as_root cp -- "$root"/etc/selinux/default/policy/policy.* "$root/etc/selinux/mcs.policy"
    as_root cp -R -- "$root/etc/selinux/default/contexts/files" "$root/etc/selinux/mcs.files"
    as_root chroot "$root" semodule -s default -n -r lab_mcs mod_confine_mcs
}

# label ROOT TREE: the guest's own setfiles and policy, run from outside. -m because
# this machine's mounts carry no labels; a chroot would need its own /proc.
label() {
    local root=$1 tree=$2 lib=/usr/lib/x86_64-linux-gnu
    as_root env LD_LIBRARY_PATH="$root$lib:$root/lib/x86_64-linux-gnu" \
        "$root/usr/sbin/setfiles" -mFq -T 0 -r "$tree" \
        -c "$root/etc/selinux/mcs.policy" "$root/etc/selinux/mcs.files/file_contexts" "$tree"
}

# disk TREE IMAGE MEGABYTES: an ext4 image with the tree's attributes; nothing is mounted.
disk() {
    local tree=$1 image=$2 size=$3
    as_root rm -f -- "$image"
    truncate -s "${size}M" "$image"
    as_root mke2fs -q -t ext4 -O ^has_journal -E root_owner=0:0,lazy_itable_init=1 -d "$tree" "$image"
}

build_root_image() {
    local root=$CACHE/root
    as_root cp -- "$LAB_DIR/guest/init" "$root/sbin/lab-init"
    as_root chmod 755 "$root/sbin/lab-init"
    as_root ln -sf lab-init "$root/sbin/lab-init-tomoyo"
    as_root mkdir -p -- "$root/lab"
    label "$root" "$root"
    disk "$root" "$CACHE/root.img" 1200
}

# image: bring everything up to date; a warm call takes a moment.
image() {
    local key kernels_job
    mkdir -p -- "$CACHE"
    host_packages
    # Beside the root file system, whose making waits for the network as well.
    kernels &
    kernels_job=$!

    key=$(hash_of lab/packages)
    if ! is_fresh root "$key"; then
        rm -f -- "$CACHE/policy.key"
        timed 'root file system' build_root
        set_fresh root "$key"
    fi
    key=$key-$(hash_of "${POLICY_SOURCES[@]}" lab/lib/image.sh)
    if ! is_fresh policy "$key"; then
        timed 'policy' build_policy
        set_fresh policy "$key"
    fi
    key=$key-$(hash_of lab/guest/init lab/lib/image.sh)
    if ! is_fresh root.img "$key"; then
        timed 'root image' build_root_image
        set_fresh root.img "$key"
    fi
    wait "$kernels_job" || die 'no kernels'
}
