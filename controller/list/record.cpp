// SPDX-License-Identifier: Apache-2.0
#include "controller/list/record.h"

#include <algorithm>
#include <limits>

#include "controller/base/little_endian.h"
#include "controller/list/cbor_reader.h"

namespace keyscribe::list {
namespace {

constexpr std::string_view kOperationNames[] = {
#define KS_OPERATION_NAME(upper, camel, name, properties) name,
    KS_OPERATIONS(KS_OPERATION_NAME)
#undef KS_OPERATION_NAME
        "baseline",
    "plain"};

struct StateName {
    std::string_view name;
    Mark mark;
};
constexpr StateName kStates[] = {{"dead", kDead},
                                 {"revoked", kRevoked},
                                 {"invalidated", kInvalidated},
                                 {"negative", kNegative},
                                 {"under construction", kUnderConstruction}};

/// Reads a record's members and remembers the first that is missing or malformed.
class Members {
  public:
    explicit Members(const cbor::Map& map) : map_(map) {}

    template <class Int>
        requires std::is_integral_v<Int>
    void must(std::string_view name, Int& to) {
        const auto item = map_[name];
        if (!item || !number(*item, to)) wrong(name);
    }
    template <class Int>
        requires std::is_integral_v<Int>
    void may(std::string_view name, Int& to) {
        if (map_[name]) must(name, to);
    }
    template <class T>
    void may(std::string_view name, std::optional<T>& to) {
        if (map_[name]) must(name, to.emplace());
    }
    /// Only `true` is ever written.
    void may(std::string_view name, bool& to) {
        const auto item = map_[name];
        if (item && item->kind != cbor::Kind::kTrue) wrong(name);
        to = item.has_value();
    }
    /// A byte string, as letters: the kernel's names are in no known encoding.
    void must(std::string_view name, std::string_view& to) {
        const auto bytes = map_.bytes(name);
        if (bytes)
            to = as_text(*bytes);
        else
            wrong(name);
    }
    void may(std::string_view name, std::string_view& to) {
        if (map_[name]) must(name, to);
    }
    void must_text(std::string_view name, std::string_view& to) {
        const auto text = map_.text(name);
        if (text)
            to = *text;
        else
            wrong(name);
    }
    void may_text(std::string_view name, std::string_view& to) {
        if (map_[name]) must_text(name, to);
    }
    void must_digest(std::string_view name, Bytes& to) {
        must_bytes(name, to, std::tuple_size_v<Sha256>, std::tuple_size_v<Sha256>);
    }
    void must_bytes(std::string_view name, Bytes& to, std::size_t least, std::size_t most) {
        const auto bytes = map_.bytes(name);
        if (bytes && bytes->size() >= least && bytes->size() <= most)
            to = *bytes;
        else
            wrong(name);
    }
    /// Calls `each(item)` for the elements of an array; false: this one is malformed.
    template <class Each>
    void must_array(std::string_view name, Each each) {
        const auto array = map_[name];
        if (!array || array->kind != cbor::Kind::kArray) return wrong(name);
        for (Bytes rest = array->content; !rest.empty();)
            if (!each(cbor::next(rest))) return wrong(name);
    }
    /// As must_array(), of maps: `each(Members&)`.
    template <class Each>
    void must_maps(std::string_view name, Each each) {
        must_array(name, [&](const cbor::Item& item) {
            const auto map = cbor::Map::of(item);
            return map && Members(*map).read(each);
        });
    }
    /// A map: `each(Members&)`.
    template <class Each>
    void must_map(std::string_view name, Each each) {
        const auto item = map_[name];
        const auto map = item ? cbor::Map::of(*item) : std::nullopt;
        if (!map || !Members(*map).read(each)) wrong(name);
    }

    void wrong(std::string_view name) {
        if (wrong_.empty()) wrong_ = name;
    }
    bool has(std::string_view name) const { return map_[name].has_value(); }
    const cbor::Map& map() const { return map_; }
    std::string_view first_wrong() const { return wrong_; }

  private:
    template <class Int>
    static bool number(const cbor::Item& item, Int& to) {
        if constexpr (std::is_unsigned_v<Int>) {
            const auto value = item.uint();
            if (!value || !std::in_range<Int>(*value)) return false;
            to = static_cast<Int>(*value);
        } else {
            const auto value = item.integer();
            if (!value || !std::in_range<Int>(*value)) return false;
            to = static_cast<Int>(*value);
        }
        return true;
    }
    template <class Each>
    bool read(Each each) {
        each(*this);
        return wrong_.empty();
    }

