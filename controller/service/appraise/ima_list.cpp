// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/ima_list.h"

#include <algorithm>

#include "controller/base/little_endian.h"
#include "controller/list/template_data.h"
#include "controller/service/appraise/codes.h"
#include "controller/service/appraise/ima_signature.h"

namespace keyscribe::appraise {
namespace {

std::string key_id_text(std::uint32_t id) {
    const std::uint8_t bytes[] = {
        static_cast<std::uint8_t>(id >> 24), static_cast<std::uint8_t>(id >> 16),
        static_cast<std::uint8_t>(id >> 8), static_cast<std::uint8_t>(id)};
    return to_hex(bytes);
}

/// The ends of what identifies a key: the subjectKeyIdentifiers of its certificates, the kernel's
/// identifiers, and the SHA-1 of its public key, which evmctl takes where there is nothing else.
std::vector<std::uint32_t> key_ids(const Material& material,
                                   const std::vector<Bytes>& certificates) {
    std::vector<std::uint32_t> ids;
    const auto add = [&ids](Bytes id) {
        if (id.size() >= 4) ids.push_back(load_be32(id.last(4).data()));
    };
    for (const Bytes der : certificates)
        if (const auto view = keyrings::view_certificate(der); view && view->subject_key_id)
            add(*view->subject_key_id);
    for (const Bytes id : material.ids) add(id);
    if (!material.public_key.empty()) add(hash(Algorithm::kSha1, material.public_key));
    return ids;
}

/// "sha256", or of d-ngv2 "verity:sha256".
std::string digest_name(const TemplateFields& fields) {
    return (fields.type.empty() ? "" : printable(fields.type) + ':') + printable(fields.algorithm);
}

bool is_kernel_digest(const TemplateFields& fields) {
    const KernelHash* hash = kernel_hash(fields.algorithm);
    return fields.algorithm.empty() || (hash != nullptr && hash->size == fields.digest.size());
}

}  // namespace

ImaJudge::ImaJudge(const AppraisalPolicy& policy, const KeyJudge& keys, const BlockedFiles& blocked,
                   const ListPass& list, Findings& findings)
    : policy_(policy),
      materials_(keys.materials()),
      blocked_(blocked),
      findings_(findings),
      keys_(keys.materials()) {
    constexpr std::size_t kNone = SIZE_MAX;
    std::vector<std::size_t> signer_of(materials_.size(), kNone);
    for (const Presence& presence : keys.presences()) {
        if (!presence.vouches || !matches_any(policy.ima.signers, presence.ring)) continue;
        std::size_t& signer = signer_of[presence.material];
        if (signer == kNone) {
            signer = signers_.size();
            const Material& material = materials_[presence.material];
            signers_.push_back(
                {presence.material,
                 key_ids(material, materials_.certificates_of(material, presence.ring))});
        }
        signers_[signer].rings.insert(list::ima_event_name(presence.ring));
        signers_[signer].always = signers_[signer].always || presence.baseline;
        signers_[signer].stands = signers_[signer].stands || !presence.left;
    }
    find_late_signers(list);
}

void ImaJudge::entry(const HashedEntry& hashed, bool compared) {
    const Place place = in_ima(hashed.number);
    if (hashed.violation) {
        findings_.add(codes::kImaViolation, policy_.ima.allow_violations,
                      "a file was open for writing while it was measured" +
                          (hashed.fields ? ": " + printable(hashed.fields->name) : std::string()),
                      place);
        return;
    }
    if (!hashed.fields || !is_kernel_digest(*hashed.fields)) {
        findings_.add(codes::kImaTemplate, policy_.ima.allow_templates,
                      "an entry that cannot be understood, of template " +
                          printable(hashed.entry.template_name),
                      place);
        return;
    }
    if (hashed.payload == PayloadCheck::kNotPossible && hashed.fields->is_buffer())
        findings_.add(codes::kImaPayloadUnchecked,
                      "whether the digest of " + printable(hashed.fields->name) +
                          " is that of its content is not known: this OpenSSL does not have " +
                          printable(hashed.fields->algorithm),
                      place);
    if (hashed.fields->is_buffer()) return;
    if (is_aggregate(*hashed.fields)) return aggregate(hashed, compared);
    file_digest(hashed);
    file_signature(hashed);
}

/// The kernel measures it when it starts. A list that was carried over a kexec has one of each
/// kernel, and the firmware's PCRs are the same.
void ImaJudge::aggregate(const HashedEntry& hashed, bool compared) {
    const TemplateFields& fields = *hashed.fields;
    if (hashed.number == 0) {
        aggregate_ = fields;
        return;
    }
    if (compared || (aggregate_ && aggregate_->algorithm == fields.algorithm &&
                     std::ranges::equal(aggregate_->digest, fields.digest)))
        return;
    findings_.add(codes::kBootAggregate,
                  "a later boot_aggregate (of a kexec) is not the first one again, and the "
                  "firmware's PCRs are not quoted in its bank",
                  in_ima(hashed.number));
}

/// The kernel measures keys as well: where it says that a signer came, nothing before can be signed
/// by it unless it was there already, in the baseline of Keyscribe's list. Only the keyrings count
/// in which the signer stood: another one of `signers` may be a user's.
void ImaJudge::find_late_signers(const ListPass& list) {
    if (std::ranges::all_of(signers_, &Signer::always)) return;
    list::ListReader reader(list.list, list.stored);
    for (std::uint64_t number = 0;; ++number) {
        const auto entry = reader.next();
        if (!entry || !*entry) return;
        if ((*entry)->pcr != list.pcr) continue;
        const auto fields = list::decode_fields((*entry)->template_name, (*entry)->template_data);
        if (!fields || !fields->buf) continue;
        for (Signer& signer : signers_)
            if (!signer.always && signer.since == 0 &&
                std::ranges::equal(materials_[signer.material].certificate, *fields->buf) &&
                signer.rings.contains(fields->name))
                signer.since = number;
    }
}

void ImaJudge::file_digest(const HashedEntry& hashed) {
    if (blocked_.empty()) return;
    const TemplateFields& fields = *hashed.fields;
    const auto tell_blocked = [&](std::string_view algorithm, Bytes digest) {
        if (!blocked_.contains(algorithm, digest)) return false;
        findings_.add(codes::kFileBlocked,
                      printable(fields.name) + " is a blocked file: " + printable(algorithm) + ':' +
                          to_hex(digest),
                      in_ima(hashed.number));
        return true;
    };
    // A module that was signed by somebody else is the same module.
    if (tell_blocked(fields.modsig_algorithm, fields.modsig_digest)) return;
    if (fields.type != "verity" && tell_blocked(fields.algorithm, fields.digest)) return;
    if (!blocked_.compares(fields.algorithm) || fields.type == "verity") {
        findings_.add(codes::kFileUncomparable, policy_.ima.allow_uncomparable,
                      printable(fields.name) +
                          (fields.algorithm.empty() ? " was measured without a digest"
                                                    : " was measured with " + digest_name(fields)) +
                          ", in which not every blocked file is given",
                      in_ima(hashed.number));
    }
}

void ImaJudge::file_signature(const HashedEntry& hashed) {
    const TemplateFields& fields = *hashed.fields;
    const Place place = in_ima(hashed.number);
    const bool required = policy_.ima.require_signatures;
    // Where a file has no signature of its own the kernel puts security.evm into sig.
    const bool evm = (fields.evmsig && !fields.evmsig->empty()) ||
                     (fields.sig && is_of_type(*fields.sig, XattrType::kEvmPortable));
    const bool of_its_own =
        fields.sig && !fields.sig->empty() && !is_of_type(*fields.sig, XattrType::kEvmPortable);
    const bool appended = fields.modsig && !fields.modsig->empty();
    if (appended)
        findings_.add(codes::kImaAppended, of_its_own || !required || policy_.ima.allow_appended,
                      printable(fields.name) +
                          " has an appended signature (modsig), which is not verified here",
                      place);
    if (of_its_own)
        verify_signature(hashed, *fields.sig);
    else if (required && !appended)
        findings_.add(codes::kImaUnsigned, evm && policy_.ima.allow_evm_signatures,
                      printable(fields.name) +
                          (evm ? " has no signature but one for EVM, which is over its metadata"
                               : " has no signature"),
                      place);
}

/// One signature can stand in the list a hundred thousand times.
SignatureCheck ImaJudge::check_by(const Signer& signer, const ImaSignature& signature,
                                  Bytes digest) {
    const Digest both = hash(Algorithm::kSha256, signature.value, digest);
    GoodSignature one{signer.material, signature.hash->number, {}};
    std::ranges::copy(Bytes(both), std::get<Sha256>(one).begin());
    if (good_.contains(one)) return SignatureCheck::kGood;
    EVP_PKEY* key = keys_.get(signer.material);
    const std::uint64_t price = price_of(key), most = policy_.ima.verify_seconds * 1'000'000ull;
    if (spent_ + price > most) {
        spent_ = most;
        return SignatureCheck::kBad;
    }
    spent_ += price;
    const SignatureCheck check = check_signature(key, signature, digest);
    if (check == SignatureCheck::kGood) good_.insert(one);
    return check;
}

void ImaJudge::verify_signature(const HashedEntry& hashed, Bytes xattr) {
    const TemplateFields& fields = *hashed.fields;
    const std::string file = printable(fields.name);
    const auto tell = [&](const Code& code, const std::string& sentence) {
        findings_.add(code,
                      code.name == codes::kImaUnverifiable.name && policy_.ima.allow_unverifiable,
                      sentence, in_ima(hashed.number));
    };
    const auto signature = parse_ima_signature(xattr);
    if (!signature)
        return tell(codes::kImaSignatureMalformed,
                    "the signature of " + file + ' ' + signature.error());
    const bool of_verity = is_of_type(xattr, XattrType::kVeritySignature);
    if (of_verity != (fields.type == "verity"))
        return tell(codes::kImaSignatureMalformed,
                    "the signature of " + file + " is of another kind than its digest");
    if (kernel_hash(fields.algorithm) != signature->hash)
        return tell(codes::kImaSignature,
                    file + " was measured with " + digest_name(fields) + " and signed with " +
                        std::string(signature->hash->name) + ", so its signature proves nothing");
    const auto digest = signed_digest(*signature, fields);
    if (!digest)
        return tell(codes::kImaUnverifiable, "the signature of " + file + ' ' + digest.error());

    const std::string key_id = key_id_text(signature->key_id);
    std::string not_possible;
    bool named = false, later = false, left = false;
    for (const Signer& signer : signers_) {
        if (std::ranges::find(signer.key_ids, signature->key_id) == signer.key_ids.end()) continue;
        named = true;
        const SignatureCheck check = check_by(signer, *signature, *digest);
        if (check == SignatureCheck::kNotPossible)
            not_possible =
                key_algorithm(materials_[signer.material].certificate, keys_.get(signer.material));
        if (check != SignatureCheck::kGood) continue;
        later = signer.since > hashed.number;
        if (later) continue;
        left = !signer.stands;
        if (left) continue;
        ++verified_;
        return;
    }
    // Which of both came first, the file or the key's end, neither list says.
    if (left)
        findings_.add(codes::kImaSignerLeft, policy_.ima.allow_former_signers,
                      file + " is signed by key " + key_id +
                          ", which stands in no keyring any more whose keys sign files",
                      in_ima(hashed.number));
    else if (later)
        tell(codes::kImaSignerLater, file + " is signed by key " + key_id +
                                         ", which came into its keyring only after that");
    else if (!not_possible.empty())
        tell(codes::kImaUnverifiable, file + " is signed with " + not_possible + " and " +
                                          std::string(signature->hash->name) +
                                          ", which this OpenSSL cannot verify");
    else if (named)
        tell(codes::kImaSignature, "the signature of " + file +
                                       (spent_ < policy_.ima.verify_seconds * 1'000'000ull
                                            ? " does not verify"
                                            : " was not looked at: those before it take the " +
                                                  std::to_string(policy_.ima.verify_seconds) +
                                                  " s that they may ([ima] verify_seconds)"));
    else
        tell(codes::kImaSignatureKey, file + " is signed by key " + key_id +
                                          ", which never stood among the keys that sign files");
}

}  // namespace keyscribe::appraise
