// SPDX-License-Identifier: Apache-2.0
#include "controller/evidence/evidence.h"

#include <algorithm>

#include "controller/evidence/evidence_json.h"
#include "controller/list/cbor_stream.h"

namespace keyscribe::evidence {
namespace {

using list::CborReader;
using list::CborType;
using list::CborWriter;

void write(CborWriter& writer, const Quote& quote) {
    writer.head(CborType::kMap, 3);
    writer.text("pcrs");
    writer.head(CborType::kMap, quote.pcrs.size());
    // Algorithm's order is that of the names' encodings: sha1 is the shortest.
    for (const auto& [bank, values] : quote.pcrs) {
        writer.text(name_of(bank));
        writer.head(CborType::kMap, values.size());
        for (const auto& [pcr, value] : values) {
            writer.head(CborType::kUint, pcr);
            writer.bytes(value);
        }
    }
    writer.member("attest", quote.attest);
    writer.member("signature", quote.signature);
}

std::map<unsigned, Digest> read_values(CborReader& reader, Algorithm bank) {
    std::map<unsigned, Digest> values;
    const std::uint64_t size = reader.map();
    for (std::uint64_t i = 0; i < size && !reader.error(); ++i) {
        const std::uint64_t pcr = reader.uint();
        if (pcr > kMaxPcr) reader.refuse("a PCR that no TPM has");
        if (!values.empty() && pcr <= values.rbegin()->first)
            reader.refuse("a map whose keys are not in order");
        const Bytes value = reader.bytes(size_of(bank));
        if (value.size() != size_of(bank)) reader.refuse("a PCR value of the wrong size");
        if (reader.error()) break;
        Digest& digest = values[static_cast<unsigned>(pcr)];
        digest.size = value.size();
        std::ranges::copy(value, digest.bytes.begin());
    }
    return values;
}

Quote read_quote(CborReader& reader) {
    Quote quote;
    const auto read_bank = [&](std::string_view name) {
        const auto bank = algorithm_named(name);
        if (bank) quote.pcrs[*bank] = read_values(reader, *bank);
        return bank.has_value();
    };
    reader.members([&](std::string_view key) {
        if (key == "pcrs")
            reader.members(read_bank);
        else if (key == "attest")
            quote.attest = reader.bytes(kMaxStructure);
        else if (key == "signature")
            quote.signature = reader.bytes(kMaxStructure);
        else
            return false;
        return true;
    });
    return quote;
}

List read_list(CborReader& reader) {
    List list;
    unsigned seen = 0;
    reader.members([&](std::string_view key) {
        ++seen;
        if (key == "data")
            list.data = reader.bytes(SIZE_MAX);
        else if (key == "offset")
            list.offset = reader.uint();
        else if (key == "entries")
            list.entries = reader.uint();
        else if (key == "from_entry")
            list.from_entry = reader.uint();
        else
            return false;
        return true;
    });
    if (seen != 4) reader.refuse("a list of which a member is missing");
    return list;
}

ImaList read_ima(CborReader& reader) {
    ImaList list;
    unsigned seen = 0;
    reader.members([&](std::string_view key) {
        ++seen;
        if (key == "data")
            list.data = reader.bytes(SIZE_MAX);
        else if (key == "offset")
            --seen, list.offset = reader.uint();
        else if (key == "entries")
            list.entries = reader.uint();
        else if (key == "from_entry")
            --seen, list.from_entry = reader.uint();
        else if (key == "algorithm") {
            const auto algorithm = algorithm_named(reader.text(kMaxText));
            if (!algorithm) return reader.refuse("a digest of an unknown algorithm"), true;
            list.algorithm = *algorithm;
        } else
            return false;
        return true;
    });
    if (seen != 3) reader.refuse("a kernel's list of which a member is missing");
    return list;
}

Firmware read_firmware(CborReader& reader) {
    Firmware firmware;
    reader.members([&](std::string_view key) {
        if (key == "log")
            firmware.log = reader.bytes(kMaxFirmwareLog);
        else if (key == "mok_list")
            firmware.mok_list = reader.bytes(kMaxMokVariable);
        else if (key == "mok_list_x")
            firmware.mok_list_x = reader.bytes(kMaxMokVariable);
        else if (key == "mok_list_trusted")
            firmware.mok_list_trusted = reader.bytes(kMaxMokVariable);
        else
            return false;
        return true;
    });
    return firmware;
}

void write(CborWriter& writer, const Firmware& firmware) {
    writer.head(CborType::kMap, 1u + !firmware.mok_list.empty() + !firmware.mok_list_x.empty() +
                                    !firmware.mok_list_trusted.empty());
    writer.member("log", firmware.log);
    if (!firmware.mok_list.empty()) writer.member("mok_list", firmware.mok_list);
    if (!firmware.mok_list_x.empty()) writer.member("mok_list_x", firmware.mok_list_x);
    if (!firmware.mok_list_trusted.empty())
        writer.member("mok_list_trusted", firmware.mok_list_trusted);
}

std::vector<Quote> read_quotes(CborReader& reader) {
    std::vector<Quote> quotes;
    const std::uint64_t size = reader.array();
    for (std::uint64_t i = 0; i < size && i <= kMaxQuotes && !reader.error(); ++i)
        quotes.push_back(read_quote(reader));
    return quotes;
}

Result<Document> decode_cbor(Bytes input) {
    CborReader reader(input);
    Document document;
    Evidence& evidence = document.evidence;
    std::string_view format;
    std::uint64_t version = 0;
    unsigned seen = 0;  // of those that must be there
    reader.members([&](std::string_view key) {
        ++seen;
        if (key == "ak")
            evidence.ak = reader.bytes(kMaxStructure);
        else if (key == "ima")
            --seen, evidence.ima = read_ima(reader);
        else if (key == "pcr")
            evidence.pcr =
                static_cast<unsigned>(std::min<std::uint64_t>(reader.uint(), kMaxPcr + 1));
        else if (key == "list")
            evidence.list = read_list(reader);
        else if (key == "time")
            evidence.time = reader.uint();
        else if (key == "format")
            format = reader.text(kMaxText);
        else if (key == "kernel")
            evidence.kernel = reader.text(kMaxText);
        else if (key == "quotes")
            evidence.quotes = read_quotes(reader);
        else if (key == "ak_name")
            --seen, evidence.ak_name = reader.bytes(kMaxStructure);
        else if (key == "boot_id")
            evidence.boot_id = reader.text(kMaxText);
        else if (key == "version")
            version = reader.uint();
        else if (key == "firmware")
            --seen, evidence.firmware = read_firmware(reader);
        else if (key == "software")
            evidence.software = reader.text(kMaxText);
        else if (key == "boot_time")
            evidence.boot_time = reader.uint();
        else if (key == "ek_certificate")
            --seen, evidence.ek_certificate = reader.bytes(kMaxCertificate);
        else
            return false;
        return true;
    });
    if (!reader.error() && !reader.at_end()) reader.refuse("bytes behind the evidence");
    if (!reader.error() && seen != 11) reader.refuse("a member is missing");
    if (reader.error()) return std::unexpected(*reader.error());
    if (auto known = check_format(format, version); !known) return std::unexpected(known.error());
    if (auto sound = check(evidence); !sound) return std::unexpected(sound.error());
    return document;
}

bool is_text(std::string_view text) {
    return !text.empty() && text.size() <= kMaxText &&
           std::ranges::all_of(text, [](char letter) { return letter >= ' ' && letter <= '~'; });
}

Result<void> check(const Quote& quote) {
    if (quote.attest.empty() || quote.attest.size() > kMaxStructure)
        return fail("a quote without a TPMS_ATTEST of a sane size", "attest");
    if (quote.signature.empty() || quote.signature.size() > kMaxStructure)
        return fail("a quote without a TPMT_SIGNATURE of a sane size", "signature");
    if (quote.pcrs.empty()) return fail("a quote over no PCR", "pcrs");
    for (const auto& [bank, values] : quote.pcrs)
        if (values.empty()) return fail("a bank without a PCR", "pcrs");
    return {};
}

}  // namespace

Result<void> check_format(std::string_view format, std::uint64_t version) {
    if (format != kFormat) return fail("not Keyscribe's evidence", "format");
    if (version != kVersion)
        return fail("evidence of version " + std::to_string(version) + ", where only " +
                        std::to_string(kVersion) + " is known",
                    "version", "it was made by another release of Keyscribe");
    return {};
}

Result<void> check(const Evidence& evidence) {
    if (!is_text(evidence.software)) return fail("not a line of ASCII", "software");
    if (!is_text(evidence.boot_id)) return fail("not a line of ASCII", "boot_id");
    if (!is_text(evidence.kernel)) return fail("not a line of ASCII", "kernel");
    if (evidence.pcr > kMaxPcr) return fail("a PCR that no TPM has", "pcr");
    if (evidence.ak.empty() || evidence.ak.size() > kMaxStructure)
        return fail("no TPMT_PUBLIC of a sane size", "ak");
    if (evidence.ak_name && (evidence.ak_name->empty() || evidence.ak_name->size() > kMaxStructure))
        return fail("no TPM name of a sane size", "ak_name");
    if (evidence.ek_certificate &&
        (evidence.ek_certificate->empty() || evidence.ek_certificate->size() > kMaxCertificate))
        return fail("no certificate of a sane size", "ek_certificate");
    if (evidence.quotes.empty() || evidence.quotes.size() > kMaxQuotes)
        return fail("no quote, or more than " + std::to_string(kMaxQuotes), "quotes");
    for (const Quote& quote : evidence.quotes)
        if (auto sound = check(quote); !sound) return sound;
    const List& list = evidence.list;
    if (list.from_entry > list.entries || (list.from_entry == 0) != (list.offset == 0) ||
        (list.from_entry == list.entries) != list.data.empty())
        return fail("entries, from_entry, offset and data contradict each other", "list");
    if (const auto& ima = evidence.ima; ima && ((ima->entries == 0) != ima->data.empty() ||
                                                (ima->from_entry == 0) != (ima->offset == 0)))
        return fail("entries, from_entry, offset and data contradict each other", "ima");
    if (const auto& firmware = evidence.firmware) {
        if (firmware->log.empty() || firmware->log.size() > kMaxFirmwareLog)
            return fail("no log of a sane size", "firmware");
        for (const Bytes variable :
             {firmware->mok_list, firmware->mok_list_x, firmware->mok_list_trusted})
            if (variable.size() > kMaxMokVariable)
                return fail("a variable of shim's of more than " + std::to_string(kMaxMokVariable) +
                                " bytes",
                            "firmware");
    }
    return {};
}

std::vector<std::uint8_t> encode_cbor(const Evidence& evidence) {
    const std::size_t ima_size = evidence.ima ? evidence.ima->data.size() : 0;
    const std::size_t log_size = evidence.firmware ? evidence.firmware->log.size() : 0;
    CborWriter writer(evidence.list.data.size() + ima_size + log_size + 65536);
    writer.head(CborType::kMap, 11u + evidence.ima.has_value() + evidence.ak_name.has_value() +
                                    evidence.firmware.has_value() +
                                    evidence.ek_certificate.has_value());
    // Keys in the order of their encodings: shorter ones first.
    writer.member("ak", evidence.ak);
    if (evidence.ima) {
        writer.text("ima");
        // Where the list begins with its first entry, as it did before there was anything else.
        const bool part = evidence.ima->from_entry != 0;
        writer.head(CborType::kMap, part ? 5 : 3);
        writer.member("data", evidence.ima->data);
        if (part) writer.member("offset", evidence.ima->offset);
        writer.member("entries", evidence.ima->entries);
        writer.member("algorithm", name_of(evidence.ima->algorithm));
        if (part) writer.member("from_entry", evidence.ima->from_entry);
    }
    writer.member("pcr", evidence.pcr);
    writer.text("list");
    writer.head(CborType::kMap, 4);
    writer.member("data", evidence.list.data);
    writer.member("offset", evidence.list.offset);
    writer.member("entries", evidence.list.entries);
    writer.member("from_entry", evidence.list.from_entry);
    writer.member("time", evidence.time);
    writer.member("format", kFormat);
    writer.member("kernel", evidence.kernel);
    writer.text("quotes");
    writer.head(CborType::kArray, evidence.quotes.size());
    for (const Quote& quote : evidence.quotes) write(writer, quote);
    if (evidence.ak_name) writer.member("ak_name", *evidence.ak_name);
    writer.member("boot_id", evidence.boot_id);
    writer.member("version", kVersion);
    if (evidence.firmware) {
        writer.text("firmware");
        write(writer, *evidence.firmware);
    }
    writer.member("software", evidence.software);
    writer.member("boot_time", evidence.boot_time);
    if (evidence.ek_certificate) writer.member("ek_certificate", *evidence.ek_certificate);
    return writer.take();
}

Result<Document> decode(Bytes input) {
    const bool json = !input.empty() && (input[0] == '{' || input[0] == ' ' || input[0] == '\t' ||
                                         input[0] == '\r' || input[0] == '\n');
    return json ? decode_json(input) : decode_cbor(input);
}

}  // namespace keyscribe::evidence
