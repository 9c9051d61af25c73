// SPDX-License-Identifier: Apache-2.0
#include "tests/support/host.h"

#include <openssl/rsa.h>

#include <map>

#include "controller/service/appraise/openssl.h"

namespace keyscribe::testing {

using appraise::Owned;

std::shared_ptr<EVP_PKEY> Host::shared_key(int which) {
    static std::map<int, std::shared_ptr<EVP_PKEY>> keys;
    auto& key = keys[which];
    if (!key) key = which < 10 ? rsa_key() : ec_key("P-256");
    return key;
}

Host::Host() : builtin_key(shared_key(1)), ima_key(shared_key(2)) {
    quote.key = shared_key(0);
    builtin = certificate(builtin_key.get(), "Build key", builtin_key.get(), "Build key");
    ima = certificate(ima_key.get(), "File signer", builtin_key.get(), "Build key");
}

nlohmann::json Host::speaker() {
    return {{"version", "0.1.0"},
            {"controller", list::cbor_bytes(hash(Algorithm::kSha256, as_bytes("c")))},
            {"bpf", list::cbor_bytes(hash(Algorithm::kSha256, as_bytes("b")))},
            {"kernel", "6.1.0"},
            {"boot_id", kBootId},
            {"hooks", nlohmann::json::object()},
            {"tpm", {{"banks", {"sha1", "sha256"}}, {"resets", 7}}}};
}

nlohmann::json Host::policy(std::string_view text, unsigned generation) {
    Buffer all;
    const auto put = [&all](std::string_view piece) {
        for (int shift = 0; shift < 32; shift += 8)
            all.push_back(static_cast<std::uint8_t>(piece.size() >> shift));
        all.insert(all.end(), piece.begin(), piece.end());
    };
    put("10.policy");
    put(text);
    return {{"digest", list::cbor_bytes(hash(Algorithm::kSha256, all))},
            {"generation", generation},
            {"files", {{{"name", bytes("10.policy")}, {"text", bytes(text)}}}}};
}

void Host::begin() {
    list.aggregate(aggregate_of(firmware()));
    nlohmann::json start = speaker();
    start["boot_id"] = boot_id;
    start["tpm"]["resets"] = quote.reset_count;
    start["tpm"]["banks"] = banks;
    list.record("start", start);
    list.record("policy", policy(rules));
    baseline();
}

void Host::begin_after_kexec(const std::string& next_boot_id) {
    boot_id = next_boot_id;
    list.bytes.clear(), list.offsets.clear(), list.entries = 0;
    list.aggregate(aggregate_of(firmware()));
    nlohmann::json start = speaker();
    start["boot_id"] = boot_id;
    start["tpm"]["resets"] = quote.reset_count;
    list.record("start", start);
    list.record("foreign", {{"pcr", kPcr}, {"values", list.values_json()}});
    list.record("policy", policy(rules));
    baseline();
}

void Host::baseline(std::string_view reason) {
    list.record("baseline-begin",
                {{"time", 1},
                 {"reason", reason},
                 {"keyrings",
                  {{{"serial", 100}, {"name", bytes(".builtin_trusted_keys")}},
                   {{"serial", 101}, {"name", bytes(".ima")}},
                   {{"serial", 102}, {"name", bytes(".secondary_trusted_keys")}}}}});
    nlohmann::json key = key_fields("baseline", 200, ".builtin_trusted_keys", 100, "Build key: 00");
    key["public_key"] = list::cbor_bytes(spki_bits(builtin_key.get()));
    key["algorithm"] = "rsa";
    key["ids"] = nlohmann::json::array();
    list.record("baseline", key);
    list.record("baseline-end", {{"time", 2}, {"keyrings", 3}, {"keys", 1}});
}

nlohmann::json Host::key_fields(const std::string& kind, int serial, std::string_view ring,
                                int ring_serial, std::string_view description,
                                std::string_view type) {
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

int Host::ring_serial(std::string_view ring) {
    if (ring == ".builtin_trusted_keys") return 100;
    if (ring == ".ima") return 101;
    if (ring == ".secondary_trusted_keys") return 102;
    return rings_.try_emplace(std::string(ring), 110 + static_cast<int>(rings_.size()))
        .first->second;
}

void Host::event(const std::string& kind, int serial, std::string_view ring,
                 std::string_view description) {
    list.record(kind, key_fields(kind, serial, ring, ring_serial(ring), description));
}

void Host::key(std::string_view ring, Bytes payload, int serial, std::string_view description,
               std::string_view type) {
    list.buf(ring, payload);
    nlohmann::json fields =
        key_fields("create", serial, ring, ring_serial(ring), description, type);
    fields["length"] = payload.size();
    fields["plain"] = true;
    fields["sha256"] = list::cbor_bytes(hash(Algorithm::kSha256, payload));
    list.record("create", fields);
}

void Host::good() {
    begin();
    key(".ima", ima, 300, "File signer: 11");
}

Buffer Host::ima_signature(EVP_PKEY* key, Bytes digest) {
    Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key, nullptr));
    EVP_PKEY_sign_init(context.get());
    if (EVP_PKEY_is_a(key, "RSA")) EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING);
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

void Host::file(std::string_view name, std::string_view content, EVP_PKEY* signer) {
    const Digest digest = hash(Algorithm::kSha256, as_bytes(content));
    kernel.signed_file(digest, name, signer ? ima_signature(signer, digest) : Buffer());
}

evidence::PcrSet Host::firmware() const {
    evidence::PcrSet set = kernel.pcrs();
    for (auto& [bank, values] : set)
        for (unsigned i = 0; i < 10; ++i) values[i] = hash(bank, as_bytes(std::to_string(i)));
    return set;
}

Digest Host::aggregate_of(const evidence::PcrSet& pcrs) {
    Buffer all;
    for (const auto& [pcr, value] : pcrs.at(Algorithm::kSha256)) {
        const Bytes bytes = value;
        if (pcr < 10) all.insert(all.end(), bytes.begin(), bytes.end());
    }
    return hash(Algorithm::kSha256, all);
}

evidence::Evidence Host::evidence() {
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

void Host::add_quote(evidence::Evidence& made, const evidence::PcrSet& pcrs, int which) {
    attests_[which] = quote.attest(pcrs);
    signatures_[which] = quote.sign(attests_[which]);
    made.quotes.push_back({attests_[which], signatures_[which], pcrs});
}

}  // namespace keyscribe::testing
