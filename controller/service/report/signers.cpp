// SPDX-License-Identifier: Apache-2.0
#include "controller/service/report/signers.h"

#include <algorithm>
#include <map>
#include <set>

#include "controller/keyrings/signers.h"

namespace keyscribe::report {
namespace {

using keyrings::LinkId;

constexpr std::size_t kLast = 1000;

std::size_t layer(const appraise::AppraisalPolicy& policy, std::string_view ring,
                  std::size_t depth) {
    constexpr std::size_t kDeepest = 16;  // where keyrings vouch for each other in a circle
    const auto rule = policy.chain.signers.find(ring);
    if (rule == policy.chain.signers.end() || depth == kDeepest) return 0;
    std::size_t highest = 0;
    for (const std::string& signer : rule->second)
        if (signer != ring) highest = std::max(highest, layer(policy, signer, depth + 1) + 1);
    return highest;
}

class Graph {
  public:
    Graph(const Judgement& judgement, const Limits& limits)
        : judgement_(judgement), limits_(limits) {}

    SignerGraph run() {
        for (const keyrings::KeyId ring : ordered_keyrings(judgement_)) collect(ring);
        verify();
        return std::move(graph_);
    }

  private:
    void collect(keyrings::KeyId ring) {
        const auto& model = judgement_.story.model();
        for (const LinkId id : model.ever_held(ring)) {
            const keyrings::Link& link = model.link(id);
            const keyrings::Key& key = model.key(link.key);
            if (!key.type.empty() && std::string_view(key.type) != "asymmetric") continue;
            // Cheap to tell apart by, for those beyond the limit too.
            const Sha256* same = key.sha256 ? &*key.sha256 : key.fingerprint.get();
            if (same == nullptr) continue;
            const bool fresh = seen_.insert(*same).second;
            if (fresh && graph_.nodes.size() >= limits_.signers) {
                ++graph_.left_out;
                continue;
            }
            add(id, link, key, *same);
        }
    }

    void add(LinkId id, const keyrings::Link& link, const keyrings::Key& key, const Sha256& same) {
        const std::string& ring = judgement_.story.model().key(link.keyring).description;
        auto found = nodes_.find(same);
        if (found == nodes_.end()) {
            KeyView view = view_of(judgement_, id);
            if (!view.fingerprint) return;
            const Sha256 identity = view.certificate ? view.certificate->sha256 : same;
            found = nodes_.find(identity);
            if (found == nodes_.end()) {
                found = nodes_.emplace(identity, graph_.nodes.size()).first;
                graph_.nodes.push_back({.link = id, .view = std::move(view)});
                graph_.nodes.back().label = label_of(graph_.nodes.back().view, key);
                graph_.nodes.back().band = band(ring);
            }
            nodes_[same] = found->second;
        }
        SignerNode& node = graph_.nodes[nodes_[same]];
        if (std::ranges::find(node.rings, ring) == node.rings.end()) node.rings.push_back(ring);
        node.stands = node.stands || link.stands;
    }

    std::size_t band(const std::string& ring) {
        if (graph_.bands.empty() || graph_.bands.back() != ring) graph_.bands.push_back(ring);
        return graph_.bands.size() - 1;
    }

    static std::string label_of(const KeyView& view, const keyrings::Key& key) {
        if (const auto certificate = keyrings::view_certificate(view.der))
            if (std::string name = keyrings::display_name(*certificate); !name.empty()) return name;
        return key.description.empty() ? "no name" : key.description;
    }

    void verify() {
        keyrings::Signers signers(limits_.verifications);
        for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
            const KeyView& view = graph_.nodes[i].view;
            const auto& model = judgement_.story.model();
            const auto& key = model.key(model.link(graph_.nodes[i].link).key);
            if (view.certificate)
                signers.add_certificate(i, view.der);
            else
                signers.add_key(i, view.algorithm, judgement_.story.bytes(key.public_key));
        }
        for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
            SignerNode& node = graph_.nodes[i];
            if (!node.view.certificate) continue;
            for (const std::size_t signer : signers.of(node.view.der)) {
                if (signer == i)
                    node.self_signed = true;
                else
                    node.signers.push_back(signer);
            }
        }
        graph_.unfinished = signers.unfinished();
    }

    const Judgement& judgement_;
    const Limits& limits_;
    SignerGraph graph_;
    std::set<Sha256> seen_;
    std::map<Sha256, std::size_t> nodes_;
};

}  // namespace

std::size_t trust_layer(const appraise::AppraisalPolicy& policy, std::string_view ring) {
    if (policy.chain.signers.contains(ring)) return layer(policy, ring, 0);
    const bool signs = std::ranges::any_of(policy.chain.signers, [&](const auto& rule) {
        return std::ranges::find(rule.second, ring) != rule.second.end();
    });
    // A name with a dot is the kernel's own: .platform, .machine.
    return signs || (ring.starts_with('.') && !appraise::matches_any(policy.keyrings.exempt, ring))
               ? 0
               : kLast;
}

std::vector<keyrings::KeyId> ordered_keyrings(const Judgement& judgement) {
    const auto& model = judgement.story.model();
    std::vector<std::tuple<std::size_t, std::string_view, keyrings::KeyId>> ordered;
    for (const keyrings::KeyId id : model.keyrings()) {
        const std::string& name = model.key(id).description;
        ordered.emplace_back(trust_layer(judgement.basis.policy, name), name, id);
    }
    std::ranges::sort(ordered);
    std::vector<keyrings::KeyId> ids;
    for (const auto& one : ordered) ids.push_back(std::get<2>(one));
    return ids;
}

SignerGraph signer_graph(const Judgement& judgement, const Limits& limits) {
    return Graph(judgement, limits).run();
}

}  // namespace keyscribe::report
