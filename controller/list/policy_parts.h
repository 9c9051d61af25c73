// SPDX-License-Identifier: Apache-2.0
// Puts a policy together whose record was cut: what keyscribe:policy-part records say stands before
// the files of the keyscribe:policy record behind them (RECORDS.md).
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "controller/list/record.h"

namespace keyscribe::list {

class PolicyParts {
  public:
    /// Each record of the list, in order. A policy gets its whole files; texts that were joined
    /// live here until the next policy.
    void complete(Record& record);

  private:
    void join(Policy& policy);

    std::vector<PolicyFile> parts_;
    std::deque<std::string> texts_;
};

}  // namespace keyscribe::list
