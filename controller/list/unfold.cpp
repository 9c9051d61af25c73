// SPDX-License-Identifier: Apache-2.0
#include "controller/list/unfold.h"

#include <string>

#include "controller/list/cbor_reader.h"
#include "controller/list/record.h"
#include "controller/list/template_format.h"

namespace keyscribe::list {
namespace {

struct Member {
    std::string_view name;
    Bytes buf;
};

/// [ name: bstr, buf: bstr ]
std::optional<Member> member_of(const cbor::Item& pair) {
    if (pair.kind != cbor::Kind::kArray || pair.number != 2) return std::nullopt;
    Bytes halves = pair.content;
    const auto name = cbor::next(halves).bytes(), buf = cbor::next(halves).bytes();
    if (!name || !buf) return std::nullopt;
    return Member{as_text(*name), *buf};
}

/// The array's content, whose every member was looked at.
Result<Bytes> batch_content(Bytes buf) {
    const auto outer = cbor::parse(buf);
    const auto refuse = [](const std::string& why) {
        return fail(record_name(kBatch) + ": " + why);
    };
    if (!outer) return refuse("not deterministic CBOR");
    const auto map = cbor::Map::of(*outer);
    const auto entries = map && map->size() == 1 ? (*map)["entries"] : std::nullopt;
    if (!entries || entries->kind != cbor::Kind::kArray)
        return refuse("not a map with an array \"entries\" alone");
    for (Bytes rest = entries->content; !rest.empty();) {
        const auto member = member_of(cbor::next(rest));
        if (!member) return refuse("a member that is not [bstr, bstr]");
        if (member->name.find('\0') != member->name.npos) return refuse("a name with a NUL");
        // A replay goes on from a foreign extend's values, so that record stands alone.
        if (const auto kind = record_kind(member->name); kind == kBatch || kind == kForeign)
            return refuse("holds a " + std::string(member->name));
    }
    return entries->content;
}

}  // namespace

Result<Unfolded> Unfolded::of(const Entry& entry, std::uint64_t number) {
    Unfolded unfolded;
    if (entry.template_name != "ima-buf" || entry.is_violation()) return unfolded;
    const auto refuse = [&](Error error) {
        error.where = "entry " + std::to_string(number);
        return std::unexpected(std::move(error));
    };
    const auto fields = decode_fields(entry.template_name, entry.template_data);
    if (!fields) return refuse(fields.error());
    // The template data is the entry's end.
    unfolded.list_ =
        entry.template_data.data() + entry.template_data.size() - (entry.offset + entry.size);
    unfolded.record_.entry = number;
    unfolded.done_ = false;
    if (record_kind(fields->name) != kBatch) {
        unfolded.record_.name = fields->name;
        unfolded.record_.buf = *fields->third();
        return unfolded;
    }
    const auto content = batch_content(*fields->third());
    if (!content) return refuse(content.error());
    unfolded.rest_ = *content;
    unfolded.batch_ = true;
    return unfolded;
}

std::optional<LogicalRecord> Unfolded::next() {
    if (done_ || (batch_ && rest_.empty())) return std::nullopt;
    if (batch_) {
        const auto member = member_of(cbor::next(rest_));
        if (!member) return std::nullopt;
        record_.name = member->name;
        record_.buf = member->buf;
    }
    record_.offset = static_cast<std::size_t>(record_.buf.data() - list_);
    const LogicalRecord record = record_;
    ++record_.index;
    done_ = !batch_;
    return record;
}

}  // namespace keyscribe::list
