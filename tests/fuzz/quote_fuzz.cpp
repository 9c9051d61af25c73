// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as a TPM's structures: refused, or taken apart. A quote that nobody signed is
// never good.
#include <cstdlib>

#include "controller/service/appraise/quote.h"
#include "controller/service/appraise/tpm2_quote_files.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace quote_fuzz {

using namespace keyscribe::appraise;

// A key whose private half is nowhere.
constexpr std::string_view kPem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n"
    "6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n"
    "-----END PUBLIC KEY-----\n";

void fuzz(const std::uint8_t* data, std::size_t size) {
    static const auto key = AttestationKey::from_pem(kPem);
    if (!key) std::abort();
    const Bytes input(data, size);
    if (const auto found = parse_public(input); found && found->name.size() < 22) std::abort();
    (void)AttestationKey::from_pem({reinterpret_cast<const char*>(data), size});
    // The first byte says where the quote ends and its signature begins.
    const std::size_t cut = size == 0 ? 0 : std::min<std::size_t>(size - 1, data[0] * 4u);
    const Bytes attest = size == 0 ? input : input.subspan(1, cut);
    const Bytes rest = size == 0 ? input : input.subspan(1 + cut);
    evidence::Quote quote{.attest = attest, .signature = rest};
    if (const auto pcrs = quoted_pcrs(attest))
        for (const auto& [bank, pcr] : *pcrs) quote.pcrs[bank][pcr] = filled(bank, 0);
    Findings findings;
    if (verify_quote(quote, *key, {}, findings)) std::abort();
    if (findings.worst() != Weight::kUnusable) std::abort();
    (void)evidence_of({.message = attest, .signature = rest, .pcrs = rest, .list = rest}, 13);
}

const testing::Fuzzer kFuzzer("quote_fuzz", fuzz);

}  // namespace quote_fuzz
}  // namespace keyscribe
