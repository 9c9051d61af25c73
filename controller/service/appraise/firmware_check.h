// SPDX-License-Identifier: Apache-2.0
// What the evidence's firmware log says, as far as the quotes cover it: see
// ../firmware/README.md for what of an event can be believed.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/evidence/evidence.h"
#include "controller/service/appraise/finding.h"
#include "controller/service/appraise/list_pass.h"
#include "controller/service/appraise/policy.h"
#include "controller/service/firmware/replay.h"
#include "controller/service/firmware/secure_boot.h"

namespace keyscribe::appraise {

class FirmwareCheck {
  public:
    /// Of evidence whose quotes are good. Adds what is wrong with the log to `findings`.
    FirmwareCheck(const evidence::Evidence& evidence, const AppraisalPolicy& policy,
                  Findings& findings);

    /// PCR 7's variables; nothing where no quote covers them.
    const std::optional<firmware::SecureBoot>& secure_boot() const { return secure_boot_; }
    /// Whether the log gives the quoted PCR 14. Shim's variables, as far as PCR 14 has their
    /// digests; empty: not known.
    bool knows_mok() const { return believes(kMokPcr); }
    /// No quote that can be compared with the log is over PCR 14.
    bool lacks_mok_pcr() const { return !compared_.contains(kMokPcr); }
    Bytes mok_list() const { return mok_list_; }
    Bytes mok_list_x() const { return mok_list_x_; }
    /// PCR 14 has a second event, and nothing that the host sent is its content.
    bool lacks_mok_list_x() const { return lacks_mok_list_x_; }

    /// The SHA-256 digests that the log has for this PCR, in order, where it gives the quoted
    /// value.
    std::vector<Sha256> measured(unsigned pcr) const;

    /// Values other than zeros with which this PCR may have begun when the operating system
    /// started, in the banks of `like`.
    std::vector<PcrBanks> starts(unsigned pcr, const PcrBanks& like) const;

    /// boot_aggregate, as the kernel or the daemon may have computed it from the log's PCRs. Empty:
    /// the log does not give all these PCRs as they are quoted.
    std::vector<Digest> aggregates(Algorithm bank) const;

  private:
    static constexpr unsigned kSecureBootPcr = 7, kMokPcr = 14;
    /// A PCR of a quote, compared with the log.
    struct Compared {
        std::vector<Algorithm> banks;  // that both have
        bool plain = false;            // the log's value
        bool separated = false;        // the log's, and os-separator
    };
    void tell(const Code& code, bool allowed, std::string sentence);
    bool read(const evidence::Evidence& evidence);
    void compare(const evidence::Evidence& evidence, unsigned pcr);
    void tell_differences();
    void read_variables(const evidence::Firmware& from);
    void read_mok(const evidence::Firmware& from);
    void check_secure_boot();
    bool believes(unsigned pcr) const;

    const AppraisalPolicy& policy_;
    Findings& findings_;
    std::optional<firmware::EventLog> log_;
    std::map<Algorithm, firmware::PcrArray> replayed_;
    std::map<unsigned, Compared> compared_;
    bool separated_ = false;  // the operating system has extended os-separator
    std::optional<firmware::SecureBoot> secure_boot_;
    Bytes mok_list_, mok_list_x_;
    bool lacks_mok_list_x_ = false;
};

}  // namespace keyscribe::appraise
