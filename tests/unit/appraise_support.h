// SPDX-License-Identifier: Apache-2.0
// Makes evidence as a host would, with keys of OpenSSL's in the TPM's place, so that a test can
// also make what no honest TPM would sign.
#pragma once

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <tss2/tss2_mu.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/host/measure/list_writer.h"
#include "controller/list/cbor.h"
#include "controller/list/list_reader.h"
#include "controller/list/template_data.h"
#include "controller/service/appraise/appraise.h"
#include "controller/service/appraise/openssl.h"

namespace keyscribe::testing {

using appraise::Owned;
using Buffer = std::vector<std::uint8_t>;

inline std::shared_ptr<EVP_PKEY> shared(EVP_PKEY* key) { return {key, EVP_PKEY_free}; }
inline std::shared_ptr<EVP_PKEY> rsa_key(unsigned bits = 2048) { return shared(EVP_RSA_gen(bits)); }
inline std::shared_ptr<EVP_PKEY> ec_key(const char* curve) { return shared(EVP_EC_gen(curve)); }

inline Buffer spki_bits(EVP_PKEY* key) {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key, &der);
    const Buffer spki(der, der + size);
    OPENSSL_free(der);
    const Bytes bits = *keyrings::public_key_of_spki(spki);
    return {bits.begin(), bits.end()};
}

struct CertificateOptions {
    std::int64_t not_before = std::time(nullptr) - 3600;
    std::int64_t not_after = std::time(nullptr) + 86400;
    const EVP_MD* digest = EVP_sha256();
};

/// A certificate of `key` with the name `subject`, signed by `issuer_key` as `issuer`.
inline Buffer certificate(EVP_PKEY* key, const std::string& subject, EVP_PKEY* issuer_key,
                          const std::string& issuer, const CertificateOptions& options = {},
                          unsigned comment = 0) {
    static std::atomic<long> serial = 1;
    Owned<X509> made(X509_new());
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial++);
    ASN1_TIME_set(X509_getm_notBefore(made.get()), options.not_before);
    ASN1_TIME_set(X509_getm_notAfter(made.get()), options.not_after);
    const auto name = [](X509_NAME* to, const std::string& text) {
        X509_NAME_add_entry_by_txt(to, "CN", MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()), -1, 0);
    };
    name(X509_get_subject_name(made.get()), subject);
    name(X509_get_issuer_name(made.get()), issuer);
    X509_set_pubkey(made.get(), key);
    X509V3_CTX context;
    X509V3_set_ctx(&context, made.get(), made.get(), nullptr, nullptr, 0);
    X509_EXTENSION* extension =
        X509V3_EXT_conf_nid(nullptr, &context, NID_subject_key_identifier, "hash");
    X509_add_ext(made.get(), extension, -1);
    X509_EXTENSION_free(extension);
    if (comment > 30) {
        // That much longer, as the extension itself takes 24 bytes or so.
        const std::string text(comment - 24, 'c');
        X509_EXTENSION* extra =
            X509V3_EXT_conf_nid(nullptr, &context, NID_netscape_comment, text.c_str());
        X509_add_ext(made.get(), extra, -1);
        X509_EXTENSION_free(extra);
    }
    X509_sign(made.get(), issuer_key, options.digest);
    unsigned char* der = nullptr;
    const int size = i2d_X509(made.get(), &der);
    Buffer bytes(der, der + size);
    OPENSSL_free(der);
    return bytes;
}

/// A measurement list in the making, with the PCR values that it gives.
class ListMaker {
  public:
    ListMaker(unsigned pcr, Algorithm stored = Algorithm::kSha1) : pcr_(pcr), stored_(stored) {
        for (const Algorithm bank : {Algorithm::kSha1, Algorithm::kSha256})
            values_.emplace_back(bank, filled(bank, 0));
    }

