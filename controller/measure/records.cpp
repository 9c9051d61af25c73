// SPDX-License-Identifier: Apache-2.0
#include "controller/measure/records.h"

#include <algorithm>
#include <array>

#include "controller/measure/cbor.h"
#include "controller/measure/little_endian.h"

namespace keyscribe::measure {
namespace {

using nlohmann::json;

Record make(std::string_view kind, const json& fields) {
    return {std::string(kRecordPrefix) + std::string(kind), to_cbor(fields)};
}

json bytes(std::string_view text) { return cbor_bytes(as_bytes(text)); }

std::string withheld_reason(const KeyEvent& event) {
    if (event.flags & KS_EVENT_SECRET) return "secret";
    if (event.flags & KS_EVENT_NO_ROOM) return "no room";
    if (event.flags & KS_EVENT_FAULT) return "unreadable";
    return "not asked for";
}

}  // namespace

Digest policy_digest(const std::vector<PolicyFile>& files) {
    std::vector<std::uint8_t> all;
    const auto add = [&all](const std::string& part) {
        std::array<std::uint8_t, 4> length;
        store_le32(length.data(), static_cast<std::uint32_t>(part.size()));
        all.insert(all.end(), length.begin(), length.end());
        all.insert(all.end(), part.begin(), part.end());
    };
    for (const PolicyFile& file : files) {
        add(file.name);
        add(file.text);
    }
    return hash(Algorithm::kSha256, all);
}

Record start_record(const Speaker& speaker, std::uint64_t entries_before) {
    json fields = {{"version", speaker.version},
                   {"controller", cbor_bytes(speaker.controller_digest)},
                   {"bpf", cbor_bytes(speaker.bpf_digest)},
                   {"kernel", speaker.kernel},
                   {"boot_id", speaker.boot_id},
                   {"hooks", speaker.hooks}};
    if (entries_before == 0) return make("start", fields);
    fields["entries"] = entries_before;
    return make("restart", fields);
}

Record policy_record(const std::vector<PolicyFile>& files, std::uint32_t generation) {
    json list = json::array();
    for (const PolicyFile& file : files)
        list.push_back({{"name", bytes(file.name)}, {"text", bytes(file.text)}});
    return make("policy", {{"digest", cbor_bytes(policy_digest(files))},
                           {"generation", generation},
                           {"files", list}});
}

Record key_record(const KeyEvent& event, std::string_view operation, PayloadProof proof) {
    json fields = {{"seq", event.sequence},
                   {"time", event.boot_time_ns},
                   {"key", event.key_serial},
                   {"type", bytes(event.key_type)},
                   {"description", bytes(event.description)},
                   {"keyring", event.keyring_serial},
                   {"keyring_name", bytes(event.keyring)},
                   {"uid", event.key_uid},
                   {"gid", event.key_gid},
                   {"perm", event.key_perm},
                   {"length", event.payload_length}};
    if (proof == PayloadProof::kDigest && event.payload.size() == event.payload_length)
        fields["sha256"] = cbor_bytes(hash(Algorithm::kSha256, event.payload));
    else if (event.payload_length != 0 && event.payload.empty())
        fields["withheld"] = withheld_reason(event);
    return make(operation, fields);
}

Record loss_record(std::uint64_t first, std::uint64_t last) {
    return make("loss", {{"first", first}, {"last", last}, {"count", last - first + 1}});
}

Record missed_record(std::uint64_t count) { return make("missed", {{"count", count}}); }

Record drop_record(std::string_view reason, std::uint64_t count, std::uint64_t first,
                   std::uint64_t last) {
    return make("drop", {{"reason", reason}, {"count", count}, {"first", first}, {"last", last}});
}

Record foreign_record(unsigned pcr, const PcrValues& found) {
    json values = json::object();
    for (const auto& [bank, digest] : found)
        values[std::string(name_of(bank))] = cbor_bytes(digest);
    return make("foreign", {{"pcr", pcr}, {"values", values}});
}

Record tampered_record(std::uint64_t time, const std::string& what) {
    return make("tampered", {{"time", time}, {"what", what}});
}

Result<std::vector<PolicyFile>> policy_files(Bytes buf) {
    const auto fields = from_cbor(buf);
    if (!fields) return std::unexpected(fields.error());
    const auto refuse = [] { return fail("a keyscribe:policy record that is malformed"); };
    if (!fields->is_object() || !fields->contains("files") || !(*fields)["files"].is_array())
        return refuse();
    std::vector<PolicyFile> files;
    for (const json& file : (*fields)["files"]) {
        PolicyFile& read = files.emplace_back();
        for (const auto& [name, to] : {std::pair("name", &read.name), std::pair("text", &read.text)}) {
            if (!file.is_object() || !file.contains(name) || !file[name].is_binary())
                return refuse();
            to->assign(file[name].get_binary().begin(), file[name].get_binary().end());
        }
    }
    return files;
}

Result<PcrValues> foreign_values(Bytes buf) {
    const auto fields = from_cbor(buf);
    if (!fields) return std::unexpected(fields.error());
    const auto refuse = [] { return fail("a keyscribe:foreign record that is malformed"); };
    if (!fields->is_object() || !fields->contains("values") || !(*fields)["values"].is_object())
        return refuse();
    PcrValues values;
    for (const auto& [name, value] : (*fields)["values"].items()) {
        const auto bank = algorithm_named(name);
        if (!bank || !value.is_binary() || value.get_binary().size() != size_of(*bank))
            return refuse();
        Digest digest{.size = size_of(*bank)};
        std::ranges::copy(value.get_binary(), digest.bytes.begin());
        values[*bank] = digest;
    }
    return values;
}

}  // namespace keyscribe::measure
