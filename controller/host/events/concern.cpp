// SPDX-License-Identifier: Apache-2.0
#include "controller/host/events/concern.h"

namespace keyscribe::events {
std::vector<Concern> concerns_of(const KeyEvent& event, const KeyTable& table) {
    std::vector<Concern> concerns;
    const bool material = ((ks_operations_with(KS_MATERIAL) >> event.operation) & 1) != 0;
    if (event.keyring.serial != 0) {
        concerns.push_back({event.keyring, event.keyring.name, material});
        if (event.operation == KS_OP_MOVE)
            concerns.push_back({event.keyring, event.from.name, false});
    } else {
        for (KeyringName& holder : table.holders(event.key_serial))
            concerns.push_back({holder, holder.name, material});
    }
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
