#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# initramfs-make.sh RELEASE: makes an initramfs for this kernel with each of the two makers, as the
# administrator of a host does; run by tests/guest/initramfs, in the installed system's tree. A site
# has a script of its own in them, which adds a key.

set -euo pipefail
release=$1
modules=(virtio_blk ext4 9p 9pnet_virtio)
mkdir -p /etc/site /usr/lib/dracut/modules.d/90site
openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=early -days 30 -outform DER \
    -out /etc/site/early.der 2>/dev/null

# Right behind ours. Then ours once more, with a configuration that cannot be read: it has to say so
# and to go on.
cat >/etc/initramfs-tools/scripts/init-top/site <<'END_OF_SCRIPT'
#!/bin/sh
case ${1:-} in
prereqs)
    echo keyscribe
    exit 0
    ;;
esac
{
    keyctl link @u @s
    keyring=$(keyctl newring early @u)
    keyctl padd asymmetric "" "$keyring" </etc/site/early.der
    mkdir -p /etc/keyscribe
    echo 'no = [configuration' >/etc/keyscribe/keyscribe.toml
    for script in /scripts/init-top/keyscribe /lib/dracut/hooks/pre-udev/00-attach.sh; do
        [ ! -e $script ] || sh $script || echo "$script failed"
    done
    echo "the end"
} 2>&1 | while read -r line; do echo "<6>site: $line" >/dev/kmsg; done
END_OF_SCRIPT
cat >/etc/initramfs-tools/hooks/site <<'END_OF_SCRIPT'
#!/bin/sh -e
[ "$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
copy_exec /usr/bin/keyctl
mkdir -p "$DESTDIR/etc/site"
cp /etc/site/early.der "$DESTDIR/etc/site/"
END_OF_SCRIPT
chmod +x /etc/initramfs-tools/{hooks,scripts/init-top}/site
cp /etc/initramfs-tools/scripts/init-top/site /usr/lib/dracut/modules.d/90site/site.sh
cat >/usr/lib/dracut/modules.d/90site/module-setup.sh <<'END_OF_SCRIPT'
install() {
    inst_multiple keyctl mkdir /etc/site/early.der
    inst_hook pre-udev 50 "$moddir/site.sh"
}
END_OF_SCRIPT

# The kernel's package brings this file; mkinitramfs reads in it what the kernel can unpack.
echo CONFIG_RD_GZIP=y >"/boot/config-$release"
printf 'MODULES=list\nCOMPRESS=gzip\nCOMPRESSLEVEL=1\n' >/etc/initramfs-tools/conf.d/site
printf '%s\n' "${modules[@]}" >/etc/initramfs-tools/modules
mkinitramfs -o /boot/initramfs-tools.img "$release"
dracut --quiet --force --no-hostonly --no-compress --drivers "${modules[*]}" /boot/dracut.img "$release"
