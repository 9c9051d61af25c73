// SPDX-License-Identifier: Apache-2.0
#include "tests/support/list_maker.h"

#include "controller/list/cbor.h"
#include "controller/list/list_reader.h"
#include "controller/list/template_data.h"

namespace keyscribe::testing {

ListMaker::ListMaker(unsigned pcr, Algorithm stored) : pcr_(pcr), stored_(stored) {
    for (const Algorithm bank : {Algorithm::kSha1, Algorithm::kSha256})
        values_.emplace_back(bank, filled(bank, 0));
}

void ListMaker::add(std::string_view template_name, Bytes template_data) {
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

void ListMaker::violation(std::string_view name) {
    const auto data = list::encode_ima_ng(Algorithm::kSha256, filled(Algorithm::kSha256, 0), name);
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

void ListMaker::aggregate(const Digest& digest) {
    add("ima-ng", list::encode_ima_ng(Algorithm::kSha256, digest, "boot_aggregate"));
}

void ListMaker::buf(std::string_view name, Bytes payload) {
    add("ima-buf", list::encode_ima_buf(name, payload));
}

void ListMaker::record(const std::string& kind, const nlohmann::json& fields) {
    buf("keyscribe:" + kind, list::to_cbor(fields));
}

void ListMaker::signed_file(Bytes digest, std::string_view name, Bytes signature) {
    auto data = list::encode_ima_ng(Algorithm::kSha256, digest, name);
    const std::uint32_t size = static_cast<std::uint32_t>(signature.size());
    for (int shift = 0; shift < 32; shift += 8)
        data.push_back(static_cast<std::uint8_t>(size >> shift));
    data.insert(data.end(), signature.begin(), signature.end());
    add("ima-sig", data);
}

void ListMaker::extend_only(std::string_view what) {
    for (auto& [bank, value] : values_)
        value = list::extended(bank, value, hash(bank, as_bytes(what)));
}

evidence::PcrSet ListMaker::pcrs() const {
    evidence::PcrSet set;
    for (const auto& [bank, value] : values_) set[bank][pcr_] = value;
    return set;
}

nlohmann::json ListMaker::values_json() const {
    nlohmann::json json = nlohmann::json::object();
    for (const auto& [bank, value] : values_)
        json[std::string(name_of(bank))] = list::cbor_bytes(value);
    return json;
}

void ListMaker::put_le32(std::uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8)
        bytes.push_back(static_cast<std::uint8_t>(value >> shift));
}

}  // namespace keyscribe::testing
