#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Another kernel by kexec, twice (vm/run --keep, with --uefi or without): PCRs go on, and this script begins anew in
# each. The second has the former list, kept while systemd shut down, and is affirmed; a rogue key is found. The third
# was started at once, so its list began anew: that is one finding, and a rogue key is found all the same.

. "$(dirname "$0")/lib.sh"

kept=/root/kexec
efi=/sys/firmware/efi/efivars
former=/var/lib/keyscribe/former-list
# What a rogue key is found for: the kernel lets the owner's key (MOK) vouch for one, and appraisal.toml does not.
reasons='key-unknown'
[[ ! -d $efi ]] || reasons='chain-broken key-unknown'
if [[ -d $kept ]]; then
    # What the former kernel counted.
    # shellcheck source=/dev/null
    . "$kept/counts"
else
    mkdir -p "$kept"
    boot=1
fi

# next_kernel COMMAND...: which executes the kernel that is loaded.
next_kernel() {
    local parameters
    parameters=$(sed -E 's/(memmap|initrdmem|BOOT_IMAGE|initrd)=[^ ]* ?//g' /proc/cmdline)
    check "a kernel is loaded" kexec -s -l /harness/vmlinuz --initrd=/harness/initrd.img --command-line="$parameters"
    ((failed == 0)) || finish
    echo "boot=$((boot + 1)) passed=$passed failed=$failed SECONDS=$SECONDS" >"$kept/counts"
    cat /proc/sys/kernel/random/boot_id >"$kept/boot_id"
    cp "$list" "$kept/list"
    sync
    echo "# $*"
    "$@"
    exec sleep infinity
}

# judge NAME: evidence of now, appraised as it is shipped: the exit status, and findings that are no notes.
judge() {
    local nonce status
    nonce=$(openssl rand -hex 20)
    settle
    keyscribe evidence --nonce "$nonce" -o "$kept/$1.evidence" >&2 || return
    keyscribe appraise "$kept/$1.evidence" --nonce "$nonce" --ak "$kept/ak/ak.pem" --reference-values "$kept/references" \
        --policy /usr/share/keyscribe/appraisal.toml --json >"$kept/$1.json"
    status=$?
    echo "$status $(jq -r '[.findings[] | select(.weight != "note") | .code] | unique | join(" ")' "$kept/$1.json")"
}
# noted NAME: the codes of notes.
noted() { jq -r '.findings[] | select(.weight == "note") | .code' "$kept/$1.json"; }
findings() { jq -r '.findings[] | "\(.weight) \(.code): \(.sentence)"' "$kept/$1.json" | cut -c1-200; }

# rogue NAME: a certificate that is no reference value, into .secondary_trusted_keys where there is a key to sign it
# with (the owner's, MOK), and else into a keyring that is watched.
rogue() {
    openssl req -new -newkey rsa:2048 -nodes -keyout "$work/$1.key" -subj "/CN=$1" -out "$work/$1.csr" 2>/dev/null
    if [[ -d $efi ]]; then
        printf 'authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\nkeyUsage=digitalSignature\n' >"$work/ext"
        openssl x509 -req -in "$work/$1.csr" -CA /harness/uefi/mok.der -CAkey /harness/uefi/mok.key -days 30 \
            -CAserial "$work/serial" -CAcreateserial -extfile "$work/ext" -outform DER -out "$work/$1.der" 2>/dev/null
        keyctl padd asymmetric "$1" %:.secondary_trusted_keys <"$work/$1.der"
    else
        openssl x509 -req -in "$work/$1.csr" -signkey "$work/$1.key" -days 30 -outform DER -out "$work/$1.der" 2>/dev/null
        keyctl padd asymmetric "$1" %:watched <"$work/$1.der"
    fi
}

first_kernel() {
    local sources=(/harness/vmlinuz)
    [[ ! -d $efi ]] || sources+=("$efi")
    check "reference values" keyscribe references from "${sources[@]}" -o "$kept/references"
    mkdir -p "$kept/references/watched"
    certificate good
    cp "$work/good.der" "$kept/references/watched/"
    cp /usr/share/keyscribe/policy/trusted-keyrings.policy "$policy_dir/"
    echo 'measure func=KEY_CHECK keyrings=watched op=all' >"$policy_dir/20-watched.policy"
    check "the policy" keyscribe reload
    check "ready" keyscribe wait ready --timeout 120
    check "the attestation key" keyscribe ak create -o "$kept/ak"
    keyctl newring watched @u >/dev/null
    keyctl padd asymmetric good %:watched <"$kept/references/watched/good.der" >/dev/null
    equal "affirmed" "$(judge first)" "0 "
    findings first
    next_kernel systemctl kexec
}

second_kernel() {
    check "another boot" test "$(cat "$kept/boot_id")" != "$(cat /proc/sys/kernel/random/boot_id)"
    check "ready, with the policy that is there" keyscribe wait ready --timeout 120
    settle
    equal "the list goes on" "$(head -c "$(stat -c %s "$kept/list")" "$list" | sha256sum)" "$(sha256sum <"$kept/list")"
    equal "a record says so" "$(records_of kexec | wc -l)" 1
    equal "nothing foreign" "$(records_of foreign | wc -l)" 0
    equal "it gives the PCR" "$(replay sha256)" "$(pcr sha256)"
    check "evmctl matches" evmctl_matches
    refute "no other daemon takes it" test -e "$former"
    equal "affirmed" "$(judge second)" "0 "
    findings second
    check "a note says kexec" grep -qx kexec <(noted second)
    keyctl newring watched @u >/dev/null
    check "a rogue key" rogue rogue
    equal "contraindicated for that alone" "$(judge rogue)" "1 $reasons"
    findings rogue
    # At once: no daemon keeps its list.
    next_kernel kexec -e
}

third_kernel() {
    check "ready" keyscribe wait ready --timeout 120
    refute "no former list" test -e "$former"
    equal "the list began anew" "$(records_of kexec | wc -l) $(records_of foreign | wc -l)" "0 1"
    equal "one finding" "$(judge third)" "1 foreign-extend"
    findings third
    equal "once" "$(jq -r '[.findings[] | select(.code == "foreign-extend")] | length' "$kept/third.json")" 1
    keyctl newring watched @u >/dev/null
    check "a rogue key" rogue another
    equal "and everything else is judged" "$(judge another)" "1 ${reasons/key-unknown/foreign-extend key-unknown}"
    findings another
    equal "no warning in the kernel's log" "$(dmesg | grep -E 'WARNING:|BUG:|Oops|hung task|detected stall')" ""
    finish
}

echo "# kernel $boot: $(uname -r)"
case $boot in
1) first_kernel ;;
2) second_kernel ;;
*) third_kernel ;;
esac
