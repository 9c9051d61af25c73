#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Reference values from what this host is made of: its kernel's image, and with vm/run --uefi the firmware's and
# shim's variables. They are the keys that its keyrings hold, and with them, the policy and the appraisal.toml that
# are shipped, a host that was just booted is affirmed.

. "$(dirname "$0")/lib.sh"

efi=/sys/firmware/efi/efivars
sources=(/harness/vmlinuz)
[[ ! -d $efi ]] || sources+=("$efi")
references=$work/out/references kernels=$work/out/kernels.json
chmod 755 "$work"

# Nobody's rights are enough.
as_nobody() { setpriv --reuid nobody --regid nogroup --clear-groups "$@"; }
install -d -o nobody "$work/out"

# fingerprints KEYRING: of the certificates in that folder of the reference values, by openssl.
fingerprints() { for der in "$references/$1"/*.der; do fingerprint "$der"; done | sort -u; }
# held KEYRING: of the keys that it holds, by the list.
held() { keyscribe keyrings "$1" --json | jq -r '.keyrings[].keys[] | select(.type == "asymmetric") | .fingerprint' | sort -u; }

echo "# from the kernel's image"
check "references from, by nobody" as_nobody keyscribe references from "${sources[@]}" -o "$references" \
    --kernel-images "$kernels"
equal "once more, nothing is new" "$(keyscribe references from "${sources[@]}" -o "$references" | grep -c '^written')" 0
equal "the certificates that perl and openssl find in it" "$(fingerprints .builtin_trusted_keys)" \
    "$(built_in_certificates | sort -u)"
equal "the image's digest" "$(jq -r '.kernel_images[0].sha256_file' "$kernels")" "$(sha256 /harness/vmlinuz)"

check "a policy is suggested" keyscribe policy suggest -o "$policy_dir/10-suggested.policy"
check "which is in force" keyscribe reload
equal "and measures each keyring of the kernel's that decides" \
    "$(awk '$8 == "keyring" && $9 ~ /^\./ { sub(/:$/, "", $9); print $9 }' /proc/keys | sort -u |
        grep -vxE '\.(dns_resolver|id_resolver|user_reg|persistent_register|nvme|nfs.*|cifs_.*|sed_opal)' |
        while read -r ring; do keyscribe policy explain --keyring "$ring" | tail -n 1 | grep -q '^decision: measured' || echo "$ring"; done)" ""
rm "$policy_dir/10-suggested.policy"

cp /usr/share/keyscribe/policy/trusted-keyrings.policy "$policy_dir/"
check "the policy that is shipped" keyscribe reload
check "ready" keyscribe wait ready --timeout 120
settle
equal ".builtin_trusted_keys holds these" "$(held .builtin_trusted_keys)" "$(fingerprints .builtin_trusted_keys)"
equal "as many as keyctl says" "$(keyctl rlist %:.builtin_trusted_keys | wc -w)" \
    "$(find "$references/.builtin_trusted_keys" -name '*.der' | wc -l)"
if [[ -d $efi ]]; then
    echo "# from the firmware's variables"
    equal ".platform" "$(held .platform)" "$(fingerprints .platform | grep -xF "$(held .platform)")"
    equal ".machine" "$(held .machine)" "$(fingerprints .machine)"
    authenticode=$(jq -r '.kernel_images[0].sha256_authenticode' "$kernels")
    check "the firmware measured this image" grep -F "$authenticode" \
        <(od -An -v -tx1 /sys/kernel/security/tpm0/binary_bios_measurements | tr -d ' \n')
fi

echo "# a host that was just booted"
check "the attestation key" keyscribe ak create -o "$work/ak"
nonce=$(openssl rand -hex 20)
check "evidence" keyscribe evidence --nonce "$nonce" -o "$work/host.evidence"
chmod -R a+rX "$work"
as_nobody keyscribe appraise "$work/host.evidence" --nonce "$nonce" --ak "$work/ak/ak.pem" \
    --reference-values "$references" --policy /usr/share/keyscribe/appraisal.toml --json >"$work/result.json"
equal "affirmed, with appraisal.toml as it is shipped" "$? $(jq -r '[.findings[] | select(.weight != "note") | .code] | join(" ")' \
    "$work/result.json")" "0 "
jq -r '.findings[] | "\(.weight) \(.code): \(.sentence)"' "$work/result.json" | cut -c1-160
check "and so says the report" as_nobody keyscribe report "$work/host.evidence" --nonce "$nonce" --ak "$work/ak/ak.pem" \
    --reference-values "$references" -o "$work/out/report.html"
keyscribe appraise "$work/host.evidence" --nonce "$nonce" --ak "$work/ak/ak.pem" --reference-values /harness/certificates \
    --policy /usr/share/keyscribe/appraisal.toml >/dev/null
equal "as it is with what perl finds" "$?" "$([[ -d $efi ]] && echo 1 || echo 0)"

echo "# what stands on it, as another's reference values"
check "from its evidence and its kernel" keyscribe references from "$work/host.evidence" /harness/vmlinuz -o "$work/golden"
equal "the same certificates" "$(cd "$work/golden" && sha256sum .builtin_trusted_keys/*)" \
    "$(cd "$references" && sha256sum .builtin_trusted_keys/*)"

echo "# who signed a module"
module=$(find /usr/lib/modules/"$(uname -r)"/kernel/lib -name '*.ko*' | head -n 1)
keyscribe references from "$module" /harness/vmlinuz --json >"$work/module.json"
equal "the key of the build" "$(jq -r '.signed_files[] | select(.kind == "module") | .signers[0].serial' "$work/module.json")" \
    "$(openssl x509 -inform DER -in "$(find "$references/.builtin_trusted_keys" -name '*.der' | head -n 1)" -noout -serial | cut -d= -f2)"
equal "no warning in the kernel's log" "$(dmesg | grep -E 'WARNING:|BUG:|Oops|hung task|detected stall')" ""
finish
