// SPDX-License-Identifier: Apache-2.0
#include "controller/host/tpm/tpm.h"

#include <tss2/tss2_tctildr.h>

#include <algorithm>
#include <cstdlib>

#include "controller/host/tpm/allocated_banks.h"
#include "controller/host/tpm/esys.h"

namespace keyscribe::tpm {
namespace {

constexpr unsigned kPcrs = 24;

TPML_PCR_SELECTION select(const std::vector<std::pair<Algorithm, std::vector<unsigned>>>& wanted) {
    TPML_PCR_SELECTION selection{.count = static_cast<UINT32>(wanted.size())};
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        auto& bank = selection.pcrSelections[i];
        bank.hash = static_cast<TPMI_ALG_HASH>(wanted[i].first);
        bank.sizeofSelect = 3;
        for (const unsigned pcr : wanted[i].second) bank.pcrSelect[pcr / 8] |= 1 << (pcr % 8);
    }
    return selection;
}

/// What TPM2_PCR_Read gave at one go: at most eight digests, for the PCRs of `selection`.
struct PcrRead {
    UINT32 counter;
    TPML_PCR_SELECTION selection;
    std::vector<Digest> digests;
};

Result<PcrRead> read_some(ESYS_CONTEXT* esys, const TPML_PCR_SELECTION& wanted) {
    UINT32 counter = 0;
    TPML_PCR_SELECTION* selection = nullptr;
    TPML_DIGEST* digests = nullptr;
    const TSS2_RC code = with_retries([&] {
        return Esys_PCR_Read(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &wanted, &counter,
                             &selection, &digests);
    });
    const Owned<TPML_PCR_SELECTION> owned_selection(selection);
    const Owned<TPML_DIGEST> owned_digests(digests);
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_PCR_Read", code);
    PcrRead read{.counter = counter, .selection = *selection};
    for (UINT32 i = 0; i < digests->count; ++i) {
        const TPM2B_DIGEST& from = digests->digests[i];
        Digest digest{.size = from.size};
        std::copy_n(from.buffer, from.size, digest.bytes.begin());
        read.digests.push_back(digest);
    }
    return read;
}

/// A selection has a bit for each, and ESAPI a handle; a list from outside may name any number.
Result<void> check_exists(unsigned pcr) {
    if (pcr < kPcrs) return {};
    return fail("no TPM has such a PCR", "PCR " + std::to_string(pcr));
}

}  // namespace

void Tpm::Closer::operator()(ESYS_CONTEXT* context) const { Esys_Finalize(&context); }
void Tpm::Closer::operator()(TSS2_TCTI_CONTEXT* context) const { Tss2_TctiLdr_Finalize(&context); }

Result<Tpm> Tpm::open(const std::string& tcti) {
    // The library writes to stderr on its own; what fails is reported by us, once.
    ::setenv("TSS2_LOG", "all+none", 0);
    Tpm tpm;
    TSS2_TCTI_CONTEXT* transport = nullptr;
    if (const TSS2_RC code = Tss2_TctiLdr_Initialize(tcti.c_str(), &transport);
        code != TSS2_RC_SUCCESS)
        return fail(std::string("cannot reach the TPM: ") + Tss2_RC_Decode(code), tcti,
                    "no TPM, no driver for it, or no right to use it (group tss)");
    tpm.tcti_.reset(transport);
    ESYS_CONTEXT* esys = nullptr;
    if (const TSS2_RC code = Esys_Initialize(&esys, transport, nullptr); code != TSS2_RC_SUCCESS)
        return tpm_failure("Esys_Initialize", code);
    tpm.esys_.reset(esys);
    return tpm;
}

Result<AllocatedBanks> Tpm::allocated_banks(unsigned pcr) {
    TPMI_YES_NO more = 0;
    TPMS_CAPABILITY_DATA* data = nullptr;
    const TSS2_RC code = with_retries([&] {
        return Esys_GetCapability(esys_.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                  TPM2_CAP_PCRS, 0, 1, &more, &data);
    });
    const Owned<TPMS_CAPABILITY_DATA> owned(data);
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_GetCapability", code);
    return tpm::allocated_banks(data->data.assignedPCR, pcr);
}

Result<std::vector<Algorithm>> Tpm::banks(unsigned pcr) {
    auto allocated = allocated_banks(pcr);
    if (!allocated) return std::unexpected(allocated.error());
    if (allocated->known.empty())
        return fail("PCR " + std::to_string(pcr) + " is allocated in no bank of SHA-1 or SHA-2",
                    "TPM2_CAP_PCRS", "activate a bank (tpm2_pcrallocate)");
    return std::move(allocated->known);
}

Result<std::vector<std::string>> Tpm::unknown_banks(unsigned pcr) {
    auto allocated = allocated_banks(pcr);
    if (!allocated) return std::unexpected(allocated.error());
    return std::move(allocated->unknown);
}

Result<PcrValues> Tpm::read_pcr(unsigned pcr, const std::vector<Algorithm>& banks) {
    PcrValues values;
    for (const Algorithm bank : banks) {
        auto digests = read_pcrs(bank, {pcr});
        if (!digests) return std::unexpected(digests.error());
        values[bank] = digests->front();
    }
    return values;
}

