// SPDX-License-Identifier: Apache-2.0
#include "controller/host/attest/tpm2_tools.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "controller/base/output_file.h"
#include "controller/host/attest/ak.h"
#include "controller/host/attest/quote.h"

namespace keyscribe::attest {
namespace {

/// tpm2-tools' "serialized" PCR file: its own structures as they lie in memory, little-endian
/// (tpm2-tools, lib/pcr.c, pcr_fwrite_serialized; tss2_tpm2_types.h): TPML_PCR_SELECTION, the
/// number of TPML_DIGESTs, and these, eight values each.
class PcrFile {
  public:
    void number(std::size_t value, int size) {
        for (int i = 0; i < size; ++i)
            bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
    void fill(std::size_t size) { bytes_.resize(size); }
    void append(Bytes bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
    std::size_t size() const { return bytes_.size(); }
    const std::vector<std::uint8_t>& bytes() const { return bytes_; }

  private:
    std::vector<std::uint8_t> bytes_;
};

constexpr std::size_t kSelections = 16, kSelectionSize = 8;  // TPMS_PCR_SELECTION, padded
constexpr std::size_t kDigests = 8, kDigestSize = 2 + 64;    // TPM2B_DIGEST

std::vector<std::uint8_t> pcr_file(const QuotedPcrs& quoted, const evidence::PcrSet& values) {
    PcrFile file;
    std::vector<Digest> digests;
    file.number(quoted.selection.size(), 4);
    for (const auto& [bank, pcrs] : quoted.selection) {
        std::array<std::uint8_t, 4> bits{};
        for (const unsigned pcr : pcrs) {
            bits[pcr / 8] |= static_cast<std::uint8_t>(1 << (pcr % 8));
            digests.push_back(values.at(bank).at(pcr));
        }
        file.number(static_cast<std::uint16_t>(bank), 2);
        file.number(3, 1);
        file.append(bits);
        file.number(0, 1);
    }
    file.fill(4 + kSelections * kSelectionSize);
    file.number((digests.size() + kDigests - 1) / kDigests, 4);
    for (std::size_t i = 0; i < digests.size(); i += kDigests) {
        const std::size_t end = file.size() + 4 + kDigests * kDigestSize;
        const std::size_t count = std::min(kDigests, digests.size() - i);
        file.number(count, 4);
        for (std::size_t j = 0; j < count; ++j) {
            const std::size_t next = file.size() + kDigestSize;
            file.number(digests[i + j].size, 2);
            file.append(digests[i + j]);
            file.fill(next);
        }
        file.fill(end);
    }
    return file.bytes();
}

std::string evmctl_pcrs(Algorithm bank, unsigned pcr, const Digest& value) {
    std::string text;
    for (unsigned i = 0; i <= evidence::kMaxPcr; ++i) {
        char line[16];
        std::snprintf(line, sizeof(line), "PCR-%02u: ", i);
        text += line + to_hex(i == pcr ? Bytes(value) : filled(bank, 0)) + '\n';
    }
    return text;
}

Result<void> export_quote(const evidence::Quote& quote, const std::string& stem,
                          std::string& algorithm) {
    const auto quoted = quoted_pcrs(quote.attest, quote.signature);
    if (!quoted) return std::unexpected(quoted.error());
    if (!quoted->covers(quote.pcrs))
        return fail("the PCR values are not those that the quote is over", stem);
    algorithm = name_of(quoted->algorithm);
    if (auto done = write_file(stem + ".msg", quote.attest); !done) return done;
    if (auto done = write_file(stem + ".sig", quote.signature); !done) return done;
    return write_file(stem + ".pcrs", pcr_file(*quoted, quote.pcrs));
}

}  // namespace

Result<std::vector<std::string>> export_tpm2_tools(const evidence::Evidence& evidence,
                                                   const std::filesystem::path& directory) {
    std::error_code code;
    std::filesystem::create_directories(directory, code);
    if (code) return fail("cannot make the folder: " + code.message(), directory.string());
    const auto pem = to_pem(evidence.ak);
    if (!pem) return std::unexpected(pem.error());
    if (auto done = write_file(directory / "ak.pem", as_bytes(*pem)); !done)
        return std::unexpected(done.error());

    std::vector<std::string> commands;
    for (std::size_t i = 0; i < evidence.quotes.size(); ++i) {
        const std::string name = "quote-" + std::to_string(i + 1);
        std::string algorithm;
        if (auto done = export_quote(evidence.quotes[i], (directory / name).string(), algorithm);
            !done)
            return std::unexpected(done.error());
        commands.push_back("tpm2_checkquote -u ak.pem -m " + name + ".msg -s " + name + ".sig -f " +
                           name + ".pcrs -g " + algorithm + " -q NONCE");
    }
    const char* list = "binary_runtime_measurements";
    if (auto done = write_file(directory / list, evidence.list.data); !done)
        return std::unexpected(done.error());
    for (const auto& [bank, values] : evidence.quotes.front().pcrs) {
        const std::string name = "pcrs." + std::string(name_of(bank));
        const auto value = values.find(evidence.pcr);
        if (value == values.end()) continue;
        const std::string text = evmctl_pcrs(bank, evidence.pcr, value->second);
        if (auto done = write_file(directory / name, as_bytes(text)); !done)
            return std::unexpected(done.error());
        const bool known = bank == Algorithm::kSha1 || bank == Algorithm::kSha256;
        if (known && evidence.list.from_entry == 0)
            commands.push_back("evmctl ima_measurement --pcrs " + std::string(name_of(bank)) + ',' +
                               name + ' ' + list);
    }
    if (evidence.ima)
        if (auto done = write_file(directory / ("ima_" + std::string(list)), evidence.ima->data);
            !done)
            return std::unexpected(done.error());
    return commands;
}

}  // namespace keyscribe::attest
