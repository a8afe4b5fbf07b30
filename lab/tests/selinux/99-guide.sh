# shellcheck shell=bash
# limit: 400
# docs/guides/selinux.md, command by command, after the boot. The policy is built in the guest, which takes its time.

. /lab/guide.sh
guide selinux
