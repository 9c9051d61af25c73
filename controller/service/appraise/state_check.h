// SPDX-License-Identifier: Apache-2.0
// What is kept of the host's last appraisal, against the quote that came now.
#pragma once

#include <optional>

#include "controller/service/appraise/appraise.h"

namespace keyscribe::appraise {

class StateCheck {
  public:
    /// `findings`: of the evidence itself; `content`: of what it says.
    StateCheck(const evidence::Evidence& evidence, const AppraisalPolicy& policy,
               Findings& findings, Findings& content)
        : evidence_(evidence), policy_(policy), findings_(findings), content_(content) {}

    /// Of the request its kept state, or snapshot, or neither. `quote`: SHA-256 of the quote over
    /// the list's PCR. False: the evidence does not go on from there, and a finding says why.
    bool run(const Request& request, const Appraisal& result, const Sha256& quote);

    /// Of this boot; nothing where none is kept, or of an earlier boot.
    const std::optional<KeptState>& state() const { return state_; }
    /// The PCR behind what was kept of the kernel before a kexec; empty: there was none.
    const PcrBanks& before_kexec() const { return before_kexec_; }
    /// Of the boot whose state was put aside, since the TPM counts a later one; "": none was.
    const std::string& boot_put_aside() const { return boot_put_aside_; }
    /// The TPM's counters did: what came now must not take the kept state's place.
    bool went_back() const { return went_back_; }
    /// Whether the evidence's list begins with the kept one, or right behind it. Only with a state.
    bool continues() const;

  private:
    bool compare_boots(const Appraisal& result);
    void begin_after_kexec();
    void go_on_after_kexec(const PcrBanks& values);

    const evidence::Evidence& evidence_;
    const AppraisalPolicy& policy_;
    Findings& findings_;
    Findings& content_;
    std::optional<KeptState> state_;
    std::string boot_put_aside_;
    bool went_back_ = false;
    PcrBanks before_kexec_;
};

}  // namespace keyscribe::appraise
