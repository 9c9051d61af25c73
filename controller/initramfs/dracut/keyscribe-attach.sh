#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# dracut, pre-udev: the programs are attached before the root is mounted; the service adopts them.
# With systemd in the initramfs this runs in dracut-pre-udev.service.

/usr/sbin/keyscribed --attach
