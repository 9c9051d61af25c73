// SPDX-License-Identifier: Apache-2.0
#include "controller/evidence/evidence_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "controller/base/base64.h"

namespace keyscribe::evidence {
namespace {

using nlohmann::json;

json to_json(const PcrSet& pcrs) {
    json banks = json::object();
    for (const auto& [bank, values] : pcrs)
        for (const auto& [pcr, value] : values)
            banks[std::string(name_of(bank))][std::to_string(pcr)] = to_base64(value);
    return banks;
}

/// Takes the members out of an object and remembers the first thing that is wrong, as the reader of
/// CBOR does.
class Members {
  public:
    Members(const json& object, std::string where, Document& document, std::optional<Error>& error)
        : object_(object), where_(std::move(where)), document_(document), error_(error) {
        if (!object_.is_object()) refuse("not an object", where_);
    }

    bool has(const char* key) const { return object_.is_object() && object_.contains(key); }

    const json& at(const char* key) {
        static const json none;
        ++taken_;
        if (has(key)) return object_.at(key);
        refuse("is missing", where_ + key);
        return none;
    }
    std::uint64_t uint(const char* key) {
        const json& value = at(key);
        if (value.is_number_unsigned()) return value.get<std::uint64_t>();
        return refuse("not a whole number from 0", where_ + key), 0;
    }
    std::string_view text(const char* key) {
        const json& value = at(key);
        if (!value.is_string()) return refuse("not a string", where_ + key), std::string_view();
        const auto& text = value.get_ref<const std::string&>();
        const Bytes kept = keep({text.begin(), text.end()});
        return {reinterpret_cast<const char*>(kept.data()), kept.size()};
    }
    Bytes bytes(const char* key) {
        const json& value = at(key);
        auto bytes =
            value.is_string() ? from_base64(value.get_ref<const std::string&>()) : std::nullopt;
        if (!bytes) return refuse("not Base64", where_ + key), Bytes();
        return keep(std::move(*bytes));
    }
    Members inside(const char* key) {
        return Members(at(key), where_ + key + '.', document_, error_);
    }

    /// Nothing but what was taken may be there.
    void finish() {
        if (object_.is_object() && object_.size() != taken_)
            refuse("has a member that is not known", where_);
    }
    void refuse(std::string why, std::string where) {
        if (!error_) error_ = Error{std::move(why), std::move(where), {}};
    }

  private:
    Bytes keep(std::vector<std::uint8_t> bytes) {
        return document_.storage.emplace_back(std::move(bytes));
    }

