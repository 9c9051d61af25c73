// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/kernel_comparison.h"

#include <fmt/format.h>
#include <keyutils.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <set>

#include "controller/base/printable.h"

namespace keyscribe::cli {
namespace {

using keyrings::Key;
using keyrings::KeyId;
using keyrings::KeyringModel;

/// The types whose keys the list tells of in this keyring; empty: all. Nothing: the policy does not
/// ask for all that changes what it holds, so there is nothing to compare.
std::optional<std::vector<std::string>> told_types(const std::vector<const policy::Rule*>& rules) {
    std::vector<std::string> types;
    for (const policy::Rule* rule : rules) {
        const bool everybody =
            !rule->uid && !rule->euid && !rule->gid && !rule->egid && !rule->description;
        if (rule->operations != policy::kAllOperations || !everybody) continue;
        if (rule->key_types.empty()) return std::vector<std::string>();
        types.insert(types.end(), rule->key_types.begin(), rule->key_types.end());
    }
    if (types.empty()) return std::nullopt;
    return types;
}

struct LiveKey {
    std::string type;
    std::string description;
};

/// Nothing: as errno says.
std::optional<LiveKey> live_key(key_serial_t serial) {
    char* text = nullptr;
    if (keyctl_describe_alloc(serial, &text) < 0) return std::nullopt;
    const std::unique_ptr<char, void (*)(void*)> owner(text, std::free);
    // type;uid;gid;perm;description, where only the last can have a semicolon
    const std::string_view line(text);
    std::size_t at = 0;
    for (int i = 0; i < 4; ++i) at = line.find(';', at) + 1;
    return LiveKey{std::string(line.substr(0, line.find(';'))), std::string(line.substr(at))};
}

class Comparison {
  public:
    explicit Comparison(const KeyringView& view) : view_(view) {}

    void compare(KeyId id) {
        const Key& keyring = view_.model.key(id);
        const auto types = told_types(rules_for(view_, id));
        if (!types) {
            note(keyring, "the policy does not ask for op=all here: not compared");
            return;
        }
        void* buffer = nullptr;
        const int size = keyctl_read_alloc(keyring.serial, &buffer);
        const std::unique_ptr<void, void (*)(void*)> owner(buffer, std::free);
        if (size < 0) {
            const bool is_dead = KeyringModel::is_dead(keyring, view_.now);
            if (errno == EACCES)
                note(keyring, "cannot look into it");
            else if (!is_dead)
                difference(keyring, std::string("the kernel says: ") + std::strerror(errno));
            return;
        }
        const auto* serials = static_cast<const key_serial_t*>(buffer);
        const std::set<std::int32_t> live(serials, serials + size / sizeof(key_serial_t));
        std::set<std::int32_t> told;
        for (const keyrings::LinkId link : view_.model.contents(id)) {
            const Key& key = view_.model.key(view_.model.link(link).key);
            told.insert(key.serial);
            if (live.contains(key.serial))
                look_at_told(keyring, key);
            else if (!KeyringModel::is_dead(key, view_.now))
                difference(keyring, "the kernel does not have " +
                                        name_of(key.serial, key.type, key.description));
        }
        for (const std::int32_t serial : live)
            if (!told.contains(serial)) look_at_stranger(keyring, serial, *types);
        ++compared_;
    }

    bool finish() const {
        fmt::print("{} keyrings compared, {} differences\n", compared_, differences_);
        return compared_ != 0 && differences_ == 0;
    }

  private:
    static std::string name_of(std::int32_t serial, std::string_view type,
                               std::string_view description) {
        return fmt::format("{} {} {}", serial, printable(type), printable(description));
    }
    void note(const Key& keyring, const std::string& what) const {
        fmt::print("note: {} ({}): {}\n", printable(keyring.description), keyring.serial, what);
    }
    void difference(const Key& keyring, const std::string& what) {
        fmt::print("{} ({}): {}\n", printable(keyring.description), keyring.serial, what);
        ++differences_;
    }
    /// Another key may have the serial by now.
    void look_at_told(const Key& keyring, const Key& told) {
        const auto key = live_key(told.serial);
        // A name that the list has cut is the beginning.
        if (key && !told.type.empty() &&
            (std::string_view(told.type) != key->type ||
             !key->description.starts_with(told.description)))
            difference(keyring,
                       "the list has " + name_of(told.serial, told.type, told.description) +
                           ", the kernel " + name_of(told.serial, key->type, key->description));
    }
    void look_at_stranger(const Key& keyring, std::int32_t serial,
                          const std::vector<std::string>& types) {
        const auto key = live_key(serial);
        if (!key) {
            if (errno != ENOKEY && errno != EKEYEXPIRED && errno != EKEYREVOKED)
                difference(keyring, fmt::format("the list does not have {}, which cannot be looked "
                                                "at: {}",
                                                serial, std::strerror(errno)));
            return;
        }
        if (types.empty() || std::ranges::find(types, key->type) != types.end())
            difference(keyring,
                       "the list does not have " + name_of(serial, key->type, key->description));
    }

    const KeyringView& view_;
    std::size_t compared_ = 0;
    std::size_t differences_ = 0;
};

}  // namespace

bool agrees_with_kernel(const KeyringView& view, const std::vector<KeyId>& keyrings) {
    Comparison comparison(view);
    for (const KeyId id : keyrings) comparison.compare(id);
    return comparison.finish();
}

}  // namespace keyscribe::cli
