// SPDX-License-Identifier: Apache-2.0
// What an appraisal found, as one HTML page for people: no script, nothing loaded from anywhere,
// and nothing of the evidence in it that is not escaped (html.h).
#pragma once

#include <string>
#include <string_view>

#include "controller/service/appraise/appraise.h"
#include "controller/service/report/html.h"

namespace keyscribe::report {

/// What a page shows at most; it says how much more there is.
struct Limits {
    std::size_t moments = 2000;        ///< in the timeline, beside those that findings stem from
    std::size_t moments_folded = 200;  ///< in one fold of it
    std::size_t keyrings = 100;
    std::size_t keys = 200;            ///< in a keyring, and as many that it held before
    std::size_t signers = 100;         ///< keys in the graph of who signed whom
    std::size_t verifications = 5000;  ///< of signatures for it
};

struct Input {
    const appraise::Appraisal& appraisal;
    const appraise::Request& request;  ///< that was appraised
    const appraise::Basis& basis;
    std::string_view source;                       ///< the evidence's file
    std::string_view version;                      ///< of the program that writes the page
    const evidence::Evidence* evidence = nullptr;  ///< null: it could not be taken apart
    Limits limits{};
    Html links{};  ///< before those to its sections: <li> elements, where it is a page among others
};

/// The page, in UTF-8. Never fails: of unusable evidence it says why.
std::string page(const Input& input);

}  // namespace keyscribe::report
