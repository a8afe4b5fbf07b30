# shellcheck shell=bash
# The kernels that guests boot, as Debian ships them, each with an initrd.

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

kernels() {
    local version key
    key=$(hash_of lab/lib/kernel.sh lab/guest/initrd)
    for version in 6.1 6.12; do
        is_fresh "kernel-$version" "$key" && continue
        timed "kernel $version" build_kernel "$version"
        set_fresh "kernel-$version" "$key"
    done
}
