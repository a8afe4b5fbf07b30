# shellcheck shell=bash
# What is built once and kept in the cache:
#   kernel-6.1, kernel-6.12   vmlinuz, initrd
#   root                      the guest's file system as Debian delivers it
#   root.img                  the same with our policy, labelled, as an ext4 image
#   payload.img               module, test programs and tests, labelled; see payload.sh

PACKAGES=$LAB_DIR/packages
POLICY_SOURCES=(conf/selinux lab/policy)

# The Debian release that ships each kernel. 6.1 has only the /proc interface,
# 6.12 has lsm_set_self_attr(2).
kernel_suite() {
    case $1 in
        6.1) echo bookworm ;;
        6.12) echo trixie ;;
        *) die "no kernel $1 here; there are 6.1 and 6.12" ;;
    esac
}

# private_apt SUITE DIR: an apt of its own, that shares nothing with the system's state.
private_apt() {
    local suite=$1 dir=$2
    mkdir -p -- "$dir/lists/partial" "$dir/cache/archives/partial"
    apt_sources "$suite" >"$dir/sources.list"
    {
        printf 'Dir::Etc::sourcelist "%s";\n' "$dir/sources.list"
        printf 'Dir::Etc::sourceparts "-";\n'
        printf 'Dir::State::lists "%s";\n' "$dir/lists"
        printf 'Dir::State::status "/dev/null";\n'
        printf 'Dir::Cache "%s";\n' "$dir/cache"
        printf 'Acquire::Languages "none";\n'
        printf 'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";\n'
        printf 'APT::Sandbox::User "root";\n' # its user cannot enter this folder
    } >"$dir/apt.conf"
}

build_kernel() {
    local version=$1 dir=$CACHE/kernel-$1 work package
    work=$(mktemp -d)
    private_apt "$(kernel_suite "$version")" "$work"
    export APT_CONFIG=$work/apt.conf
    apt-get -q update
    package=$(apt-cache depends linux-image-cloud-amd64 |
        sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\)/\1/p' | head -n 1)
    echo "kernel $version is $package"
    (cd -- "$work" && apt-get -q download "$package" && dpkg-deb -x ./linux-image-*.deb tree)
    rm -rf -- "$dir"
    mkdir -p -- "$dir"
    cp -- "$work"/tree/boot/vmlinuz-* "$dir/vmlinuz"
    build_initrd "$work/tree" "$dir/initrd" # /lib/modules, or /usr/lib/modules since trixie
    rm -rf -- "$work"
}

# Debian's cloud kernel has ext4 built in and virtio as modules, so the initrd is a
# busybox that loads six modules and hands over.
build_initrd() {
    local modules=$1 out=$2 tree name file order=10
    tree=$(mktemp -d)
    mkdir -p -- "$tree"/{dev,proc,root,modules}
    cp -- "$(command -v busybox)" "$tree/busybox"
    cp -- "$LAB_DIR/guest/initrd" "$tree/init"
    chmod 755 "$tree/init"
    for name in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk; do
        file=$(find "$modules" -name "$name.ko*" -print -quit)
        case $file in
            *.xz) xz -dc -- "$file" >"$tree/modules/$order-$name.ko" ;;
            *.ko) cp -- "$file" "$tree/modules/$order-$name.ko" ;;
            '') continue ;; # built in, or not split off in this version
            *) die "do not know how to unpack $file" ;;
        esac
        order=$((order + 1))
    done
    (cd -- "$tree" && find . | cpio --quiet -o -H newc | gzip -1) >"$out"
    rm -rf -- "$tree"
}

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
        --dpkgopt='force-unsafe-io' \
        --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/boot/*' \
        --customize-hook='tar -C "$1" -cf "$1/root/policy-as-shipped.tar" etc/selinux var/lib/selinux' \
        --include="$packages" "$(host_suite)" "$root" -
}

# The policy store goes back to what Debian ships before ours is installed, so a
# module that was dropped from the tree is gone from the image too.
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
    # shellcheck disable=SC2016 # the glob is the guest's
    as_root chroot "$root" /bin/sh -c 'exec semodule -s default -n -i /root/cil/*.cil'
}

# label ROOT TREE: the guest's own setfiles and policy, run from outside. -m because
# this machine's mounts carry no labels; a chroot would need its own /proc.
label() {
    local root=$1 tree=$2 lib=/usr/lib/x86_64-linux-gnu
    as_root env LD_LIBRARY_PATH="$root$lib:$root/lib/x86_64-linux-gnu" \
        "$root/usr/sbin/setfiles" -mFq -T 0 -r "$tree" \
        -c "$root"/etc/selinux/default/policy/policy.* \
        "$root/etc/selinux/default/contexts/files/file_contexts" "$tree"
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
    as_root mkdir -p -- "$root/lab"
    label "$root" "$root"
    disk "$root" "$CACHE/root.img" 1200
}

# image: bring everything up to date; a warm call takes a moment.
image() {
    local version key
    mkdir -p -- "$CACHE"
    host_packages
    for version in 6.1 6.12; do
        key=$(hash_of lab/lib/image.sh lab/guest/initrd)
        is_fresh "kernel-$version" "$key" && continue
        timed "kernel $version" build_kernel "$version"
        set_fresh "kernel-$version" "$key"
    done

    key=$(hash_of lab/packages)
    if ! is_fresh root "$key"; then
        rm -f -- "$CACHE/policy.key"
        timed 'root file system' build_root
        set_fresh root "$key"
    fi
    key=$key-$(hash_of "${POLICY_SOURCES[@]}")
    if ! is_fresh policy "$key"; then
        timed 'policy' build_policy
        set_fresh policy "$key"
    fi
    key=$key-$(hash_of lab/guest/init lab/lib/image.sh)
    if ! is_fresh root.img "$key"; then
        timed 'root image' build_root_image
        set_fresh root.img "$key"
    fi
}
