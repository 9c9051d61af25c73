#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# dracut: keyscribe-attach, its libraries, its configuration, and the hook that has it attach the programs.

check() {
    require_binaries /usr/libexec/keyscribe-attach
}

depends() {
    echo base
}

install() {
    inst_multiple cat mount /usr/libexec/keyscribe-attach
    # Without it the defaults hold.
    inst_multiple -o /etc/keyscribe/keyscribe.toml
    # shellcheck disable=SC2154 # dracut sets it
    inst_hook pre-udev 00 "$moddir/attach.sh"
}
