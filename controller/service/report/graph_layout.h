// SPDX-License-Identifier: Apache-2.0
// Where the graph's parts are drawn: layers from top to bottom, a box below the other in each, and
// on their left one line for each signer, from it to all that it signed. As wide as a phone, as
// long as it takes.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace keyscribe::report {

struct GraphShape {
    std::vector<std::size_t> bands;  ///< of each node; never less than the one before
    std::vector<std::pair<std::size_t, std::size_t>> edges;  ///< signer, signed; no loops
};

/// In the SVG's units.
struct GraphLayout {
    struct Box {
        int x = 0, y = 0, width = 0, height = 0;
        int middle() const { return y + height / 2; }
    };
    /// A signer's line: its trunk at `x`, between the middles of the topmost and the lowest node.
    struct Trunk {
        std::size_t signer = 0;
        std::vector<std::size_t> signed_ones;
        int x = 0, top = 0, bottom = 0;
    };
    int width = 0, height = 0;
    std::vector<Box> headings;  ///< of each band that has nodes, in order
    std::vector<Box> boxes;     ///< of each node
    std::vector<Trunk> trunks;
};

/// Trunks that overlap lie side by side, as far as there is room.
GraphLayout lay_out(const GraphShape& shape);

}  // namespace keyscribe::report
