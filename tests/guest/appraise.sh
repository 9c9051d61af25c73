#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The whole story: a host whose files are signed by a key that the build's key signed; evidence; and
# an appraisal, by somebody with no rights and no TPM, who affirms it. Then what should not be, each
# contraindicated for its own reason. Boot with integrity and bpf among the LSMs and without the
# service: it is started with a ring so small that events can be lost.

. "$(dirname "$0")/lib.sh"

# Debian's kernel has no trusted .ima keyring: _ima is what IMA takes in its place.
ring_policy='measure func=KEY_CHECK keyrings=build_keys|_ima'
ima=/sys/kernel/security/ima
chmod 755 "$work"
mkdir -p "$work/references" "$work/files" /etc/keyscribe
sed -i 's/^#* *ring_size *=.*/ring_size = "64 KiB"/' /etc/keyscribe/keyscribe.toml
grep -q '^ring_size' /etc/keyscribe/keyscribe.toml ||
    printf '[capture]\nring_size = "64 KiB"\n' >>/etc/keyscribe/keyscribe.toml
printf '%s\n' "$ring_policy" >$policy_dir/10-appraise.policy
check "IMA is there" test -e $ima/ascii_runtime_measurements
check "the service starts" systemctl start keyscribed
check "ready" keyscribe wait ready --timeout 60

# signed NAME SUBJECT ISSUER: NAME.key, NAME.der, by ISSUER.
signed() {
    openssl req -new -newkey rsa:2048 -nodes -keyout "$work/$1.key" -subj "/CN=$2" -out "$work/$1.csr" 2>/dev/null
    printf 'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' >"$work/ext"
    openssl x509 -req -in "$work/$1.csr" -CA "$work/$3.pem" -CAkey "$work/$3.key" -CAcreateserial \
        -days 30 -extfile "$work/ext" -outform DER -out "$work/$1.der" 2>/dev/null
}
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/build.key" -subj /CN=build -days 30 \
    -out "$work/build.pem" 2>/dev/null
openssl x509 -in "$work/build.pem" -outform DER -out "$work/build.der"
signed signer 'file signer' build
signed rogue 'rogue' build
cp "$work/build.pem" "$work/signer.der" "$work/references/"

build_keys=$(keyctl newring build_keys @u)
ima_keys=$(keyctl newring _ima @u)
check "the build's key" keyctl padd asymmetric "" "$build_keys" <"$work/build.der"
check "the files' key" keyctl padd asymmetric "" "$ima_keys" <"$work/signer.der"

# Files of a user of their own are measured, whatever else runs.
mount -t tmpfs none "$work/files"
echo 'measure func=FILE_CHECK mask=MAY_READ fowner=4242' >$ima/policy || fail "IMA's policy"
# evmctl reads what it signs: the file belongs to the measured user only after that.
file() {
    echo "$1" >"$work/files/$1"
    evmctl ima_sign --hashalgo sha256 --key "$work/$2.key" "$work/files/$1" >/dev/null 2>&1 || fail "evmctl sign $1"
    chown 4242 "$work/files/$1"
    cat "$work/files/$1" >/dev/null
}
file good signer
check "IMA measured it with its signature" grep -q "ima-sig sha256:$(sha256 "$work/files/good")" $ima/ascii_runtime_measurements
settle

check "the attestation key" keyscribe ak create -o "$work/ak"
check "the service takes it" keyscribe ak check "$work/ak"
printf 'a secret of the service' >"$work/secret"
check "a credential" tpm2_makecredential -Q -T none -u "$work/ak/ek.pub" -s "$work/secret" \
    -n "$(od -An -v -tx1 "$work/ak/ak.name" | tr -d ' \n')" -o "$work/credential"
equal "is opened by this TPM" "$(keyscribe ak activate "$work/credential" -o -)" "$(cat "$work/secret")"
printf '[keyrings]\nwatched = ["build_keys", "_ima"]\n[chain.signers]\n_ima = ["build_keys"]\n[ima]\nrequired = true\n' \
    >"$work/appraisal.toml"
{ cat "$work/appraisal.toml"; printf '[host]\nallow_restart = true\n'; } >"$work/restarts.toml"

