// SPDX-License-Identifier: Apache-2.0
#include "controller/evidence/evidence_json.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "controller/base/base64.h"
#include "controller/evidence/json_reader.h"
#include "controller/list/json_text.h"

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

/// What evidence needs beyond the input: texts without their escapes, bytes without Base64.
class Reader {
  public:
    explicit Reader(Bytes input) : json_(input) {}

    Result<Document> document() {
        Evidence& evidence = document_.evidence;
        std::string_view format;
        std::uint64_t version = 0;
        unsigned seen = 0;  // of those that must be there
        json_.members([&](std::string_view key) {
            ++seen;
            if (key == "format")
                format = text();
            else if (key == "version")
                version = json_.uint();
            else if (key == "software")
                evidence.software = text();
            else if (key == "boot_id")
                evidence.boot_id = text();
            else if (key == "kernel")
                evidence.kernel = text();
            else if (key == "time")
                evidence.time = json_.uint();
            else if (key == "boot_time")
                evidence.boot_time = json_.uint();
            else if (key == "ak")
                evidence.ak = bytes();
            else if (key == "ak_name")
                --seen, evidence.ak_name = bytes();
            else if (key == "ek_certificate")
                --seen, evidence.ek_certificate = bytes();
            else if (key == "pcr")
                evidence.pcr =
                    static_cast<unsigned>(std::min<std::uint64_t>(json_.uint(), kMaxPcr + 1));
            else if (key == "quotes")
                quotes();
            else if (key == "list")
                list();
            else if (key == "ima")
                --seen, ima();
            else if (key == "firmware")
                --seen, firmware();
            else
                return false;
            return true;
        });
        json_.finish();
        if (!json_.error())
            if (auto known = check_format(format, version); !known)
                return std::unexpected(known.error());
        if (seen != 11) json_.refuse("a member is missing");
        if (json_.error()) return std::unexpected(*json_.error());
        if (auto sound = check(evidence); !sound) return std::unexpected(sound.error());
        return std::move(document_);
    }

  private:
    Bytes keep(std::vector<std::uint8_t> bytes) {
        return document_.storage.emplace_back(std::move(bytes));
    }
    Bytes bytes() { return keep(json_.base64()); }
    std::string_view text() {
        const std::string read = json_.text(kMaxText);
        return as_text(keep({read.begin(), read.end()}));
    }

    void quotes() {
        json_.elements([&] {
            if (document_.evidence.quotes.size() == kMaxQuotes)
                return json_.refuse("more quotes than evidence can have");
            quote(document_.evidence.quotes.emplace_back());
        });
    }

    void quote(Quote& to) {
        unsigned seen = 0;
        json_.members([&](std::string_view key) {
            ++seen;
            if (key == "attest")
                to.attest = bytes();
            else if (key == "signature")
                to.signature = bytes();
            else if (key == "pcrs")
                json_.members([&](std::string_view name) { return bank(name, to.pcrs); });
            else
                return false;
            return true;
        });
        if (seen != 3) json_.refuse("a member is missing");
    }

    bool bank(std::string_view name, PcrSet& pcrs) {
        const auto bank = algorithm_named(name);
        if (!bank) return false;
        auto& values = pcrs[*bank];
        json_.members([&](std::string_view key) {
            unsigned pcr = 0;
            const auto read = std::from_chars(key.data(), key.data() + key.size(), pcr);
            if (read.ec != std::errc() || pcr > kMaxPcr || std::to_string(pcr) != key) return false;
            const std::vector<std::uint8_t> value = json_.base64();
            if (value.size() != size_of(*bank))
                return json_.refuse("a PCR value of the wrong size"), true;
            Digest& digest = values[pcr];
            digest.size = value.size();
            std::ranges::copy(value, digest.bytes.begin());
            return true;
        });
        return true;
    }

    void list() {
        List& to = document_.evidence.list;
        unsigned seen = 0;
        json_.members([&](std::string_view key) {
            ++seen;
            if (key == "entries")
                to.entries = json_.uint();
            else if (key == "offset")
                to.offset = json_.uint();
            else if (key == "from_entry")
                to.from_entry = json_.uint();
            else if (key == "data")
                to.data = bytes();
            else
                return false;
            return true;
        });
        if (seen != 4) json_.refuse("a member is missing");
    }

    void ima() {
        ImaList& to = document_.evidence.ima.emplace();
        unsigned seen = 0;
        json_.members([&](std::string_view key) {
            ++seen;
            if (key == "entries") {
                to.entries = json_.uint();
            } else if (key == "data") {
                to.data = bytes();
            } else if (key == "offset") {
                --seen, to.offset = json_.uint();
            } else if (key == "from_entry") {
                --seen, to.from_entry = json_.uint();
            } else if (key == "algorithm") {
                const auto algorithm = algorithm_named(json_.text(kMaxText));
                if (!algorithm) return json_.refuse("a digest of an unknown algorithm"), true;
                to.algorithm = *algorithm;
            } else {
                return false;
            }
            return true;
        });
        if (seen != 3) json_.refuse("a member is missing");
    }

    void firmware() {
        Firmware& to = document_.evidence.firmware.emplace();
        json_.members([&](std::string_view key) {
            if (key == "log")
                to.log = bytes();
            else if (key == "mok_list")
                to.mok_list = bytes();
            else if (key == "mok_list_x")
                to.mok_list_x = bytes();
            else if (key == "mok_list_trusted")
                to.mok_list_trusted = bytes();
            else
                return false;
            return true;
        });
    }

    JsonReader json_;
    Document document_;
};

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
    if (evidence.ima && evidence.ima->from_entry != 0) {
        value["ima"]["offset"] = evidence.ima->offset;
        value["ima"]["from_entry"] = evidence.ima->from_entry;
    }
    if (evidence.firmware) {
        json& firmware = value["firmware"];
        firmware["log"] = to_base64(evidence.firmware->log);
        const auto add = [&](const char* name, Bytes variable) {
            if (!variable.empty()) firmware[name] = to_base64(variable);
        };
        add("mok_list", evidence.firmware->mok_list);
        add("mok_list_x", evidence.firmware->mok_list_x);
        add("mok_list_trusted", evidence.firmware->mok_list_trusted);
    }
    return list::json_text(value, 2) + '\n';
}

Result<Document> decode_json(Bytes input) { return Reader(input).document(); }

}  // namespace keyscribe::evidence
