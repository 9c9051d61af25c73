// SPDX-License-Identifier: Apache-2.0
#include "controller/service/report/graph_layout.h"

#include <algorithm>
#include <map>

namespace keyscribe::report {
namespace {

constexpr int kWidth = 340;
constexpr int kHeading = 26, kBandGap = 10;
constexpr int kBox = 40, kGap = 8;
constexpr int kEdge = 6;        // left of the first trunk
constexpr int kLane = 14;       // from trunk to trunk
constexpr int kMostLanes = 84;  // wide, all together
constexpr int kArrow = 14;      // between the last trunk and the boxes

void place_boxes(const GraphShape& shape, GraphLayout& layout) {
    int y = 0;
    for (std::size_t i = 0; i < shape.bands.size(); ++i) {
        if (i == 0 || shape.bands[i] != shape.bands[i - 1]) {
            if (i != 0) y += kBandGap;
            layout.headings.push_back({0, y, 0, kHeading});
            y += kHeading;
        }
        layout.boxes.push_back({0, y, 0, kBox});
        y += kBox + kGap;
    }
    layout.width = kWidth;
    layout.height = y;
}

void make_trunks(const GraphShape& shape, GraphLayout& layout) {
    std::map<std::size_t, std::vector<std::size_t>> by_signer;
    for (const auto& [signer, signed_one] : shape.edges) by_signer[signer].push_back(signed_one);
    for (auto& [signer, signed_ones] : by_signer) {
        const int from = layout.boxes[signer].middle();
        GraphLayout::Trunk trunk{.signer = signer, .top = from, .bottom = from};
        for (const std::size_t node : signed_ones) {
            trunk.top = std::min(trunk.top, layout.boxes[node].middle());
            trunk.bottom = std::max(trunk.bottom, layout.boxes[node].middle());
        }
        trunk.signed_ones = std::move(signed_ones);
        layout.trunks.push_back(std::move(trunk));
    }
}

/// The first lane that is free all along the trunk; short ones first, so that they lie inside.
std::vector<std::size_t> choose_lanes(std::vector<GraphLayout::Trunk>& trunks) {
    std::ranges::stable_sort(trunks, {},
                             [](const auto& trunk) { return trunk.bottom - trunk.top; });
    std::vector<std::size_t> lanes;
    for (std::size_t i = 0; i < trunks.size(); ++i) {
        std::size_t lane = 0;
        for (std::size_t other = 0; other < i;) {
            const bool apart = trunks[other].bottom < trunks[i].top ||
                               trunks[other].top > trunks[i].bottom || lanes[other] != lane;
            if (apart) {
                ++other;
            } else {
                ++lane;
                other = 0;
            }
        }
        lanes.push_back(lane);
    }
    return lanes;
}

}  // namespace

GraphLayout lay_out(const GraphShape& shape) {
    GraphLayout layout;
    place_boxes(shape, layout);
    make_trunks(shape, layout);
    const auto lanes = choose_lanes(layout.trunks);
    const int count = lanes.empty() ? 0 : static_cast<int>(std::ranges::max(lanes)) + 1;
    const int wide = std::min(count * kLane, kMostLanes);
    const int left = count == 0 ? 0 : kEdge + wide + kArrow;
    for (std::size_t i = 0; i < layout.trunks.size(); ++i)
        layout.trunks[i].x =
            kEdge + wide - (static_cast<int>(lanes[i]) * wide + wide / 2) / std::max(count, 1);
    for (auto* boxes : {&layout.boxes, &layout.headings})
        for (auto& box : *boxes) {
            box.x = left;
            box.width = kWidth - left;
        }
    return layout;
}

}  // namespace keyscribe::report
