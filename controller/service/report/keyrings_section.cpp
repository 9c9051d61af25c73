// SPDX-License-Identifier: Apache-2.0
// The keyrings as they stood at the end of the covered list, as trees; and what they held before.
#include <algorithm>
#include <unordered_set>

#include "controller/service/appraise/key_source.h"
#include "controller/service/report/sections.h"
#include "controller/service/report/timeline_bounds.h"
#include "controller/service/report/words.h"

namespace keyscribe::report {
namespace {

using keyrings::Key;
using keyrings::KeyId;
using keyrings::Link;
using keyrings::LinkId;

Html actor(const Link& link) {
    Html html;
    if (!link.actor) return html;
    const keyrings::Actor& actor = *link.actor;
    html.add(", by {} (pid {}, uid {})", name(actor.exe.empty() ? actor.comm : actor.exe),
             actor.pid, actor.uid);
    return html;
}

class Trees {
  public:
    explicit Trees(const Context& context)
        : context_(context),
          model_(context.story->model()),
          limits_(context.input.limits),
          bounds_(context),
          rings_(ordered_keyrings(context.judgement())) {
        if (context.signers == nullptr) return;
        for (const SignerNode& node : context.signers->nodes)
            if (node.view.certificate)
                by_certificate_.emplace(node.view.certificate->sha256, &node);
    }

    Html all() {
        Html html;
        // Those that no keyring holds are where trees begin; what is left stands in a circle.
        for (const bool roots : {true, false})
            for (const KeyId ring : rings_)
                if (!shown_.contains(ring) && (!roots || is_root(ring))) tree(html, ring);
        if (left_out_ != 0)
            html.add(R"(<p class="more">{} more keyrings are not shown.</p>)", grouped(left_out_));
        return html;
    }

  private:
    bool is_root(KeyId ring) const {
        return std::ranges::none_of(model_.holders(ring), [&](LinkId link) {
            return model_.key(model_.link(link).keyring).is_live();
        });
    }

    void tree(Html& html, KeyId ring) {
        if (shown_.size() >= limits_.keyrings) {
            ++left_out_;
            shown_.insert(ring);
            return;
        }
        const Key& key = model_.key(ring);
        const Html keys = contents(ring, 0);
        html.add(R"(<article class="keyring">
<h3 id="ring-{}">{} <span class="number">{}</span></h3>
{}{}</article>
)",
                 ring, name(key.description), model_.contents(ring).size(), about_ring(key), keys);
    }

    static Html about_ring(const Key& key) {
        Html html;
        if (key.restriction)
            html.add(R"(<p class="note">Only keys that pass <code>{}</code> may come in.</p>)",
                     key.restriction->empty() ? "nothing at all" : *key.restriction);
        if (key.marks & list::kRevoked) html.add(R"(<p class="note">Revoked.</p>)");
        return html;
    }

    /// The keys, and the keyrings with theirs; then what is over.
    Html contents(KeyId ring, std::size_t depth) {
        shown_.insert(ring);
        Html items;
        std::size_t number = 0;
        const auto links = model_.contents(ring);
        for (const LinkId id : links) {
            if (number++ == limits_.keys) break;
            const Link& link = model_.link(id);
            if (model_.key(link.key).is_keyring())
                nested(items, link, depth);
            else
                key_item(items, id, link);
        }
        if (links.size() > limits_.keys)
            items.add(R"(<li class="more">{} more {} not shown.</li>
)",
                      grouped(links.size() - limits_.keys),
                      links.size() - limits_.keys == 1 ? "is" : "are");
        Html html;
        if (items.empty())
            html.add(R"(<p class="note">Empty.</p>
)");
        else
            html.add("<ul class=\"tree\">\n{}</ul>\n", items);
        former(html, ring);
        return html;
    }

