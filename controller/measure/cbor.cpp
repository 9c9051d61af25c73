// SPDX-License-Identifier: Apache-2.0
#include "controller/measure/cbor.h"

#include <algorithm>

namespace keyscribe::measure {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

/// The library sorts keys as strings, where the RFC wants the shorter encoding first.
ordered_json in_order(const json& value) {
    if (value.is_array()) {
        ordered_json array = ordered_json::array();
        for (const json& element : value) array.push_back(in_order(element));
        return array;
    }
    if (value.is_binary()) return ordered_json::binary(value.get_binary());
    if (!value.is_object()) return ordered_json(value);
    std::vector<std::pair<std::string_view, const json*>> members;
    for (const auto& [key, member] : value.items()) members.emplace_back(key, &member);
    std::ranges::sort(members, [](const auto& left, const auto& right) {
        return left.first.size() != right.first.size() ? left.first.size() < right.first.size()
                                                       : left.first < right.first;
    });
    ordered_json object = ordered_json::object();
    for (const auto& [key, member] : members) object[std::string(key)] = in_order(*member);
    return object;
}

}  // namespace

std::vector<std::uint8_t> to_cbor(const json& value) { return ordered_json::to_cbor(in_order(value)); }

Result<json> from_cbor(Bytes encoded) {
    json value = json::from_cbor(encoded.begin(), encoded.end(), true, false);
    if (value.is_discarded()) return fail("not CBOR");
    if (!std::ranges::equal(to_cbor(value), encoded))
        return fail("CBOR that is not in its deterministic form (RFC 8949, 4.2.1)");
    return value;
}

json cbor_bytes(Bytes bytes) { return json::binary({bytes.begin(), bytes.end()}); }

}  // namespace keyscribe::measure