    void add(std::string_view template_name, Bytes template_data) {
        const Digest stored = hash(stored_, template_data);
        put_le32(pcr_);
        bytes.insert(bytes.end(), stored.bytes.begin(), stored.bytes.begin() + stored.size);
        put_le32(static_cast<std::uint32_t>(template_name.size()));
        bytes.insert(bytes.end(), template_name.begin(), template_name.end());
        put_le32(static_cast<std::uint32_t>(template_data.size()));
        bytes.insert(bytes.end(), template_data.begin(), template_data.end());
        for (auto& [bank, value] : values_)
            value = list::extended(bank, value, hash(bank, template_data));
        offsets.push_back(bytes.size());
        ++entries;
    }
    void violation(std::string_view name) {
        const auto data =
            list::encode_ima_ng(Algorithm::kSha256, filled(Algorithm::kSha256, 0), name);
        put_le32(pcr_);
        bytes.resize(bytes.size() + size_of(stored_));
        put_le32(6);
        const std::string_view text = "ima-ng";
        bytes.insert(bytes.end(), text.begin(), text.end());
        put_le32(static_cast<std::uint32_t>(data.size()));
        bytes.insert(bytes.end(), data.begin(), data.end());
        for (auto& [bank, value] : values_) value = list::extended(bank, value, filled(bank, 0xff));
        offsets.push_back(bytes.size());
        ++entries;
    }
    void aggregate(const Digest& digest = hash(Algorithm::kSha256, {})) {
        add("ima-ng", list::encode_ima_ng(Algorithm::kSha256, digest, "boot_aggregate"));
    }
    void buf(std::string_view name, Bytes payload) {
        add("ima-buf", list::encode_ima_buf(name, payload));
    }
    void record(const std::string& kind, const nlohmann::json& fields) {
        buf("keyscribe:" + kind, list::to_cbor(fields));
    }
    /// As the kernel writes a signed file: d-ng | n-ng | sig.
    void signed_file(Bytes digest, std::string_view name, Bytes signature) {
        auto data = list::encode_ima_ng(Algorithm::kSha256, digest, name);
        const std::uint32_t size = static_cast<std::uint32_t>(signature.size());
        for (int shift = 0; shift < 32; shift += 8)
            data.push_back(static_cast<std::uint8_t>(size >> shift));
        data.insert(data.end(), signature.begin(), signature.end());
        add("ima-sig", data);
    }
    /// The PCR's values were changed by somebody else.
    void extend_only(std::string_view what) {
        for (auto& [bank, value] : values_)
            value = list::extended(bank, value, hash(bank, as_bytes(what)));
    }

    evidence::PcrSet pcrs() const {
        evidence::PcrSet set;
        for (const auto& [bank, value] : values_) set[bank][pcr_] = value;
        return set;
    }
    nlohmann::json values_json() const {
        nlohmann::json json = nlohmann::json::object();
        for (const auto& [bank, value] : values_)
            json[std::string(name_of(bank))] = list::cbor_bytes(value);
        return json;
    }

    Buffer bytes;
    std::uint64_t entries = 0;
    std::vector<std::size_t> offsets;  ///< where each entry ends

  private:
    void put_le32(std::uint32_t value) {
        for (int shift = 0; shift < 32; shift += 8)
            bytes.push_back(static_cast<std::uint8_t>(value >> shift));
    }
    unsigned pcr_;
    Algorithm stored_;
    appraise::PcrBanks values_;
};

/// What a TPM would quote, and how it would sign.
struct QuoteMaker {
    std::shared_ptr<EVP_PKEY> key;
    TPMI_ALG_SIG_SCHEME scheme = TPM2_ALG_RSASSA;
    Algorithm hash = Algorithm::kSha256;
    Buffer nonce{1, 2, 3, 4, 5, 6, 7, 8};
    std::uint32_t magic = TPM2_GENERATED_VALUE;
    std::uint16_t type = TPM2_ST_ATTEST_QUOTE;
    std::uint32_t reset_count = 7, restart_count = 1;
    std::uint64_t clock = 123456;
    std::string signer = "qualified";
    bool flip_signature = false;
    TPMA_OBJECT attributes = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT |
                             TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                             TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH;

