// SPDX-License-Identifier: Apache-2.0
#include "controller/service/firmware/secure_boot.h"

#include <algorithm>
#include <optional>

#include "controller/base/little_endian.h"
#include "controller/base/printable.h"

namespace keyscribe::firmware {
namespace {

constexpr unsigned kPcr = 7;
constexpr std::size_t kGuidSize = 16;
constexpr std::size_t kLongestName = 256;  // characters; the names that are known have at most 10

using Guid = std::array<std::uint8_t, kGuidSize>;
// UEFI 2.10, 3.3 and 32.4.1: EFI_GLOBAL_VARIABLE and EFI_IMAGE_SECURITY_DATABASE_GUID.
constexpr Guid kGlobal{0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                       0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};
constexpr Guid kDatabase{0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45,
                         0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f};

/// In the order of PFP, 3.3.4.8. dbt and dbr may be missing.
struct Variable {
    std::string_view name;
    const Guid* guid;
    Bytes SecureBoot::* content;  // nullptr: nothing is taken of it
};
constexpr Variable kVariables[] = {
    {"SecureBoot", &kGlobal, nullptr},     {"PK", &kGlobal, &SecureBoot::pk},
    {"KEK", &kGlobal, &SecureBoot::kek},   {"db", &kDatabase, &SecureBoot::db},
    {"dbx", &kDatabase, &SecureBoot::dbx}, {"dbt", &kDatabase, nullptr},
    {"dbr", &kDatabase, nullptr},
};
constexpr std::size_t kRequired = 5;

/// UEFI_VARIABLE_DATA, taken apart. Nothing where its lengths do not add up.
struct VariableData {
    Bytes guid;
    std::string name;
    Bytes content;
};

std::uint64_t load_le64(const std::uint8_t* from) {
    return load_le32(from) | std::uint64_t{load_le32(from + 4)} << 32;
}

std::optional<VariableData> variable_of(Bytes data) {
    constexpr std::size_t kHeader = kGuidSize + 2 * 8;
    if (data.size() < kHeader) return std::nullopt;
    const std::uint64_t characters = load_le64(data.data() + kGuidSize);
    const std::uint64_t length = load_le64(data.data() + kGuidSize + 8);
    const std::size_t rest = data.size() - kHeader;
    if (characters > kLongestName || 2 * characters > rest || length != rest - 2 * characters)
        return std::nullopt;
    VariableData variable{data.first(kGuidSize), {}, {}};
    for (std::size_t i = 0; i < characters; ++i) {
        const Bytes character = data.subspan(kHeader + 2 * i, 2);
        if (character[1] != 0) return std::nullopt;  // the names that are known are ASCII
        variable.name += static_cast<char>(character[0]);
    }
    variable.content = data.subspan(kHeader + 2 * characters);
    return variable;
}

/// PFP, 10.4.1, EV_SEPARATOR: zeros, or as older firmware has it, ones.
bool is_separator(const Event& event, const std::vector<Algorithm>& banks) {
    for (const std::uint8_t byte : {0x00, 0xff}) {
        const std::array<std::uint8_t, 4> content{byte, byte, byte, byte};
        if (event.is_digest_of(content, banks)) return true;
    }
    return false;
}

std::string event_name(const Event& event) { return "event " + std::to_string(event.number); }

/// Takes what the event says of one variable. Returns its index in kVariables, or nothing.
std::optional<std::size_t> take_variable(const Event& event, SecureBoot& into) {
    const auto variable =
        event.type == kVariableDriverConfig ? variable_of(event.data) : std::nullopt;
    if (!variable) return std::nullopt;
    const auto known = std::ranges::find(kVariables, variable->name, &Variable::name);
    if (known == std::end(kVariables) || !std::ranges::equal(*known->guid, variable->guid))
        return std::nullopt;
    if (known->content != nullptr) into.*(known->content) = variable->content;
    if (known == std::begin(kVariables))
        into.on = variable->content.size() == 1 && variable->content[0] == 1;
    return static_cast<std::size_t>(known - std::begin(kVariables));
}

}  // namespace

Result<SecureBoot> read_secure_boot(const EventLog& log, const std::vector<Algorithm>& banks) {
    SecureBoot found;
    std::vector<bool> seen(std::size(kVariables));
    std::size_t next = 0;
    for (const Event* event : log.of_pcr(kPcr)) {
        if (is_separator(*event, banks)) {
            // A BIOS without UEFI measures none of them.
            const auto measured = std::count(seen.begin(), seen.begin() + kRequired, true);
            if (measured != 0 && measured != kRequired)
                found.unexpected.emplace_back(
                    "not each of SecureBoot, PK, KEK, db and dbx was measured");
            return found;
        }
        if (!event->is_digest_of(event->data, banks))
            return fail("an event of PCR 7 whose digest is not that of its content",
                        "firmware's log, " + event_name(*event));
        SecureBoot candidate = found;
        const auto index = take_variable(*event, candidate);
        if (!index) {
            found.unexpected.push_back(event_name(*event) +
                                       " of PCR 7 is none of Secure Boot's variables: \"" +
                                       printable(as_text(event->data), 64) + '"');
            continue;
        }
        if (seen[*index] || *index < next)
            return fail("a variable of Secure Boot that was measured twice, or out of order",
                        "firmware's log, " + event_name(*event));
        seen[*index] = true;
        next = *index + 1;
        found = std::move(candidate);
    }
    return fail("PCR 7 has no separator", "firmware's log",
                "nothing tells what the firmware measured from what came later");
}

}  // namespace keyscribe::firmware
