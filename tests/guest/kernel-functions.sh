#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Which functions of this kernel change keyrings and keys, and whether bpf/README.md has each with the hook that
# sees it: a kernel that gets one more fails here before anything goes unseen.

. "$(dirname "$0")/lib.sh"

# The table's rows, as "function caller hook".
sed -n 's/^| `\([a-z_]*\)` | `\([a-z_]*\)` | \(.*\) |$/\1 \2 \3/p' "$(dirname "$0")/bpf-README.md" >"$work/table"
check "the table was found" test -s "$work/table"
cut -d' ' -f1 "$work/table" | sort -u | xargs "$(dirname "$0")/bin/kernel_callers" | sort -u >"$work/calls"
check "calls were found" test "$(wc -l <"$work/calls")" -ge 10
while read -r function caller; do
    check "$caller, which calls $function" grep "^$function $caller " "$work/table"
done <"$work/calls"
echo "# the hooks of these are attached"
keyscribe status --json >"$work/status"
sort -u "$work/calls" | while read -r function caller; do
    grep "^$function $caller " "$work/table" | cut -d' ' -f3-
done | grep -o '`[a-z]*:[a-z_]*`' | tr -d '`' | sort -u >"$work/hooks"
while read -r hook; do
    # Of create and update there is one of three.
    [[ $hook != *_create_or_update ]] || hook=$(status '.hooks[0].attach_point')
    check "$hook" jq -e --arg hook "$hook" 'any(.hooks[]; .attach_point == $hook)' "$work/status"
done <"$work/hooks"
finish
