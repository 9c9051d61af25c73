// SPDX-License-Identifier: Apache-2.0
// Quotes of another key, another boot, other PCRs, or of nothing that a TPM made.
#include "forgery.h"

namespace keyscribe::appraise {
namespace forgery_quote_test {

using testing::Buffer;
using testing::Host;
using testing::Setting;

INSTANTIATE_TEST_SUITE_P(
    Quote, Forgeries,
    ::testing::ValuesIn(std::vector<Forgery>{
        {"another nonce",
         [](Setting& s) {
             s.good();
             s.host.quote.nonce.back() ^= 1;
         },
         "quote-nonce"},
        {"a longer nonce",
         [](Setting& s) {
             s.good();
             s.host.quote.nonce.push_back(0);
         },
         "quote-nonce"},
        {"no nonce",
         [](Setting& s) {
             s.good();
             s.host.quote.nonce.clear();
         },
         "quote-nonce"},
        {"another key, and the evidence says so",
         [](Setting& s) {
             s.good();
             s.expected_key = Host::shared_key(4);
         },
         "ak-mismatch"},
        {"another key, and the evidence hides it",
         [](Setting& s) {
             s.good();
             s.edit = [ak = Buffer()](auto& e) mutable {
                 testing::QuoteMaker other;
                 other.key = Host::shared_key(4);
                 ak = other.tpmt_public();
                 e.ak = ak;
             };
             s.expected_key = Host::shared_key(4);
         },
         "quote-signature"},
        {"a key that signs anything",
         [](Setting& s) {
             s.good();
             s.host.quote.attributes &= ~TPMA_OBJECT_RESTRICTED;
         },
         "ak-not-restricted"},
        {"a key that came from outside of the TPM",
         [](Setting& s) {
             s.good();
             s.host.quote.attributes &= ~TPMA_OBJECT_FIXEDTPM;
         },
         "ak-not-restricted"},
        {"another name of the key",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.ak_name = as_bytes("not the name"); };
         },
         "ak-name"},
        {"a key that is cut short",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.ak = e.ak.first(e.ak.size() - 1); };
         },
         "ak-malformed"},
        {"not from within a TPM",
         [](Setting& s) {
             s.good();
             s.host.quote.magic = 0x12345678;
         },
         "quote-magic"},
        {"a certification instead of a quote",
         [](Setting& s) {
             s.good();
             s.host.quote.type = TPM2_ST_ATTEST_CERTIFY;
         },
         "quote-type"},
        {"a quote that is cut short",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) {
                 e.quotes[0].attest = e.quotes[0].attest.first(e.quotes[0].attest.size() - 1);
             };
         },
         "quote-malformed"},
        {"one bit of the signature",
         [](Setting& s) {
             s.good();
             s.host.quote.flip_signature = true;
         },
         "quote-signature"},
        {"a signature over SHA-1",
         [](Setting& s) {
             s.good();
             s.host.quote.hash = Algorithm::kSha1;
         },
         "quote-signature"},
        {"a signature that is cut short",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.quotes[0].signature = e.quotes[0].signature.first(100); };
         },
         "quote-signature"},
        {"another PCR's quote",
         [](Setting& s) {
             s.good();
             s.host.first_pcrs[Algorithm::kSha256][14] = s.host.list.pcrs()[Algorithm::kSha256][13];
         },
         "quote-selection"},
        {"the evidence names another PCR",
         [](Setting& s) {
             s.good();
             s.host.pcr = 16;
         },
         "evidence-pcr"},
        {"PCR values that are not the quoted ones",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.quotes[0].pcrs[Algorithm::kSha256][13].bytes[0] ^= 1; };
         },
         "quote-digest"},
        {"a PCR value more than was quoted",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) {
                 e.quotes[0].pcrs[Algorithm::kSha256][14] = filled(Algorithm::kSha256, 0);
             };
         },
         "quote-selection"},
        {"only the weak bank",
         [](Setting& s) {
             s.good();
             s.host.first_pcrs = s.host.list.pcrs();
             s.host.first_pcrs.erase(Algorithm::kSha256);
         },
         "quote-banks"},
        {"a bank that was never extended",
         [](Setting& s) {
             s.good();
             s.host.first_pcrs = s.host.list.pcrs();
             s.host.first_pcrs[Algorithm::kSha1][13] = filled(Algorithm::kSha1, 0);
         },
         "list-replay"},
        {"quotes of two boots",
         [](Setting& s) {
             s.good();
             s.edit = [later = Buffer(), sig = Buffer(), &host = s.host](auto& e) mutable {
                 auto maker = host.quote;
                 ++maker.reset_count;
                 later = maker.attest(e.quotes[1].pcrs);
                 sig = maker.sign(later);
                 e.quotes[1].attest = later;
                 e.quotes[1].signature = sig;
             };
         },
         "quote-boots"},
        {"the list of another boot",
         [](Setting& s) {
             s.good();
             s.host.boot_id = "another";
         },
         "boot-id@1"},
        {"the list of another kernel",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.kernel = "6.1.0-patched"; };
         },
         "boot-id@1"},
        {"the firmware's PCRs are others",
         [](Setting& s) {
             s.good();
             s.host.second_pcrs = s.host.firmware();
             s.host.second_pcrs[Algorithm::kSha256][4].bytes[3] ^= 1;
         },
         "boot-aggregate@0 boot-aggregate@ima:0"},
    }),
    test_name);

}  // namespace forgery_quote_test
}  // namespace keyscribe::appraise