# evidence NAME [OPTION...]
evidence() {
    local name=$1
    shift
    openssl rand -hex 20 >"$work/$name.nonce"
    keyscribe evidence --nonce "$(cat "$work/$name.nonce")" --pcrs 0-10 -o "$work/$name.evidence" "$@"
    chmod 644 "$work/$name.evidence" "$work/ak"/*
    chmod 755 "$work/ak"
}
# appraised NAME [OPTION...]: the verdict and the codes that count, on one line.
appraised() {
    local name=$1 status=0
    shift
    runuser -u nobody -- keyscribe appraise "$work/$name.evidence" --nonce "$(cat "$work/$name.nonce")" \
        --ak "$work/ak/ak.pem" --reference-values "$work/references" --json \
        --policy "${policy_file:-$work/appraisal.toml}" "$@" >"$work/result.json" || status=$?
    jq -r --arg status "$status" '"\($status) \(.verdict) " +
        ([.findings[] | select(.weight != "note") | .code] | unique | join(" "))' "$work/result.json"
}
# reported NAME: the same as a page: exit status, verdict, and the codes of the last appraisal that
# are not on it.
reported() {
    local status=0 code
    runuser -u nobody -- keyscribe report "$work/$1.evidence" --nonce "$(cat "$work/$1.nonce")" \
        --ak "$work/ak/ak.pem" --reference-values "$work/references" \
        --policy "${policy_file:-$work/appraisal.toml}" -o - >"$work/report.html" || status=$?
    echo "$status $(sed -n 's/.*<h1[^>]*>\([A-Za-z]*\)<.*/\1/p' "$work/report.html")"
    for code in $(jq -r '.findings[].code' "$work/result.json" | sort -u); do
        grep -q ">$code<" "$work/report.html" || echo "without $code"
    done
}
# verdict WHAT FOUND EXPECTED
verdict() {
    equal "$1" "$2" "$3"
    [[ $2 == "$3" ]] || jq . "$work/result.json"
}

check "evidence" evidence good
verdict "affirmed" "$(appraised good)" "0 affirmed "
entries=$(jq .entries "$work/result.json")
equal "the signature was verified" "$(jq .ima_signatures "$work/result.json")" 1
equal "both keys were judged" "$(jq .keys "$work/result.json")" 2
equal "a report" "$(reported good)" "0 Affirmed"
check "the boot is on it" grep -q "$(cat /proc/sys/kernel/random/boot_id)" "$work/report.html"
cp "$work/good.nonce" "$work/good.nonce.true"
openssl rand -hex 20 >"$work/good.nonce"
verdict "another nonce" "$(appraised good)" "2 unusable quote-nonce"
mv "$work/good.nonce.true" "$work/good.nonce"

# checked NAME [--kept FILE]: by a program that was written from EVIDENCE.md alone, with openssl.
checked() {
    local name=$1
    shift
    python3 /share/check_evidence.py "$@" "$work/$name.evidence" "$(cat "$work/$name.nonce")" "$work/ak/ak.pem"
}
check "another program finds the same" checked good
check "evidence in JSON" evidence json --format json
check "another program reads that too" checked json
verdict "affirmed in JSON" "$(appraised json)" "0 affirmed "
check "evidence of what is new" evidence new --since "$entries"
check "it goes on from there" checked new --kept "$work/good.evidence"
refute "what came before is needed" checked new
install -d -o nobody "$work/kept"
verdict "a service that keeps the state" "$(appraised good --state "$work/kept/host")" "0 affirmed "
verdict "and gets what is new" "$(appraised new --state "$work/kept/host")" "0 affirmed "
verdict "which alone is not enough" "$(appraised new)" "2 unusable state-missing"

{ cat "$work/appraisal.toml"; printf '[host]\nrequire_canary = true\n'; } >"$work/canary.toml"
verdict "evidence without a canary" "$(policy_file=$work/canary.toml appraised good)" "1 contraindicated canary-missing"
check "evidence with one" evidence canary --canary
verdict "is affirmed" "$(policy_file=$work/canary.toml appraised canary)" "0 affirmed "
check "with a new nonce" evidence again
verdict "its canary is another's" "$(policy_file=$work/canary.toml appraised again)" "1 contraindicated canary-missing"

