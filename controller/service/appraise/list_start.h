// SPDX-License-Identifier: Apache-2.0
// Where the list's PCR began. systemd-stub measures system extensions into PCR 13 and systemd 261
// extends "os-separator" into it before the daemon starts: its first record is then
// keyscribe:foreign, as entry 2, whose values are the PCR's behind entries 0 and 1. Where the
// firmware's log gives these values the quote covers entries 0 and 1 too, and nothing is hidden.
#pragma once

#include <vector>

#include "controller/service/appraise/list_pass.h"

namespace keyscribe::appraise {

/// What the PCR had when a keyscribe:foreign record was written, into `values`. False: malformed,
/// or of another PCR.
bool read_foreign(const TemplateFields& fields, unsigned pcr, PcrBanks& values);

class ListStart {
  public:
    /// `starts`: values with which the PCR may have begun, besides zeros.
    ListStart(unsigned pcr, std::vector<PcrBanks> starts) : pcr_(pcr), values_(std::move(starts)) {}

    /// An entry of the list, in order.
    void entry(std::uint64_t number, const list::Entry& entry);
    /// Whether the foreign extend of which entry `number` tells, with these values, is one of the
    /// starts, extended by the entries before it.
    bool explains(std::uint64_t number, const PcrBanks& foreign) const;

  private:
    static constexpr std::uint64_t kForeignEntry = 2;
    unsigned pcr_;
    std::vector<PcrBanks> values_;
};

}  // namespace keyscribe::appraise
