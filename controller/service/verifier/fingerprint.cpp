// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/fingerprint.h"

namespace keyscribe::verifier {
namespace {

/// Texts and bytes with their lengths, so that no two sequences of them are one.
class Joined {
  public:
    Joined& add(Bytes bytes) {
        add(bytes.size());
        all_.insert(all_.end(), bytes.begin(), bytes.end());
        return *this;
    }
    Joined& add(std::string_view text) { return add(as_bytes(text)); }
    Joined& add(std::uint64_t number) {
        for (int shift = 56; shift >= 0; shift -= 8)
            all_.push_back(static_cast<std::uint8_t>(number >> shift));
        return *this;
    }
    std::string digest() const { return to_hex(sha256(all_)); }

  private:
    std::vector<std::uint8_t> all_;
};

}  // namespace

std::string fingerprint_of(const evidence::Evidence& evidence,
                           const appraise::QuoteClaims& claims) {
    Joined joined;
    joined.add(evidence.software).add(evidence.boot_id).add(evidence.kernel).add(evidence.ak);
    joined.add(evidence.ak_name.value_or(Bytes())).add(evidence.ek_certificate.value_or(Bytes()));
    joined.add(evidence.pcr).add(evidence.list.entries);
    joined.add(evidence.list.offset + evidence.list.data.size());
    joined.add(evidence.quotes.size());
    for (const evidence::Quote& quote : evidence.quotes) {
        joined.add(quote.pcrs.size());
        for (const auto& [bank, values] : quote.pcrs) {
            joined.add(static_cast<std::uint64_t>(bank)).add(values.size());
            for (const auto& [pcr, value] : values) joined.add(pcr).add(Bytes(value));
        }
    }
    joined.add(evidence.ima ? 1 : 0);
    if (evidence.ima)
        joined.add(static_cast<std::uint64_t>(evidence.ima->algorithm))
            .add(evidence.ima->from_entry + evidence.ima->entries)
            .add(evidence.ima->offset + evidence.ima->data.size());
    joined.add(evidence.firmware ? 1 : 0);
    if (evidence.firmware)
        joined.add(evidence.firmware->log)
            .add(evidence.firmware->mok_list)
            .add(evidence.firmware->mok_list_x)
            .add(evidence.firmware->mok_list_trusted);
    joined.add(claims.reset_count).add(claims.restart_count).add(claims.clock_is_safe ? 1 : 0);
    joined.add(claims.firmware).add(claims.signer);
    return joined.digest();
}

std::vector<std::uint8_t> shell_of(const evidence::Evidence& evidence) {
    evidence::Evidence shell = evidence;
    shell.list = {.entries = 0};
    if (shell.ima) shell.ima = evidence::ImaList{.algorithm = evidence.ima->algorithm};
    return evidence::encode_cbor(shell);
}

evidence::Evidence whole_evidence(const evidence::Evidence& shell, Bytes list,
                                  std::uint64_t entries, Bytes ima, std::uint64_t ima_entries) {
    evidence::Evidence whole = shell;
    whole.list = {.entries = entries, .data = list};
    if (whole.ima) whole.ima->entries = ima_entries, whole.ima->data = ima;
    return whole;
}

}  // namespace keyscribe::verifier
