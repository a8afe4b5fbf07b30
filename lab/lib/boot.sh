# shellcheck shell=bash
# One guest: a kernel, an LSM and tests to run in it.

BOOT_TIMEOUT=${LAB_BOOT_TIMEOUT:-600}

# What the kernel command line says for each LSM a test can ask for.
lsm_arguments() {
    case $1 in
        selinux) echo 'lsm=landlock,yama,selinux enforcing=1' ;;
        selinux-permissive) echo 'lsm=landlock,yama,selinux enforcing=0' ;;
        # Debian's kernels are built without selinux=0 (SECURITY_SELINUX_BOOTPARAM).
        selinux-off) echo 'lsm=landlock,yama' ;;
        selinux-no-policy) echo 'lsm=landlock,yama,selinux lab.no-policy' ;;
        # The kernel starts TOMOYO when this program is executed: guest/init's second run.
        tomoyo) echo 'lsm=landlock,yama,tomoyo TOMOYO_trigger=/sbin/lab-init-tomoyo' ;;
        apparmor) echo 'lsm=landlock,yama,apparmor' ;;
        apparmor-off) echo 'lsm=landlock,yama,apparmor apparmor=0' ;;
        landlock) echo 'lsm=landlock,yama' ;;
        *) die "no LSM $1 here; there are selinux, selinux-permissive, selinux-off, selinux-no-policy, tomoyo, apparmor, apparmor-off, landlock" ;;
    esac
}

# Emulation: some machines have a /dev/kvm under which guests hang, so hardware is used
# only where the caller says that a guest boots with it. Without -cx16 one boot in four
# of 6.12 dies in cmpxchg16b under TCG; a CPU with fewer features boots faster, because
# fewer of them have to be emulated, and addresses that are the same in every process
# (norandmaps) let translated code be used again. With +rdrand the kernel has its random
# numbers at once; without, the first program that wants some waits for seconds.
#
# LAB_CLOCK=instructions: the guest's clock counts the instructions that it executes, 8 ns
# each, and jumps where it would idle. What the guest measures then does not depend on who
# else uses this machine.
qemu() {
    local kernel=$1 lsm=$2 extra=$3 accel=${LAB_ACCEL:-tcg,thread=multi} cpu='qemu64,-cx16,+rdrand' clock=()
    shift 3
    [[ ${LAB_CLOCK:-time} == time ]] || accel=tcg,thread=single clock=(-icount 'shift=3,sleep=off')
    [[ $accel != kvm* ]] || cpu=host
    qemu-system-x86_64 -accel "$accel" "${clock[@]}" -cpu "$cpu" -smp "${LAB_CPUS:-1}" -m 1024 \
        -nodefaults -no-reboot -nic none -display none \
        -kernel "$CACHE/kernel-$kernel/vmlinuz" -initrd "$CACHE/kernel-$kernel/initrd" \
        -drive "file=$CACHE/root.img,format=raw,if=virtio,snapshot=on" \
        -drive "file=$CACHE/payload.img,format=raw,if=virtio,snapshot=on" \
        -append "console=ttyS0 quiet loglevel=3 panic=-1 net.ifnames=0 mitigations=off norandmaps nokaslr \
${LAB_AUDIT-audit=1} audit_backlog_limit=8192 printk.devkmsg=on $(lsm_arguments "$lsm") ${LAB_APPEND:-} $extra" "$@"
}

# boot KERNEL LSM TEST...: results as they come on stdout, kernel console in a log.
boot() {
    local kernel=$1 lsm=$2 console
    shift 2
    kernel_suite "$kernel" >/dev/null
    mkdir -p -- "$CACHE/log"
    console=$CACHE/log/console-$kernel-$lsm.log
    export -f qemu lsm_arguments die say
    CACHE=$CACHE timeout --foreground "$BOOT_TIMEOUT" bash -c 'qemu "$@"' qemu \
        "$kernel" "$lsm" "lab.test=$(IFS=,; echo "$*")" \
        -serial "file:$console" -serial stdio </dev/null | tr -d '\r' ||
        { tail -n 5 -- "$console"; say "the guest ended badly; its console: $console"; }
}

shell() {
    local kernel=${1:-6.12} lsm=${2:-selinux}
    say "booting; type exit to power off"
    qemu "$kernel" "$lsm" lab.shell -serial mon:stdio
}
