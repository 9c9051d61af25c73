#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Every keyring of certificates that a kernel trusts, under UEFI with Secure Boot (vm/run --uefi): what the
# baseline says of each key is what openssl says of the certificate, taken from where the kernel took
# it: its image, UEFI's db, shim's list of the owner's (MOK), and files.

. "$(dirname "$0")/lib.sh"

efi=/sys/firmware/efi/efivars
db=$efi/db-d719b2cb-3d3a-4596-a3bc-dad00e67656f
dbx=$efi/dbx-d719b2cb-3d3a-4596-a3bc-dad00e67656f
mok=$efi/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23
mokx=$efi/MokListXRT-605dab50-e046-4300-abb6-3dd810dd8b23

# signatures VARIABLE: each signature of its EFI_SIGNATURE_LISTs, as "TYPE HEX". Four bytes of
# attributes stand before what efivarfs shows.
signatures() {
    perl -e 'local $/; open F, "<", $ARGV[0]; $_ = substr(<F>, 4);
        while (length) {
            my ($type, $list, $header, $size) = (unpack("H32", $_), unpack("VVV", substr($_, 16, 12)));
            for (my $at = 28 + $header; $at < $list; $at += $size) {
                print "$type ", unpack("H*", substr($_, $at + 16, $size - 16)), "\n"; }
            substr($_, 0, $list) = ""; }' "$1"
}
x509=a159c0a5e494a74a87b5ab155c2bf072
sha256_hash=2616c4c14c509240aca941f936934328

# certificates_of VARIABLE FOLDER: its certificates, a file each.
certificates_of() {
    local n=0 hex
    mkdir -p "$2"
    while read -r _ hex; do
        xxd_r "$hex" >"$2/$n.der"
        n=$((n + 1))
    done < <(signatures "$1" | grep "^$x509")
}

# Keys of their own, so that a fingerprint says which certificate it is: own NAME, signed by itself, and
# signed NAME, by the owner's key (MOK).
own() {
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/$1.key" -days 30 -subj "/CN=$1" \
        -outform DER -out "$work/$1.der" 2>/dev/null
}
signed() {
    printf 'authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\nkeyUsage=digitalSignature\n' >"$work/ext"
    openssl req -new -newkey rsa:2048 -nodes -keyout "$work/$1.key" -subj "/CN=$1" 2>/dev/null |
        openssl x509 -req -CA /harness/uefi/mok.der -CAkey /harness/uefi/mok.key -days 30 \
            -CAserial "$work/serial" -CAcreateserial -extfile "$work/ext" -outform DER -out "$work/$1.der" 2>/dev/null
}

# said KEYRING: the fingerprints of its baseline; of FILE...: those of certificates.
said() {
    jq -r --arg name "$1" 'select(.keyring_name == $name) | .public_key // empty' "$work/baseline" |
        while read -r key; do xxd_r "$key" | sha256sum | cut -d' ' -f1; done | sort
}
of() { for der; do fingerprint "$der"; done | sort; }

# The kernel's name for a public key's.
algorithm() {
    if [[ $(openssl pkey -pubin -inform DER -in "$1" -noout -text) == *prime256v1* ]]; then
        echo ecdsa-nist-p256
    else
        echo rsa
    fi
}

echo "# what this kernel has"
equal "Secure Boot" "$(od -An -tx1 -j4 $efi/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c | tr -d ' ')" 01
check "the kernel is locked down" grep -F '[integrity]' /sys/kernel/security/lockdown
mapfile -t trusted < <(awk '$8 == "keyring" && $9 ~ /^\./ { sub(/:$/, "", $9); print $9 }' /proc/keys | sort -u)
echo "        ${trusted[*]}"

for name in stranger verity ima evm other-user; do own $name; done
signed vendor
signed later
check "the owner's key lets a certificate in" \
    keyctl padd asymmetric vendor %:.secondary_trusted_keys <"$work/vendor.der"
