#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# request_key(2) puts the key into the keyring where it is wanted by itself, wherever the helper that makes it puts
# it too: each keyring that gets a key is in the list, with the payload, whoever gave it the key.

. "$(dirname "$0")/lib.sh"

ring=$(keyctl newring watched @u)
other=$(keyctl newring other @u)
check "policy" policy 10-request 'measure func=KEY_CHECK keyrings=watched|race key_type=user|asymmetric op=all payload=full'
check "ready" keyscribe wait ready --timeout 60
check "doctor names the hooks" sh -c 'keyscribe doctor | grep -F request_key_auth_new &&
    keyscribe doctor | grep -F __key_link_check_live_key'

# The helper of request-key(8): makes what the description says, in the requester's session keyring.
mkdir -p /etc/request-key.d
printf 'create %s rk:* * /root/make %%d %%k %%S\n' asymmetric user >/etc/request-key.d/rk.conf
cat >/root/make <<M
#!/bin/sh
case \$1 in
rk:made*) keyctl pinstantiate "\$2" "\$3" <$work/made.der ;;
rk:race*) keyctl instantiate "\$2" raced "\$3" ;;
rk:user*) keyctl instantiate "\$2" made-by-helper "\$3" ;;
rk:here*) keyctl instantiate "\$2" made-by-helper 0 ;;
rk:reject*) keyctl reject "\$2" 300 rejected "\$3" ;;
rk:negate*) keyctl negate "\$2" 300 "\$3" ;;
rk:*) exit 0 ;;
esac
M
chmod +x /root/make
certificate made

# operations SERIAL: of a key in the watched keyring, in the list's order.
operations() {
    keyscribe list --format json | jq -r "select(.record.key? == $1 and .record.keyring == $ring) | .name | ltrimstr(\"keyscribe:\")" |
        tr '\n' ' '
}
# in_kernel KEYRING, in_model KEYRING NAME: the serials of its keys.
in_kernel() { keyctl rlist "$1" | tr ' ' '\n' | grep . | sort; }
in_model() { keyscribe keyrings "$2" --json | jq -r ".keyrings[] | select(.serial == $1) | .keys[].serial" | sort; }

echo "# made in another keyring"
key=$(keyctl request2 asymmetric rk:made callout "$ring")
settle
equal "the certificate stands there" "$(in_kernel "$ring")" "$key"
equal "linked, then instantiated" "$(operations "$key")" "link instantiate "
equal "and measured" "$(digests_of watched)" "sha256:$(sha256 "$work/made.der")"
key=$(keyctl request2 user rk:here callout "$ring")
settle
equal "where the helper names none: the same" "$(operations "$key")" "link instantiate "

echo "# not made"
# /proc/keys: serial, then flags, of which the sixth says that the key is negative.
is_negative() { grep -E "^0*$(printf %x "$1") .....N" /proc/keys; }
for how in reject negate nothing; do
    in_kernel "$ring" >"$work/before"
    keyctl request2 user rk:$how callout "$ring" >/dev/null 2>&1
    key=$(in_kernel "$ring" | comm -13 "$work/before" -)
    check "$how: a negative key stands there" is_negative "$key"
    settle
    equal "linked, then rejected" "$(operations "$key")" "link reject "
done
equal "the model has the kernel's keys" "$(in_model "$ring" watched)" "$(in_kernel "$ring")"

echo "# there already: found, and linked"
key=$(keyctl request2 user rk:user callout "$other")
equal "the same key" "$(keyctl request2 user rk:user callout "$ring")" "$key"
settle
equal "linked once" "$(operations "$key")" "link "

echo "# updated by way of a keyring that no rule names"
keyctl add user rk:user updated "$other" >/dev/null
settle
equal "the watched one has it too" "$(operations "$key")" "link update "
equal "with its payload" "$(records_of update | tail -n 1 | jq -r .sha256)" "$(printf updated | sha256sum | cut -d' ' -f1)"
equal "the model has the kernel's keys" "$(in_model "$ring" watched)" "$(in_kernel "$ring")"

echo "# one key asked for by eight at once, each for a keyring of its own"
parent=$(keyctl newring races @s)
races=()
for i in 1 2 3 4 5 6 7 8; do
    between=$(keyctl newring "between $i" "$parent")
    races+=("$(keyctl newring race "$between")")
done
got=$(/share/bin/request_race 40 "${races[@]}")
settle
equal "each got it" "$got" 320
for i in "${!races[@]}"; do
    in_kernel "${races[$i]}" >"$work/kernel.$i"
    in_model "${races[$i]}" race >"$work/model.$i"
done
equal "the model has the kernel's keys" "$(cat "$work"/model.*)" "$(cat "$work"/kernel.*)"
equal "nothing was lost or missed" "$(status '"\(.counters.lost) \(.counters.missed)"')" "0 0"
equal "no record twice" "$(keyscribe list --format json | jq -c 'select(.name == "keyscribe:link") |
    [.record.key, .record.keyring]' | sort | uniq -d)" ""
check "evmctl matches" evmctl_matches

echo "# into .secondary_trusted_keys, whose restriction the kernel does not apply on this path"
check "policy" policy 10-secondary 'measure func=KEY_CHECK keyrings=.secondary_trusted_keys'
ring=$(keyctl show %:.secondary_trusted_keys | awk 'NR == 2 { print $1 }')
refute "add_key(2) refuses the certificate" sh -c "keyctl padd asymmetric '' $ring <$work/made.der"
key=$(keyctl request2 asymmetric rk:made-too callout "$ring")
settle
check "request_key(2) does not" sh -c "keyctl rlist $ring | tr ' ' '\\n' | grep -qx $key"
equal "it is told, with where it stands" "$(operations "$key")" "link instantiate "
check "and measured" sh -c "keyscribe list --format json --name .secondary_trusted_keys | grep -q $(sha256 "$work/made.der")"

finish
