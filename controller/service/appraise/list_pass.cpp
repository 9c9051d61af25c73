// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/list_pass.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <span>
#include <thread>

#include "controller/base/little_endian.h"

namespace keyscribe::appraise {
namespace {

constexpr std::size_t kWindow = 512;            // entries that are hashed ahead, half a KiB each
constexpr std::size_t kChunk = 32;              // entries that a thread takes at once
constexpr std::size_t kWorthThreads = 1 << 20;  // bytes

std::optional<Bytes> take_field(Bytes& rest) {
    if (rest.size() < 4) return std::nullopt;
    const std::uint32_t length = load_le32(rest.data());
    if (length > rest.size() - 4) return std::nullopt;
    const Bytes field = rest.subspan(4, length);
    rest = rest.subspan(4 + std::size_t{length});
    return field;
}

/// The fields behind d-ng and n-ng; nothing for a template that is not known.
std::optional<std::size_t> fields_behind(std::string_view name) {
    if (name == "ima-buf" || name == "ima-sig" || name == "ima-sigv2") return 1;
    if (name == "ima-ng" || name == "ima-ngv2") return 0;
    if (name == "ima-modsig") return 3;  // sig|d-modsig|modsig
    return std::nullopt;
}

/// d-ng "sha256:" NUL digest; d-ngv2 "ima:sha256:" NUL digest.
bool take_digest(Bytes field, bool typed, TemplateFields& fields) {
    const auto end = std::ranges::find(field, std::uint8_t{0});
    if (end == field.end()) return false;
    const std::size_t size = static_cast<std::size_t>(end - field.begin());
    std::string_view prefix = as_text(field.first(size));
    if (!prefix.ends_with(':')) return false;
    prefix.remove_suffix(1);
    if (typed) {
        const auto colon = prefix.find(':');
        if (colon == prefix.npos) return false;
        fields.type = prefix.substr(0, colon);
        prefix.remove_prefix(colon + 1);
    }
    if (prefix.find(':') != prefix.npos) return false;
    fields.algorithm = prefix;
    fields.digest = field.subspan(size + 1);
    return true;
}

/// Payloads whose digest was computed before: a list says the same again and again, and comparing
/// is ten times as fast as hashing.
class KnownPayloads {
  public:
    bool matches(Bytes payload, Algorithm algorithm, Bytes digest) {
        if (digest.size() != size_of(algorithm)) return false;
        std::size_t slot;
        std::memcpy(&slot, digest.data(), sizeof slot);
        Known& known = slots_[slot % slots_.size()];
        if (known.algorithm == algorithm && std::ranges::equal(known.digest, digest) &&
            known.payload.size() == payload.size() &&
            std::memcmp(known.payload.data(), payload.data(), payload.size()) == 0)
            return true;
        if (!std::ranges::equal(Bytes(hash(algorithm, payload)), digest)) return false;
        if (!payload.empty()) known = {algorithm, payload, digest};
        return true;
    }

  private:
    struct Known {
        Algorithm algorithm = Algorithm::kSha1;
        Bytes payload, digest;
    };
    std::vector<Known> slots_ = std::vector<Known>(2048);
};

/// What the entry extends. For a bank of whose digest it has no implementation the kernel takes
/// SHA-1's, with zeros behind it (security/integrity/ima/ima_crypto.c, ima_calc_field_array_hash).
Digest extend_value(const ListPass& pass, const list::Entry& entry, Algorithm bank) {
    if (!pass.padded_sha1) return list::extend_value(entry, bank);
    Digest value = list::extend_value(entry, Algorithm::kSha1);
    value.size = size_of(bank);
    return value;
}

bool has_reached(const PcrBanks& values, const PcrBanks& quoted) {
    return std::ranges::all_of(quoted, [&values](const auto& one) {
        return std::ranges::find(values, one) != values.end();
    });
}

void hash_entry(const ListPass& pass, HashedEntry& hashed, KnownPayloads& known) {
    const list::Entry& entry = hashed.entry;
    hashed.violation = entry.is_violation();
    hashed.fields = take_apart(entry.template_name, entry.template_data);
    if (hashed.violation) {
        for (std::size_t i = 0; i < pass.start.size(); ++i)
            hashed.values[i] = filled(pass.start[i].first, 0xff);
        return;
    }
    bool stored_is_bank = false;
    for (std::size_t i = 0; i < pass.start.size(); ++i) {
        hashed.values[i] = extend_value(pass, entry, pass.start[i].first);
        if (pass.start[i].first != pass.stored) continue;
        stored_is_bank = true;
        hashed.stored_digest_right =
            std::ranges::equal(Bytes(hashed.values[i]), entry.stored_digest);
    }
    if (!stored_is_bank)
        hashed.stored_digest_right =
            std::ranges::equal(Bytes(list::extend_value(entry, pass.stored)), entry.stored_digest);
    if (!hashed.fields || entry.template_name != "ima-buf") return;
    const auto algorithm = algorithm_named(hashed.fields->algorithm);
    hashed.payload_digest_right =
        algorithm && known.matches(hashed.fields->more[0], *algorithm, hashed.fields->digest);
}

/// Threads that hash windows of entries, with the caller's help.
class Hashers {
  public:
    Hashers(const ListPass& pass, unsigned threads) : pass_(pass) {
        for (unsigned i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
    }
    ~Hashers() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        changed_.notify_all();
    }

