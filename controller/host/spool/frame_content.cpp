// SPDX-License-Identifier: Apache-2.0
#include "controller/host/spool/frame_content.h"

#include <cstring>
#include <utility>

#include "controller/host/spool/event_codec.h"

namespace keyscribe::spool {
namespace {

Result<PolicyChange> unpack_policy(std::span<const std::uint8_t> packed) {
    bool whole = true;
    const auto number = [&] {
        std::uint32_t value = 0;
        whole = whole && packed.size() >= sizeof(value);
        if (!whole) return value;
        std::memcpy(&value, packed.data(), sizeof(value));
        packed = packed.subspan(sizeof(value));
        return value;
    };
    PolicyChange change{.loaded = nullptr, .generation = number()};
    std::vector<records::PolicyFile> files;
    while (whole && !packed.empty()) {
        records::PolicyFile& file = files.emplace_back();
        for (std::string* text : {&file.name, &file.text}) {
            const std::uint32_t size = number();
            whole = whole && size <= packed.size();
            if (!whole) break;
            text->assign(packed.begin(), packed.begin() + size);
            packed = packed.subspan(size);
        }
    }
    if (!whole) return fail("a policy of the spool makes no sense", "spool");
    auto loaded = settings::policy_of(std::move(files));
    if (!loaded) return std::unexpected(loaded.error());
    change.loaded = std::make_shared<const settings::LoadedPolicy>(std::move(*loaded));
    return change;
}

template <class T>
std::optional<T> value_of(const WipedBytes& bytes) {
    if (bytes.size() != sizeof(T)) return std::nullopt;
    T value{};
    std::memcpy(static_cast<void*>(&value), bytes.data(), sizeof(value));
    return value;
}

}  // namespace

WipedBytes pack_policy(const PolicyChange& change) {
    WipedBytes packed;
    const auto put = [&](const auto& value) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
        packed.insert(packed.end(), bytes, bytes + sizeof(value));
    };
    put(change.generation);
    for (const records::PolicyFile& file : change.loaded->files)
        for (const std::string* text : {&file.name, &file.text}) {
            put(static_cast<std::uint32_t>(text->size()));
            packed.insert(packed.end(), text->begin(), text->end());
        }
    return packed;
}

std::optional<SpoolItem> item_of(const Frame& frame) {
    const auto understood = [](auto found) -> std::optional<SpoolItem> {
        if (!found) return std::nullopt;
        return SpoolItem(std::move(*found));
    };
    switch (frame.kind) {
        case FrameKind::kEvent:
            return understood(unpack_event(frame.content));
        case FrameKind::kPolicy:
            return understood(unpack_policy(frame.content));
        case FrameKind::kLoss:
            return understood(value_of<events::Loss>(frame.content));
        case FrameKind::kMissed:
            return understood(value_of<Missed>(frame.content));
    }
    return std::nullopt;
}

}  // namespace keyscribe::spool
