#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The whole life of a key: the baseline, every operation, who did it, and the model of the keyrings
# compared with the kernel's after many operations at once.

. "$(dirname "$0")/lib.sh"

last() { records_of "$1" | tail -n 1; }
key_in() { jq -r '"\(.key) \(.keyring_name)"' <<<"$1"; }

echo "# the baseline: what was there before"
ring=$(keyctl newring prot @u)
nested=$(keyctl newring nested "$ring")
other=$(keyctl newring other @u)
more=$(keyctl newring more @u)
for name in old inner; do certificate $name; done
keyctl padd asymmetric old "$ring" <"$work/old.der" >/dev/null
keyctl padd asymmetric inner "$nested" <"$work/inner.der" >/dev/null
plain=$(keyctl padd user 'old secret' "$ring" <"$work/old.der")
setpriv --reuid 1234 --regid 1234 --clear-groups keyctl add user theirs x @u >/dev/null
check "policy" policy 10-life \
    'measure func=KEY_CHECK keyrings=.builtin_trusted_keys|.secondary_trusted_keys|.platform|.machine|.blacklist|.ima key_type=* op=all' \
    'measure func=KEY_CHECK keyrings=.builtin_regdb_keys key_type=* op=all provenance=measured' \
    'measure func=KEY_CHECK keyrings=prot|more|storm0|storm1|storm2|storm3 key_type=user|asymmetric|keyring op=all payload=digest provenance=measured' \
    'measure func=KEY_CHECK keyrings=_uid.1234 keyring_uid=1234 key_type=* op=all payload=none'
check "ready" keyscribe wait ready --timeout 60
settle
equal "it begins and ends" "$(records_of baseline-begin | head -n 1 | jq -r .reason) $(records_of baseline-end | head -n 1 | jq -r '.keys > 5')" "start true"
equal "old certificate" "$(public_keys_of baseline '.description == "old" and .keyring_name == "prot"' | sort -u)" "$(fingerprint "$work/old.der")"
equal "one in a nested keyring" "$(public_keys_of baseline '.keyring_name == "nested"' | sort -u)" "$(fingerprint "$work/inner.der")"
equal "other types: who, what, permissions" \
    "$(records_of baseline | jq -r "select(.key == $plain) | .type + \";\" + (.uid | tostring) + \";\" + (.gid | tostring) + \";\" + .description" | sort -u)" \
    "$(keyctl rdescribe "$plain" | awk -F';' '{ print $1 ";" $2 ";" $3 ";" $5 }')"
equal "keyrings of other users" "$(records_of baseline | jq -r 'select(.keyring_name == "_uid.1234") | .description + " " + (.uid | tostring)' | sort -u)" "theirs 1234"
equal "no payload of theirs" "$(keyscribe list --format json --name _uid.1234 | jq -r .buf)" ""
built_in_certificates >"$work/built-in"
builtin=$(public_keys_of baseline '.keyring_name == ".builtin_trusted_keys"')
check "there are built-in certificates" test -n "$builtin"
equal "each is one that openssl finds in the kernel's image" \
    "$(grep -vxF -f "$work/built-in" <<<"$builtin")" ""

echo "# every operation"
key=$(keyctl add user k1 first "$ring")
settle
equal "create" "$(key_in "$(last create)")" "$key prot"
equal "and its digest" "$(last create | jq -r .sha256)" "$(printf first | sha256sum | cut -d' ' -f1)"
keyctl link "$key" "$more"
keyctl link "$key" "$other"
settle
equal "link, where it is watched" "$(key_in "$(last link)")" "$key more"
keyctl update "$key" second
settle
equal "keyctl update concerns every watched keyring that holds it" \
    "$(records_of update | tail -n 2 | jq -r '"\(.key) \(.keyring_name)"' | sort | tr '\n' ' ')" "$key more $key prot "
equal "as one event" "$(records_of update | tail -n 2 | jq -r .seq | sort -u | wc -l)" 1
keyctl add user k1 third "$ring" >/dev/null
settle
equal "update by add_key(2)" "$(last update | jq -r .sha256)" "$(printf third | sha256sum | cut -d' ' -f1)"
keyctl timeout "$key" 1000
keyctl setperm "$key" 0x3f3f0000
keyctl chgrp "$key" 7
keyctl unlink "$key" "$more"
settle
both() { records_of "$1" | tail -n 2 | jq -r "\"\(.key) \(.keyring_name) \($2)\"" | sort | tr '\n' ' '; }
equal "timeout" "$(both timeout ".expiry > $(date +%s)")" "$key more true $key prot true "
equal "setperm" "$(both setperm .perm)" "$key more $((0x3f3f0000)) $key prot $((0x3f3f0000)) "
equal "chown" "$(both chown .gid)" "$key more 7 $key prot 7 "
equal "unlink" "$(key_in "$(last unlink)")" "$key more"
keyctl move "$key" "$ring" "$more"
settle
equal "move, for both ends" "$(last move | jq -r '"\(.key) \(.keyring_name) \(.from_name)"')" "$key more prot"
keyctl revoke "$key"
settle
equal "revoke" "$(key_in "$(last revoke)")" "$key more"
key=$(keyctl add user k2 x "$ring")
keyctl invalidate "$key"
settle
equal "invalidate" "$(key_in "$(last invalidate)")" "$key prot"
# A key that request-key makes: the helper that keyutils brings along rejects and instantiates.
mkdir -p /etc/request-key.d
echo 'create user ks:yes:* * /bin/keyctl instantiate %k made-by-helper 0' >/etc/request-key.d/ks.conf
echo 'create user ks:no:* * /bin/keyctl reject %k 30 rejected 0' >>/etc/request-key.d/ks.conf
key=$(keyctl request2 user ks:yes:1 callout "$ring")
keyctl request2 user ks:no:1 callout "$ring" >/dev/null 2>&1
settle
equal "instantiate, by a helper of request-key" "$(key_in "$(last instantiate)")" "$key prot"
equal "and its digest" "$(last instantiate | jq -r .sha256)" "$(printf made-by-helper | sha256sum | cut -d' ' -f1)"
equal "reject" "$(last reject | jq -r '"\(.description) \(.keyring_name) \(.error)"')" "ks:no:1 prot 129"
created=$(keyctl newring inside "$ring")
settle
equal "the creation of a keyring" "$(last create | jq -r '"\(.key) \(.type) \(.keyring_name)"')" "$created keyring prot"
keyctl restrict_keyring "$more" asymmetric builtin_trusted
# With a login of its own.
bash -c 'echo 4321 >/proc/self/loginuid; echo "$$ $$ $PPID 4321 $(cat /proc/self/sessionid)"; exec keyctl clear "$1"' \
    - "$more" >"$work/who"
