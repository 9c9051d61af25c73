#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Random operations of several uids, threads and namespaces (oracle.c): at moments in between, with everything halted,
# and in the end, the list has each key in each keyring as the kernel has it. OPERATIONS: how many (2000); MOMENTS: how
# many in between (3; from 20,000 operations on 20, and four more in the end); SEED: which (1).

. "$(dirname "$0")/lib.sh"

operations=${OPERATIONS:-2000} seed=${SEED:-1}
moments=${MOMENTS:-$((operations < 20000 ? 3 : 20))}
modprobe dns_resolver 2>/dev/null
# Not nested4 to nested7: these are watched while they stand in another, as session, process and thread keyrings are.
names=(oracle{0..3} nested{0..3})
rules="measure func=KEY_CHECK keyrings=$(IFS='|' && echo "${names[*]}") key_type=* keyring_uid=* op=all payload=none"

# What request_key(2) starts: it makes the key where it was asked for, or elsewhere, or refuses.
cat >/etc/request-key.conf <<'C'
create user oracle:made:* * /bin/keyctl instantiate %k x %S
create user oracle:elsewhere:* * /bin/keyctl instantiate %k x @u
create user oracle:reject:* * /bin/keyctl reject %k 30 rejected %S
create user oracle:negate:* * /bin/keyctl negate %k 30 %S
C
# The long one is a flood.
if ((operations >= 20000)); then
    printf '[list]\nuser_budget = 0\n' >/etc/keyscribe/keyscribe.toml
    systemctl restart keyscribed
fi
certificate oracle
check "policy" policy 10-oracle "$rules"
check "ready" keyscribe wait ready --timeout 60
keyctl link @u @s 2>/dev/null
rings=()
# Anew for each run: the one before has revoked some of them.
make_rings() {
    local i
    rings=()
    for i in 0 1 2 3; do
        rings+=("$(keyctl newring oracle$i @u)")
        keyctl setperm "${rings[i]}" 0x3f3f3f3f
    done
    # It gets full: its owner may have 20,000 bytes of keys, and each link takes four of them.
    keyctl chown "${rings[3]}" 1235
}

# run NUMBER OPERATIONS [MOMENTS]: seed and number give the choices; at each of the moments list and kernel agree.
mkfifo "$work/said" "$work/go"
run() {
    local line number=0 oracle
    make_rings
    # shellcheck disable=SC2094 # one end each
    /share/bin/oracle $((seed * 10 + $1)) "$2" "${3:-1}" "$work/oracle.der" "${rings[@]}" >"$work/said" <"$work/go" &
    oracle=$!
    exec 8<>"$work/go" 9<"$work/said"
    while read -r line <&9; do
        if [[ $line == halted ]]; then
            number=$((number + 1))
            [[ ! ${3:-} ]] || agree "list and kernel agree, everything halted, $number"
            echo >&8
        else echo "        $line"; fi
    done
    exec 8>&- 9<&-
    wait $oracle
    equal "most of it was possible" $? 0
}

# The collector of the kernel works when it wants to.
same() {
    settle && keyscribe keyrings --json | python3 /share/oracle_compare.py "${names[@]}" >"$work/compared"
}
agree() {
    local serial
    local failed_before=$failed
    check "$1" wait_for 30 same
    cat "$work/compared"
    # For whoever looks into it.
    ((failed == failed_before)) || cp $list "/share/oracle-$(uname -r)-$seed-$failed.list"
    # What the list says of those that differ.
    grep -oE '[0-9]{6,}' "$work/compared" | sort -u | head -n 5 | while read -r serial; do
        keyscribe list --format json | grep -F "$serial" | jq -c '.record // {} | select(.key != null) |
            [.time, .key, .keyring_name, .uid, .state // empty]' --arg none "" 2>/dev/null | tail -n 4
        keyscribe list --format json | grep -F "$serial" | jq -r .name | tr '\n' ' '
        echo
    done
}

run 1 $((operations * 6 / 10)) "$moments"
agree "list and kernel agree when all of them have ended"

echo "# while the policy names none of them"
policy 10-oracle 'measure func=KEY_CHECK keyrings=.ima key_type=* op=all' >/dev/null
run 2 $((operations / 10))
check "policy" policy 10-oracle "$rules"
agree "list and kernel agree when it does again"

echo "# while no daemon looks"
systemctl kill -s KILL keyscribed
run 3 $((operations / 10))
systemctl restart keyscribed
check "ready" keyscribe wait ready --timeout 60
agree "list and kernel agree after the restart"
books_are_closed

echo "# while no program is there, and then a ring that is too small for what comes"
systemctl stop keyscribed
check "detach" keyscribe detach
run 4 $((operations / 10))
printf '[capture]\nring_size = "64 KiB"\n' >/etc/keyscribe/keyscribe.toml
systemctl start keyscribed
check "ready" keyscribe wait ready --timeout 60
agree "list and kernel agree when they are there again"
daemon=$(pid)
kill -STOP "$daemon"
run 5 $((operations / 10 < 600 ? 600 : operations / 10))
kill -CONT "$daemon"
agree "list and kernel agree after a loss"
check "there was one" counter lost -gt 0
echo "        $(status '.counters | "\(.captured) captured, \(.lost) lost, \(.missed) missed, \(.dropped) dropped"'), $(records_of baseline-begin | jq -rs 'map(.reason) | group_by(.) | map("\(length) \(.[0])") | join(", ")') baselines"
counters_add_up
finish
