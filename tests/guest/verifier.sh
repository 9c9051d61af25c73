#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What each program costs the kernel's verifier, in instructions processed: at most a tenth more than
# tests/bench/verifier-cost/KERNEL says (the kernel refuses a million). A program that the file does not name, or
# that is not loaded, fails too. What there is now is printed, for that file. Names are the kernel's: 15 bytes.

. "$(dirname "$0")/lib.sh"

case $(uname -r) in
6.1.*) table=/share/verifier-cost/6.1 ;;
6.12.*) table=/share/verifier-cost/6.12 ;;
*) table=/share/verifier-cost/7.x ;;
esac
# Which programs there are does not depend on the policy.
check "our policy" policy 10-test 'measure func=KEY_CHECK keyrings=watched'
check "ready" keyscribe wait ready --timeout 60
/share/bin/verifier_cost | sort >"$work/now"
check "programs are loaded" test -s "$work/now"
echo "# as it is now, for tests/bench/verifier-cost/${table##*/}:"
cat "$work/now"
equal "programs" "$(cut -d' ' -f1 "$work/now" | tr '\n' ' ')" "$(cut -d' ' -f1 "$table" | tr '\n' ' ')"
while read -r name before now; do
    check "$name: $now instructions, $before before" test $((10 * now)) -le $((11 * before))
done < <(join "$table" "$work/now")
finish
