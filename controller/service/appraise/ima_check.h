// SPDX-License-Identifier: Apache-2.0
// The kernel's own list: that it gives the quoted PCR 10, and what its entries say (ima_list.h).
#pragma once

#include "controller/service/appraise/appraise.h"
#include "controller/service/appraise/boot_aggregate.h"
#include "controller/service/appraise/ima_list.h"
#include "controller/service/appraise/key_judge.h"
#include "controller/service/appraise/other_pcrs.h"

namespace keyscribe::appraise {

/// How many kernels wrote the list: each begins with boot_aggregate.
std::size_t count_kernels(const evidence::Evidence& evidence);

class ImaCheck {
  public:
    /// `findings`: of the evidence itself; `content`: of what it says. `keys`: after finish().
    ImaCheck(const evidence::Evidence& evidence, const Basis& basis, const KeyJudge& keys,
             const BootAggregate& aggregate, unsigned threads, Findings& findings,
             Findings& content)
        : evidence_(evidence),
          basis_(basis),
          keys_(keys),
          aggregate_(aggregate),
          threads_(threads),
          findings_(findings),
          content_(content) {}

    /// Fills in how many entries and signatures there were. `after_kexec`: the kernel's list begins
    /// anew with each kernel, on top of what PCR 10 had: where the former list is not there,
    /// nothing of this one is judged.
    void run(Appraisal& result, bool after_kexec);
    /// Bytes of the list that the quote covers; 0: it does not replay.
    std::size_t covered() const { return covered_; }
    /// Whether it begins with a boot_aggregate that agrees with the firmware's PCRs.
    bool shows_boot() const { return covered_ != 0 && agrees_; }

  private:
    static bool replays(const ListPass& pass);
    void tell_former_missing();
    bool agrees_padded(ListPass pass, const PassResult& done, const PcrBanks& quoted);
    std::uint64_t visit_beyond(const ListPass& pass, const PassResult& done,
                               const OtherPcrs& others, ImaJudge& judge);
    void tell_other_pcr(unsigned pcr, std::uint64_t number);
    void visit(const HashedEntry& hashed, const OtherPcrs& others, ImaJudge& judge);

    const evidence::Evidence& evidence_;
    const Basis& basis_;
    const KeyJudge& keys_;
    const BootAggregate& aggregate_;
    unsigned threads_;
    Findings& findings_;
    Findings& content_;
    std::size_t covered_ = 0;
    bool agrees_ = false;  // its boot_aggregate
};

}  // namespace keyscribe::appraise
