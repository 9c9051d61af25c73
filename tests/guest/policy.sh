#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Policies on a running service: refused ones change nothing, reloads lose nothing, and a policy
# without a rule measures nothing.

. "$(dirname "$0")/lib.sh"

ring=$(keyctl newring watched @u)
certificate one
certificate two

echo "# a policy without a rule: ready, and nothing is measured"
keyctl padd asymmetric '' "$ring" <"$work/one.der" >/dev/null
check "accepted" policy 00-empty '# nothing yet'
check "ready" keyscribe wait ready --timeout 30
keyctl padd asymmetric '' "$ring" <"$work/two.der" >/dev/null
settle
equal "nothing measured" "$(status .counters.measured)" 0
equal "no list" "$(stat -c %s $list)" 0
equal "PCR untouched" "$(pcr sha256)" "$(printf '%064d' 0)"

echo "# a refused policy changes nothing"
check "accepted" policy 10-good 'measure func=KEY_CHECK keyrings=watched'
digest=$(status .policy.digest)
generation=$(status .policy.generation)
echo 'measure func=KEY_CHECK keyring=watched' >"$policy_dir/20-bad.policy"
refute "reload fails" keyscribe reload
refute "systemctl reload fails" systemctl reload keyscribed
report=$(keyscribe reload 2>&1)
check "file, line and column are named" grep -qF "20-bad.policy:1:24:" <<<"$report"
check "the line is shown with a caret" grep -qE '^ +\^' <<<"$report"
check "and what was expected" grep -qF "keyrings=" <<<"$report"
check "check says the same" grep -qF ":1:24:" <<<"$(keyscribe policy check "$policy_dir/20-bad.policy" 2>&1)"
equal "the old policy stays whole" "$(status '.policy.digest, .policy.generation' | tr '\n' ' ')" "$digest $generation "
check "status says why" grep -qF 20-bad.policy <<<"$(status .policy.error)"
keyctl padd asymmetric '' "$ring" <"$work/one.der" >/dev/null
settle
equal "and measures on" "$(digests_of watched)" "sha256:$(sha256 "$work/one.der")"
rm "$policy_dir/20-bad.policy"
check "systemctl reload succeeds" systemctl reload keyscribed
equal "a reload is measured" "$(records_of policy | jq -r .generation | tail -n 1)" "$(status .policy.generation)"
equal "with its digest" "$(records_of policy | jq -r .digest | tail -n 1)" "$(status .policy.digest)"
rm -f "$policy_dir"/*.policy
refute "an emptied directory is refused" keyscribe reload

echo "# files are judged in name order, the first match wins"
policy 20-later 'measure func=KEY_CHECK keyrings=watched'
echo 'dont_measure func=KEY_CHECK keyrings=watched uid=0' >"$policy_dir/10-first.policy"
keyscribe reload >/dev/null
before=$(digests_of watched | wc -l)
keyctl padd asymmetric '' "$ring" <"$work/two.der" >/dev/null
settle
equal "dont_measure came first" "$(digests_of watched | wc -l)" "$before"
check "explain says which" grep -qF 10-first.policy:1 <<<"$(keyscribe policy explain --keyring watched --type asymmetric --op create --uid 0)"
check "explain: another uid" grep -qF 20-later.policy:1 <<<"$(keyscribe policy explain --keyring watched --type asymmetric --op create --uid 1000)"
check "show has both files" grep -qF 20-later.policy <<<"$(keyscribe policy show)"

echo "# BUILTIN_TRUSTED_KEYS and a whole ima-policy"
cat >"$work/ima-policy.policy" <<'P'
# as a distribution might ship it
dont_measure fsmagic=0x9fa0
measure func=MMAP_CHECK mask=MAY_EXEC
measure func=BPRM_CHECK
measure func=BUILTIN_TRUSTED_KEYS
measure func=KEY_CHECK keyrings=.ima|.evm
appraise func=MODULE_CHECK appraise_type=imasig
P
equal "other functions are skipped and counted" "$(keyscribe policy check "$work/ima-policy.policy")" \
    "$work/ima-policy.policy: 2 rules, 4 skipped"

echo "# by user"
policy 10-users 'measure func=KEY_CHECK key_type=user keyrings=shared uid=65534 payload=digest'
shared=$(keyctl newring shared @u)
keyctl setperm "$shared" 0x3f3f3f3f
nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
before=$(status .counters.measured)
keyctl add user by-root x "$shared" >/dev/null
settle
equal "another user's event is not measured" "$(status .counters.measured)" "$before"
nobody keyctl add user by-nobody x "$shared" >/dev/null || fail "add as nobody"
settle
equal "this user's is measured" "$(records_of create | jq -r .description | tail -n 1)" by-nobody
equal "with the right actor" "$(events | tail -n 1 | jq -r .actor.uid)" 65534

echo "# reloads under load lose nothing, and each event has one policy"
policy 10-load 'measure func=KEY_CHECK key_type=user keyrings=load payload=none'
load=$(keyctl newring load @u)
count=200
(for ((i = 0; i < count; i++)); do keyctl add user "load $i" x "$load" >/dev/null || exit 1; done) &
loader=$!
reloads=0
while kill -0 $loader 2>/dev/null; do
    echo "measure func=KEY_CHECK key_type=user keyrings=load payload=none # " |
        tr -d '#' >"$policy_dir/10-load.policy"
    echo "# $((reloads++))" >>"$policy_dir/10-load.policy"
    keyscribe reload >/dev/null || fail "reload $reloads"
done
wait $loader || fail "the load"
settle
echo "        $reloads reloads while $count keys were added"
check "there were reloads" test "$reloads" -gt 2
equal "every event is in the list once, in order" \
    "$(records_of create | jq -r .description | grep '^load' | sha256sum)" \
    "$(for ((i = 0; i < count; i++)); do echo "load $i"; done | sha256sum)"
equal "nothing lost" "$(status '.counters.lost, .counters.dropped' | tr '\n' ' ')" "0 0 "
check "evmctl matches" evmctl_matches

finish
