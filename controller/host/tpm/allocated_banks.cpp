// SPDX-License-Identifier: Apache-2.0
#include "controller/host/tpm/allocated_banks.h"

#include <algorithm>
#include <array>

namespace keyscribe::tpm {
namespace {

std::string name_of_unknown(TPM2_ALG_ID id) {
    constexpr std::array<std::pair<TPM2_ALG_ID, const char*>, 4> kNames{
        {{0x0012, "sm3_256"}, {0x0027, "sha3_256"}, {0x0028, "sha3_384"}, {0x0029, "sha3_512"}}};
    for (const auto& [number, name] : kNames)
        if (number == id) return name;
    return "0x" +
           to_hex(std::array{static_cast<std::uint8_t>(id >> 8), static_cast<std::uint8_t>(id)});
}

}  // namespace

AllocatedBanks allocated_banks(const TPML_PCR_SELECTION& all, unsigned pcr) {
    AllocatedBanks banks;
    const UINT32 count = std::min<UINT32>(all.count, TPM2_NUM_PCR_BANKS);
    for (UINT32 i = 0; i < count; ++i) {
        const TPMS_PCR_SELECTION& bank = all.pcrSelections[i];
        if (pcr / 8 >= std::min<unsigned>(bank.sizeofSelect, TPM2_PCR_SELECT_MAX) ||
            !(bank.pcrSelect[pcr / 8] & (1 << (pcr % 8))))
            continue;
        if (const auto algorithm = algorithm_of(bank.hash))
            banks.known.push_back(*algorithm);
        else
            banks.unknown.push_back(name_of_unknown(bank.hash));
    }
    return banks;
}

}  // namespace keyscribe::tpm