refute "nobody else's" keyctl padd asymmetric stranger %:.secondary_trusted_keys <"$work/stranger.der"
check "fs-verity's" keyctl padd asymmetric verity %:.fs-verity <"$work/verity.der"
verity=("$work/verity.der")
if modprobe -q ecdsa_generic || grep -q ecdsa /proc/crypto; then # 6.1 has none
    openssl ecparam -name prime256v1 -genkey -noout -out "$work/curve.key"
    openssl req -x509 -new -key "$work/curve.key" -days 30 -subj /CN=curve -outform DER -out "$work/curve.der"
    check "of an elliptic curve" keyctl padd asymmetric curve %:.fs-verity <"$work/curve.der"
    verity+=("$work/curve.der")
fi
# As Debian configures them, IMA and EVM look in keyrings of root's, without a dot: evmctl(1).
for name in ima evm; do
    ring=$(keyctl newring _$name @u)
    check "evmctl import: _$name" evmctl import "$work/$name.der" "$ring"
done
check "a user's keyring" setpriv --reuid 1234 --regid 1234 --clear-groups \
    keyctl padd asymmetric other-user @u <"$work/other-user.der"

echo "# the baseline"
rings=$(IFS='|'; echo "${trusted[*]}|_ima|_evm|_uid.1234")
check "policy" policy 10-trusted "measure func=KEY_CHECK keyrings=$rings key_type=* op=all payload=digest"
check "ready" keyscribe wait ready --timeout 60
settle
records_of baseline >"$work/baseline"
certificates_of $db "$work/db"
certificates_of $mok "$work/mok"
equal ".platform: UEFI's db" "$(said .platform)" "$(of "$work"/db/*.der)"
check "Microsoft's two, and ours" test "$(said .platform | wc -l)" -ge 3
check "ours" grep -x "$(fingerprint /harness/uefi/db.der)" <(said .platform)
equal ".machine: MOK" "$(said .machine)" "$(of "$work"/mok/*.der)"
check "ours, too" grep -x "$(fingerprint /harness/uefi/mok.der)" <(said .machine)
built_in_certificates >"$work/built-in"
equal ".builtin_trusted_keys: all that it holds" "$(said .builtin_trusted_keys | wc -l)" \
    "$(keyctl rlist %:.builtin_trusted_keys | wc -w)"
equal "and in the kernel's image" "$(said .builtin_trusted_keys | grep -vxF -f "$work/built-in")" ""
equal ".secondary_trusted_keys" "$(said .secondary_trusted_keys)" "$(of "$work/vendor.der")"
equal ".fs-verity" "$(said .fs-verity)" "$(of "${verity[@]}")"
equal "_ima" "$(said _ima)" "$(of "$work/ima.der")"
equal "_evm" "$(said _evm)" "$(of "$work/evm.der")"
equal "_uid.1234" "$(said _uid.1234)" "$(of "$work/other-user.der")"
equal ".blacklist: UEFI's dbx and shim's" \
    "$(jq -r 'select(.keyring_name == ".blacklist" and (.description | startswith("bin:"))) | .description' "$work/baseline" | sort -u)" \
    "$(for variable in $dbx $mokx; do signatures "$variable"; done | sed -n "s/^$sha256_hash /bin:/p" | sort -u)"