Result<std::vector<Digest>> Tpm::read_pcrs(Algorithm bank, const std::vector<unsigned>& pcrs) {
    for (const unsigned pcr : pcrs)
        if (auto exists = check_exists(pcr); !exists) return std::unexpected(exists.error());
    for (int attempt = 0; attempt < 10; ++attempt) {
        std::map<unsigned, Digest> found;
        std::optional<UINT32> counter;
        bool changed = false;
        while (found.size() < pcrs.size() && !changed) {
            std::vector<unsigned> missing;
            for (const unsigned pcr : pcrs)
                if (!found.contains(pcr)) missing.push_back(pcr);
            auto read = read_some(esys_.get(), select({{bank, missing}}));
            if (!read) return std::unexpected(read.error());
            changed = counter && *counter != read->counter;
            counter = read->counter;
            std::size_t next = 0;
            for (unsigned pcr = 0; pcr < kPcrs && next < read->digests.size(); ++pcr)
                if (read->selection.count != 0 &&
                    (read->selection.pcrSelections[0].pcrSelect[pcr / 8] & (1 << (pcr % 8))))
                    found[pcr] = read->digests[next++];
            if (next == 0)
                return fail(
                    "the TPM gives no value for a PCR of bank " + std::string(name_of(bank)),
                    "TPM2_PCR_Read", "is the bank active? (tpm2_pcrallocate)");
        }
        if (changed) continue;
        std::vector<Digest> digests;
        for (const unsigned pcr : pcrs) digests.push_back(found.at(pcr));
        return digests;
    }
    return fail("the PCRs change faster than they can be read", "TPM2_PCR_Read");
}

Result<void> Tpm::extend(unsigned pcr, const PcrValues& values) {
    if (auto exists = check_exists(pcr); !exists) return exists;
    TPML_DIGEST_VALUES digests{};
    for (const auto& [bank, digest] : values) {
        TPMT_HA& to = digests.digests[digests.count++];
        to.hashAlg = static_cast<TPMI_ALG_HASH>(bank);
        std::copy_n(digest.bytes.begin(), digest.size, reinterpret_cast<BYTE*>(&to.digest));
    }
    const TSS2_RC code = with_retries([&] {
        return Esys_PCR_Extend(esys_.get(), ESYS_TR_PCR0 + pcr, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                               ESYS_TR_NONE, &digests);
    });
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_PCR_Extend", code);
    return {};
}

Result<std::uint32_t> Tpm::resets() {
    TPMS_TIME_INFO* time = nullptr;
    const TSS2_RC code = with_retries([&] {
        return Esys_ReadClock(esys_.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &time);
    });
    const Owned<TPMS_TIME_INFO> owned(time);
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_ReadClock", code);
    return time->clockInfo.resetCount;
}

Result<std::string> Tpm::description() {
    TPMI_YES_NO more = 0;
    TPMS_CAPABILITY_DATA* data = nullptr;
    const TSS2_RC code = with_retries([&] {
        return Esys_GetCapability(esys_.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                  TPM2_CAP_TPM_PROPERTIES, TPM2_PT_MANUFACTURER, 8, &more, &data);
    });
    const Owned<TPMS_CAPABILITY_DATA> owned(data);
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_GetCapability", code);
    std::string vendor, firmware;
    const TPML_TAGGED_TPM_PROPERTY& properties = data->data.tpmProperties;
    for (UINT32 i = 0; i < properties.count; ++i) {
        const auto [property, value] = properties.tpmProperty[i];
        if (property == TPM2_PT_MANUFACTURER)
            for (const int shift : {24, 16, 8, 0})
                if (const char letter = static_cast<char>(value >> shift); letter > ' ')
                    vendor += letter;
        if (property == TPM2_PT_FIRMWARE_VERSION_1)
            firmware = std::to_string(value >> 16) + '.' + std::to_string(value & 0xffff);
    }
    return vendor + ", firmware " + firmware;
}

Result<Tpm::Passwords> Tpm::passwords() {
    TPMI_YES_NO more = 0;
    TPMS_CAPABILITY_DATA* data = nullptr;
    const TSS2_RC code = with_retries([&] {
        return Esys_GetCapability(esys_.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                  TPM2_CAP_TPM_PROPERTIES, TPM2_PT_PERMANENT, 1, &more, &data);
    });
    const Owned<TPMS_CAPABILITY_DATA> owned(data);
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_GetCapability", code);
    const TPML_TAGGED_TPM_PROPERTY& properties = data->data.tpmProperties;
    if (properties.count == 0 || properties.tpmProperty[0].property != TPM2_PT_PERMANENT)
        return fail("the TPM does not say which hierarchies have a password", "TPM2_GetCapability");
    const UINT32 set = properties.tpmProperty[0].value;
    return Passwords{.owner = (set & TPMA_PERMANENT_OWNERAUTHSET) != 0,
                     .lockout = (set & TPMA_PERMANENT_LOCKOUTAUTHSET) != 0};
}

Result<void> check_pcr(unsigned pcr, bool force) {
    const std::string where = "PCR " + std::to_string(pcr);
    if (pcr > 23) return fail("no TPM has such a PCR", where, "choose one from 0 to 15");
    if (pcr >= 17 && pcr <= 22)
        return fail("belongs to dynamic launch and takes no extend from the operating system",
                    where, "choose one from 0 to 15");
    if ((pcr == 16 || pcr == 23) && !force)
        return fail("software can reset this PCR, so it proves nothing", where,
                    "choose one from 0 to 15, or set tpm.force_resettable_pcr = true for tests");
    return {};
}

}  // namespace keyscribe::tpm
