// SPDX-License-Identifier: Apache-2.0
// Who signed whom among the keys that stand, or stood, in keyrings. Every signature is verified.
#pragma once

#include <string>
#include <vector>

#include "controller/service/report/key_view.h"
#include "controller/service/report/page.h"

namespace keyscribe::report {

/// How near a keyring is to what all trust begins with, by the appraisal policy's chains: 0 for
/// those that need no signer, more for each step; last those that the policy says nothing of.
std::size_t trust_layer(const appraise::AppraisalPolicy& policy, std::string_view ring);

/// Keyrings in the order of their layers, then by name.
std::vector<keyrings::KeyId> ordered_keyrings(const Judgement& judgement);

struct SignerNode {
    keyrings::LinkId link = keyrings::kNone;  ///< where it came first
    KeyView view;
    std::string label;               ///< a name for people, of the host's choice
    std::size_t band = 0;            ///< index of its keyring
    std::vector<std::string> rings;  ///< all those that it stands in, or stood
    bool stands = false;             ///< in one of them
    bool self_signed = false;
    std::vector<std::size_t> signers;  ///< nodes other than itself
};

struct SignerGraph {
    std::vector<std::string> bands;  ///< keyrings that have a node, in their order
    std::vector<SignerNode> nodes;   ///< by band
    std::uint64_t left_out = 0;      ///< keys beyond the limit
    bool unfinished = false;         ///< not every signature was tried
};

SignerGraph signer_graph(const Judgement& judgement, const Limits& limits);

}  // namespace keyscribe::report
