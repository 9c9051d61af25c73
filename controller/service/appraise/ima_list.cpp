// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/ima_list.h"

#include <algorithm>

#include "controller/service/appraise/codes.h"

namespace keyscribe::appraise {
namespace {

// enum evm_ima_xattr_type, security/integrity/integrity.h.
constexpr std::uint8_t kDigSig = 3, kVerityDigSig = 6;

/// struct signature_v2_hdr, without its signature: type, version, hash_algo, keyid, sig_size.
constexpr std::size_t kHeader = 9;

/// include/uapi/linux/hash_info.h; SHA-1 and shorter ones prove nothing.
struct HashAlgorithm {
    std::uint8_t kernel;
    std::string_view name;
    const char* openssl;
};
constexpr HashAlgorithm kHashes[] = {{4, "sha256", "SHA256"},
                                     {5, "sha384", "SHA384"},
                                     {6, "sha512", "SHA512"},
                                     {7, "sha224", "SHA224"}};

std::uint32_t load_be32(Bytes from) {
    return std::uint32_t{from[0]} << 24 | std::uint32_t{from[1]} << 16 |
           std::uint32_t{from[2]} << 8 | from[3];
}

std::string key_id_text(std::uint32_t id) {
    const std::uint8_t bytes[] = {
        static_cast<std::uint8_t>(id >> 24), static_cast<std::uint8_t>(id >> 16),
        static_cast<std::uint8_t>(id >> 8), static_cast<std::uint8_t>(id)};
    return to_hex(bytes);
}

/// The ends of what identifies a key: its subjectKeyIdentifier, the kernel's identifiers, and the
/// SHA-1 of its public key, which evmctl takes where there is nothing else.
std::vector<std::uint32_t> key_ids(const Material& material) {
    std::vector<std::uint32_t> ids;
    const auto add = [&ids](Bytes id) {
        if (id.size() >= 4) ids.push_back(load_be32(id.last(4)));
    };
    if (const auto view = keyrings::view_certificate(material.certificate);
        view && view->subject_key_id)
        add(*view->subject_key_id);
    for (const Bytes id : material.ids) add(id);
    if (!material.public_key.empty()) add(hash(Algorithm::kSha1, material.public_key));
    return ids;
}

bool verifies(EVP_PKEY* key, const HashAlgorithm& hash, Bytes digest, Bytes signature) {
    Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key, nullptr));
    const EVP_MD* md = EVP_get_digestbyname(hash.openssl);
    if (!context || md == nullptr || EVP_PKEY_verify_init(context.get()) != 1) return false;
    if (EVP_PKEY_is_a(key, "RSA") &&
        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1)
        return false;
    const bool good = EVP_PKEY_CTX_set_signature_md(context.get(), md) == 1 &&
                      static_cast<std::size_t>(EVP_MD_get_size(md)) == digest.size() &&
                      EVP_PKEY_verify(context.get(), signature.data(), signature.size(),
                                      digest.data(), digest.size()) == 1;
    ERR_clear_error();
    return good;
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
            signers_.push_back({presence.material, key_ids(materials_[presence.material])});
        }
        signers_[signer].always = signers_[signer].always || presence.baseline;
    }
    find_late_signers(list);
}

void ImaJudge::entry(const HashedEntry& hashed) {
    if (hashed.violation) {
        findings_.add(codes::kImaViolation, policy_.ima.allow_violations,
                      "a file was open for writing while it was measured" +
                          (hashed.fields ? ": " + printable(hashed.fields->name) : std::string()),
                      in_ima(hashed.number));
        return;
    }
    if (!hashed.fields) {
        findings_.add(codes::kImaTemplate,
                      "an entry that cannot be understood, of template " +
                          printable(hashed.entry.template_name),
                      in_ima(hashed.number));
        return;
    }
    const std::string_view name = hashed.entry.template_name;
    if (name == "ima-buf") return;
    if (hashed.number == 0 && hashed.fields->name == "boot_aggregate") return;
    file_digest(hashed);
    // Template ima-modsig has an appended signature in fields of its own; it is not read here.
    if ((name == "ima-sig" || name == "ima-sigv2" || name == "ima-modsig") &&
        !hashed.fields->more[0].empty())
        return file_signature(hashed, hashed.fields->more[0]);
    if (policy_.ima.require_signatures)
        findings_.add(codes::kImaUnsigned, printable(hashed.fields->name) + " has no signature",
                      in_ima(hashed.number));
}

