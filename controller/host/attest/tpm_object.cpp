// SPDX-License-Identifier: Apache-2.0
#include "controller/host/attest/tpm_object.h"

#include <cstdio>

namespace keyscribe::attest {

using tpm::Owned;
using tpm::Tpm;
using tpm::tpm_failure;
using tpm::with_retries;

std::unexpected<Error> hierarchy_failure(const char* command, TSS2_RC code) {
    return fail(Tss2_RC_Decode(code), command,
                "hierarchies with a password are not supported: `tpm2_changeauth` removes it; "
                "`tpm2_dictionarylockout` and `tpm2_getcap handles-transient` show other causes");
}

Result<std::vector<std::uint32_t>> handles_from(Tpm& tpm, std::uint32_t first, std::uint32_t last) {
    TPMI_YES_NO more = 0;
    TPMS_CAPABILITY_DATA* data = nullptr;
    const TSS2_RC code = with_retries([&] {
        return Esys_GetCapability(tpm.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                  TPM2_CAP_HANDLES, first, last - first + 1, &more, &data);
    });
    const Owned<TPMS_CAPABILITY_DATA> owned(data);
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_GetCapability", code);
    std::vector<std::uint32_t> handles;
    for (UINT32 i = 0; i < data->data.handles.count; ++i)
        if (const TPM2_HANDLE handle = data->data.handles.handle[i];
            handle >= first && handle <= last)
            handles.push_back(handle);
    return handles;
}

Result<ESYS_TR> find(Tpm& tpm, std::uint32_t handle) {
    const auto there = handles_from(tpm, handle, handle);
    if (!there) return std::unexpected(there.error());
    if (there->empty()) return ESYS_TR(ESYS_TR_NONE);
    ESYS_TR object = ESYS_TR_NONE;
    const TSS2_RC code = with_retries([&] {
        return Esys_TR_FromTPMPublic(tpm.esys(), handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                     &object);
    });
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_ReadPublic", code);
    return object;
}

Result<void> evict(Tpm& tpm, ESYS_TR object, std::uint32_t handle) {
    ESYS_TR made = ESYS_TR_NONE;
    const TSS2_RC code = with_retries([&] {
        return Esys_EvictControl(tpm.esys(), ESYS_TR_RH_OWNER, object, ESYS_TR_PASSWORD,
                                 ESYS_TR_NONE, ESYS_TR_NONE, handle, &made);
    });
    if (code != TSS2_RC_SUCCESS) return hierarchy_failure("TPM2_EvictControl", code);
    if (made != ESYS_TR_NONE) Esys_TR_Close(tpm.esys(), &made);
    return {};
}

std::string handle_text(std::uint32_t handle) {
    char hex[16];
    std::snprintf(hex, sizeof(hex), "0x%08x", handle);
    return hex;
}

}  // namespace keyscribe::attest
