// SPDX-License-Identifier: Apache-2.0
// One thing that is wrong with a host or with its evidence, and what the appraisal must find. Each
// is a test of its own: unit-tests --gtest_filter='*Forgeries*AnEntryDropped'.
#pragma once

#include <gtest/gtest.h>

#include <cctype>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/support/setting.h"

namespace keyscribe::appraise {

struct Forgery {
    const char* name;
    std::function<void(testing::Setting&)> make;
    const char* findings;  ///< as findings_of() writes them
};

inline void PrintTo(const Forgery& forgery, std::ostream* out) { *out << forgery.name; }

/// "an entry dropped": AnEntryDropped, since GoogleTest allows letters and digits alone.
inline std::string test_name(const ::testing::TestParamInfo<Forgery>& info) {
    std::string name;
    bool begins_word = true;
    for (const unsigned char c : std::string_view(info.param.name)) {
        if (std::isalnum(c)) name += static_cast<char>(begins_word ? std::toupper(c) : c);
        begins_word = !std::isalnum(c) && c != '\'';
    }
    return name;
}

/// Its test is in forgery_test.cpp; forgery_*_test.cpp instantiate it.
class Forgeries : public ::testing::TestWithParam<Forgery> {};

}  // namespace keyscribe::appraise