    void publish(std::span<HashedEntry> window) {
        {
            const std::lock_guard lock(mutex_);
            to_take_ = window;
            in_work_ = 0;
        }
        changed_.notify_all();
    }

    /// Until the window that was published is done.
    void finish() {
        for (;;) {
            std::unique_lock lock(mutex_);
            if (to_take_.empty()) {
                changed_.wait(lock, [this] { return in_work_ == 0; });
                return;
            }
            hash_some(lock, known_);
        }
    }

  private:
    void hash_some(std::unique_lock<std::mutex>& lock, KnownPayloads& known) {
        const auto chunk = to_take_.first(std::min(kChunk, to_take_.size()));
        to_take_ = to_take_.subspan(chunk.size());
        ++in_work_;
        lock.unlock();
        for (HashedEntry& entry : chunk) hash_entry(pass_, entry, known);
        lock.lock();
        if (--in_work_ == 0 && to_take_.empty()) changed_.notify_all();
    }

    void work() {
        KnownPayloads known;
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [this] { return stop_ || !to_take_.empty(); });
            if (stop_) return;
            hash_some(lock, known);
        }
    }

    const ListPass& pass_;
    KnownPayloads known_;  // the caller's
    std::mutex mutex_;
    std::condition_variable changed_;
    std::span<HashedEntry> to_take_;
    std::size_t in_work_ = 0;  // chunks that were taken and are not done
    bool stop_ = false;
    std::vector<std::jthread> workers_;  // last: they use everything above
};

/// Reads the next entries of the list; what stops it stays in `result`.
void fill(list::ListReader& reader, std::vector<HashedEntry>& window, std::uint64_t& number,
          PassResult& result) {
    window.clear();
    while (window.size() < kWindow) {
        auto entry = reader.next();
        if (!entry) {
            result.malformed = entry.error();
            result.malformed_entry = number;
            return;
        }
        if (!*entry) return;
        HashedEntry& hashed = window.emplace_back();
        hashed.entry = **entry;
        hashed.number = number++;
    }
}

}  // namespace

std::optional<TemplateFields> take_apart(std::string_view template_name, Bytes data) {
    TemplateFields fields;
    if (template_name == "ima") {
        if (data.size() < 24) return std::nullopt;
        fields.algorithm = "sha1";
        fields.digest = data.first(20);
        Bytes rest = data.subspan(20);
        const auto name = take_field(rest);
        if (!name || !rest.empty()) return std::nullopt;
        fields.name = as_text(*name);
        fields.name = fields.name.substr(0, fields.name.find('\0'));
        return fields;
    }
    const auto behind = fields_behind(template_name);
    if (!behind) return std::nullopt;
    const auto digest = take_field(data);
    if (!digest || !take_digest(*digest, template_name.ends_with("v2"), fields))
        return std::nullopt;
    const auto name = take_field(data);
    if (!name || name->empty() || std::ranges::find(*name, std::uint8_t{0}) != name->end() - 1)
        return std::nullopt;
    fields.name = as_text(name->first(name->size() - 1));
    for (; fields.count < *behind; ++fields.count) {
        const auto field = take_field(data);
        if (!field) return std::nullopt;
        fields.more[fields.count] = *field;
    }
    if (!data.empty()) return std::nullopt;
    return fields;
}

PassResult run(const ListPass& pass, const Visit& visit) {
    PassResult result{.entries = pass.first_entry, .values = pass.start};
    result.reached = has_reached(result.values, pass.quoted);
    list::ListReader reader(pass.list, pass.stored);
    std::uint64_t number = pass.first_entry;
    const unsigned threads = pass.list.size() < kWorthThreads ? 1 : std::max(1u, pass.threads);
    Hashers hashers(pass, threads);
    std::vector<HashedEntry> current, ahead;
    const auto replay = [&](const HashedEntry& hashed) {
        if (result.reached) {
            ++result.beyond;
            return;
        }
        if (hashed.entry.pcr == pass.pcr) {
            visit(hashed, result.values);
            for (std::size_t i = 0; i < result.values.size(); ++i) {
                auto& [bank, value] = result.values[i];
                value = list::extended(bank, value, hashed.values[i]);
            }
            result.reached = has_reached(result.values, pass.quoted);
        } else {
            visit(hashed, result.values);
        }
        result.entries = hashed.number + 1;
        result.bytes = hashed.entry.offset + hashed.entry.size;
    };
    fill(reader, current, number, result);
    hashers.publish(current);
    hashers.finish();
    while (!current.empty()) {
        if (result.malformed)
            ahead.clear();
        else
            fill(reader, ahead, number, result);
        if (!result.reached) hashers.publish(ahead);
        for (const HashedEntry& hashed : current) replay(hashed);
        hashers.finish();
        std::swap(current, ahead);
    }
    return result;
}

}  // namespace keyscribe::appraise
