// SPDX-License-Identifier: Apache-2.0
#include "controller/host/events/affected_keyrings.h"

namespace keyscribe::events {
namespace {

/// What the key is, in all keyrings that hold it.
bool changes_key(ks_operation operation) {
    return operation == KS_OP_UPDATE || operation == KS_OP_INSTANTIATE || operation == KS_OP_REJECT;
}

/// Who owns a keyring: as the event says, or else as was seen before.
std::uint32_t owner_of(std::uint32_t told, std::int32_t keyring, const KeyTable& table) {
    return told != UINT32_MAX ? told : table.owner(keyring);
}

}  // namespace

std::vector<AffectedKeyring> affected_keyrings(const KeyEvent& event, const KeyTable& table) {
    std::vector<AffectedKeyring> keyrings;
    // `judged`: the keyring `judged_as`. A search in those above it goes on in it.
    const auto add = [&](AffectedKeyring one, std::int32_t judged) {
        keyrings.push_back(one);
        for (const KeyringName& holder : table.above(judged))
            keyrings.push_back(
                {one.keyring, holder.name, one.brings_material, table.owner(holder.serial), true});
    };
    const bool material = ((ks_operations_with(KS_MATERIAL) >> event.operation) & 1) != 0;
    if (event.keyring.serial != 0) {
        add({event.keyring, event.keyring.name, material,
             owner_of(event.keyring_uid, event.keyring.serial, table)},
            event.keyring.serial);
        if (event.operation == KS_OP_MOVE)
            add({event.keyring, event.from.name, false,
                 owner_of(event.from_uid, event.from.serial, table)},
                event.from.serial);
    }
    if (event.keyring.serial == 0 || changes_key(event.operation))
        for (const KeyringName& holder : table.holders(event.key_serial))
            if (holder.serial != event.keyring.serial)
                add({holder, holder.name, material, table.owner(holder.serial)}, holder.serial);
    const bool itself = event.keyring.serial == event.key_serial;  // cleared, restricted
    if (event.key_type == "keyring" && !itself) {
        keyrings.push_back({event.keyring.serial != 0
                                ? event.keyring
                                : KeyringName{event.key_serial, event.description},
                            event.description, false, event.key_uid});
        const std::uint32_t former = table.owner(event.key_serial);
        if (event.operation == KS_OP_CHOWN && former != event.key_uid) {
            keyrings.push_back(keyrings.back());
            keyrings.back().owner = former;
        }
    }
    if (keyrings.empty()) keyrings.push_back({{}, "", material});
    return keyrings;
}

}  // namespace keyscribe::events
