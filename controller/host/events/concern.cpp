// SPDX-License-Identifier: Apache-2.0
#include "controller/host/events/concern.h"

namespace keyscribe::events {
namespace {

bool has_material(ks_operation operation) {
    return operation == KS_OP_CREATE || operation == KS_OP_UPDATE ||
           operation == KS_OP_INSTANTIATE || operation == KS_OP_LINK || operation == KS_OP_MOVE;
}

/// What the key is, in all keyrings that hold it.
bool changes_key(ks_operation operation) {
    return operation == KS_OP_UPDATE || operation == KS_OP_INSTANTIATE || operation == KS_OP_REJECT;
}

}  // namespace

std::vector<Concern> concerns_of(const KeyEvent& event, const KeyTable& table) {
    std::vector<Concern> concerns;
    const bool material = has_material(event.operation);
    if (event.keyring.serial != 0) {
        concerns.push_back({event.keyring, event.keyring.name, material});
        if (event.operation == KS_OP_MOVE)
            concerns.push_back({event.keyring, event.from.name, false});
    }
    if (event.keyring.serial == 0 || changes_key(event.operation))
        for (KeyringName& holder : table.holders(event.key_serial))
            if (holder.serial != event.keyring.serial)
                concerns.push_back({holder, holder.name, material});
    const bool itself = event.keyring.serial == event.key_serial;  // cleared, restricted
    if (event.key_type == "keyring" && !itself)
        concerns.push_back({event.keyring.serial != 0
                                ? event.keyring
                                : KeyringName{event.key_serial, event.description},
                            event.description, false});
    if (concerns.empty()) concerns.push_back({{}, "", material});
    return concerns;
}

}  // namespace keyscribe::events
