#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# More tasks than CPUs change keyrings, of an unprivileged user too: the kernel skips no program because another
# task was preempted in the midst of it. OPERATIONS: how many (20000).

. "$(dirname "$0")/lib.sh"

operations=${OPERATIONS:-20000}
check "policy" policy 10-preempted 'measure func=KEY_CHECK keyrings=storm0|storm1 key_type=user op=all payload=none'
check "ready" keyscribe wait ready --timeout 60
rings=()
for i in 0 1 2 3; do rings+=("$(keyctl newring storm$i @u)"); done
setpriv --reuid 1234 --regid 1234 --clear-groups /share/bin/link_storm &
hostile=$!
before=$(($(status .counters.numbered) + $(status .counters.filtered)))
/share/bin/key_storm 7 "$operations" 7 "${rings[@]}" >"$work/storm" 2>&1
equal "operations from seven processes" $? 0
kill $hostile
wait $hostile 2>/dev/null
settle
seen=$(($(status .counters.numbered) + $(status .counters.filtered) - before))
echo "        $seen operations seen, $(status .counters.missed) missed, $(status .counters.lost) lost"
equal "none was missed" "$(status .counters.missed)" 0
check "no difference" wait_for 30 keyscribe keyrings --verify
finish
