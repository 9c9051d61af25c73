// SPDX-License-Identifier: Apache-2.0
// Objects and indices of the TPM, as the commands of attestation need them. Source: TCG TPM 2.0
// Library, Part 3.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controller/host/tpm/esys.h"
#include "controller/host/tpm/tpm.h"

namespace keyscribe::attest {

/// Something in the TPM that has to leave it again.
class Transient {
  public:
    Transient() = default;
    Transient(ESYS_CONTEXT* esys, ESYS_TR handle) : esys_(esys), handle_(handle) {}
    Transient(Transient&& other) noexcept : esys_(other.esys_), handle_(other.handle_) {
        other.handle_ = ESYS_TR_NONE;
    }
    Transient& operator=(Transient&&) = delete;
    ~Transient() {
        if (handle_ != ESYS_TR_NONE) Esys_FlushContext(esys_, handle_);
    }
    ESYS_TR get() const { return handle_; }

  private:
    ESYS_CONTEXT* esys_ = nullptr;
    ESYS_TR handle_ = ESYS_TR_NONE;
};

/// What failed for want of a hierarchy's password, most likely.
std::unexpected<Error> hierarchy_failure(const char* command, TSS2_RC code);

/// Returns what is persistent at `handle`; ESYS_TR_NONE where there is nothing.
Result<ESYS_TR> find(tpm::Tpm& tpm, std::uint32_t handle);

/// Returns those that there are from `first` to `last`, at most as many as the TPM tells at once.
Result<std::vector<std::uint32_t>> handles_from(tpm::Tpm& tpm, std::uint32_t first,
                                                std::uint32_t last);

/// TPM2_EvictControl: makes `object` persistent at `handle`, or removes what is there.
Result<void> evict(tpm::Tpm& tpm, ESYS_TR object, std::uint32_t handle);

/// "0x81010001"
std::string handle_text(std::uint32_t handle);

}  // namespace keyscribe::attest
