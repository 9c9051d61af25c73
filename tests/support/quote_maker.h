// SPDX-License-Identifier: Apache-2.0
// Quotes of keys of OpenSSL's in the TPM's place, so that a test can also make what no honest TPM
// would sign.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "controller/base/digest.h"
#include "controller/evidence/evidence.h"
#include "tests/support/certificates.h"

namespace keyscribe::testing {

/// What a TPM would quote, and how it would sign.
struct QuoteMaker {
    std::shared_ptr<EVP_PKEY> key;
    TPMI_ALG_SIG_SCHEME scheme = TPM2_ALG_RSASSA;
    Algorithm hash = Algorithm::kSha256;
    Buffer nonce{1, 2, 3, 4, 5, 6, 7, 8};
    std::uint32_t magic = TPM2_GENERATED_VALUE;
    std::uint16_t type = TPM2_ST_ATTEST_QUOTE;
    std::uint32_t reset_count = 7, restart_count = 1;
    std::uint64_t clock = 123456;
    std::string signer = "qualified";
    bool flip_signature = false;
    TPMA_OBJECT attributes = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT |
                             TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                             TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH;

    Buffer attest(const evidence::PcrSet& pcrs) const;

    Buffer sign(Bytes attest) const;

    Buffer tpmt_public() const;

    std::string pem() const;
};

}  // namespace keyscribe::testing
