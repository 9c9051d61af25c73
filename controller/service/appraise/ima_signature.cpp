// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/ima_signature.h"

#include <openssl/core_names.h>

#include <algorithm>

#include "controller/base/little_endian.h"

namespace keyscribe::appraise {
namespace {

/// struct signature_v2_hdr: type, version, hash_algo, keyid, sig_size.
constexpr std::size_t kHeader = 9;

/// NIST CSOR; OpenSSL before 3.5 has no names for them.
struct ObjectName {
    std::string_view identifier, name;
};
constexpr ObjectName kObjectNames[] = {
    {"2.16.840.1.101.3.4.3.17", "ML-DSA-44"},
    {"2.16.840.1.101.3.4.3.18", "ML-DSA-65"},
    {"2.16.840.1.101.3.4.3.19", "ML-DSA-87"},
};

}  // namespace

bool is_of_type(Bytes xattr, XattrType type) {
    return !xattr.empty() && xattr[0] == static_cast<std::uint8_t>(type);
}

std::expected<ImaSignature, std::string> parse_ima_signature(Bytes xattr) {
    if (!is_of_type(xattr, XattrType::kFileSignature) &&
        !is_of_type(xattr, XattrType::kVeritySignature))
        return std::unexpected("is of a type that is not known");
    if (xattr.size() <= kHeader ||
        (xattr[7] << 8 | xattr[8]) != static_cast<int>(xattr.size() - kHeader))
        return std::unexpected("has a length that does not add up");
    const unsigned version = xattr[1];
    const bool verity = is_of_type(xattr, XattrType::kVeritySignature);
    if (version != 3 && (version != 2 || verity))
        return std::unexpected("is of version " + std::to_string(version));
    ImaSignature signature{.hash = kernel_hash_numbered(xattr[2]),
                           .key_id = load_be32(xattr.subspan(3, 4).data()),
                           .value = xattr.subspan(kHeader),
                           .of_file_id = version == 3,
                           .type = xattr[0]};
    if (signature.hash == nullptr)
        return std::unexpected("names a hash algorithm that no kernel has");
    return signature;
}

std::expected<std::vector<std::uint8_t>, std::string> signed_digest(
    const ImaSignature& signature, const list::TemplateFields& measured) {
    const std::string name(signature.hash->name);
    if (signature.hash->collides)
        return std::unexpected("is over " + name +
                               ", for which two files of one digest can be made");
    if (!signature.of_file_id)
        return std::vector<std::uint8_t>(measured.digest.begin(), measured.digest.end());
    // struct ima_file_id, as far as the digest fills it.
    std::vector<std::uint8_t> id{signature.type, signature.hash->number};
    id.insert(id.end(), measured.digest.begin(), measured.digest.end());
    auto digest = digest_with(*signature.hash, id);
    if (!digest) return std::unexpected("is over " + name + ", which this OpenSSL does not have");
    return *digest;
}

SignatureCheck check_signature(EVP_PKEY* key, const ImaSignature& signature, Bytes digest) {
    const EVP_MD* method = openssl_digest(*signature.hash);
    const bool rsa = key != nullptr && EVP_PKEY_is_a(key, "RSA");
    if (method == nullptr || (!rsa && (key == nullptr || !EVP_PKEY_is_a(key, "EC"))))
        return SignatureCheck::kNotPossible;
    Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key, nullptr));
    const bool possible =
        context && EVP_PKEY_verify_init(context.get()) == 1 &&
        (!rsa || EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1) &&
        EVP_PKEY_CTX_set_signature_md(context.get(), method) == 1;
    const bool good = possible && digest.size() == signature.hash->size &&
                      EVP_PKEY_verify(context.get(), signature.value.data(), signature.value.size(),
                                      digest.data(), digest.size()) == 1;
    ERR_clear_error();
    if (!possible) return SignatureCheck::kNotPossible;
    return good ? SignatureCheck::kGood : SignatureCheck::kBad;
}

std::uint64_t price_of(EVP_PKEY* key) {
    if (key == nullptr) return 0;
    const auto bits = static_cast<std::uint64_t>(std::max(EVP_PKEY_get_bits(key), 0));
    if (EVP_PKEY_is_a(key, "RSA")) {
        // Each bit of the exponent takes a squaring, and the usual one has 17.
        BIGNUM* found = nullptr;
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &found);
        const Owned<BIGNUM> exponent(found);
        const int length = exponent ? BN_num_bits(exponent.get()) : 0;
        return 8 + bits * bits / 250'000 * static_cast<std::uint64_t>(std::max(length, 17)) / 17;
    }
    struct Price {
        std::string_view curve;
        std::uint64_t price;
    };
    // OpenSSL has code of its own for each of the first three.
    constexpr Price kPrices[] = {{"secp224r1", 100},       {"prime256v1", 90},
                                 {"secp521r1", 600},       {"secp384r1", 850},
                                 {"secp256k1", 400},       {"brainpoolP256r1", 400},
                                 {"brainpoolP384r1", 850}, {"brainpoolP512r1", 1'300}};
    constexpr std::uint64_t kOfOthers = 4'000;
    char curve[64] = {};
    EVP_PKEY_get_group_name(key, curve, sizeof curve, nullptr);
    const auto known = std::ranges::find(kPrices, std::string_view(curve), &Price::curve);
    return known != std::end(kPrices) ? known->price : kOfOthers;
}

std::string key_algorithm(Bytes certificate, EVP_PKEY* key) {
    const unsigned char* der = certificate.data();
    const Owned<X509> parsed(
        der == nullptr ? nullptr : d2i_X509(nullptr, &der, static_cast<long>(certificate.size())));
    ASN1_OBJECT* object = nullptr;
    if (!parsed || X509_PUBKEY_get0_param(&object, nullptr, nullptr, nullptr,
                                          X509_get_X509_PUBKEY(parsed.get())) != 1) {
        const char* name = key == nullptr ? nullptr : EVP_PKEY_get0_type_name(key);
        return name == nullptr ? "an algorithm that is not known here" : name;
    }
    char identifier[128] = "";
    OBJ_obj2txt(identifier, sizeof identifier, object, 1);
    const auto known =
        std::ranges::find(kObjectNames, std::string_view(identifier), &ObjectName::identifier);
    if (known != std::end(kObjectNames)) return std::string(known->name);
    const int nid = OBJ_obj2nid(object);
    return nid == NID_undef ? identifier : OBJ_nid2ln(nid);
}

}  // namespace keyscribe::appraise
