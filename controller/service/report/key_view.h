// SPDX-License-Identifier: Apache-2.0
// What is to be said of a key that stands, or stood, in a keyring.
#pragma once

#include <optional>
#include <string>

#include "controller/keyrings/certificate.h"
#include "controller/service/report/story.h"

namespace keyscribe::report {

/// What everything is drawn from.
struct Judgement {
    const Story& story;
    const appraise::Basis& basis;
    std::int64_t now;  ///< seconds since 1970
};

/// A word about a key, and how it is coloured: "bad" contraindicates, "good", or "" for neither.
struct Badge {
    const char* kind;
    std::string text;
};

struct KeyView {
    bool judged = false;                ///< the appraisal policy wants it to be known
    bool contraindicated = false;       ///< by the appraisal: nothing is judged here
    std::optional<Sha256> payload;      ///< SHA-256 of what it was made from
    std::optional<Sha256> fingerprint;  ///< SHA-256 of subjectPublicKey's bytes
    std::string algorithm;
    std::optional<keyrings::Certificate> certificate;
    Bytes der;                              ///< of it
    std::string reference;                  ///< the reference value's file; empty: none
    bool certificate_is_reference = false;  ///< the list has the public key alone
    std::vector<Badge> badges;
};

/// The key that the link is about.
KeyView view_of(const Judgement& judgement, keyrings::LinkId link);

/// A reference value's name for people.
std::string file_name(const std::string& path);

}  // namespace keyscribe::report
