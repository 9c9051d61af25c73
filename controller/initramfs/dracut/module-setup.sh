#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# dracut: keyscribed, its configuration, and the hook that has it attach the programs.

check() {
    require_binaries /usr/sbin/keyscribed
}

depends() {
    echo base
}

install() {
    inst_binary /usr/sbin/keyscribed
    inst_simple /etc/keyscribe/keyscribe.toml
    # Before udev loads a driver.
    inst_hook pre-udev 00 "$moddir/keyscribe-attach.sh"
}