    void nested(Html& items, const Link& link, std::size_t depth) {
        constexpr std::size_t kDeepest = 8;
        const std::string& ring = model_.key(link.key).description;
        if (shown_.size() >= limits_.keyrings && !shown_.contains(link.key)) {
            items.add(R"(<li class="ring">{} <span class="note">a keyring, not shown</span></li>
)",
                      name(ring));
            return;
        }
        if (shown_.contains(link.key) || depth == kDeepest) {
            items.add(
                R"(<li class="ring"><a href="#ring-{}">{}</a> <span class="note">a keyring, shown by itself</span></li>
)",
                link.key, name(ring));
            return;
        }
        const Html inside = contents(link.key, depth + 1);
        items.add(
            R"(<li class="ring"><strong id="ring-{}">{}</strong> <span class="note">a keyring in it, since {}</span>
{}</li>
)",
            link.key, name(ring), entry_link(link.since.entry), inside);
    }

    void key_item(Html& items, LinkId id, const Link& link) {
        const Key& key = model_.key(link.key);
        const KeyView view = view_of(context_.judgement(), id);
        Html fingerprint;
        if (view.fingerprint)
            fingerprint = digest(*view.fingerprint);
        else if (view.payload)
            fingerprint = digest(*view.payload);
        items.add(
            R"(<li class="key{}" id="key-{}"><details><summary><span class="type">{}</span> <span class="title">{}</span> {}{}</summary>
<dl>{}</dl></details></li>
)",
            view.contraindicated ? " bad" : "", id,
            key.type.empty() ? std::string_view("key") : std::string_view(key.type),
            name(key.description), badges(view.badges), fingerprint, details(id, key, link, view));
    }

    Html details(LinkId id, const Key& key, const Link& link, const KeyView& view) {
        Html html;
        const auto fact = [&](Html::Literal what, const Html& value) {
            html.add("<div><dt>{}</dt><dd>{}</dd></div>", what.text, value);
        };
        const auto text = [&](Html::Literal what, std::string_view value) {
            fact(what, whole_name(value));
        };
        if (key.description.size() > 120) text("Description", key.description);
        if (view.certificate) {
            text("Subject", view.certificate->subject);
            text("Issuer", view.certificate->issuer);
            fact("Signed by", signers(*view.certificate));
            text("Valid",
                 day(view.certificate->not_before) + " to " + day(view.certificate->not_after));
            text("Serial number", view.certificate->serial);
        }
        if (!view.algorithm.empty()) text("Algorithm", view.algorithm);
        if (view.fingerprint) fact("Public key’s SHA-256", long_digest(*view.fingerprint));
        if (view.payload) fact("Content’s SHA-256", long_digest(*view.payload));
        if (!view.reference.empty()) text("Reference value", view.reference);
        if (view.certificate && view.certificate_is_reference)
            text("Certificate", "the reference value’s: the list has the public key alone");
        if (key.serial != 0)
            text("Key", fmt::format("serial {}, uid {}, gid {}, perm {:08x}", key.serial, key.uid,
                                    key.gid, key.perm));
        if (key.expiry != 0) text("Times out", utc(key.expiry));
        text("Source", appraise::source_line(model_, id, context_.story->verdict(id).source));
        fact("Here since", since(link));
        if (!link.stands) fact("Until", until(link));
        return html;
    }

    Html signers(const keyrings::Certificate& certificate) const {
        Html html;
        const auto found = by_certificate_.find(certificate.sha256);
        if (found == by_certificate_.end()) {
            html.add("not looked into: beyond this page’s bounds");
            return html;
        }
        const SignerNode& node = *found->second;
        for (const std::size_t signer : node.signers)
            html.add(R"({} <span class="note">in {}</span> )",
                     name(context_.signers->nodes[signer].label),
                     name(context_.signers->nodes[signer].rings.front()));
        if (node.self_signed) html.add("itself");
        if (html.empty()) html.add("no key of the list");
        return html;
    }

    Html entry_link(std::uint32_t entry) const {
        Html html;
        if (entry == keyrings::kNone) return html;
        if (bounds_.tells_entry(entry))
            html.add(R"(<a href="#entry-{}">entry {}</a>)", entry, grouped(entry));
        else
            html.add("entry {}", grouped(entry));
        return html;
    }

    Html since(const Link& link) const {
        Html html = entry_link(link.since.entry);
        html.add(" ({})", list::name_of(link.how));
        if (link.time != 0) html.add(", {} after boot", duration(link.time / 1'000'000));
        if (const auto time = wall_clock(context_.input.evidence, link.time);
            time && link.time != 0)
            html.add(", {}", utc(*time));
        html.add("{}", actor(link));
        return html;
    }

    Html until(const Link& link) const {
        Html html = entry_link(link.until.entry);
        html.add(" ({})", list::name_of(link.end));
        return html;
    }

    void former(Html& html, KeyId ring) {
        std::vector<LinkId> links;
        for (const LinkId id : model_.ever_held(ring))
            if (!model_.link(id).stands) links.push_back(id);
        if (links.empty()) return;
        Html items;
        for (std::size_t i = 0; i < std::min(links.size(), limits_.keys); ++i)
            key_item(items, links[i], model_.link(links[i]));
        if (links.size() > limits_.keys)
            items.add(R"(<li class="more">{} more are not shown.</li>
)",
                      grouped(links.size() - limits_.keys));
        html.add(
            R"(<details class="former"><summary>{} here before</summary>
<ul class="tree">
{}</ul></details>
)",
            links.size() == 1 ? "1 key that stood" : count(links.size(), "key") + " that stood",
            items);
    }

    const Context& context_;
    const keyrings::KeyringModel& model_;
    const Limits& limits_;
    const TimelineBounds bounds_;
    std::vector<KeyId> rings_;
    std::unordered_set<KeyId> shown_;
    std::size_t left_out_ = 0;
    std::map<Sha256, const SignerNode*> by_certificate_;
};

}  // namespace

Html keyrings_section(const Context& context) {
    Html html;
    html.add(R"(<section id="keyrings" aria-labelledby="keyrings-title">
<h2 id="keyrings-title">Keyrings</h2>
<p class="note">As they stood at the end of the covered list. A fingerprint is the SHA-256 of the public key.</p>
)");
    const Html trees = Trees(context).all();
    if (trees.empty())
        html.add("<p>The list tells of no keyring.</p>\n");
    else
        html.add("{}", trees);
    html.add("</section>\n");
    return html;
}

}  // namespace keyscribe::report
