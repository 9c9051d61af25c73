#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Where a kernel preempts tasks inside programs and its verifier lets no program prevent that (6.12 with preempt=full),
# it skips programs: the list says whose, and the keyrings are looked at again. OPERATIONS: at a time (4000).

. "$(dirname "$0")/lib.sh"

operations=${OPERATIONS:-4000}
check "policy" policy 10-skipped 'measure func=KEY_CHECK keyrings=storm0|storm1|storm2|storm3 op=all payload=none'
check "ready" keyscribe wait ready --timeout 60
rings=()
for i in 0 1 2 3; do rings+=("$(keyctl newring storm$i @u)"); done
for seed in 1 2 3 4 5 6; do
    /share/bin/key_storm $seed "$operations" 9 "${rings[@]}"
    settle
    echo "        $(status .counters.missed) runs were skipped"
    counter missed -eq 0 || break
done
check "programs were skipped" counter missed -gt 0
check "the list names the operations" test "$(records_of missed | jq -r .operations | sort -u)"
equal "every run" "$(records_of missed | jq -rs 'map(.count) | add')" "$(status .counters.missed)"
check "the keyrings were looked at again" test "$(records_of baseline-begin | jq -r 'select(.reason == "missed") | .reason')"
check "list and kernel agree" wait_for 30 keyscribe keyrings --verify
keyscribe keyrings --verify | tail -n 3
books_are_closed
finish
