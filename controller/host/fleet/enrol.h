// SPDX-License-Identifier: Apache-2.0
// How a host becomes one of a verifier's: it says by what it is known, shows that its attestation
// key and its endorsement key are in one TPM, and waits for the verifier's yes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/digest.h"
#include "controller/host/fleet/problem.h"

namespace keyscribe::fleet {

struct Identity {
    std::string name;                                         ///< as is_name() takes it
    std::vector<std::uint8_t> ak_public;                      ///< TPM2B_PUBLIC
    std::vector<std::uint8_t> ek_public;                      ///< TPM2B_PUBLIC
    std::optional<std::vector<std::uint8_t>> ek_certificate;  ///< DER
    std::vector<std::vector<std::uint8_t>> ek_chain;          ///< DER
};

/// 1 to 253 of the bytes A-Z, a-z, 0-9, '.', '_' and '-'.
bool is_name(std::string_view name);

/// What only the TPM with that EK, and with an AK of that name, can make the secret of.
struct Challenge {
    std::string id;                        ///< of the enrolment
    std::vector<std::uint8_t> credential;  ///< as tpm2_makecredential(1) writes it
};

struct EnrolmentState {
    std::string state;   ///< "challenged", "waiting", "accepted", "refused"
    std::string host;    ///< the verifier's name for the host: of its EK
    std::string reason;  ///< may be empty
};

Answered<Challenge> begin_enrolment(Connection& connection, const Verifier& verifier,
                                    const std::string& secret, const Identity& identity);

/// `secret`: what the TPM made of the challenge.
Answered<EnrolmentState> activate(Connection& connection, const Verifier& verifier,
                                  const std::string& id, Bytes secret);

Answered<EnrolmentState> enrolment_state(Connection& connection, const Verifier& verifier,
                                         const std::string& id);

}  // namespace keyscribe::fleet