    Buffer attest(const evidence::PcrSet& pcrs) const {
        TPMS_ATTEST attest{};
        attest.magic = TPM2_GENERATED_VALUE;
        attest.type = TPM2_ST_ATTEST_QUOTE;
        attest.qualifiedSigner.size = static_cast<UINT16>(signer.size());
        std::ranges::copy(signer, attest.qualifiedSigner.name);
        attest.extraData.size = static_cast<UINT16>(nonce.size());
        std::ranges::copy(nonce, attest.extraData.buffer);
        attest.clockInfo = {clock, reset_count, restart_count, TPM2_YES};
        attest.firmwareVersion = 42;
        TPMS_QUOTE_INFO& quote = attest.attested.quote;
        Buffer values;
        for (const auto& [bank, of_bank] : pcrs) {
            auto& selection = quote.pcrSelect.pcrSelections[quote.pcrSelect.count++];
            selection.hash = static_cast<TPMI_ALG_HASH>(bank);
            selection.sizeofSelect = 3;
            for (const auto& [pcr, value] : of_bank) {
                selection.pcrSelect[pcr / 8] |= static_cast<BYTE>(1 << (pcr % 8));
                const Bytes bytes = value;
                values.insert(values.end(), bytes.begin(), bytes.end());
            }
        }
        const Digest digest = base::hash(hash, values);
        quote.pcrDigest.size = static_cast<UINT16>(digest.size);
        std::copy_n(digest.bytes.begin(), digest.size, quote.pcrDigest.buffer);
        Buffer bytes(sizeof(TPMS_ATTEST));
        std::size_t size = 0;
        Tss2_MU_TPMS_ATTEST_Marshal(&attest, bytes.data(), bytes.size(), &size);
        bytes.resize(size);
        for (int i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(magic >> (24 - 8 * i));
        bytes[4] = static_cast<std::uint8_t>(type >> 8);
        bytes[5] = static_cast<std::uint8_t>(type);
        return bytes;
    }

    Buffer sign(Bytes attest) const {
        const EVP_MD* md = hash == Algorithm::kSha1     ? EVP_sha1()
                           : hash == Algorithm::kSha256 ? EVP_sha256()
                           : hash == Algorithm::kSha384 ? EVP_sha384()
                                                        : EVP_sha512();
        Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
        EVP_PKEY_CTX* parameters = nullptr;
        EVP_DigestSignInit(context.get(), &parameters, md, nullptr, key.get());
        if (scheme == TPM2_ALG_RSAPSS)
            EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING);
        std::size_t size = 0;
        EVP_DigestSign(context.get(), nullptr, &size, attest.data(), attest.size());
        Buffer raw(size);
        EVP_DigestSign(context.get(), raw.data(), &size, attest.data(), attest.size());
        raw.resize(size);
        if (flip_signature) raw.back() ^= 1;
        TPMT_SIGNATURE signature{};
        signature.sigAlg = scheme;
        if (scheme == TPM2_ALG_ECDSA) {
            const unsigned char* der = raw.data();
            Owned<ECDSA_SIG> parts(d2i_ECDSA_SIG(nullptr, &der, static_cast<long>(raw.size())));
            const auto copy = [](const BIGNUM* from, TPM2B_ECC_PARAMETER& to) {
                to.size = static_cast<UINT16>(BN_num_bytes(from));
                BN_bn2bin(from, to.buffer);
            };
            signature.signature.ecdsa.hash = static_cast<TPMI_ALG_HASH>(hash);
            copy(ECDSA_SIG_get0_r(parts.get()), signature.signature.ecdsa.signatureR);
            copy(ECDSA_SIG_get0_s(parts.get()), signature.signature.ecdsa.signatureS);
        } else {
            signature.signature.rsassa.hash = static_cast<TPMI_ALG_HASH>(hash);
            signature.signature.rsassa.sig.size = static_cast<UINT16>(raw.size());
            std::ranges::copy(raw, signature.signature.rsassa.sig.buffer);
        }
        Buffer bytes(sizeof(TPMT_SIGNATURE));
        size = 0;
        Tss2_MU_TPMT_SIGNATURE_Marshal(&signature, bytes.data(), bytes.size(), &size);
        bytes.resize(size);
        return bytes;
    }

    Buffer tpmt_public() const {
        TPMT_PUBLIC area{};
        area.nameAlg = TPM2_ALG_SHA256;
        area.objectAttributes = attributes;
        if (scheme == TPM2_ALG_ECDSA) {
            area.type = TPM2_ALG_ECC;
            const bool p384 = EVP_PKEY_get_bits(key.get()) == 384;
            area.parameters.eccDetail = {
                {TPM2_ALG_NULL, {}},
                {TPM2_ALG_ECDSA, {.ecdsa = {TPM2_ALG_SHA256}}},
                static_cast<TPMI_ECC_CURVE>(p384 ? TPM2_ECC_NIST_P384 : TPM2_ECC_NIST_P256),
                {TPM2_ALG_NULL, {}}};
            const Buffer point = spki_bits(key.get());
            const std::size_t half = (point.size() - 1) / 2;
            area.unique.ecc.x.size = area.unique.ecc.y.size = static_cast<UINT16>(half);
            std::copy_n(point.begin() + 1, half, area.unique.ecc.x.buffer);
            std::copy_n(point.begin() + 1 + static_cast<std::ptrdiff_t>(half), half,
                        area.unique.ecc.y.buffer);
        } else {
            area.type = TPM2_ALG_RSA;
            const int bits = EVP_PKEY_get_bits(key.get());
            area.parameters.rsaDetail = {{TPM2_ALG_NULL, {}},
                                         {scheme, {.rsassa = {TPM2_ALG_SHA256}}},
                                         static_cast<TPMI_RSA_KEY_BITS>(bits),
                                         0};
            BIGNUM* n = nullptr;
            EVP_PKEY_get_bn_param(key.get(), "n", &n);
            area.unique.rsa.size = static_cast<UINT16>(BN_num_bytes(n));
            BN_bn2bin(n, area.unique.rsa.buffer);
            BN_free(n);
        }
        Buffer bytes(sizeof(TPMT_PUBLIC));
        std::size_t size = 0;
        Tss2_MU_TPMT_PUBLIC_Marshal(&area, bytes.data(), bytes.size(), &size);
        bytes.resize(size);
        return bytes;
    }

