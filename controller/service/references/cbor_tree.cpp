// SPDX-License-Identifier: Apache-2.0
#include "controller/service/references/cbor_tree.h"

#include <algorithm>

namespace keyscribe::references {
namespace {

/// A CoRIM's own structure has some 20 levels.
constexpr int kDeepest = 64;
/// Each takes some 100 bytes here, and one in the file. 100,000 certificates are 300,000 items.
constexpr std::size_t kMostNodes = 1'000'000;

class TreeReader {
  public:
    TreeReader(Bytes input, std::size_t base) : input_(input), base_(base) {}

    bool at_end() const { return at_ == input_.size(); }
    std::size_t offset() const { return base_ + at_; }
    const char* problem() const { return problem_; }

    bool read(CborNode& node, int depth) {
        node.offset = offset();
        if (depth == 0) return refuse("nested too deeply");
        if (++nodes_ > kMostNodes) return refuse("more than a million items");
        if (at_end()) return refuse("cut short");
        const unsigned major = input_[at_] >> 5, info = input_[at_] & 31;
        ++at_;
        if (!argument(info, node.number)) return false;
        using Kind = CborNode::Kind;
        constexpr Kind kKinds[] = {Kind::kUint,  Kind::kNegative, Kind::kBytes, Kind::kText,
                                   Kind::kArray, Kind::kMap,      Kind::kTag,   Kind::kOther};
        node.kind = kKinds[major];
        switch (node.kind) {
            case Kind::kBytes:
            case Kind::kText:
                if (node.number > input_.size() - at_) return refuse("cut short");
                node.content = input_.subspan(at_, static_cast<std::size_t>(node.number));
                at_ += node.content.size();
                return true;
            case Kind::kArray:
                return children(node, node.number, depth);
            case Kind::kMap:
                return node.number <= input_.size() ? map(node, depth) : refuse("cut short");
            case Kind::kTag:
                return children(node, 1, depth);
            default:
                return true;
        }
    }

  private:
    bool refuse(const char* why) {
        problem_ = why;
        return false;
    }

    bool argument(unsigned info, std::uint64_t& number) {
        number = info;
        if (info < 24) return true;
        if (info > 27) return refuse("an indefinite or reserved length");
        const std::size_t size = std::size_t{1} << (info - 24);
        if (input_.size() - at_ < size) return refuse("cut short");
        number = 0;
        for (const std::uint8_t byte : input_.subspan(at_, size)) number = number << 8 | byte;
        at_ += size;
        return true;
    }

    bool children(CborNode& node, std::uint64_t count, int depth) {
        // Each has a byte at least.
        if (count > input_.size() - at_) return refuse("cut short");
        for (std::uint64_t i = 0; i < count; ++i)
            if (!read(node.children.emplace_back(), depth - 1)) return false;
        return true;
    }

    bool map(CborNode& node, int depth) {
        if (!children(node, 2 * node.number, depth)) return false;
        // A reader that takes the first of two is told another thing than one that takes the last.
        std::vector<Bytes> keys;
        for (std::size_t i = 0; i + 1 < node.children.size(); i += 2)
            keys.push_back(input_.subspan(node.children[i].offset - base_,
                                          node.children[i + 1].offset - node.children[i].offset));
        std::ranges::sort(keys, std::ranges::lexicographical_compare);
        return std::ranges::adjacent_find(keys, std::ranges::equal) == keys.end() ||
               refuse("a map with a key twice");
    }

    Bytes input_;
    std::size_t base_, at_ = 0, nodes_ = 0;
    const char* problem_ = "";
};

}  // namespace

const CborNode* CborNode::member(std::uint64_t key) const {
    if (kind != Kind::kMap) return nullptr;
    for (std::size_t i = 0; i + 1 < children.size(); i += 2)
        if (children[i].is(Kind::kUint) && children[i].number == key) return &children[i + 1];
    return nullptr;
}

const CborNode* CborNode::tagged(std::uint64_t tag) const {
    return kind == Kind::kTag && number == tag ? &children.front() : nullptr;
}

Result<CborNode> parse_cbor_tree(Bytes input, const std::string& where, std::size_t base) {
    TreeReader reader(input, base);
    CborNode node;
    if (!reader.read(node, kDeepest))
        return fail(std::string("CBOR that is damaged: ") + reader.problem(),
                    where + ", byte " + std::to_string(reader.offset()));
    if (!reader.at_end())
        return fail("CBOR with something behind it",
                    where + ", byte " + std::to_string(reader.offset()));
    return node;
}

}  // namespace keyscribe::references
