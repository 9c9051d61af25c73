// SPDX-License-Identifier: Apache-2.0
#include "controller/service/firmware/event_log.h"

#include <algorithm>
#include <string_view>

#include "controller/base/little_endian.h"

namespace keyscribe::firmware {
namespace {

using namespace std::string_view_literals;

// PFP, 10.4.5.1 and 10.4.5.3; both with their NUL.
constexpr std::string_view kSpecId = "Spec ID Event03\0"sv;
constexpr std::string_view kStartupLocality = "StartupLocality\0"sv;

constexpr std::size_t kMaxBanks = 16;     // TPM 2.0 Library, Part 2: HASH_COUNT is far less
constexpr std::size_t kMaxDigest = 64;    // SHA-512
constexpr std::size_t kFixedSpecId = 24;  // signature, class, version, errata, uintnSize
constexpr std::uint8_t kHighestLocality = 4;

struct BankSize {
    std::uint16_t id;
    std::size_t size;
};

std::size_t index_of(Algorithm bank) {
    return static_cast<std::size_t>(std::ranges::find(kBanks, bank) - kBanks.begin());
}

std::uint16_t load_le16(const std::uint8_t* from) {
    return static_cast<std::uint16_t>(from[0] | from[1] << 8);
}

/// One log, from its beginning. What is taken beyond its end is empty, and remembered.
class Parser {
  public:
    explicit Parser(Bytes log) : rest_(log) {}

    Result<EventLog> run() {
        const Event first = sha1_event();
        if (broken_ != nullptr) return error();
        sizes_ = {{static_cast<std::uint16_t>(Algorithm::kSha1), 20}};
        const bool crypto_agile =
            first.type == kNoAction && first.pcr == 0 && as_text(first.data).starts_with(kSpecId);
        if (crypto_agile)
            read_header(first.data);
        else
            add(first);
        if (broken_ != nullptr) return error();
        for (const BankSize& bank : sizes_)
            if (const auto known = algorithm_of(bank.id)) log_.banks.push_back(*known);
        for (number_ = 1; !rest_.empty(); ++number_) {
            add(crypto_agile ? event() : sha1_event());
            if (broken_ != nullptr) return error();
        }
        return std::move(log_);
    }

  private:
    std::unexpected<Error> error() const {
        return fail(broken_, "firmware's log, event " + std::to_string(number_));
    }
    void refuse(const char* why) {
        if (broken_ == nullptr) broken_ = why;
    }
    Bytes take(Bytes& from, std::size_t size) {
        if (broken_ != nullptr || size > from.size()) {
            refuse("it is cut short, or a size in it is wrong");
            return {};
        }
        const Bytes taken = from.first(size);
        from = from.subspan(size);
        return taken;
    }
    std::uint32_t take32(Bytes& from) {
        const Bytes taken = take(from, 4);
        return taken.empty() ? 0 : load_le32(taken.data());
    }
    std::uint16_t take16(Bytes& from) {
        const Bytes taken = take(from, 2);
        return taken.empty() ? std::uint16_t{0} : load_le16(taken.data());
    }

    /// TCG_PCR_EVENT: the header's form, and that of each event of a TPM 1.2.
    Event sha1_event() {
        Event event;
        event.number = number_;
        event.pcr = take32(rest_);
        event.type = take32(rest_);
        event.digests[0] = take(rest_, 20);
        event.data = take(rest_, take32(rest_));
        return event;
    }

    /// TCG_PCR_EVENT2. How long a digest is only the header says.
    Event event() {
        Event event;
        event.number = number_;
        event.pcr = take32(rest_);
        event.type = take32(rest_);
        const std::uint32_t count = take32(rest_);
        if (count > sizes_.size()) refuse("more digests than the log's header names");
        std::vector<std::uint16_t> seen;
        for (std::uint32_t i = 0; i < count && broken_ == nullptr; ++i) {
            const std::uint16_t id = take16(rest_);
            const auto bank = std::ranges::find(sizes_, id, &BankSize::id);
            if (bank == sizes_.end() || std::ranges::find(seen, id) != seen.end()) {
                refuse(
                    "a digest of an algorithm that the log's header does not name, or a second "
                    "one of the same");
                break;
            }
            seen.push_back(id);
            const Bytes digest = take(rest_, bank->size);
            if (const auto known = algorithm_of(id)) event.digests[index_of(*known)] = digest;
        }
        event.data = take(rest_, take32(rest_));
        return event;
    }

    void read_header(Bytes data) {
        take(data, kFixedSpecId);
        const std::uint32_t count = take32(data);
        if (count == 0 || count > kMaxBanks) refuse("a header that names no bank, or too many");
        sizes_.clear();
        for (std::uint32_t i = 0; i < count && broken_ == nullptr; ++i) {
            const std::uint16_t id = take16(data);
            const std::size_t size = take16(data);
            const auto known = algorithm_of(id);
            if (size == 0 || size > kMaxDigest || (known && size != size_of(*known)) ||
                std::ranges::find(sizes_, id, &BankSize::id) != sizes_.end())
                refuse("a header with a bank of a wrong size, or one that stands twice");
            sizes_.push_back({id, size});
        }
        const Bytes vendor_size = take(data, 1);
        if (!vendor_size.empty()) take(data, vendor_size[0]);
        if (!data.empty()) refuse("a header with bytes behind its end");
    }

    void add(const Event& event) {
        if (broken_ != nullptr) return;
        if (!event.extends()) {
            read_locality(event);
        } else if (event.pcr >= kPcrs) {
            return refuse("an event of a PCR that no TPM has");
        } else if (event.pcr == 0) {
            pcr0_extended_ = true;
        }
        log_.events.push_back(event);
    }

    void read_locality(const Event& event) {
        if (event.pcr != 0 || !as_text(event.data).starts_with(kStartupLocality)) return;
        const std::uint8_t locality =
            event.data.size() == kStartupLocality.size() + 1 ? event.data.back() : 0xff;
        if (locality > kHighestLocality || locality_seen_ || pcr0_extended_)
            return refuse("a startup locality that is malformed, or not the first of PCR 0");
        log_.locality = locality;
        locality_seen_ = true;
    }

    Bytes rest_;
    EventLog log_;
    std::vector<BankSize> sizes_;
    std::size_t number_ = 0;
    const char* broken_ = nullptr;
    bool locality_seen_ = false, pcr0_extended_ = false;
};

}  // namespace

Bytes Event::digest(Algorithm bank) const { return digests[index_of(bank)]; }

bool Event::is_digest_of(Bytes content, const std::vector<Algorithm>& banks) const {
    return !banks.empty() && std::ranges::all_of(banks, [&](Algorithm bank) {
        return std::ranges::equal(digest(bank), Bytes(hash(bank, content)));
    });
}

std::vector<const Event*> EventLog::of_pcr(unsigned pcr) const {
    std::vector<const Event*> found;
    for (const Event& event : events)
        if (event.pcr == pcr && event.extends()) found.push_back(&event);
    return found;
}

Result<EventLog> parse_event_log(Bytes log) { return Parser(log).run(); }

}  // namespace keyscribe::firmware