    std::string pem() const {
        Owned<BIO> bio(BIO_new(BIO_s_mem()));
        PEM_write_bio_PUBKEY(bio.get(), key.get());
        char* text = nullptr;
        const long size = BIO_get_mem_data(bio.get(), &text);
        return {text, static_cast<std::size_t>(size)};
    }
};

/// A host with the keyrings that every kernel has, and what it measured. A test changes what it
/// likes and asks for the evidence.
struct Host {
    static constexpr unsigned kPcr = 13;
    static constexpr const char* kBootId = "c0ffee00-0000-4000-8000-000000000001";

    std::shared_ptr<EVP_PKEY> builtin_key, ima_key;
    Buffer builtin, ima;  ///< certificates
    QuoteMaker quote;
    ListMaker list{kPcr};
    ListMaker kernel{10};
    bool with_ima = false;
    evidence::PcrSet first_pcrs, second_pcrs;  ///< in place of the right ones, where not empty
    std::uint64_t from_entry = 0;
    std::optional<unsigned> pcr;
    std::string boot_id = kBootId;
    std::uint64_t seq = 0;

    /// Keys take a while to make; all hosts share these.
    static std::shared_ptr<EVP_PKEY> shared_key(int which) {
        static std::map<int, std::shared_ptr<EVP_PKEY>> keys;
        auto& key = keys[which];
        if (!key) key = which < 10 ? rsa_key() : ec_key("P-256");
        return key;
    }

    Host() : builtin_key(shared_key(1)), ima_key(shared_key(2)) {
        quote.key = shared_key(0);
        builtin = certificate(builtin_key.get(), "Build key", builtin_key.get(), "Build key");
        ima = certificate(ima_key.get(), "File signer", builtin_key.get(), "Build key");
    }

    static nlohmann::json bytes(std::string_view text) { return list::cbor_bytes(as_bytes(text)); }
    static nlohmann::json speaker() {
        return {{"version", "0.1.0"},
                {"controller", list::cbor_bytes(hash(Algorithm::kSha256, as_bytes("c")))},
                {"bpf", list::cbor_bytes(hash(Algorithm::kSha256, as_bytes("b")))},
                {"kernel", "6.1.0"},
                {"boot_id", kBootId},
                {"hooks", nlohmann::json::object()}};
    }
    void begin() {
        list.aggregate(aggregate_of(firmware()));
        list.record("start", speaker());
        list.record("policy",
                    {{"digest", list::cbor_bytes(hash(Algorithm::kSha256, as_bytes("p")))},
                     {"generation", 1},
                     {"files", nlohmann::json::array()}});
        list.record("baseline-begin",
                    {{"time", 1},
                     {"reason", "start"},
                     {"keyrings",
                      {{{"serial", 100}, {"name", bytes(".builtin_trusted_keys")}},
                       {{"serial", 101}, {"name", bytes(".ima")}},
                       {{"serial", 102}, {"name", bytes(".secondary_trusted_keys")}}}}});
        nlohmann::json key =
            key_fields("baseline", 200, ".builtin_trusted_keys", 100, "Build key: 00");
        key["public_key"] = list::cbor_bytes(spki_bits(builtin_key.get()));
        key["algorithm"] = "rsa";
        key["ids"] = nlohmann::json::array();
        list.record("baseline", key);
        list.record("baseline-end", {{"time", 2}, {"keyrings", 3}, {"keys", 1}});
    }
    nlohmann::json key_fields(const std::string& kind, int serial, std::string_view ring,
                              int ring_serial, std::string_view description,
                              std::string_view type = "asymmetric") {
        nlohmann::json fields = {{"time", 10},
                                 {"key", serial},
                                 {"type", bytes(type)},
                                 {"description", bytes(description)},
                                 {"keyring", ring_serial},
                                 {"keyring_name", bytes(ring)},
                                 {"uid", 0},
                                 {"gid", 0},
                                 {"perm", 0x3f010000}};
        if (kind != "baseline") fields["seq"] = ++seq;
        return fields;
    }
    /// As begin() gives them; another name's is its own.
    int ring_serial(std::string_view ring) {
        if (ring == ".builtin_trusted_keys") return 100;
        if (ring == ".ima") return 101;
        if (ring == ".secondary_trusted_keys") return 102;
        return rings_.try_emplace(std::string(ring), 110 + static_cast<int>(rings_.size()))
            .first->second;
    }
    void event(const std::string& kind, int serial, std::string_view ring,
               std::string_view description) {
        list.record(kind, key_fields(kind, serial, ring, ring_serial(ring), description));
    }
    /// The payload, and the record that says whose it is.
    void key(std::string_view ring, Bytes payload, int serial, std::string_view description,
             std::string_view type = "asymmetric") {
        list.buf(ring, payload);
        nlohmann::json fields =
            key_fields("create", serial, ring, ring_serial(ring), description, type);
        fields["length"] = payload.size();
        fields["plain"] = true;
        fields["sha256"] = list::cbor_bytes(hash(Algorithm::kSha256, payload));
        list.record("create", fields);
    }
    /// A host as it should be.
    void good() {
        begin();
        key(".ima", ima, 300, "File signer: 11");
    }

