#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The kernel's own IMA and Keyscribe side by side, on one keyring: boot with integrity and bpf among
# the LSMs (lsm=...). IMA drops an entry whose digest it has measured before; else they agree.

. "$(dirname "$0")/lib.sh"

ima=/sys/kernel/security/ima
check "IMA is there" test -e $ima/ascii_runtime_measurements
check "bpf is an active LSM" grep -qw bpf /sys/kernel/security/lsm
echo 'measure func=KEY_CHECK keyrings=ks_ring' >$ima/policy || fail "IMA's policy"
check "our policy" policy 10-ima 'measure func=KEY_CHECK keyrings=ks_ring'
check "ready" keyscribe wait ready --timeout 60

ring=$(keyctl newring ks_ring @u)
other=$(keyctl newring other @u)
for i in 1 2 3 4 5; do
    certificate "c$i" $((i * 700))
    keyctl padd asymmetric "" "$ring" <"$work/c$i.der" >/dev/null
    keyctl padd asymmetric "" "$other" <"$work/c$i.der" >/dev/null
    keyctl padd user "u$i" "$ring" <"$work/c$i.der" >/dev/null
done
keyctl padd asymmetric "" "$ring" <"$work/c2.der" >/dev/null
settle

# "digest name" of each key; IMA's list has it as the fifth and fourth last fields.
of_ima() { awk '$3 == "ima-buf" && $5 == "ks_ring" { print $4, $5 }' $ima/ascii_runtime_measurements; }
ours() { awk '$3 == "ima-buf" && $5 == "ks_ring" { print $4, $5 }' $list_dir/ascii_runtime_measurements; }
equal "IMA has five entries" "$(of_ima | wc -l)" 5
equal "we have six: the repetition too" "$(ours | wc -l)" 6
equal "the same digests and names, in the same order" "$(ours | awk '!seen[$0]++')" "$(of_ima)"
# Field by field but for the PCR, and so the template digest over the same template data.
same() { awk '$3 == "ima-buf" && $5 == "ks_ring" { $1 = ""; print }' "$1" | awk '!seen[$0]++'; }
equal "the same lines, template digests included" "$(same $list_dir/ascii_runtime_measurements | sha256sum)" \
    "$(same $ima/ascii_runtime_measurements | sha256sum)"
check "evmctl matches our list" evmctl_matches
finish