    const json& object_;
    std::string where_;
    Document& document_;
    std::optional<Error>& error_;
    std::size_t taken_ = 0;
};

PcrSet read_pcrs(const json& banks, Document& document, std::optional<Error>& error) {
    PcrSet pcrs;
    Members in_quote(banks, "quotes.pcrs.", document, error);
    if (error) return pcrs;
    for (const auto& [name, values] : banks.items()) {
        const auto bank = algorithm_named(name);
        if (!bank) return in_quote.refuse("a bank of an unknown algorithm", "quotes.pcrs"), pcrs;
        Members in_bank(values, "quotes.pcrs." + name + '.', document, error);
        auto& read = pcrs[*bank];
        for (unsigned pcr = 0; pcr <= kMaxPcr; ++pcr) {
            const std::string key = std::to_string(pcr);
            if (!in_bank.has(key.c_str())) continue;
            const Bytes value = in_bank.bytes(key.c_str());
            if (value.size() != size_of(*bank))
                return in_bank.refuse("a PCR value of the wrong size", "quotes.pcrs"), pcrs;
            Digest& digest = read[pcr];
            digest.size = value.size();
            std::ranges::copy(value, digest.bytes.begin());
        }
        in_bank.finish();
    }
    return pcrs;
}

void read(Members& members, Document& document, std::optional<Error>& error) {
    Evidence& evidence = document.evidence;
    const std::string_view format = members.text("format");
    const std::uint64_t version = members.uint("version");
    if (!error)
        if (auto known = check_format(format, version); !known) error = known.error();
    evidence.software = members.text("software");
    evidence.boot_id = members.text("boot_id");
    evidence.kernel = members.text("kernel");
    evidence.time = members.uint("time");
    evidence.boot_time = members.uint("boot_time");
    evidence.ak = members.bytes("ak");
    if (members.has("ak_name")) evidence.ak_name = members.bytes("ak_name");
    if (members.has("ek_certificate")) evidence.ek_certificate = members.bytes("ek_certificate");
    evidence.pcr = static_cast<unsigned>(std::min<std::uint64_t>(members.uint("pcr"), kMaxPcr + 1));

    const json& quotes = members.at("quotes");
    if (!quotes.is_array() || quotes.size() > kMaxQuotes)
        return members.refuse("not an array, or too long", "quotes");
    for (const json& each : quotes) {
        Members quote(each, "quotes.", document, error);
        Quote& to = evidence.quotes.emplace_back();
        to.attest = quote.bytes("attest");
        to.signature = quote.bytes("signature");
        to.pcrs = read_pcrs(quote.at("pcrs"), document, error);
        quote.finish();
    }

    Members list = members.inside("list");
    evidence.list.entries = list.uint("entries");
    evidence.list.offset = list.uint("offset");
    evidence.list.from_entry = list.uint("from_entry");
    evidence.list.data = list.bytes("data");
    list.finish();
    if (members.has("ima")) {
        Members ima = members.inside("ima");
        ImaList& to = evidence.ima.emplace();
        const auto algorithm = algorithm_named(ima.text("algorithm"));
        if (!algorithm)
            ima.refuse("a digest of an unknown algorithm", "ima.algorithm");
        else
            to.algorithm = *algorithm;
        to.entries = ima.uint("entries");
        to.data = ima.bytes("data");
        ima.finish();
    }
    members.finish();
}

/// Parses JSON, but not with a member that stands twice, or deeper than evidence is.
Result<json> parse(Bytes input) {
    constexpr int kMaxDepth = 8;
    std::vector<std::set<std::string>> keys;  // of each object around
    bool twice = false, deep = false;
    const auto look = [&](int depth, json::parse_event_t event, json& value) {
        deep |= depth > kMaxDepth;
        if (event == json::parse_event_t::object_start) keys.emplace_back();
        if (event == json::parse_event_t::object_end) keys.pop_back();
        if (event == json::parse_event_t::key)
            twice |= !keys.back().insert(value.get_ref<const std::string&>()).second;
        return !deep;
    };
    json value = json::parse(input.begin(), input.end(), look, false);
    if (deep) return fail("nested deeper than evidence is", "JSON");
    if (value.is_discarded()) return fail("not JSON", "JSON");
    if (twice) return fail("a member that stands twice", "JSON");
    return value;
}

}  // namespace

std::string encode_json(const Evidence& evidence) {
    json quotes = json::array();
    for (const Quote& quote : evidence.quotes)
        quotes.push_back({{"attest", to_base64(quote.attest)},
                          {"signature", to_base64(quote.signature)},
                          {"pcrs", to_json(quote.pcrs)}});
    json value = {{"format", kFormat},
                  {"version", kVersion},
                  {"software", evidence.software},
                  {"boot_id", evidence.boot_id},
                  {"kernel", evidence.kernel},
                  {"time", evidence.time},
                  {"boot_time", evidence.boot_time},
                  {"ak", to_base64(evidence.ak)},
                  {"pcr", evidence.pcr},
                  {"quotes", std::move(quotes)},
                  {"list",
                   {{"entries", evidence.list.entries},
                    {"offset", evidence.list.offset},
                    {"from_entry", evidence.list.from_entry},
                    {"data", to_base64(evidence.list.data)}}}};
    if (evidence.ak_name) value["ak_name"] = to_base64(*evidence.ak_name);
    if (evidence.ek_certificate) value["ek_certificate"] = to_base64(*evidence.ek_certificate);
    if (evidence.ima)
        value["ima"] = {{"algorithm", name_of(evidence.ima->algorithm)},
                        {"entries", evidence.ima->entries},
                        {"data", to_base64(evidence.ima->data)}};
    return value.dump(2) + '\n';
}

Result<Document> decode_json(Bytes input) {
    const auto value = parse(input);
    if (!value) return std::unexpected(value.error());
    Document document;
    std::optional<Error> error;
    Members members(*value, "", document, error);
    read(members, document, error);
    if (error) return std::unexpected(*error);
    if (auto sound = check(document.evidence); !sound) return std::unexpected(sound.error());
    return document;
}

}  // namespace keyscribe::evidence