/// The kernel measures keys as well: where it says that a signer came, nothing before can be signed
/// by it unless it was there already, in the baseline of Keyscribe's list.
void ImaJudge::find_late_signers(const ListPass& list) {
    if (std::ranges::all_of(signers_, &Signer::always)) return;
    list::ListReader reader(list.list, list.stored);
    for (std::uint64_t number = 0;; ++number) {
        const auto entry = reader.next();
        if (!entry || !*entry) return;
        if ((*entry)->template_name != "ima-buf" || (*entry)->pcr != list.pcr) continue;
        const auto fields = list::decode_fields("ima-buf", (*entry)->template_data);
        if (!fields || !matches_any(policy_.ima.signers, fields->name)) continue;
        for (Signer& signer : signers_)
            if (!signer.always && signer.since == 0 &&
                std::ranges::equal(materials_[signer.material].certificate, fields->more[0]))
                signer.since = number;
    }
}

void ImaJudge::file_digest(const HashedEntry& hashed) {
    if (blocked_.empty()) return;
    const TemplateFields& fields = *hashed.fields;
    if (blocked_.contains(fields.digest)) {
        findings_.add(codes::kFileBlocked,
                      printable(fields.name) + " is a blocked file: " +
                          printable(fields.algorithm) + ':' + to_hex(fields.digest),
                      in_ima(hashed.number));
    } else if (!blocked_.has_size(fields.digest.size()) || fields.type == "verity") {
        findings_.add(codes::kFileUncomparable,
                      printable(fields.name) + " was measured with " + printable(fields.type) +
                          printable(fields.algorithm) + ", in which no blocked file is given",
                      in_ima(hashed.number));
    }
}

void ImaJudge::file_signature(const HashedEntry& hashed, Bytes signature) {
    const TemplateFields& fields = *hashed.fields;
    const std::string file = printable(fields.name);
    const auto tell = [&](const Code& code, const std::string& sentence) {
        findings_.add(code, sentence, in_ima(hashed.number));
    };
    const bool sized =
        signature.size() > kHeader &&
        (signature[7] << 8 | signature[8]) == static_cast<int>(signature.size() - kHeader);
    const auto hash = sized ? std::ranges::find(kHashes, signature[2], &HashAlgorithm::kernel)
                            : std::end(kHashes);
    const bool v2 =
        sized && signature[0] == kDigSig && signature[1] == 2 && fields.type != "verity";
    const bool v3 = sized && signature[1] == 3 &&
                    signature[0] == (fields.type == "verity" ? kVerityDigSig : kDigSig);
    if ((!v2 && !v3) || hash == std::end(kHashes))
        return tell(codes::kImaSignatureMalformed,
                    file + " has a signature of a form that is not known or too weak");
    if (fields.algorithm != hash->name)
        return tell(codes::kImaSignature,
                    file +
                        " was measured with another digest than it was signed "
                        "with, so its signature proves nothing");
    // Version 3 signs struct ima_file_id: type, algorithm, digest.
    std::vector<std::uint8_t> id{signature[0], signature[2]};
    id.insert(id.end(), fields.digest.begin(), fields.digest.end());
    const auto digest_algorithm = algorithm_named(hash->name);
    if (v3 && !digest_algorithm)
        return tell(codes::kImaSignatureMalformed, file + " has a signature over SHA-224");
    const Digest of_id = v3 ? base::hash(*digest_algorithm, id) : Digest{};
    const Bytes digest = v3 ? Bytes(of_id) : fields.digest;

    const std::uint32_t key_id = load_be32(signature.subspan(3, 4));
    bool named = false, later = false;
    for (const Signer& signer : signers_) {
        if (std::ranges::find(signer.key_ids, key_id) == signer.key_ids.end()) continue;
        named = true;
        EVP_PKEY* key = keys_.get(signer.material);
        if (key == nullptr || !verifies(key, *hash, digest, signature.subspan(kHeader))) continue;
        later = signer.since > hashed.number;
        if (later) continue;
        ++verified_;
        return;
    }
    if (later)
        tell(codes::kImaSignerLater, file + " is signed by key " + key_id_text(key_id) +
                                         ", which came into its keyring only after that");
    else if (named)
        tell(codes::kImaSignature, "the signature of " + file + " does not verify");
    else
        tell(codes::kImaSignatureKey, file + " is signed by key " + key_id_text(key_id) +
                                          ", which never stood among the keys that sign files");
}

}  // namespace keyscribe::appraise
