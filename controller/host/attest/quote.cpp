// SPDX-License-Identifier: Apache-2.0
#include "controller/host/attest/quote.h"

#include <tss2/tss2_mu.h>

#include <algorithm>

#include "controller/host/tpm/esys.h"

namespace keyscribe::attest {

using tpm::Owned;
using tpm::tpm_failure;
using tpm::with_retries;

Result<SignedQuote> take_quote(tpm::Tpm& tpm, std::uint32_t handle, Bytes nonce,
                               const std::vector<Algorithm>& banks,
                               const std::vector<unsigned>& pcrs) {
    TPM2B_DATA qualifying{};
    if (nonce.size() > 64) return fail("a nonce of more than 64 bytes");
    qualifying.size = static_cast<UINT16>(nonce.size());
    std::ranges::copy(nonce, qualifying.buffer);
    TPML_PCR_SELECTION selection{};
    for (const Algorithm bank : banks) {
        TPMS_PCR_SELECTION& to = selection.pcrSelections[selection.count++];
        to.hash = static_cast<TPMI_ALG_HASH>(bank);
        to.sizeofSelect = 3;
        for (const unsigned pcr : pcrs) {
            if (pcr > evidence::kMaxPcr)
                return fail("no TPM has such a PCR", "PCR " + std::to_string(pcr));
            to.pcrSelect[pcr / 8] |= static_cast<BYTE>(1 << (pcr % 8));
        }
    }
    const TPMT_SIG_SCHEME by_the_key{.scheme = TPM2_ALG_NULL};
    ESYS_TR key = ESYS_TR_NONE;
    TSS2_RC code = with_retries([&] {
        return Esys_TR_FromTPMPublic(tpm.esys(), handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                     &key);
    });
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_ReadPublic (attestation key)", code);
    TPM2B_ATTEST* attest = nullptr;
    TPMT_SIGNATURE* signature = nullptr;
    code = with_retries([&] {
        return Esys_Quote(tpm.esys(), key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                          &qualifying, &by_the_key, &selection, &attest, &signature);
    });
    const Owned<TPM2B_ATTEST> owned_attest(attest);
    const Owned<TPMT_SIGNATURE> owned_signature(signature);
    Esys_TR_Close(tpm.esys(), &key);
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_Quote", code);

    SignedQuote quote{.attest = {attest->attestationData, attest->attestationData + attest->size},
                      .signature = std::vector<std::uint8_t>(sizeof(TPMT_SIGNATURE))};
    std::size_t size = 0;
    code = Tss2_MU_TPMT_SIGNATURE_Marshal(signature, quote.signature.data(), quote.signature.size(),
                                          &size);
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPMT_SIGNATURE", code);
    quote.signature.resize(size);
    return quote;
}

bool QuotedPcrs::covers(const evidence::PcrSet& values) const {
    std::vector<std::uint8_t> joined;
    for (const auto& [bank, pcrs] : selection) {
        const auto in_bank = values.find(bank);
        for (const unsigned pcr : pcrs) {
            if (in_bank == values.end() || !in_bank->second.contains(pcr)) return false;
            const Bytes value = in_bank->second.at(pcr);
            joined.insert(joined.end(), value.begin(), value.end());
        }
    }
    return hash(algorithm, joined) == digest;
}

Result<QuotedPcrs> quoted_pcrs(Bytes attest, Bytes signature) {
    TPMS_ATTEST said{};
    std::size_t offset = 0;
    if (Tss2_MU_TPMS_ATTEST_Unmarshal(attest.data(), attest.size(), &offset, &said) !=
            TSS2_RC_SUCCESS ||
        offset != attest.size() || said.type != TPM2_ST_ATTEST_QUOTE)
        return fail("not a quote (TPMS_ATTEST)");
    TPMT_SIGNATURE sign{};
    offset = 0;
    if (Tss2_MU_TPMT_SIGNATURE_Unmarshal(signature.data(), signature.size(), &offset, &sign) !=
            TSS2_RC_SUCCESS ||
        offset != signature.size())
        return fail("not a signature (TPMT_SIGNATURE)");
    QuotedPcrs out;
    // In every member of the union that signs, the hash stands first.
    const auto algorithm = algorithm_of(sign.signature.any.hashAlg);
    if (!algorithm) return fail("a quote that is signed over an unknown digest");
    out.algorithm = *algorithm;
    const TPMS_QUOTE_INFO& quote = said.attested.quote;
    out.digest.size = std::min<std::size_t>(quote.pcrDigest.size, out.digest.bytes.size());
    std::copy_n(quote.pcrDigest.buffer, out.digest.size, out.digest.bytes.begin());
    for (UINT32 i = 0; i < quote.pcrSelect.count; ++i) {
        const TPMS_PCR_SELECTION& from = quote.pcrSelect.pcrSelections[i];
        const auto bank = algorithm_of(from.hash);
        if (!bank) return fail("a quote over a bank of an unknown algorithm");
        auto& to = out.selection.emplace_back(*bank, std::vector<unsigned>());
        for (unsigned pcr = 0; pcr < from.sizeofSelect * 8u; ++pcr)
            if (from.pcrSelect[pcr / 8] & (1 << (pcr % 8))) to.second.push_back(pcr);
    }
    return out;
}

}  // namespace keyscribe::attest
