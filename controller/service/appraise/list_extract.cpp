// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/list_extract.h"

#include <algorithm>

#include "controller/base/little_endian.h"
#include "controller/keyrings/keyring_model.h"
#include "controller/list/list_reader.h"
#include "controller/list/record.h"
#include "controller/list/template_format.h"
#include "controller/service/appraise/key_lives.h"

namespace keyscribe::appraise {
namespace {

// Of more the whole list is judged, which bounds what is remembered of it (key_judge.cpp,
// kMaxMaterials).
constexpr std::size_t kMostKept = 29'000;

// u64 entry, u32 index, u32 bytes of the name, u32 bytes of buf, name, buf; little-endian.
constexpr std::size_t kHead = 20;
constexpr std::uint32_t kWholeEntry = UINT32_MAX;  // in the index's place

void put_le32(std::vector<std::uint8_t>& to, std::uint64_t value) {
    std::uint8_t bytes[4];
    store_le32(bytes, static_cast<std::uint32_t>(value));
    to.insert(to.end(), bytes, bytes + 4);
}

class Extractor {
  public:
    explicit Extractor(Bytes nonce) : nonce_(nonce) {}

    bool take_extract(Bytes former) {
        ExtractReader reader(former);
        while (const auto item = reader.next())
            if (!(item->whole_entry ? take_whole(item->record) : take(item->record))) return false;
        return reader.at_end();
    }

    bool take_list(const Extracted& from) {
        list::ListReader reader(from.list);
        for (std::uint64_t number = from.first_entry;; ++number) {
            const auto entry = reader.next();
            if (!entry) return false;
            if (!*entry) return true;
            const list::Entry& one = **entry;
            if (one.pcr != from.pcr || one.is_violation()) return false;
            // The judge asks more of the first two than of a record.
            if (number < 2) {
                if (!take_whole(
                        {.entry = number, .name = one.template_name, .buf = one.template_data}))
                    return false;
                continue;
            }
            auto records = list::Unfolded::of(one, number);
            if (one.template_name != "ima-buf" || !records) return false;
            while (const auto record = records->next())
                if (!take(*record)) return false;
        }
    }

    std::optional<std::vector<std::uint8_t>> finish() const {
        std::vector<std::uint8_t> bytes;
        std::size_t kept = 0;
        for (std::size_t i = 0; i < items_.size(); ++i) {
            if (dropped_[i]) continue;
            if (++kept > kMostKept) return std::nullopt;
            const auto& [record, whole] = items_[i];
            put_le32(bytes, record.entry);
            put_le32(bytes, record.entry >> 32);
            put_le32(bytes, whole ? kWholeEntry : record.index);
            put_le32(bytes, record.name.size());
            put_le32(bytes, record.buf.size());
            const Bytes name = as_bytes(record.name);
            bytes.insert(bytes.end(), name.begin(), name.end());
            bytes.insert(bytes.end(), record.buf.begin(), record.buf.end());
        }
        return bytes;
    }

  private:
    bool take_whole(const list::LogicalRecord& entry) {
        items_.push_back({entry, true});
        dropped_.push_back(false);
        const list::Entry made{
            .stored_digest = entry.buf, .template_name = entry.name, .template_data = entry.buf};
        auto records = list::Unfolded::of(made, entry.entry);
        if (!records) return false;
        while (const auto record = records->next())
            if (!apply(*record, items_.size() - 1, false)) return false;
        // What comes behind it may be of a payload in it.
        return !pending_;
    }

    bool take(const list::LogicalRecord& record) {
        items_.push_back({record, false});
        dropped_.push_back(false);
        return apply(record, items_.size() - 1, true);
    }

    /// The model takes the record, and the records that need not be kept are found.
    bool apply(const list::LogicalRecord& source, std::size_t item, bool droppable) {
        const auto parsed = list::parse_record(source.name, source.buf);
        if (!parsed) return false;
        const auto* start = std::get_if<list::Start>(&*parsed);
        if ((start != nullptr && start->kexec) || std::holds_alternative<list::Foreign>(*parsed))
            return false;
        const auto* event = std::get_if<list::Event>(&*parsed);
        const bool with_payload = event != nullptr && event->plain;
        const std::optional<std::size_t> before = pending_;
        lives_.before(model_, *parsed);
        if (!model_.apply(*parsed, source)) return false;
        // A payload that no record followed, and that its keyring held: nothing began with it.
        if (before && !with_payload && !began_at(items_[*before].record)) dropped_[*before] = true;
        pending_.reset();
        if (std::holds_alternative<list::Payload>(*parsed) && droppable) pending_ = item;
        if (std::holds_alternative<list::Payload>(*parsed) && !droppable) return false;
        if (const auto* canary = std::get_if<list::Canary>(&*parsed);
            canary != nullptr && droppable && !before)
            dropped_[item] = !std::ranges::equal(canary->nonce, nonce_);
        // A life's records must not stand behind a payload that another record's place ends.
        const bool alone = with_payload ? !before_payload_ : !before;
        before_payload_ = before.has_value();
        std::vector<std::size_t> own{item};
        if (with_payload) own.insert(own.begin(), *before);
        for (const std::size_t each :
             lives_.after(model_, *parsed, source.entry, own, alone && droppable))
            dropped_[each] = true;
        return true;
    }

    bool began_at(const list::LogicalRecord& record) const {
        const keyrings::Place place{static_cast<std::uint32_t>(record.entry), record.index};
        return std::ranges::any_of(model_.changes().began, [&](keyrings::LinkId id) {
            return model_.link(id).since == place;
        });
    }

    Bytes nonce_;
    std::vector<ExtractItem> items_;
    std::vector<bool> dropped_;
    keyrings::KeyringModel model_;
    KeyLives lives_;
    std::optional<std::size_t> pending_;  // the item before, a payload
    bool before_payload_ = false;         // another one stood before the item before
};

}  // namespace

std::optional<ExtractItem> ExtractReader::next() {
    const Bytes rest = extract_.subspan(offset_);
    if (rest.size() < kHead) return std::nullopt;
    const std::uint8_t* head = rest.data();
    const std::uint32_t index = load_le32(head + 8);
    const std::size_t name = load_le32(head + 12), buf = load_le32(head + 16);
    if (name > rest.size() - kHead || buf > rest.size() - kHead - name) return std::nullopt;
    ExtractItem item{.whole_entry = index == kWholeEntry};
    item.record = {.entry = load_le32(head) | std::uint64_t{load_le32(head + 4)} << 32,
                   .index = item.whole_entry ? 0 : index,
                   .name = as_text(rest.subspan(kHead, name)),
                   .buf = rest.subspan(kHead + name, buf),
                   .offset = offset_ + kHead + name};
    offset_ += kHead + name + buf;
    return item;
}

std::optional<std::vector<std::uint8_t>> make_extract(const Extracted& from) {
    Extractor extractor(from.nonce);
    if (!extractor.take_extract(from.former) || !extractor.take_list(from)) return std::nullopt;
    return extractor.finish();
}

}  // namespace keyscribe::appraise
