// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/evidence_record.h"

#include <nlohmann/json.hpp>

#include "controller/base/base64.h"
#include "controller/list/cbor_stream.h"

namespace keyscribe::verifier {
namespace {

constexpr std::size_t kMaxType = 256;
constexpr std::uint64_t kEvidenceBit = 4;  // of the indicator: draft-ietf-rats-msg-wrap, 3.1

std::unexpected<Error> no_record(std::string why) {
    return fail(std::move(why), "body",
                "a record: [\"" + std::string(kEvidenceType) + "\", evidence]");
}

Result<Bytes> check_parts(std::string_view type, std::uint64_t indicator, Bytes evidence) {
    if (type != kEvidenceType) return no_record("a CMW record of another media type");
    if ((indicator & kEvidenceBit) == 0)
        return no_record("a CMW record that is said not to be evidence");
    return evidence;
}

Result<Bytes> unwrap_cbor(Bytes body) {
    list::CborReader reader(body);
    const std::uint64_t parts = reader.array();
    const std::string_view type = reader.text(kMaxType);
    const Bytes evidence = reader.bytes(body.size());
    const std::uint64_t indicator = parts == 3 ? reader.uint() : kEvidenceBit;
    if (reader.error() || (parts != 2 && parts != 3) || !reader.at_end())
        return no_record("not a CMW record in CBOR");
    return check_parts(type, indicator, evidence);
}

Result<Bytes> unwrap_json(Bytes body, std::vector<std::uint8_t>& storage) {
    const auto record = nlohmann::json::parse(body.begin(), body.end(), nullptr, false);
    if (!record.is_array() || record.size() < 2 || record.size() > 3 || !record[0].is_string() ||
        !record[1].is_string() || (record.size() == 3 && !record[2].is_number_unsigned()))
        return no_record("not a CMW record in JSON");
    auto evidence = from_base64url(record[1].get_ref<const std::string&>());
    if (!evidence) return no_record("a CMW record whose value is not Base64url");
    storage = std::move(*evidence);
    return check_parts(record[0].get_ref<const std::string&>(),
                       record.size() == 3 ? record[2].get<std::uint64_t>() : kEvidenceBit, storage);
}

}  // namespace

const std::vector<std::string>& accepted_types() {
    static const std::vector<std::string> all = {std::string(kEvidenceType), "application/cmw+cbor",
                                                 "application/cmw+json"};
    return all;
}

Result<Bytes> unwrap_evidence(std::string_view media_type, Bytes body,
                              std::vector<std::uint8_t>& storage) {
    if (media_type == kEvidenceType) return body;
    return media_type == "application/cmw+cbor" ? unwrap_cbor(body) : unwrap_json(body, storage);
}

}  // namespace keyscribe::verifier
