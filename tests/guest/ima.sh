#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The kernel's own IMA and Keyscribe side by side, on one keyring: boot with integrity and bpf among
# the LSMs (lsm=...). IMA drops an entry whose digest it has measured before; else they agree.

. "$(dirname "$0")/lib.sh"

ima=/sys/kernel/security/ima
check "IMA is there" test -e $ima/ascii_runtime_measurements
check "bpf is an active LSM" grep -qw bpf /sys/kernel/security/lsm
# The second without a name, since none with a blank can be in a rule.
rules=('measure func=KEY_CHECK keyrings=ks_ring' 'measure func=KEY_CHECK uid=65534')
printf '%s\n' "${rules[@]}" >$ima/policy || fail "IMA's policy"
check "our policy" policy 10-ima "${rules[@]}"
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
blanks=$(keyctl newring 'a ring with blanks' @u)
keyctl setperm "$blanks" 0x3f3f3f3f
certificate blanks
setpriv --reuid 65534 --regid 65534 --clear-groups \
    keyctl padd asymmetric "" "$blanks" <"$work/blanks.der" >/dev/null || fail "add as nobody"
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
name_of() { awk -v digest="sha256:$(sha256 "$work/$2.der")" '$4 == digest { print $5 }' "$1"; }
equal "IMA writes a name's blanks so" "$(name_of $ima/ascii_runtime_measurements blanks)" a_ring_with_blanks
equal "and so do we" "$(name_of $list_dir/ascii_runtime_measurements blanks)" a_ring_with_blanks
equal "whose it is, we know" "$(keyscribe keyrings 'a ring with blanks' --json |
    jq -r '.. | objects | select(.sha256?) | .sha256' | sort -u)" "$(sha256 "$work/blanks.der")"
check "evmctl matches our list" evmctl_matches

echo "# what IMA does not see: linked, moved, instantiated, removed and added again"
# The helper of request-key(8), which instantiates what was asked for from a file.
mkdir -p /etc/request-key.d
echo 'create asymmetric ks:* * /root/instantiate %k' >/etc/request-key.d/ks.conf
printf '#!/bin/sh\nexec keyctl pinstantiate "$1" 0 <%s/instantiated.der\n' "$work" >/root/instantiate
chmod +x /root/instantiate
for name in linked moved instantiated again; do certificate $name; done
before_ima=$(of_ima | wc -l)
key=$(keyctl padd asymmetric "" "$other" <"$work/linked.der")
keyctl link "$key" "$ring"
key=$(keyctl padd asymmetric "" "$other" <"$work/moved.der")
keyctl move "$key" "$other" "$ring"
keyctl request2 asymmetric ks:instantiated callout "$ring" >/dev/null || fail "request-key"
key=$(keyctl padd asymmetric "" "$ring" <"$work/again.der")
keyctl unlink "$key" "$ring"
keyctl padd asymmetric "" "$ring" <"$work/again.der" >/dev/null
settle
equal "the keyring has them all" "$(keyctl rlist "$ring" | wc -w)" 14
equal "IMA has but the one that was added" "$(($(of_ima | wc -l) - before_ima))" 1
equal "Keyscribe has all of them, as IMA would have written them" "$(ours | tail -n 5)" \
    "$(for name in linked moved instantiated again again; do echo "sha256:$(sha256 "$work/$name.der") ks_ring"; done)"
equal "and how they came" "$(keyscribe list --format json | jq -r '.record | select(.plain) | .seq' | wc -l)" \
    "$(($(ours | wc -l) + 1))"
check "evmctl matches our list" evmctl_matches
finish
