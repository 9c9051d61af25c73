#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# In the initramfs, before udev loads a driver: the programs are attached, and stay for the service.
# initramfs-tools executes it (init-top), dracut sources it (pre-udev): hence no exit further down.
# Whatever fails here is said in the kernel's log, and the boot goes on.

case ${1:-} in
prereqs)
    echo
    exit 0
    ;;
esac

# keyscribe_mount TYPE FOLDER OPTIONS: where it is not mounted, as systemd would; a second mount
# would hide the first. Both makers move /sys with what is mounted in it to the root, and systemd
# leaves it there.
keyscribe_mount() {
    case $(cat /proc/mounts) in
    *" $2 $1 "*) ;;
    *) mount -t "$1" -o "nosuid,nodev,noexec$3" "$1" "$2" ;;
    esac
}

{
    echo "info: attaching"
    # The active LSMs stand there, by which the attach point is chosen: the service has to come to
    # the same choice.
    keyscribe_mount securityfs /sys/kernel/security ""
    keyscribe_mount bpf /sys/fs/bpf ,mode=700
    /usr/libexec/keyscribe-attach && echo "info: attached"
} 2>&1 | while read -r line; do
    case $line in
    info:*) echo "<6>keyscribe: ${line#info: }" ;;
    *) echo "<3>keyscribe: $line" ;;
    esac >/dev/kmsg
done
