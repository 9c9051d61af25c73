#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Kernels that could have the LSM hook, but bpf is no active LSM (boot with lsm=lockdown,integrity):
# the function behind the hook is traced instead, and sees each operation once.

. "$(dirname "$0")/lib.sh"

refute "bpf is no active LSM" grep -qw bpf /sys/kernel/security/lsm
equal "the fallback" "$(status '.hooks[0].attach_point')" fentry:security_key_post_create_or_update
check "doctor is content" keyscribe doctor
check "our policy" policy 10-test 'measure func=KEY_CHECK keyrings=watched'
check "ready" keyscribe wait ready --timeout 60
ring=$(keyctl newring watched @u)
for i in 1 2 3; do
    certificate "c$i"
    keyctl padd asymmetric "" "$ring" <"$work/c$i.der" >/dev/null
done
settle
equal "each once" "$(digests_of watched | tr '\n' ' ')" \
    "$(for i in 1 2 3; do printf 'sha256:%s ' "$(sha256 "$work/c$i.der")"; done)"
check "evmctl matches" evmctl_matches

echo "# a hook that would never be called is refused, not attached"
systemctl stop keyscribed
printf '[capture]\nhook = "lsm"\n' >/etc/keyscribe/keyscribe.toml
refute "hook = \"lsm\"" keyscribed
finish
