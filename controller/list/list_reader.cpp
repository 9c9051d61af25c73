// SPDX-License-Identifier: Apache-2.0
#include "controller/list/list_reader.h"

#include <algorithm>
#include <array>

#include "controller/base/little_endian.h"

namespace keyscribe::list {

bool Entry::is_violation() const {
    return std::ranges::all_of(stored_digest, [](std::uint8_t byte) { return byte == 0; });
}

Result<std::optional<Entry>> ListReader::next() {
    Bytes rest = list_.subspan(offset_);
    if (rest.empty()) return std::nullopt;
    const auto refuse = [&](std::string_view why) {
        return fail("entry of the measurement list: " + std::string(why),
                    "byte " + std::to_string(offset_));
    };
    const auto take = [&rest](std::size_t size) -> std::optional<Bytes> {
        if (rest.size() < size) return std::nullopt;
        const Bytes taken = rest.first(size);
        rest = rest.subspan(size);
        return taken;
    };
    const auto take_sized = [&](std::size_t limit) -> std::optional<Bytes> {
        const auto size = take(4);
        if (!size || load_le32(size->data()) > limit) return std::nullopt;
        return take(load_le32(size->data()));
    };
    Entry entry{.offset = offset_};
    const auto pcr = take(4);
    const auto digest = take(digest_size_);
    if (!pcr || !digest) return refuse("cut short");
    entry.pcr = load_le32(pcr->data());
    entry.stored_digest = *digest;
    const auto name = take_sized(kMaxTemplateName);
    if (!name) return refuse("the template name's length does not add up");
    entry.template_name = {reinterpret_cast<const char*>(name->data()), name->size()};
    if (entry.template_name == "ima") {
        // The first template has no length: a SHA-1 digest, a sized name (IMA-templates.rst).
        const Bytes start = rest;
        if (!take(20) || !take_sized(kMaxTemplateData)) return refuse("cut short");
        entry.template_data = start.first(start.size() - rest.size());
    } else {
        const auto data = take_sized(kMaxTemplateData);
        if (!data) return refuse("the template data's length does not add up");
        entry.template_data = *data;
    }
    entry.size = list_.size() - offset_ - rest.size();
    offset_ += entry.size;
    return entry;
}

Result<std::vector<Entry>> read_list(Bytes list, Algorithm digests) {
    std::vector<Entry> entries;
    ListReader reader(list, digests);
    for (;;) {
        auto entry = reader.next();
        if (!entry) return std::unexpected(entry.error());
        if (!*entry) return entries;
        entries.push_back(**entry);
    }
}

Digest extend_value(const Entry& entry, Algorithm bank) {
    if (entry.is_violation()) return filled(bank, 0xff);
    if (entry.template_name != "ima") return hash(bank, entry.template_data);
    // The first template's digest is over the file's digest and the name, padded to 256 bytes
    // (ima_crypto.c, ima_calc_field_array_hash_tfm).
    std::array<std::uint8_t, 256> name{};
    const Bytes data = entry.template_data;
    std::ranges::copy(data.subspan(24).first(std::min<std::size_t>(data.size() - 24, 255)),
                      name.begin());
    return hash(bank, data.first(20), name);
}

Digest extended(Algorithm bank, const Digest& old, const Digest& value) {
    return hash(bank, old, value);
}

void Replay::add(const Entry& entry) {
    for (const Algorithm bank : banks_) {
        Digest& value = values_.try_emplace({entry.pcr, bank}, filled(bank, 0)).first->second;
        value = extended(bank, value, extend_value(entry, bank));
    }
}

Digest Replay::value(std::uint32_t pcr, Algorithm bank) const {
    const auto found = values_.find({pcr, bank});
    return found == values_.end() ? filled(bank, 0) : found->second;
}

}  // namespace keyscribe::list