    /// As `evmctl sign`: struct signature_v2_hdr, and the signature over the digest.
    static Buffer ima_signature(EVP_PKEY* key, Bytes digest) {
        Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key, nullptr));
        EVP_PKEY_sign_init(context.get());
        if (EVP_PKEY_is_a(key, "RSA"))
            EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING);
        EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256());
        std::size_t size = 1024;
        Buffer raw(size);
        EVP_PKEY_sign(context.get(), raw.data(), &size, digest.data(), digest.size());
        raw.resize(size);
        const Digest id = hash(Algorithm::kSha1, spki_bits(key));
        Buffer signature{3, 2, 4};
        signature.insert(signature.end(), id.bytes.begin() + 16, id.bytes.begin() + 20);
        signature.push_back(static_cast<std::uint8_t>(size >> 8));
        signature.push_back(static_cast<std::uint8_t>(size));
        signature.insert(signature.end(), raw.begin(), raw.end());
        return signature;
    }
    void file(std::string_view name, std::string_view content, EVP_PKEY* signer) {
        const Digest digest = hash(Algorithm::kSha256, as_bytes(content));
        kernel.signed_file(digest, name, signer ? ima_signature(signer, digest) : Buffer());
    }

    evidence::PcrSet firmware() const {
        evidence::PcrSet set = kernel.pcrs();
        for (auto& [bank, values] : set)
            for (unsigned i = 0; i < 10; ++i) values[i] = hash(bank, as_bytes(std::to_string(i)));
        return set;
    }
    static Digest aggregate_of(const evidence::PcrSet& pcrs) {
        Buffer all;
        for (const auto& [pcr, value] : pcrs.at(Algorithm::kSha256)) {
            const Bytes bytes = value;
            if (pcr < 10) all.insert(all.end(), bytes.begin(), bytes.end());
        }
        return hash(Algorithm::kSha256, all);
    }

    /// Views into this object's buffers, which it fills.
    evidence::Evidence evidence() {
        evidence::Evidence made;
        made.software = "keyscribe test";
        made.boot_id = boot_id;
        made.kernel = "6.1.0";
        made.time = 1;
        ak_ = quote.tpmt_public();
        made.ak = ak_;
        made.pcr = pcr.value_or(kPcr);
        add_quote(made, first_pcrs.empty() ? list.pcrs() : first_pcrs, 0);
        const std::size_t offset = from_entry == 0 ? 0 : list.offsets[from_entry - 1];
        made.list = {list.entries, offset, from_entry, Bytes(list.bytes).subspan(offset)};
        if (with_ima) {
            add_quote(made, second_pcrs.empty() ? firmware() : second_pcrs, 1);
            made.ima = evidence::ImaList{Algorithm::kSha1, kernel.entries, kernel.bytes};
        }
        return made;
    }
    Buffer encoded() { return evidence::encode_cbor(evidence()); }

  private:
    void add_quote(evidence::Evidence& made, const evidence::PcrSet& pcrs, int which) {
        attests_[which] = quote.attest(pcrs);
        signatures_[which] = quote.sign(attests_[which]);
        made.quotes.push_back({attests_[which], signatures_[which], pcrs});
    }
    std::map<std::string, int> rings_;
    Buffer ak_;
    std::array<Buffer, 2> attests_, signatures_;
};

}  // namespace keyscribe::testing
