// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/tpm_attributes.h"

#include <utility>

namespace keyscribe::appraise {

std::string wrong_attributes(TPMA_OBJECT attributes, TPMA_OBJECT unwanted) {
    constexpr std::pair<TPMA_OBJECT, const char*> kNames[] = {
        {TPMA_OBJECT_FIXEDTPM, "fixedTPM"},
        {TPMA_OBJECT_FIXEDPARENT, "fixedParent"},
        {TPMA_OBJECT_SENSITIVEDATAORIGIN, "sensitiveDataOrigin"},
        {TPMA_OBJECT_RESTRICTED, "restricted"},
        {TPMA_OBJECT_SIGN_ENCRYPT, "sign"},
        {TPMA_OBJECT_DECRYPT, "decrypt"}};
    std::string wrong;
    for (const auto& [bit, name] : kNames) {
        const bool is_set = (attributes & bit) != 0;
        if (is_set == (bit != unwanted)) continue;
        if (!wrong.empty()) wrong += ", ";
        wrong += std::string(is_set ? "" : "not ") + name;
    }
    return wrong;
}

}  // namespace keyscribe::appraise
