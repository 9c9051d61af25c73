// SPDX-License-Identifier: Apache-2.0
// A host of a fleet: what it enrols with, and its evidence. Keys of OpenSSL's stand in the TPM's
// place.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/host.h"

namespace keyscribe::testing {

/// An endorsement key: RSA-2048 with AES-128, as most TPMs have it, or ECC on P-256.
class EndorsementKey {
  public:
    explicit EndorsementKey(bool ecc = false);
    Buffer tpm2b_public() const;
    /// TPM2_ActivateCredential by the specification (Part 1, 24), for the key of this name. Empty:
    /// the integrity is not that of a credential for it.
    Buffer activate(Bytes id_object, Bytes encrypted_secret, Bytes name) const;
    EVP_PKEY* key() const { return key_.get(); }

    TPMA_OBJECT attributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                             TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_ADMINWITHPOLICY |
                             TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;

  private:
    Buffer seed_of(Bytes encrypted_secret) const;
    bool ecc_;
    std::shared_ptr<EVP_PKEY> key_;
};

/// With an attestation key of its own, on P-256.
class FleetHost {
  public:
    explicit FleetHost(std::string name, bool ecc_ek = false);

    Buffer ak_tpm2b() const;
    Buffer ak_name() const;
    /// The body of POST /v1/enrolments.
    nlohmann::json enrolment(const std::string& token) const;
    /// The body of the activation, by what the enrolment was answered with.
    nlohmann::json activation(const nlohmann::json& answer) const;
    /// Evidence over the nonce; the TPM's clock goes on. `since`: with only what is new behind that
    /// entry.
    Buffer evidence(Bytes nonce, std::uint64_t since = 0);
    /// The TPM is reset and the list begins anew.
    void reboot();

    std::string name;
    EndorsementKey ek;
    Host host;
};

}  // namespace keyscribe::testing
