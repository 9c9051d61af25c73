#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A keyring that no rule names, in one that a rule names: a search in the one above goes on in it, so what it holds
# when it comes there, and whatever enters or leaves it later, is told, at every depth; and no more once it has left.

. "$(dirname "$0")/lib.sh"

ring=$(keyctl newring prot @u)
inner=$(keyctl newring inner @u)
deeper=$(keyctl newring deeper "$inner")
stranger=$(keyctl newring stranger @u)
for name in before below later; do certificate $name; done
keyctl padd asymmetric before "$inner" <"$work/before.der" >/dev/null
keyctl padd asymmetric below "$deeper" <"$work/below.der" >/dev/null
check "policy" policy 10-nested 'measure func=KEY_CHECK keyrings=prot op=all'
check "ready" keyscribe wait ready --timeout 60
settle

# holds NAME: what the list says of a keyring, in the order of the descriptions.
holds() { keyscribe keyrings "$1" --json | jq -r '[.keyrings[].keys[].description] | sort | join(" ")'; }
records_in() { keyscribe list --format json | jq -r "select(.record.keyring? == $1) | .name" | wc -l; }

equal "nothing is told of it before" "$(records_in "$inner")" 0
keyctl link "$inner" "$ring"
settle
equal "what it holds when it comes" "$(holds inner)" "before deeper"
equal "and what stands in those in it" "$(holds deeper)" "below"
equal "why" "$(records_of baseline-begin | jq -r .reason | tail -n 1)" nested
equal "with the certificate's key" "$(public_keys_of baseline '.keyring_name == "deeper"')" "$(fingerprint "$work/below.der")"

echo "# what happens in it later"
key=$(keyctl padd asymmetric later "$deeper" <"$work/later.der")
settle
equal "a certificate that enters is told" "$(holds deeper)" "below later"
equal "and measured" "$(digests_of deeper)" "sha256:$(sha256 "$work/later.der")"
keyctl link "$key" "$inner"
settle
equal "one that is linked" "$(holds inner)" "before deeper later"
keyctl move "$key" "$inner" "$stranger"
settle
equal "one that is moved out" "$(holds inner)" "before deeper"
keyctl revoke "$key"
settle
equal "revoked, it is told of the keyring that still holds it" \
    "$(records_of revoke | jq -r 'select(.description == "later") | "\(.key) \(.keyring_name)"')" "$key deeper"
new=$(keyctl newring newest "$deeper")
keyctl padd asymmetric newest "$new" <"$work/before.der" >/dev/null
settle
equal "a keyring that is made in it" "$(holds newest)" newest
keyctl add user secret x "$inner" >/dev/null
settle
equal "types that the rule is not about stay out" "$(holds inner)" "before deeper"
check "keyrings --verify looks into them" sh -c 'keyscribe keyrings --verify | grep "^4 keyrings compared, 0 differences"'

echo "# a restart"
systemctl restart keyscribed
check "ready" keyscribe wait ready --timeout 60
keyctl padd asymmetric after "$deeper" <"$work/before.der" >/dev/null
settle
equal "it is still followed" "$(holds deeper)" "after below later newest"

echo "# when it has left"
keyctl unlink "$inner" "$ring"
settle
before=$(records_in "$deeper")
keyctl padd asymmetric unseen "$deeper" <"$work/before.der" >/dev/null
settle
equal "nothing more is told" "$(records_in "$deeper")" "$before"
before=$(records_in "$stranger")
keyctl padd asymmetric unseen "$stranger" <"$work/before.der" >/dev/null
settle
equal "nor of a keyring that was never there, but for the move" "$(records_in "$stranger") $before" "1 1"
check "evmctl matches" evmctl_matches
books_are_closed
finish
