// SPDX-License-Identifier: Apache-2.0
// Entries that rules of the measuring policy put into other PCRs (`pcr=`): which of them a quote
// over those PCRs covers.
#pragma once

#include <map>

#include "controller/evidence/evidence.h"
#include "controller/service/appraise/list_pass.h"

namespace keyscribe::appraise {

/// A PCR's values in a quote, in the banks' order; empty where it is not quoted.
PcrBanks values_of(const evidence::Quote& quote, unsigned pcr);
/// "sha1:HEX, sha256:HEX".
std::string text_of(const PcrBanks& values);
/// As many zeros.
PcrBanks zeros(const PcrBanks& like);

/// Whether the PCR can be set back while the system runs. TCG PC Client Platform TPM
/// Profile, 4.6.2: 16 (debug) and 23 (application support) from any locality, 17 to 22 by a dynamic
/// launch.
constexpr bool is_resettable(unsigned pcr) { return pcr >= 16; }

class OtherPcrs {
  public:
    /// A list: the PCR that is not looked at here, the algorithm of the digests that stand in it,
    /// and its entries in one or two parts.
    struct List {
        unsigned pcr;
        Algorithm stored = Algorithm::kSha1;
        Bytes first, rest{};
        std::uint64_t before = 0;  ///< entries before `first`, none of another PCR
    };
    /// Replays each PCR but that one that the evidence quotes in all of `banks`, from zeros. What
    /// can be reset proves nothing: somebody may have extended it anew with some of the entries.
    OtherPcrs(const evidence::Evidence& evidence, const std::vector<Algorithm>& banks,
              const List& list);

    /// Whether its quoted value is that of a beginning of its entries.
    bool replays(unsigned pcr) const;
    /// Whether the quote covers this entry, which is of that PCR.
    bool covers(unsigned pcr, std::uint64_t entry) const;

  private:
    struct Replayed {
        PcrBanks values, quoted;
        bool reached = false;
        std::uint64_t covered = 0;  ///< entries of the list until there
    };
    void replay(Bytes list, Algorithm stored, std::uint64_t& number);

    std::map<unsigned, Replayed> pcrs_;
};

}  // namespace keyscribe::appraise
