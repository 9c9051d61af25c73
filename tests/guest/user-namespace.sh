#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A user namespace has ids and user keyrings of its own: what is done there is recorded of the key itself, with
# ids of the first one.

. "$(dirname "$0")/lib.sh"

check "policy" policy 10-spaces 'measure func=KEY_CHECK keyrings=_uid.0|_uid.1234|theirs keyring_uid=* key_type=user|keyring op=all payload=none'
check "ready" keyscribe wait ready --timeout 60
roots=$(keyctl id @u)
cat >"$work/inside" <<'I'
exec 2>&1
keyctl link @u @s
ring=$(keyctl newring theirs @u)
key=$(keyctl add user theirs x "$ring")
echo "ring=$ring key=$key user=$(keyctl id @u) users_session=$(keyctl id @us)"
keyctl chown "$key" 0
keyctl chgrp "$key" 0
keyctl setperm "$key" 0x3f3f0000
keyctl setperm @u 0x3f3f0000
I
chmod 755 "$work" "$work/inside"
inside=$(setpriv --reuid 1234 --regid 1234 --clear-groups unshare --user --map-root-user keyctl session - bash "$work/inside" 2>/dev/null)
eval "$(head -n 1 <<<"$inside")"
equal "nothing was refused" "$(tail -n +2 <<<"$inside")" ""
settle
changes() { records_of "$1" | jq -r "select(.key == $2) | \"\(.keyring_name) \(.uid) \(.gid) \(.perm)\"" | sort -u; }
equal "root there is no root here" "$(changes chown "${key:?}" | cut -d' ' -f1-3)" "theirs 1234 1234"
equal "setperm, by serial" "$(changes setperm "$key")" "theirs 1234 1234 $((0x3f3f0000))"
equal "setperm, of the user's keyring there" "$(changes setperm "${user:?}" | cut -d' ' -f2,4)" "1234 $((0x3f3f0000))"
equal "not of root's, which has its name" "$(changes setperm "$roots")" ""

echo "# in the first one"
keyctl setperm @u 0x3f1f0000
key=$(keyctl add user mine x @u)
keyctl chown "$key" 1234
keyctl setperm @s 0x3f3f0000
settle
equal "setperm of the user's keyring" "$(changes setperm "$roots" | cut -d' ' -f2,4)" "0 $((0x3f1f0000))"
equal "chown" "$(changes chown "$key")" "_uid.0 1234 0 $(records_of create | jq "select(.key == $key) | .perm" | head -n 1)"
finish
