#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What `keyscribe keyrings` tells people, every subcommand of keyctl and a stressor under observation:
# no difference between model and kernel, and the counters add up. STRESS_SECONDS: how long (20).

. "$(dirname "$0")/lib.sh"

last() { records_of "$1" | tail -n 1; }

ring=$(keyctl newring prot @u)
check "policy" policy 10-observed \
    'measure func=KEY_CHECK keyrings=prot key_type=user|asymmetric|keyring op=all payload=digest provenance=measured' \
    'measure func=KEY_CHECK keyrings=chain op=all provenance=measured' \
    'measure func=KEY_CHECK keyrings=_uid.1234 keyring_uid=1234 key_type=* op=all payload=none'
check "ready" keyscribe wait ready --timeout 60
certificate old
keyctl padd asymmetric old "$ring" <"$work/old.der" >/dev/null
setpriv --reuid 1234 --regid 1234 --clear-groups keyctl add user theirs x @u >/dev/null
mkdir -p /etc/request-key.d

echo "# a chain of certificates"
chain=$(keyctl newring chain @u)
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/root.key" -days 30 -subj /O=Example/CN=root -outform DER \
    -out "$work/root.der" 2>/dev/null
printf 'authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n' >"$work/ext"
openssl req -new -key "$work/key.pem" -subj "/O=Example/CN=leaf of a name that no narrow terminal has room for" |
    openssl x509 -req -CA "$work/root.der" -CAkey "$work/root.key" -days 20 -CAserial "$work/serial" -CAcreateserial \
        -extfile "$work/ext" -outform DER -out "$work/leaf.der" 2>/dev/null
root=$(keyctl padd asymmetric root "$chain" <"$work/root.der")
leaf=$(keyctl padd asymmetric leaf "$chain" <"$work/leaf.der")
settle
# told SERIAL FIELDS: of a key in the keyring `chain`.
told() { keyscribe keyrings chain --json | jq -r ".keyrings[].keys[] | select(.serial == $1) | $2"; }
equal "fingerprint" "$(told "$leaf" .fingerprint)" "$(fingerprint "$work/leaf.der")"
x509() { openssl x509 -inform DER -in "$work/leaf.der" -noout -nameopt RFC2253 "$@" | cut -d= -f2-; }
equal "subject and issuer" "$(told "$leaf" '.subject, .issuer')" "$(x509 -subject; x509 -issuer)"
equal "validity" "$(told "$leaf" '.not_before, .not_after')" "$(date -d "$(x509 -startdate)" +%s; date -d "$(x509 -enddate)" +%s)"
equal "signers" "$(told "$leaf" .signer) $(told "$root" .signer)" "CN=root,O=Example itself"
equal "who added it" "$(told "$leaf" '.actor.exe, .since.how')" "$(readlink -f /usr/bin/keyctl; echo create)"
keyctl timeout "$leaf" 1
keyctl revoke "$root"
setpriv --reuid 1234 --regid 1234 --clear-groups keyctl add user mine x @u >/dev/null
settle
is_expired() { [[ $(told "$leaf" '.marks[]') == expired ]]; }
check "marks: expired" wait_for 10 is_expired
equal "revoked" "$(told "$root" '.marks[]')" revoked
equal "not measured" "$(keyscribe keyrings _uid.1234 --json | jq -r '.keyrings[].keys[] | select(.description == "mine") | .marks[]')" \
    "not measured: not asked for"

