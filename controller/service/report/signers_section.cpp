// SPDX-License-Identifier: Apache-2.0
// Who signed whom, as a drawing and, with the same content, as a table.
#include "controller/service/report/graph_layout.h"
#include "controller/service/report/sections.h"
#include "controller/service/report/words.h"

namespace keyscribe::report {
namespace {

std::string cut(std::string_view text, std::size_t bytes) {
    const std::string_view shown = beginning(text, bytes);
    return std::string(shown) + (shown.size() < text.size() ? "…" : "");
}

std::string state(const SignerNode& node) {
    std::string text;
    for (const Badge& badge : node.view.badges) text += (text.empty() ? "" : ", ") + badge.text;
    if (!node.stands) text += text.empty() ? "gone" : ", gone";
    if (node.self_signed) text += ", self-signed";
    return text;
}

const char* kind(const SignerNode& node) {
    if (node.view.contraindicated) return "bad";
    return node.view.judged ? "good" : "";
}

void draw_trunk(Html& html, const GraphLayout& layout, const GraphLayout::Trunk& trunk,
                std::size_t colour) {
    const auto& from = layout.boxes[trunk.signer];
    html.add(R"(<g class="trunk lane{}"><path d="M{} {}H{}M{} {}V{})", colour % 5, from.x,
             from.middle(), trunk.x, trunk.x, trunk.top, trunk.bottom);
    for (const std::size_t node : trunk.signed_ones)
        html.add("M{} {}H{}", trunk.x, layout.boxes[node].middle(), layout.boxes[node].x - 5);
    html.add(R"("/><circle cx="{}" cy="{}" r="3"/>)", from.x - 3, from.middle());
    for (const std::size_t node : trunk.signed_ones)
        html.add(R"(<path class="tip" d="M{} {}l-7 -4v8z"/>)", layout.boxes[node].x,
                 layout.boxes[node].middle());
    html.add("</g>\n");
}

Html drawing(const SignerGraph& graph) {
    GraphShape shape;
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        shape.bands.push_back(graph.nodes[i].band);
        for (const std::size_t signer : graph.nodes[i].signers) shape.edges.emplace_back(signer, i);
    }
    const GraphLayout layout = lay_out(shape);
    Html html;
    html.add(
        R"(<svg class="graph" role="img" aria-labelledby="graph-title graph-text" viewBox="0 0 {} {}">
<title id="graph-title">Who signed whom</title><desc id="graph-text">{} in {}, and {}. The table has the same.</desc>
)",
        layout.width, layout.height, count(graph.nodes.size(), "key"),
        count(graph.bands.size(), "keyring"), count(shape.edges.size(), "signature"));
    for (std::size_t i = 0; i < layout.headings.size(); ++i)
        html.add(R"(<text class="band" x="{}" y="{}">{}</text>
)",
                 layout.headings[i].x, layout.headings[i].y + 17, cut(graph.bands[i], 36));
    for (std::size_t i = 0; i < layout.trunks.size(); ++i)
        draw_trunk(html, layout, layout.trunks[i], i);
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        const auto& box = layout.boxes[i];
        const SignerNode& node = graph.nodes[i];
        // An inner svg clips what is too long for its box.
        html.add(
            R"(<svg class="node {}{}" x="{}" y="{}" width="{}" height="{}"><rect x="0.75" y="0.75" width="{}.5" height="{}.5" rx="6"/><text class="label" x="12" y="17">{}</text><text class="state" x="12" y="32">{}</text></svg>
)",
            kind(node), node.stands ? "" : " gone", box.x, box.y, box.width, box.height,
            box.width - 2, box.height - 2, cut(node.label, 40), cut(state(node), 48));
    }
    html.add("</svg>\n");
    return html;
}

Html table(const SignerGraph& graph) {
    Html rows;
    for (const SignerNode& node : graph.nodes) {
        Html rings, signers;
        for (const std::string& ring : node.rings)
            rings.add("{}{}", rings.empty() ? "" : ", ", name(ring));
        for (const std::size_t signer : node.signers)
            signers.add(R"({}<a href="#key-{}">{}</a>)", signers.empty() ? "" : ", ",
                        graph.nodes[signer].link, name(graph.nodes[signer].label));
        if (node.self_signed) signers.add("{}itself", signers.empty() ? "" : ", ");
        if (signers.empty())
            signers.add(R"(<em>{}</em>)",
                        node.view.certificate ? "no key of the list" : "not known: no certificate");
        rows.add(
            R"(<tr><th scope="row"><a href="#key-{}">{}</a></th><td>{}</td><td>{}</td><td>{}{}</td></tr>
)",
            node.link, name(node.label), rings, signers, badges(node.view.badges),
            node.stands ? "" : "gone");
    }
    Html html;
    html.add(R"(<div class="scroll"><table>
<caption>Each signature was verified, whichever keyring the key stands in.</caption>
<thead><tr><th scope="col">Key</th><th scope="col">Keyring</th><th scope="col">Signed by</th><th scope="col">State</th></tr></thead>
<tbody>
{}</tbody></table></div>
)",
             rows);
    return html;
}

}  // namespace

Html signers_section(const Context& context) {
    const SignerGraph& graph = *context.signers;
    Html html;
    html.add(R"(<section id="signers" aria-labelledby="signers-title">
<h2 id="signers-title">Who signed whom</h2>
)");
    if (graph.nodes.empty()) {
        html.add("<p>The list tells of no public key.</p>\n</section>\n");
        return html;
    }
    html.add(
        R"(<p class="note">Layers as the appraisal policy orders them: what all trust begins with at the top. A line leads from a signer to what it signed.</p>
<div class="who">
{}{}</div>
)",
        drawing(graph), table(graph));
    if (graph.left_out != 0)
        html.add(R"(<p class="more">{} more {} not shown here; the keyrings have them.</p>
)",
                 grouped(graph.left_out), graph.left_out == 1 ? "key is" : "keys are");
    if (graph.unfinished)
        html.add(
            R"(<p class="more">So many keys bear the same names that not every signature was tried for this drawing.</p>
)");
    html.add("</section>\n");
    return html;
}

}  // namespace keyscribe::report
