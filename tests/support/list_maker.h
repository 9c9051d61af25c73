// SPDX-License-Identifier: Apache-2.0
// Measurement lists as a test likes them.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/digest.h"
#include "controller/evidence/evidence.h"
#include "tests/support/certificates.h"

namespace keyscribe::testing {

/// A measurement list in the making, with the PCR values that it gives.
class ListMaker {
  public:
    ListMaker(unsigned pcr, Algorithm stored = Algorithm::kSha1);

    void add(std::string_view template_name, Bytes template_data);
    void violation(std::string_view name);
    void aggregate(const Digest& digest = hash(Algorithm::kSha256, {}));
    void buf(std::string_view name, Bytes payload);
    void record(const std::string& kind, const nlohmann::json& fields);
    /// As the kernel writes a signed file: d-ng | n-ng | sig.
    void signed_file(Bytes digest, std::string_view name, Bytes signature);
    /// The PCR's values were changed by somebody else.
    void extend_only(std::string_view what);

    evidence::PcrSet pcrs() const;
    nlohmann::json values_json() const;

    Buffer bytes;
    std::uint64_t entries = 0;
    std::vector<std::size_t> offsets;  ///< where each entry ends

  private:
    void put_le32(std::uint32_t value);
    unsigned pcr_;
    Algorithm stored_;
    std::vector<std::pair<Algorithm, Digest>> values_;
};

}  // namespace keyscribe::testing