# All of them once more, with what else the record has of a key.
for der in "$work"/db/*.der "$work"/mok/*.der "${verity[@]}" "$work"/{vendor,ima,evm,other-user}.der; do
    fingerprint "$der" >/dev/null # leaves the key in $work/spki.*
    key=$(jq -cn --arg public "$(od -An -tx1 -v "$work/spki.key" | tr -d ' \n')" \
        'first(inputs | select(.public_key == $public))' "$work/baseline")
    equal "$(openssl x509 -inform DER -in "$der" -noout -subject): algorithm" "$(jq -r .algorithm <<<"$key")" \
        "$(algorithm "$work/spki.der")"
    skid=$(openssl x509 -inform DER -in "$der" -noout -ext subjectKeyIdentifier | tail -n 1 | tr -d ' :' | tr 'A-F' 'a-f')
    check "and key identifier" jq -e --arg skid "$skid" '.ids | index($skid)' <<<"$key"
done
equal "keyscribe keyrings has them" \
    "$(keyscribe keyrings .platform --json | jq -r '.keyrings[].keys[].fingerprint' | sort)" "$(of "$work"/db/*.der)"
check "no difference to the kernel" keyscribe keyrings --verify

echo "# and after it"
check "policy" policy 20-trusted "measure func=KEY_CHECK keyrings=$rings key_type=* op=all"
check "one more by the owner's key" keyctl padd asymmetric "" %:.secondary_trusted_keys <"$work/later.der"
settle
equal "is the entry that IMA would have written" "$(digests_of .secondary_trusted_keys | tail -n 1)" \
    "sha256:$(sha256 "$work/later.der")"
# Of the owner's certificate the list has no more than the key, which verifies this one.
equal "who signed it is known" "$(keyscribe keyrings .secondary_trusted_keys --json |
    jq -r '.keyrings[].keys[] | select(.subject == "CN=later") | .signer')" \
    "$(keyctl rdescribe "$(awk '/ mok of the guest: / { print "0x" $1 }' /proc/keys)" | cut -d';' -f5)"
check "no difference" keyscribe keyrings --verify
check "evmctl matches the list" evmctl_matches

echo "# where each key comes from"
check "the attestation key" keyscribe ak create -o "$work/ak"
nonce=$(openssl rand -hex 20)
check "evidence with the firmware's log" keyscribe evidence --nonce "$nonce" -o "$work/evidence"
mkdir -p "$work/references"
for folder in db mok; do
    for der in "$work/$folder"/*.der; do cp "$der" "$work/references/$folder-${der##*/}"; done
done
printf '[firmware]\nrequired = true\nrequire_secure_boot = true\n' >"$work/appraisal.toml"
# Which keys are good is not the question here: most of them are no reference values.
keyscribe appraise "$work/evidence" --nonce "$nonce" --ak "$work/ak/ak.pem" --reference-values "$work/references" \
    --policy "$work/appraisal.toml" --json >"$work/result.json"
equal "genuine" "$?" 1
equal "nothing is wrong with the firmware's log" \
    "$(jq -r '[.findings[].code | select(test("firmware|revocation|secure-boot|boot-aggregate"))] | unique | join(" ")' "$work/result.json")" ""
# sources KEYRING: how many of its keys have which source.
sources() {
    jq -r --arg ring "$1" '.sources[] | select(.keyring == $ring) | .source | sub(" \\(.*"; "")' "$work/result.json" |
        sort | uniq -c | awk '{ $1 = $1; print }'
}
equal ".platform: db" "$(sources .platform)" "$(of "$work"/db/*.der | wc -l) firmware: db"
equal ".machine: shim's own, and the owner's" "$(sources .machine)" \
    "1 shim: MokListRT, first list: its own certificate"$'\n'"1 shim: MokListRT, the owner's"
equal ".blacklist: dbx and MokListXRT" "$(sources .blacklist | cut -d' ' -f2-)" \
    "firmware: dbx"$'\n'"shim: MokListXRT"
equal "as many as there are" "$(sources .blacklist | awk '{ sum += $1 } END { print sum }')" \
    "$(keyctl rlist %:.blacklist | wc -w)"
check "what came later, and where in the list" grep -E "create.*, entry" <(sources .secondary_trusted_keys)
check "without the log nothing is explained" keyscribe evidence --nonce "$nonce" --no-firmware -o "$work/without"
keyscribe appraise "$work/without" --nonce "$nonce" --ak "$work/ak/ak.pem" --reference-values "$work/references" \
    --policy "$work/appraisal.toml" --json >"$work/result.json"
equal "which is a finding where it is required" \
    "$(jq -r '[.findings[] | select(.weight == "contraindicates") | .code | select(test("firmware|secure"))] | join(" ")' "$work/result.json")" \
    "firmware-log-missing secure-boot-off"
equal "no warning in the kernel's log" "$(dmesg | grep -E 'WARNING:|BUG:|Oops|hung task|detected stall')" ""
finish
