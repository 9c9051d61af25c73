// SPDX-License-Identifier: Apache-2.0
// Who signed whom among the keys that were added. Every signature is verified.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "controller/keyrings/public_key.h"

namespace keyscribe::keyrings {

class Signers {
  public:
    /// `verifications`: how many signatures are verified at most, over all calls.
    explicit Signers(std::size_t verifications) : left_(verifications) {}

    /// Adds a key with its certificate, DER. What is no certificate is left out. `id` is the
    /// caller's name for it.
    void add_certificate(std::size_t id, Bytes der);

    /// Adds a key without a certificate, as the kernel tells it (public_key_info()). Nobody knows
    /// its name: it is tried where no key of the issuer's name fits.
    void add_key(std::size_t id, std::string_view algorithm, Bytes key);

    /// Returns the ids of the keys that verify the certificate's signature, in the order in which
    /// they were added; of a self-signed one its own is among them.
    std::vector<std::size_t> of(Bytes der);

    /// Returns whether signatures were left untried for want of verifications.
    bool unfinished() const { return unfinished_; }

  private:
    struct Candidate {
        std::size_t id = 0;
        PublicKey key;
    };
    using Name = std::vector<std::uint8_t>;  // subject, DER

    std::multimap<Name, Candidate> named_;
    std::vector<Candidate> nameless_;
    std::size_t left_;
    bool unfinished_ = false;
};

}  // namespace keyscribe::keyrings
