// SPDX-License-Identifier: Apache-2.0
// What an appraisal found. A code is stable: programs may act on it. README.md in this folder
// says what each of them means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.h"
#include "controller/base/printable.h"

namespace keyscribe::appraise {

/// What a finding does to the verdict.
enum class Weight {
    kNote,             ///< nothing
    kContraindicates,  ///< the evidence is genuine, and the host is not in the state it should be
    kUnusable,         ///< nothing can be concluded: malformed, forged, not what was asked for
};

struct Finding {
    std::string_view code;  ///< of static storage: "key-unknown"
    Weight weight = Weight::kNote;
    std::string sentence;
    std::string_view list;               ///< "keyscribe", "ima", or empty: neither
    std::optional<std::uint64_t> entry;  ///< of that list, from 0
};

/// Foreign text in a sentence: the longest name of a file has 255 bytes.
inline std::string printable(std::string_view text) { return base::printable(text, 255); }

/// A code and what it weighs, unless the appraisal policy says otherwise.
struct Code {
    std::string_view name;
    Weight weight;
};

/// Where a finding stems from.
struct Place {
    std::string_view list;
    std::optional<std::uint64_t> entry;
};
inline Place in_list(std::uint64_t entry) { return {"keyscribe", entry}; }
inline Place in_ima(std::uint64_t entry) { return {"ima", entry}; }

/// Collects findings. A list of a million rogue keys must not become a million sentences: of each
/// code, and of its notes, the first kListed are kept and the rest counted.
class Findings {
  public:
    static constexpr std::size_t kListed = 100;
    /// Bytes of a sentence; what is beyond is cut. The longest of our own, with PCR values in four
    /// banks twice, has 1,200.
    static constexpr std::size_t kLongest = 2048;

    void add(const Code& code, std::string sentence, Place place = {});
    /// As the appraisal policy allows it: a note instead of what the code weighs.
    void add(const Code& code, bool allowed, std::string sentence, Place place = {});

    Weight worst() const { return worst_; }
    /// Those that are kept, and at the end of each code's how many more there are.
    std::vector<Finding> take();

  private:
    struct Count {
        std::string_view code;
        Weight weight;
        std::uint64_t found = 0;
    };
    Count& count(std::string_view code, Weight weight);

    Weight worst_ = Weight::kNote;
    std::vector<Finding> kept_;
    std::vector<Count> counts_;
};

}  // namespace keyscribe::appraise
