// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/list_pass.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <span>
#include <system_error>
#include <thread>

#include "controller/service/appraise/kernel_hashes.h"

namespace keyscribe::appraise {
namespace {

constexpr std::size_t kWindow = 512;            // entries that are hashed ahead, half a KiB each
constexpr std::size_t kChunk = 32;              // entries that a thread takes at once
constexpr std::size_t kWorthThreads = 1 << 20;  // bytes

/// Payloads whose digest was computed before: a list says the same again and again, and comparing
/// is ten times as fast as hashing.
class KnownPayloads {
  public:
    explicit KnownPayloads(std::size_t slots = 2048) : slots_(slots) {}

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
    std::vector<Known> slots_;
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

PayloadCheck check_payload(const TemplateFields& fields, KnownPayloads& known) {
    const auto answer = [](bool right) {
        return right ? PayloadCheck::kRight : PayloadCheck::kWrong;
    };
    if (const auto algorithm = algorithm_named(fields.algorithm))
        return answer(known.matches(*fields.buf, *algorithm, fields.digest));
    const KernelHash* hash = kernel_hash(fields.algorithm);
    if (hash == nullptr || hash->size != fields.digest.size()) return PayloadCheck::kWrong;
    const auto digest = digest_with(*hash, *fields.buf);
    return digest ? answer(std::ranges::equal(*digest, fields.digest)) : PayloadCheck::kNotPossible;
}

void hash_entry(const ListPass& pass, HashedEntry& hashed, KnownPayloads& known) {
    const list::Entry& entry = hashed.entry;
    hashed.violation = entry.is_violation();
    if (const auto fields = list::decode_fields(entry.template_name, entry.template_data))
        hashed.fields = *fields;
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
    if (hashed.fields && hashed.fields->buf) hashed.payload = check_payload(*hashed.fields, known);
}

/// Threads that hash windows of entries, with the caller's help.
class Hashers {
  public:
    Hashers(const ListPass& pass, unsigned threads) : pass_(pass) {
        // Where no more can be started, those that there are do it.
        try {
            for (unsigned i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
        } catch (const std::system_error&) {
        }
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

HashedEntry hashed_alone(const ListPass& pass, const list::Entry& entry, std::uint64_t number) {
    KnownPayloads none(1);
    HashedEntry hashed{.entry = entry, .number = number};
    hash_entry(pass, hashed, none);
    return hashed;
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
