// SPDX-License-Identifier: Apache-2.0
// An appraisal of a host that a test made: what it asks for, and what was found.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "controller/service/appraise/appraise.h"
#include "tests/support/host.h"

namespace keyscribe::testing {

inline constexpr const char* kIma = ".ima";

/// The host's two certificates as reference values.
appraise::Basis basis_of(const Host& host);
appraise::AttestationKey key_of(const Host& host);
/// A certificate of a key that nobody knows.
Buffer rogue(const Host& host, const std::string& name = "Rogue");

/// With the nonce that a QuoteMaker signs.
appraise::Appraisal appraise_bytes(Bytes evidence, const appraise::Basis& basis,
                                   const appraise::AttestationKey& key, Bytes state = {},
                                   unsigned threads = 1);

/// The codes that count, in the order of their first appearance.
std::string codes_of(const appraise::Appraisal& appraisal, bool notes = false);
/// Every finding that counts, and the entry that it stems from: "key-unknown@7 ima-template@ima:2".
std::string findings_of(const appraise::Appraisal& appraisal);

/// What is wanted of the appraisal, beside the host.
struct Setting {
    Host host;
    appraise::Basis basis;
    std::shared_ptr<EVP_PKEY> expected_key;         ///< where it is not the host's
    std::function<void(evidence::Evidence&)> edit;  ///< of the evidence before it is encoded
    Setting() : basis(basis_of(host)) {}

    /// A host as it should be, with files that are signed.
    void good();
    Buffer encoded();
    appraise::Appraisal run();

  private:
    Buffer bytes_;
};

}  // namespace keyscribe::testing
