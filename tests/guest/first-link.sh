#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A key that no watched keyring held comes into one while another task revokes it, invalidates it, or changes its
# timeout, permissions or owner: whichever comes first, the list ends with what the key is. COUNT: how many (2000).

. "$(dirname "$0")/lib.sh"

count=${COUNT:-2000}
ring=$(keyctl newring first_link @u)
home=$(keyctl newring home @u)
check "policy" policy 10-first 'measure func=KEY_CHECK keyrings=first_link key_type=* op=all payload=none'
check "ready" keyscribe wait ready --timeout 60
linked=$(/share/bin/first_link "$count" "$ring" "$home")
check "keys were linked: $linked" test "$linked" -gt $((count / 2))
settle
keyscribe keyrings first_link --json | jq -r '.keyrings[].keys[] |
    (.description | split(" ")[0]) as $change |
    if $change == "timeout" then {$change, told: (.expiry != null)}
    elif $change == "setperm" then {$change, told: (.perm == "3f3f3f3f")}
    elif $change == "chown" then {$change, told: (.gid == 7)}
    else {$change, told: (.marks | index($change) != null)} end |
    "\(.change) \(.told)"' | sort | uniq -c >"$work/told"
sed 's/^/        /' "$work/told"
for change in revoked timeout setperm chown; do
    check "$change keys are there" grep -q " $change true" "$work/told"
done
equal "of each key the list says what it is" "$(grep -c ' false$' "$work/told")" 0
echo "        $(records_of link | jq -r "select(.state != null) | .key" | wc -l) told by the record of the link"
books_are_closed
finish
