#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Random operations of several uids, threads and namespaces (oracle.c): in the end, and at moments in between with
# everything halted, the list has each key in each keyring as the kernel has it. OPERATIONS: how many (2000);
# SEED: which (1).

. "$(dirname "$0")/lib.sh"

operations=${OPERATIONS:-2000} seed=${SEED:-1}
modprobe dns_resolver 2>/dev/null
names=(oracle{0..3} nested{0..7})
rules="measure func=KEY_CHECK keyrings=$(IFS='|' && echo "${names[*]}") key_type=* keyring_uid=* op=all payload=none"

# What request_key(2) starts: it makes the key where it was asked for, or elsewhere, or refuses.
cat >/etc/request-key.conf <<'C'
create user oracle:made:* * /bin/keyctl instantiate %k x %S
create user oracle:elsewhere:* * /bin/keyctl instantiate %k x @u
create user oracle:reject:* * /bin/keyctl reject %k 30 rejected %S
create user oracle:negate:* * /bin/keyctl negate %k 30 %S
C
certificate oracle
check "policy" policy 10-oracle "$rules"
check "ready" keyscribe wait ready --timeout 60
rings=()
for i in 0 1 2 3; do
    rings+=("$(keyctl newring oracle$i @u)")
    keyctl setperm "${rings[i]}" 0x3f3f3f3f
done
keyctl link @u @s 2>/dev/null

run() { /share/bin/oracle "$1" "$2" "$work/oracle.der" "${rings[@]}"; }

# The collector of the kernel works when it wants to.
same() {
    settle && keyscribe keyrings --json | python3 /share/oracle_compare.py "${names[@]}" >"$work/compared"
}
agree() {
    local serial
    check "$1" wait_for 15 same
    cat "$work/compared"
    # What the list says of those that differ.
    grep -oE '[0-9]{6,}' "$work/compared" | sort -u | head -n 5 | while read -r serial; do
        keyscribe list --format json | grep -F "$serial" | jq -c '.record // {} | select(.key != null) |
            [.time, .key, .keyring_name, .uid, .state // empty]' --arg none "" 2>/dev/null | tail -n 4
        keyscribe list --format json | grep -F "$serial" | jq -r .name | tr '\n' ' '
        echo
    done
}

for part in 1 2 3; do
    run $((seed * 10 + part)) $((operations / 5))
    agree "list and kernel agree, $part"
done

echo "# while the policy names none of them"
policy 10-oracle 'measure func=KEY_CHECK keyrings=.ima key_type=* op=all payload=none' >/dev/null
run $((seed * 10 + 4)) $((operations / 5))
check "policy" policy 10-oracle "$rules"
agree "list and kernel agree when it does again"

echo "# while no daemon looks"
systemctl kill -s KILL keyscribed
run $((seed * 10 + 5)) $((operations / 5))
systemctl restart keyscribed
check "ready" keyscribe wait ready --timeout 60
agree "list and kernel agree after the restart"
echo "        $(status '.counters | "\(.captured) captured, \(.lost) lost, \(.missed) missed, \(.dropped) dropped"'), $(records_of baseline-begin | jq -rs 'map(.reason) | group_by(.) | map("\(length) \(.[0])") | join(", ")') baselines"
books_are_closed
finish