    const cbor::Map& map_;
    std::string_view wrong_;
};

void read(Members& members, TpmFacts& tpm) {
    members.must_map("tpm", [&](Members& inner) {
        inner.must("resets", tpm.resets);
        inner.must_array("banks", [&](const cbor::Item& item) {
            const auto name = item.text();
            const auto bank = name ? algorithm_named(*name) : std::nullopt;
            if (!bank || std::ranges::find(tpm.banks, *bank) != tpm.banks.end()) return false;
            tpm.banks.push_back(*bank);
            return true;
        });
        if (inner.has("left_alone"))
            inner.must_array("left_alone", [&](const cbor::Item& item) {
                const auto name = item.text();
                if (name) tpm.left_alone.emplace_back(*name);
                return name.has_value();
            });
    });
}

void read(Members& members, Start& start) {
    members.must_text("version", start.version);
    members.must_text("kernel", start.kernel);
    members.must_text("boot_id", start.boot_id);
    members.must_digest("controller", start.controller);
    members.must_digest("bpf", start.bpf);
    if (members.has("tpm")) read(members, start.tpm.emplace());
    if (start.again) members.must("entries", start.entries);
}

void read(Members& members, std::vector<PolicyFile>& files) {
    members.must_maps("files", [&](Members& file) {
        PolicyFile& one = files.emplace_back();
        file.must("name", one.name);
        file.must("text", one.text);
    });
}

void read(Members& members, Policy& policy) {
    members.must_digest("digest", policy.digest);
    members.must("generation", policy.generation);
    read(members, policy.files);
}

void read(Members& members, PolicyPart& part) { read(members, part.files); }

void read(Members& members, KeyFacts& key) {
    members.must("time", key.time);
    members.must("key", key.serial);
    members.must("type", key.type);
    members.must("description", key.description);
    members.must("keyring", key.keyring.serial);
    members.must("keyring_name", key.keyring.name);
    members.may("keyring_uid", key.keyring.uid);
    members.must("uid", key.uid);
    members.must("gid", key.gid);
    members.must("perm", key.perm);
    members.may("expiry", key.expiry);
    if (key.expiry < 0 || key.expiry == INT64_MAX) key.expiry = 0;
    if (!members.has("public_key")) return;
    const auto bits = members.map().bytes("public_key");
    if (bits && !bits->empty())
        key.public_key = *bits;
    else
        members.wrong("public_key");
    members.must_text("algorithm", key.algorithm);
    if (!members.has("ids")) return;
    // A key has three (<keys/asymmetric-type.h>); each takes 16 bytes here and one in the record.
    constexpr std::size_t kMaxIds = 8;
    members.must_array("ids", [&](const cbor::Item& id) {
        key.ids.push_back(id.content);
        return id.kind == cbor::Kind::kBytes && key.ids.size() <= kMaxIds;
    });
}

void read(Members& members, ActorView& actor) {
    members.must("pid", actor.pid);
    members.must("uid", actor.uid);
    members.must("euid", actor.euid);
    members.must("login_uid", actor.login_uid);
    members.must("comm", actor.comm);
    members.may("exe", actor.exe);
    members.may_text("kind", actor.kind);
}

void read_state(Members& members, std::uint8_t& marks) {
    if (!members.has("state")) return;
    members.must_array("state", [&](const cbor::Item& item) {
        const auto name = item.text();
        const auto state =
            name ? std::ranges::find(kStates, *name, &StateName::name) : std::end(kStates);
        if (state != std::end(kStates)) marks |= state->mark;
        return state != std::end(kStates);
    });
}

void read(Members& members, Event& event) {
    read(members, event.key);
    members.must("seq", event.sequence);
    members.may("plain", event.plain);
    if (members.has("sha256") || event.plain) {
        Bytes digest;
        members.must_digest("sha256", digest);
        if (!digest.empty()) std::ranges::copy(digest, event.sha256.emplace().begin());
    }
    members.may_text("withheld", event.withheld);
    if (event.operation == Operation::kMove) {
        members.may("from", event.from.serial);
        members.may("from_name", event.from.name);
    }
    // In any other record these would say that a key is none.
    if (has(event.operation, KS_PUTS)) read_state(members, event.marks);
    if (event.operation == Operation::kReject) members.must("error", event.error);
    if (event.operation == Operation::kRestrict) members.may("restriction", event.restriction);
    if (members.has("actor"))
        members.must_map("actor", [&](Members& inner) { read(inner, event.actor.emplace()); });
}

void read(Members& members, BaselineBegin& begin) {
    members.must("time", begin.time);
    members.may("more", begin.more);
    members.may_text("reason", begin.reason);
    members.must_maps("keyrings", [&](Members& inner) {
        KeyringName& keyring = begin.keyrings.emplace_back();
        inner.must("serial", keyring.serial);
        inner.must("name", keyring.name);
        inner.may("uid", keyring.uid);
        inner.may("rule", keyring.rule);
    });
    if (!members.has("gone")) return;
    members.must_array("gone", [&](const cbor::Item& item) {
        const auto serial = item.integer();
        if (serial && std::in_range<std::int32_t>(*serial))
            begin.gone.push_back(static_cast<std::int32_t>(*serial));
        return serial && std::in_range<std::int32_t>(*serial);
    });
}

void read(Members& members, Baseline& baseline) {
    read(members, baseline.key);
    read_state(members, baseline.marks);
}

void read(Members& members, BaselineEnd& end) {
    members.must("time", end.time);
    members.must("keyrings", end.keyrings);
    members.must("keys", end.keys);
    members.may("appeared", end.appeared);
    members.may("vanished", end.vanished);
}

void read(Members& members, Loss& loss) {
    members.must("first", loss.first);
    members.must("last", loss.last);
    members.must("count", loss.count);
}

void read(Members& members, Missed& missed) {
    members.must("count", missed.count);
    members.may_text("operations", missed.operations);
}

void read(Members& members, Drop& drop) {
    members.must_text("reason", drop.reason);
    members.must("count", drop.count);
    members.must("first", drop.first);
    members.must("last", drop.last);
    members.may("uid", drop.uid);
}

void read(Members& members, Foreign& foreign) {
    members.must("pcr", foreign.pcr);
    const auto item = members.map()["values"];
    const auto values = item ? cbor::Map::of(*item) : std::nullopt;
    if (!values) return members.wrong("values");
    for (std::size_t i = 0; i < values->size(); ++i) {
        const auto& [name, value] = values->at(i);
        const auto bank = algorithm_named(name);
        const auto bytes = value.bytes();
        if (!bank || !bytes || bytes->size() != size_of(*bank)) return members.wrong("values");
        Digest digest{.size = bytes->size()};
        std::ranges::copy(*bytes, digest.bytes.begin());
        foreign.values.emplace_back(*bank, digest);
    }
    std::ranges::sort(foreign.values, {}, &std::pair<Algorithm, Digest>::first);
}

void read(Members& members, Tampered& tampered) {
    members.must("time", tampered.time);
    members.must_text("what", tampered.what);
}

void read(Members& members, TpmChange& change) {
    members.must("time", change.time);
    members.must_text("what", change.what);
    read(members, change.tpm);
}

void read(Members& members, Detached& detached) {
    members.must("time", detached.time);
    members.must_text("what", detached.what);
}

void read(Members& members, Canary& canary) {
    members.must("time", canary.time);
    members.must_bytes("nonce", canary.nonce, 1, 64);
}

/// The kind as a record that is still to be read.
Record blank(std::string_view kind) {
    for (std::size_t i = 0; i < KS_OP_COUNT; ++i)
        if (kind == kOperationNames[i]) return Event{.operation = static_cast<Operation>(i)};
    if (kind == "baseline") return Baseline{};
    if (kind == "start") return Start{};
    if (kind == "restart" || kind == "kexec") return Start{.again = true, .kexec = kind == "kexec"};
    if (kind == "policy") return Policy{};
    if (kind == "policy-part") return PolicyPart{};
    if (kind == "baseline-begin") return BaselineBegin{};
    if (kind == "baseline-end") return BaselineEnd{};
    if (kind == "loss") return Loss{};
    if (kind == "missed") return Missed{};
    if (kind == "drop") return Drop{};
    if (kind == kForeign) return Foreign{};
    if (kind == "tampered") return Tampered{};
    if (kind == "tpm") return TpmChange{};
    if (kind == "detached") return Detached{};
    if (kind == "canary") return Canary{};
    return Unknown{.kind = kind};
}

}  // namespace

std::string record_name(std::string_view kind) {
    return std::string(kRecordPrefix) + std::string(kind);
}

std::optional<std::string_view> record_kind(std::string_view name) {
    if (!name.starts_with(kRecordPrefix)) return std::nullopt;
    return name.substr(kRecordPrefix.size());
}

std::string_view name_of(Operation operation) {
    return kOperationNames[static_cast<std::size_t>(operation)];
}

Digest policy_digest(std::span<const PolicyFile> files) {
    std::vector<std::uint8_t> all;
    const auto add = [&all](std::string_view part) {
        std::array<std::uint8_t, 4> length;
        store_le32(length.data(), static_cast<std::uint32_t>(part.size()));
        all.insert(all.end(), length.begin(), length.end());
        all.insert(all.end(), part.begin(), part.end());
    };
    for (const PolicyFile& file : files) {
        add(file.name);
        add(file.text);
    }
    return hash(Algorithm::kSha256, all);
}

Result<Record> parse_record(std::string_view name, Bytes buf) {
    const auto kind = record_kind(name);
    if (!kind) return Payload{.keyring = name, .bytes = buf};
    Record record = blank(*kind);
    if (std::holds_alternative<Unknown>(record)) return record;
    const auto map = cbor::Map::parse(buf);
    if (!map) return fail(std::string(name) + ": not a map of deterministic CBOR");
    Members members(*map);
    std::visit(
        [&members]<class Kind>(Kind& one) {
            if constexpr (!std::is_same_v<Kind, Payload> && !std::is_same_v<Kind, Unknown>)
                read(members, one);
        },
        record);
    if (!members.first_wrong().empty())
        return fail(std::string(name) + ": \"" + std::string(members.first_wrong()) +
                    "\" is missing or malformed");
    return record;
}

}  // namespace keyscribe::list
