// SPDX-License-Identifier: Apache-2.0
// Whose endorsement keys are accepted without an operator: those with a certificate of a TPM vendor
// whose CA is in a folder, and those on a list. Many clouds' TPMs have no certificate.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"
#include "controller/service/verifier/settings.h"

namespace keyscribe::verifier {

class EkTrust {
  public:
    /// Error: a file of the folder or of the list that cannot be read whole.
    static Result<EkTrust> load(const Settings& settings);

    /// Returns who vouches for the key: "list", or "chain: SUBJECT OF THE CA"; nothing: nobody, or
    /// the certificate is for other uses than an endorsement key's.
    /// Error: `certificate` (DER, may be empty) is of another key, or none. `chain`: DER, sent with
    /// it.
    Result<std::optional<std::string>> judge(
        Bytes spki, Bytes certificate, const std::vector<std::vector<std::uint8_t>>& chain) const;

  private:
    struct Store;
    std::shared_ptr<const Store> store_;
    std::set<std::string, std::less<>> listed_;
};

}  // namespace keyscribe::verifier
