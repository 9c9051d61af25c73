// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/tpm2_quote_files.h"

#include <algorithm>

#include "controller/base/little_endian.h"
#include "controller/list/list_reader.h"
#include "controller/service/appraise/quote.h"

namespace keyscribe::appraise {
namespace {

// "serialized" is tpm2-tools' structures as they lie in memory, little-endian (lib/pcr.c,
// pcr_fwrite_serialized): TPML_PCR_SELECTION, the number of TPML_DIGESTs, and these.
constexpr std::size_t kSelection = 4 + 16 * 8;
constexpr std::size_t kDigest = 2 + 64;
constexpr std::size_t kDigestList = 4 + 8 * kDigest;

/// All values, one behind the other: the format "values". Nothing where it is not "serialized".
std::optional<std::vector<std::uint8_t>> values_of_serialized(Bytes file) {
    if (file.size() < kSelection + 4) return std::nullopt;
    const std::uint32_t lists = load_le32(file.data() + kSelection);
    file = file.subspan(kSelection + 4);
    if (lists > file.size() / kDigestList || file.size() != lists * kDigestList)
        return std::nullopt;
    std::vector<std::uint8_t> values;
    for (; !file.empty(); file = file.subspan(kDigestList)) {
        const std::uint32_t count = load_le32(file.data());
        if (count > 8) return std::nullopt;
        for (std::size_t i = 0; i < count; ++i) {
            const Bytes digest = file.subspan(4 + i * kDigest, kDigest);
            const std::size_t size = digest[0] | std::size_t{digest[1]} << 8;
            if (size > kDigest - 2) return std::nullopt;
            values.insert(values.end(), digest.begin() + 2,
                          digest.begin() + 2 + static_cast<std::ptrdiff_t>(size));
        }
    }
    return values;
}

}  // namespace

Result<evidence::Evidence> evidence_of(const Tpm2QuoteFiles& files, unsigned pcr) {
    const auto selection = quoted_pcrs(files.message);
    if (!selection) return fail("not a quote over PCRs that are known here", "tpm2_quote -m");
    std::size_t size = 0;
    for (const auto& [bank, number] : *selection) size += size_of(bank);
    std::vector<std::uint8_t> values(files.pcrs.begin(), files.pcrs.end());
    if (values.size() != size) {
        auto serialized = values_of_serialized(files.pcrs);
        if (!serialized || serialized->size() != size)
            return fail("not the values of the quoted PCRs", "tpm2_quote -o",
                        "its format is \"serialized\" or \"values\"");
        values = std::move(*serialized);
    }
    evidence::Quote quote{.attest = files.message, .signature = files.signature};
    Bytes rest = values;
    for (const auto& [bank, number] : *selection) {
        Digest& value = quote.pcrs[bank][number];
        value.size = size_of(bank);
        std::ranges::copy(rest.first(value.size), value.bytes.begin());
        rest = rest.subspan(value.size);
    }
    evidence::Evidence evidence;
    evidence.pcr = pcr;
    evidence.quotes.push_back(std::move(quote));
    evidence.list.data = files.list;
    list::ListReader reader(files.list);
    for (;; ++evidence.list.entries) {
        const auto entry = reader.next();
        if (!entry || !*entry) break;  // a list that is cut short is told by the appraisal
    }
    return evidence;
}

}  // namespace keyscribe::appraise
