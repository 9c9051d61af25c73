// SPDX-License-Identifier: Apache-2.0
// What all that speaks to the TPM through ESAPI shares. Source: TCG ESYS API 1.00.
#pragma once

#include <tss2/tss2_esys.h>
#include <tss2/tss2_rc.h>

#include <chrono>
#include <memory>
#include <thread>

#include "controller/base/error.h"

namespace keyscribe::tpm {

struct FreeTss {
    void operator()(void* memory) const { Esys_Free(memory); }
};
/// What an ESAPI call gave.
template <class T>
using Owned = std::unique_ptr<T, FreeTss>;

/// What helps (Part 1, 12.3 and 19.8).
inline const char* remedy(TSS2_RC code) {
    switch (code & ~TSS2_RC_LAYER_MASK) {
        case TPM2_RC_FAILURE:
            return "the TPM is in failure mode until it is reset: restart the machine; "
                   "`tpm2_gettestresult` says why";
        case TPM2_RC_LOCKOUT:
            return "too many wrong authorizations: wait, or `tpm2_dictionarylockout "
                   "--clear-lockout`";
        default:
            return "is the TPM there and enabled? `keyscribe doctor` looks";
    }
}

inline std::unexpected<Error> tpm_failure(const char* command, TSS2_RC code) {
    return fail(Tss2_RC_Decode(code), command, remedy(code));
}

/// The TPM asks to be asked again: TPM_RC_RETRY, _TESTING and _YIELDED (Part 2, 6.6.3).
inline bool wants_retry(TSS2_RC code) {
    return code == TPM2_RC_RETRY || code == TPM2_RC_TESTING || code == TPM2_RC_YIELDED;
}

/// A self-test takes up to a second or two.
template <class Command>
TSS2_RC with_retries(Command&& command) {
    auto pause = std::chrono::milliseconds(1);
    for (int attempt = 0;; ++attempt) {
        const TSS2_RC code = command();
        if (!wants_retry(code & ~TSS2_RC_LAYER_MASK) || attempt == 12) return code;
        std::this_thread::sleep_for(pause);
        pause *= 2;
    }
}

}  // namespace keyscribe::tpm
