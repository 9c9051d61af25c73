// SPDX-License-Identifier: Apache-2.0
#include "controller/list/cbor.h"

#include <algorithm>

#include "controller/list/cbor_stream.h"

namespace keyscribe::list {
namespace {

using nlohmann::json;

/// The library sorts keys as strings, where the RFC wants the shorter encoding first. And it makes
/// a tree of what it writes: too much for each event of a flood.
void write(CborWriter& to, const json& value) {
    if (value.is_object()) {
        std::vector<std::pair<std::string_view, const json*>> members;
        members.reserve(value.size());
        for (const auto& [key, member] : value.get_ref<const json::object_t&>())
            members.emplace_back(key, &member);
        std::ranges::sort(members, [](const auto& left, const auto& right) {
            return left.first.size() != right.first.size() ? left.first.size() < right.first.size()
                                                           : left.first < right.first;
        });
        to.head(CborType::kMap, members.size());
        for (const auto& [key, member] : members) {
            to.text(key);
            write(to, *member);
        }
    } else if (value.is_array()) {
        to.head(CborType::kArray, value.size());
        for (const json& element : value) write(to, element);
    } else if (value.is_binary()) {
        to.bytes(value.get_binary());
    } else if (value.is_string()) {
        to.text(value.get_ref<const std::string&>());
    } else if (value.is_boolean()) {
        to.head(CborType::kSimple, value.get<bool>() ? 21 : 20);
    } else if (value.is_null()) {
        to.head(CborType::kSimple, 22);
    } else if (value.is_number_unsigned() || value.get<std::int64_t>() >= 0) {
        to.head(CborType::kUint, value.get<std::uint64_t>());
    } else {
        to.head(CborType::kNegative, static_cast<std::uint64_t>(-1 - value.get<std::int64_t>()));
    }
}

/// Nothing that is recorded is nearly as deep.
constexpr std::size_t kMaxDepth = 16;

/// Whether these lengths and this depth may be given to the library: it recurses, and throws at
/// absurd lengths even where it was asked not to. Indefinite lengths, tags and floats are in no
/// record, so they need not be understood.
bool is_safe(Bytes rest) {
    std::vector<std::uint64_t> to_come{1};  // items, of each array or map that is not complete
    while (!to_come.empty()) {
        if (rest.empty()) return false;
        const unsigned major = rest[0] >> 5, info = rest[0] & 31;
        rest = rest.subspan(1);
        if (info > 27 || major == 6 || (major == 7 && info > 23)) return false;
        std::uint64_t argument = info;
        if (info >= 24) {
            const std::size_t size = std::size_t{1} << (info - 24);
            if (rest.size() < size) return false;
            argument = 0;
            for (const std::uint8_t byte : rest.first(size)) argument = argument << 8 | byte;
            rest = rest.subspan(size);
        }
        --to_come.back();
        if (major >= 2 && major <= 5 && argument > rest.size()) return false;
        if (major == 2 || major == 3) rest = rest.subspan(argument);
        if (major == 4 || major == 5) {
            if (to_come.size() > kMaxDepth) return false;
            to_come.push_back(major == 5 ? 2 * argument : argument);
        }
        while (!to_come.empty() && to_come.back() == 0) to_come.pop_back();
    }
    return rest.empty();
}

}  // namespace

std::vector<std::uint8_t> to_cbor(const json& value) {
    CborWriter writer(512);
    write(writer, value);
    return writer.take();
}

Result<json> from_cbor(Bytes encoded) {
    if (!is_safe(encoded)) return fail("not CBOR of the kind that records have");
    json value = json::from_cbor(encoded.begin(), encoded.end(), true, false);
    if (value.is_discarded()) return fail("not CBOR");
    if (!std::ranges::equal(to_cbor(value), encoded))
        return fail("CBOR that is not in its deterministic form (RFC 8949, 4.2.1)");
    return value;
}

json cbor_bytes(Bytes bytes) { return json::binary({bytes.begin(), bytes.end()}); }

}  // namespace keyscribe::list
