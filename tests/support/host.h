// SPDX-License-Identifier: Apache-2.0
// A host that makes evidence.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "controller/list/cbor.h"
#include "tests/support/list_maker.h"
#include "tests/support/quote_maker.h"

namespace keyscribe::testing {

/// A host with the keyrings that every kernel has, and what it measured. A test changes what it
/// likes and asks for the evidence.
struct Host {
    static constexpr unsigned kPcr = 13;
    static constexpr const char* kBootId = "c0ffee00-0000-4000-8000-000000000001";

    std::shared_ptr<EVP_PKEY> builtin_key, ima_key;
    Buffer builtin, ima;  ///< certificates
    QuoteMaker quote;
    ListMaker list{kPcr};
    ListMaker kernel{10};
    bool with_ima = false;
    evidence::PcrSet first_pcrs, second_pcrs;  ///< in place of the right ones, where not empty
    std::uint64_t from_entry = 0;
    std::optional<unsigned> pcr;
    std::string boot_id = kBootId;
    std::uint64_t seq = 0;
    std::string rules = "measure func=KEY_CHECK\n";  ///< the text of begin()'s policy

    /// Keys take a while to make; all hosts share these.
    static std::shared_ptr<EVP_PKEY> shared_key(int which);

    Host();

    static nlohmann::json bytes(std::string_view text) { return list::cbor_bytes(as_bytes(text)); }
    /// Of the start record, where the quote is another TPM's than QuoteMaker's.
    std::vector<std::string> banks{"sha1", "sha256"};
    static nlohmann::json speaker();
    /// keyscribe:policy, of one file with this text.
    static nlohmann::json policy(std::string_view text, unsigned generation = 1);
    /// boot_aggregate, start, policy and baseline, of the TPM's boot that the quote names.
    void begin();
    /// Another kernel, whose list begins anew: the PCR goes on.
    void begin_after_kexec(const std::string& next_boot_id);
    void baseline(std::string_view reason = "start");
    nlohmann::json key_fields(const std::string& kind, int serial, std::string_view ring,
                              int ring_serial, std::string_view description,
                              std::string_view type = "asymmetric");
    /// As begin() gives them; another name's is its own.
    int ring_serial(std::string_view ring);
    void event(const std::string& kind, int serial, std::string_view ring,
               std::string_view description);
    /// The payload, and the record that says whose it is.
    void key(std::string_view ring, Bytes payload, int serial, std::string_view description,
             std::string_view type = "asymmetric");
    /// A host as it should be.
    void good();

    /// As `evmctl sign`: struct signature_v2_hdr, and the signature over the digest.
    static Buffer ima_signature(EVP_PKEY* key, Bytes digest);
    void file(std::string_view name, std::string_view content, EVP_PKEY* signer);

    evidence::PcrSet firmware() const;
    static Digest aggregate_of(const evidence::PcrSet& pcrs);

    /// Views into this object's buffers, which it fills.
    evidence::Evidence evidence();
    Buffer encoded() { return evidence::encode_cbor(evidence()); }

  private:
    void add_quote(evidence::Evidence& made, const evidence::PcrSet& pcrs, int which);
    std::map<std::string, int> rings_;
    Buffer ak_;
    std::array<Buffer, 2> attests_, signatures_;
};

}  // namespace keyscribe::testing