echo "# in a terminal"
# terminal COMMAND: its output in one of 40 columns.
terminal() { timeout 60 script -qec "stty cols 40; $1" /dev/null </dev/null | tr -d '\r'; }
widest() { python3 -c 'import re, sys
print(max(len(re.sub("\x1b\\[[0-9;]*m", "", line)) for line in sys.stdin.buffer.read().decode().splitlines()))'; }
terminal 'keyscribe keyrings chain' >"$work/narrow"
equal "40 columns: no wider" "$(widest <"$work/narrow")" 40
check "in colours" grep -F $'\x1b[' "$work/narrow"
terminal 'NO_COLOR=1 keyscribe keyrings chain' >"$work/plain"
refute "NO_COLOR" grep -F $'\x1b' "$work/plain"
keyscribe keyrings chain >"$work/piped"
refute "no colours in a pipe" grep -F $'\x1b' "$work/piped"
check "and nothing cut" grep -F "key $(fingerprint "$work/leaf.der")" "$work/piped"

echo "# every subcommand of keyctl, and stress-ng, under observation"
# run SUBCOMMAND ARGUMENT...: keyctl does it. In files: it may stand in a subshell.
run() {
    echo "$1" >>"$work/tried"
    keyctl "$@" 2>"$work/error" || echo "keyctl $*: $(cat "$work/error")" >>"$work/refused"
}
: >"$work/refused"
sandbox=$(run newring sandbox @u)
numbers=$(keyctl newring numbers @u)
key=$(run add user one x "$ring")
second=$(printf y | run padd user two "$ring")
for command in "show $ring" "describe $key" "rdescribe $key" "print $key" "pipe $key" "read $key" "list $ring" \
    "rlist $ring" "search $ring user one" "security $key" "id %user:one" "supports" "get_persistent @u" \
    "request user one" "update $key z" "chown $key 0" "chgrp $key 0" "setperm $key 0x3f3f0000" "timeout $key 1000" \
    "link $key $sandbox" "unlink $key $sandbox" "move $second $ring $sandbox" "clear $sandbox" \
    "restrict_keyring $sandbox asymmetric builtin_trusted" "invalidate $(keyctl add user three x "$ring")" \
    "revoke $(keyctl add user four x "$ring")" "purge user two" "purge -s user fo" "reap -v" "session - true"; do
    # shellcheck disable=SC2086
    run $command >/dev/null
done
printf w | run pupdate "$key"
# These are for who was asked by the kernel to make a key.
echo 'create user ks:do:* * /root/do %d %k' >>/etc/request-key.d/ks.conf
cat >/root/do <<END
#!/bin/sh
exec >>$work/tried
case \$1 in
*:instantiate) keyctl instantiate \$2 x 0 && echo instantiate ;;
*:pinstantiate) printf x | keyctl pinstantiate \$2 0 && echo pinstantiate ;;
*:negate) keyctl negate \$2 30 0 && echo negate ;;
*:reject) keyctl reject \$2 30 rejected 0 && echo reject ;;
esac
END
chmod +x /root/do
run request2 user ks:do:instantiate callout "$ring" >/dev/null
printf callout | run prequest2 user ks:do:pinstantiate "$ring" >/dev/null
for command in negate reject; do keyctl request2 user ks:do:$command callout "$ring" >/dev/null 2>&1; done
openssl dgst -sha256 -binary "$work/old.der" >"$work/digest"
# Diffie-Hellman: the prime of a group, a small base, any private key.
openssl genpkey -algorithm DH -pkeyopt group:modp_2048 -outform DER -out "$work/dh.der"
prime=$(xxd_r "$(openssl asn1parse -inform DER -in "$work/dh.der" | sed -n 's/.*INTEGER  *:\(F\{16\}.*\)/\1/p')" | keyctl padd user prime "$numbers")
base=$(xxd_r 02 | keyctl padd user base "$numbers")
private=$(head -c 32 /dev/urandom | keyctl padd user private "$numbers")
run dh_compute "$private" "$prime" "$base" >/dev/null
run dh_compute_kdf "$private" "$prime" "$base" 32 sha256 >/dev/null
run dh_compute_kdf_oi "$private" "$prime" "$base" 32 sha256 <"$work/digest" >/dev/null
# A private key, which stays where it is.
modprobe pkcs8_key_parser
openssl pkcs8 -topk8 -nocrypt -in "$work/key.pem" -outform DER -out "$work/key.p8"
private=$(keyctl padd asymmetric pkcs8 "$ring" <"$work/key.p8")
run pkey_query "$private" 0 >/dev/null
run pkey_sign "$private" 0 "$work/digest" enc=pkcs1 hash=sha256 >"$work/signature"
run pkey_verify "$private" 0 "$work/digest" "$work/signature" enc=pkcs1 hash=sha256
run pkey_encrypt "$private" 0 "$work/digest" enc=pkcs1 >"$work/encrypted"
run pkey_decrypt "$private" 0 "$work/encrypted" enc=pkcs1 >"$work/decrypted"
check "the kernel has the private key" cmp "$work/digest" "$work/decrypted"
# Debian's kernels have no watch queues.
for command in "watch $key" "watch_session -n none $work/log $work/gc 5 true" "watch_add 5 $key" "watch_rm 5 $key" "watch_sync 5"; do
    echo "${command%% *}" >>"$work/tried"
    # shellcheck disable=SC2086
    refute "keyctl $command" timeout 10 keyctl $command
done
run new_session >/dev/null
keyctl link @u @s # into that one
equal "each did what it says" "$(cat "$work/refused")" ""
equal "none was left out, by keyctl's own list" \
    "$(keyctl 2>&1 | awk '$1 == "keyctl" && $2 ~ /^[a-z]/ { print $2 }' | sort -u | comm -23 - <(sort -u "$work/tried"))" ""
settle
equal "the private key is not in the list" \
    "$(records_of create | jq -r 'select(.description == "pkcs8") | "\(.withheld) \(.sha256) \(.public_key)"')" "secret null null"
# What the kernel refuses as a certificate, and takes as anything else.
tpm2_createprimary -Q -G ecc -c "$work/primary" && tpm2_create -Q -G ecc -C "$work/primary" -u "$work/blob" -r "$work/blob.private"
before=$(records_of create | wc -l)
for file in blob blob.private digest encrypted; do
    refute "no certificate: $file" keyctl padd asymmetric "$file" "$ring" <"$work/$file"
done
keyctl padd user blob "$ring" <"$work/blob" >/dev/null
settle
equal "only what was taken is told" "$(($(records_of create | wc -l) - before)) $(last create | jq -r .sha256)" "1 $(sha256 "$work/blob")"
stress-ng --key 2 --timeout "${STRESS_SECONDS:-20}" >"$work/stress" 2>&1 || fail "stress-ng: $(tail -n 3 "$work/stress")"
settle
check "no difference afterwards" wait_for 20 keyscribe keyrings --verify
settle
books_are_closed

check "evmctl matches the list" evmctl_matches
finish
