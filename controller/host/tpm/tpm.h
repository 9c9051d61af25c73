// SPDX-License-Identifier: Apache-2.0
// The TPM 2.0, through tpm2-tss's ESAPI. Sources: TCG TPM 2.0 Library, Part 2 (structures) and 3
// (commands); TCG ESYS API 1.00.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

struct ESYS_CONTEXT;
typedef struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB TSS2_TCTI_CONTEXT;

namespace keyscribe::tpm {

struct AllocatedBanks;

/// A PCR's value in each bank.
using PcrValues = std::map<Algorithm, Digest>;

/// Used from one thread.
class Tpm {
  public:
    /// `tcti`: a TCTI configuration string such as "device:/dev/tpmrm0" (tpm2-tools(1)).
    static Result<Tpm> open(const std::string& tcti);

    /// The banks in which `pcr` is allocated and whose algorithm is known here. Error: none.
    Result<std::vector<Algorithm>> banks(unsigned pcr);
    /// The names of the others, which are left alone.
    Result<std::vector<std::string>> unknown_banks(unsigned pcr);

    Result<PcrValues> read_pcr(unsigned pcr, const std::vector<Algorithm>& banks);

    /// Several PCRs of one bank, all of one moment (the update counter is compared).
    Result<std::vector<Digest>> read_pcrs(Algorithm bank, const std::vector<unsigned>& pcrs);

    /// One TPM2_PCR_Extend for all banks.
    Result<void> extend(unsigned pcr, const PcrValues& values);

    /// How often it was reset so far (TPMS_CLOCK_INFO.resetCount): each reset begins the PCRs anew.
    Result<std::uint32_t> resets();

    /// "vendor, firmware a.b": for people.
    Result<std::string> description();

    /// Whose commands ask for a password (TPMA_PERMANENT; Part 2, 8.6).
    struct Passwords {
        bool owner = false, lockout = false;
    };
    Result<Passwords> passwords();

    /// For commands that are not measuring's (esys.h).
    ESYS_CONTEXT* esys() const { return esys_.get(); }

  private:
    Result<AllocatedBanks> allocated_banks(unsigned pcr);

    struct Closer {
        void operator()(ESYS_CONTEXT* context) const;
        void operator()(TSS2_TCTI_CONTEXT* context) const;
    };
    // In this order: the ESAPI context uses the TCTI until it is gone.
    std::unique_ptr<TSS2_TCTI_CONTEXT, Closer> tcti_;
    std::unique_ptr<ESYS_CONTEXT, Closer> esys_;
};

/// Refuses PCRs that prove nothing or do not exist: 16 and 23, which software can reset, unless
/// `force`; 17 to 22, which belong to dynamic launch and take no extend from here; above 23.
/// Source: TCG PC Client Platform TPM Profile 1.05, 4.6.
Result<void> check_pcr(unsigned pcr, bool force);

}  // namespace keyscribe::tpm
