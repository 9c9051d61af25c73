#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What the programs are given has any shape (extremes.c): the kernel's log stays clean, the daemon goes on, list and
# kernel agree, and what is shown is well-formed. OPERATIONS: how many (3000); SEED: which (1).

. "$(dirname "$0")/lib.sh"

operations=${OPERATIONS:-3000} seed=${SEED:-1}
check "our policy" policy 10-test \
    'measure func=KEY_CHECK keyrings=extreme key_type=* keyring_uid=* op=all payload=full provenance=measured'
check "ready" keyscribe wait ready --timeout 60
before=$(pid)
# Keys of one user may take 20,000 bytes.
sysctl -qw kernel.keys.maxbytes=100000000 kernel.keys.maxkeys=100000
chmod 1777 /tmp
for uid in 0 3001; do
    # shellcheck disable=SC2016 # the other shell has them
    setpriv --reuid $uid --clear-groups keyctl session - bash -c 'keyctl link @u @s
        ring=$(keyctl newring extreme @s)
        keyctl link "$ring" @u
        keyctl setperm "$ring" 0x3f3f3f3f
        exec /share/bin/extremes "$1" "$2" "$ring"' extremes "$seed$uid" "$operations" 2>&1 |
        grep -v '^Joined session' >"$work/said"
    sed 's/^/        /' "$work/said"
    read -r possible _ <"$work/said"
    check "as uid $uid" test "${possible:-0}" -gt $((operations / 10))
done
awk '$8 == "keyring" && $9 == "extreme:" { print "0x" $1 }' /proc/keys >"$work/rings"
while read -r ring; do keyctl link "$ring" @s; done <"$work/rings"
check "all is measured" keyscribe wait idle --timeout 120
same() { keyscribe keyrings --json | python3 /share/oracle_compare.py extreme >"$work/compared" 2>&1; }
check "list and kernel agree" wait_for 30 same
cat "$work/compared"
equal "both of them" "$(keyscribe keyrings --json | jq '[.keyrings[] | select(.name == "extreme")] | length')" 2
equal "the daemon is the same" "$(pid)" "$before"
equal "nothing was tampered with" "$(records_of detached; records_of restart; records_of tampered)" ""
check "each line is JSON" sh -c 'keyscribe list --format json | jq -e . >/dev/null'
refute "no byte but ASCII is shown" sh -c 'keyscribe list --format json | LC_ALL=C grep -qP "[^\x20-\x7e\t]"'
check "the text form is whole" test "$(keyscribe list --format json | wc -l)" -ge "$(wc -l <$list_dir/ascii_runtime_measurements)"
check "the PCR is the list's" "$(dirname "$0")/check_list.py" $list
books_are_closed
finish