settle
equal "restrict" "$(last restrict | jq -r '"\(.keyring_name) \(.restriction)"')" "more asymmetric:builtin_trusted"
equal "clear" "$(key_in "$(last clear)")" "$more more"
refute "what failed is no event" keyctl restrict_keyring "$more" asymmetric builtin_trusted
settle
equal "still one" "$(records_of restrict | wc -l)" 1
destroyed() { records_of destroy | jq -e 'select(.description == "k2")'; }
check "the garbage collector's destruction" wait_for 60 destroyed

echo "# who did it"
actor=$(last clear | jq -c .actor)
equal "a process: what the list says" "$(jq -r '"\(.comm) \(.exe) \(.kind) \(.uid)"' <<<"$actor")" \
    "keyctl $(readlink -f /usr/bin/keyctl) process 0"
equal "process, thread, parent, login uid and session" \
    "$(jq -r '"\(.pid) \(.tid) \(.ppid) \(.login_uid) \(.session)"' <<<"$actor")" "$(cat "$work/who")"
equal "the executable's device and inode" "$(jq -r '"\(.exe_dev) \(.exe_ino)"' <<<"$actor")" \
    "$(awk '$5 == "/" { split($3, d, ":"); print d[1] * 1048576 + d[2] }' /proc/self/mountinfo) $(stat -L -c %i /usr/bin/keyctl)"
equal "its namespaces" "$(jq -r '.namespaces | "\(.mnt) \(.pid) \(.net) \(.user)"' <<<"$actor")" \
    "$(for n in mnt pid net user; do stat -L -c %i /proc/self/ns/$n; done | tr '\n' ' ' | sed 's/ $//')"
equal "its cgroup" "$(jq -r .cgroup <<<"$actor")" "$(sed -n 's/^0:://p' /proc/self/cgroup)"
equal "a kernel thread says so" "$(records_of destroy | jq -r 'select(.description == "k2") | .actor.kind')" "kernel thread"
if modprobe cfg80211; then
    settle
    equal "so does a module that loads keys" \
        "$(keyscribe list --format json | jq -r '.record | select(.keyring_name == ".builtin_regdb_keys") | .actor.kind' | sort -u)" "module loading"
else fail "modprobe cfg80211"; fi
equal "the journal has it, too" "$(events | tail -n 1 | jq -r '.actor | has("ppid") and has("exe") and has("cgroup") and has("namespaces")')" true

echo "# the model against the kernel"
check "no difference after all this" keyscribe keyrings --verify
seq_of() { records_of "$1" | jq -r 'select(.description == "k1" and .keyring_name == "'"$2"'") | .seq' | head -n 1; }
holds_k1() { keyscribe keyrings "$1" --json --at "$2" | jq -r '[.keyrings[].keys[] | select(.description == "k1")] | length'; }
moved=$(seq_of move more)
equal "--at: as it stood after any entry" \
    "$(holds_k1 prot $((moved - 1))) $(holds_k1 more $((moved - 1))) $(holds_k1 prot "$moved") $(holds_k1 more "$moved")" "1 0 0 1"

rings=()
for i in 0 1 2 3; do rings+=("$(keyctl newring storm$i @u)"); done
seed=${STORM_SEED:-$RANDOM}
echo "        STORM_SEED=$seed"
/share/bin/key_storm "$seed" 5000 4 "${rings[@]}" >"$work/storm" 2>&1 &
storm=$!
# Policies come into force meanwhile: each with a baseline of what is just changing.
while [[ $(jobs -rp) == *$storm* ]]; do check "a policy in the midst of it" keyscribe reload; done
wait $storm
equal "5,000 operations from four processes" $? 0
cat "$work/storm"
settle
# What several processes did at the same moment was looked at again before the daemon is idle.
check "no difference after the storm" keyscribe keyrings --verify
keyscribe keyrings storm0 | head -n 5

books_are_closed

echo "# a new daemon looks again"
systemctl stop keyscribed
check "the programs go too" keyscribe detach
sneaked=$(keyctl add user 'while nobody looked' x "$ring")
systemctl start keyscribed
check "ready" keyscribe wait ready --timeout 60
settle
equal "a new baseline" "$(records_of baseline-begin | jq -r 'select(.reason == "restart") | .reason')" restart
equal "that has what came" "$(records_of baseline | jq -r "select(.key == $sneaked) | .keyring_name" | sort -u)" prot
equal "and says so" "$(records_of baseline-end | jq -r 'select(.appeared >= 1) | .appeared >= 1' | sort -u)" true
check "no difference" keyscribe keyrings --verify
check "evmctl matches the list" evmctl_matches
finish
