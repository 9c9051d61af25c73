// SPDX-License-Identifier: Apache-2.0
// Keys that are told apart by network namespace as well.
#pragma once

#include <string_view>

namespace keyscribe::base {

/// Whether a keyring can hold several keys of this type and one description, one for each network
/// namespace: those with KEY_TYPE_NET_DOMAIN in Linux 6.1 to 7.x (net/dns_resolver/dns_key.c,
/// net/rxrpc/key.c and server_key.c, drivers/nvme/common/keyring.c). The kernel does not show which
/// namespace a key is of.
constexpr bool differs_by_network(std::string_view type) {
    return type == "dns_resolver" || type == "rxrpc" || type == "rxrpc_s" || type == "psk";
}

}  // namespace keyscribe::base