# While events pour in, each list ends where its quote does, to the entry.
touch "$work/pouring"
while [[ -e $work/pouring ]]; do keyctl padd asymmetric "" "$ima_keys" <"$work/signer.der" >/dev/null; done &
for i in 1 2 3; do
    check "evidence while events pour in" evidence "pour$i"
    check "the list is what the quote covers" checked "pour$i"
    verdict "affirmed" "$(appraised "pour$i")" "0 affirmed "
    counts[i]=$(jq .entries "$work/result.json")
done
rm "$work/pouring"
wait
settle
check "events came between them: ${counts[*]}" test "${counts[1]}" -lt "${counts[3]}"

sha256sum "$work/files/good" >"$work/blocked"
chmod 644 "$work/blocked"
verdict "a blocked file" "$(appraised good --blocked-files "$work/blocked")" "1 contraindicated file-blocked"
sha256sum "$work/signer.der" >"$work/blocked-keys"
chmod 644 "$work/blocked-keys"
verdict "a blocked key" "$(appraised good --blocked-keys "$work/blocked-keys")" "1 contraindicated key-blocked"

file other rogue
check "evidence" evidence unsigned
verdict "a file that another key signed" "$(appraised unsigned)" "1 contraindicated ima-signature-key"

systemctl restart keyscribed
keyscribe wait ready --timeout 60
settle
check "evidence" evidence restarted
found=$(appraised restarted)
check "a restarted daemon" grep -qw restarted <<<"$found"
# The file stays in the kernel's list; where a restart is allowed nothing else is new.
verdict "a restart that is allowed" "$(policy_file=$work/restarts.toml appraised restarted)" \
    "1 contraindicated ima-signature-key"

# The very key that signed the other file. It is no reference value, so it vouches for no file.
check "a rogue key" keyctl padd asymmetric "" "$ima_keys" <"$work/rogue.der"
settle
check "evidence" evidence rogue
verdict "the rogue key" "$(policy_file=$work/restarts.toml appraised rogue)" \
    "1 contraindicated ima-signature-key key-unknown"

# Three times what the ring holds; more would take so long that the watchdog looks into it.
systemctl kill -s STOP keyscribed
for i in $(seq 80); do keyctl padd asymmetric "" "$ima_keys" <"$work/signer.der" >/dev/null; done
systemctl kill -s CONT keyscribed
settle
check "evidence" evidence lost
# Whether some event came without its payload, for want of room, is a matter of luck: such a key
# cannot be identified, and nobody can say who signed it. So is whether the daemon was stopped for so
# long that it says so.
verdict "lost events" "$(policy_file=$work/restarts.toml appraised lost |
    sed -E 's/ (key-unidentified|chain-broken|detached)//g')" \
    "1 contraindicated events-lost ima-signature-key key-unknown"

equal "a report of it" "$(policy_file=$work/restarts.toml reported lost)" "1 Contraindicated"
# For Keylime the same certificates.
check "Keylime's policy" keyscribe export keylime-policy --reference-values "$work/references" \
    --policy "$work/appraisal.toml" -o "$work/keylime.json"
equal "has each certificate in each keyring" "$(jq -c '.keyrings | map_values(sort)' "$work/keylime.json")" \
    "$(for each in build signer; do sha256 "$work/$each.der"; done | jq -Rsc 'split("\n")[:-1] | sort | {_ima: ., build_keys: .}')"

# tpm2_checkquote agrees on what the quote is over.
check "tpm2-tools' files" keyscribe evidence export --tpm2-tools "$work/export" "$work/lost.evidence"
check "tpm2_checkquote agrees" tpm2_checkquote -u "$work/export/ak.pem" -m "$work/export/quote-1.msg" \
    -s "$work/export/quote-1.sig" -f "$work/export/quote-1.pcrs" -g sha256 -q "$(cat "$work/lost.nonce")"
finish
