// SPDX-License-Identifier: Apache-2.0
// The host's side of attestation against a software TPM: keys, credentials, quotes, and how far a
// quote reaches into the lists. tpm2-tools say whether they agree.
#include <gtest/gtest.h>

#include "controller/host/attest/ak.h"
#include "controller/host/attest/collect.h"
#include "controller/host/attest/tpm2_tools.h"
#include "controller/host/measure/measurement_log.h"
#include "controller/host/records/records.h"
#include "controller/list/cbor.h"
#include "controller/list/template_data.h"
#include "tests/unit/support.h"

namespace keyscribe::evidence {
namespace attest_test {

using measure::MeasurementLog;
using measure::NewEntry;
using testing::Swtpm;
using testing::TempDir;
using testing::write_file;
using tpm::Tpm;

constexpr std::uint32_t kHandle = 0x8101004b;
constexpr unsigned kPcr = 13;

std::string_view as_text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::uint8_t> sized(Bytes area) {
    std::vector<std::uint8_t> all = {static_cast<std::uint8_t>(area.size() >> 8),
                                     static_cast<std::uint8_t>(area.size())};
    all.insert(all.end(), area.begin(), area.end());
    return all;
}

class Attest : public ::testing::Test {
  protected:
    void create(std::string_view algorithm, attest::EkAlgorithm ek = attest::EkAlgorithm::kEcc) {
        Tpm tpm = swtpm_.open();
        const auto made = attest::create_ak(tpm, kHandle, algorithm, ek, true);
        ASSERT_TRUE(made) << to_string(made.error());
        ak_ = *made;
    }

    /// These go into the list and the PCR; more than the eyes can see may follow.
    void measure_keys(unsigned count) {
        Tpm tpm = swtpm_.open();
        measure::Recovery recovery;
        auto log = MeasurementLog::open(directory_, tpm, kPcr, recovery);
        ASSERT_TRUE(log) << to_string(log.error());
        for (unsigned i = 0; i < count; ++i) {
            const std::string payload = "key " + std::to_string(log->entries());
            ASSERT_TRUE(log->append(std::array{
                NewEntry{kPcr, "ima-buf", list::encode_ima_buf(".ima", as_bytes(payload))}}));
        }
    }

    /// As events that pour in after the quote: in the list, not in the quoted PCR.
    void list_alone(std::string_view buf) {
        auto files = measure::ListFiles::open(directory_);
        ASSERT_TRUE(files);
        ASSERT_TRUE(files->append(
            std::array{NewEntry{kPcr, "ima-buf", list::encode_ima_buf(".ima", as_bytes(buf))}}));
    }

    attest::Request request() const {
        return {.nonce = {0xde, 0xad, 0xbe, 0xef},
                .pcr = kPcr,
                .ak_handle = kHandle,
                .ek = attest::EkAlgorithm::kEcc,
                .list = directory_.path() / measure::ListFiles::kBinary,
                .ima_directory = directory_.path(),
                .firmware_log = directory_ / "firmware-log",
                .mok_directory = directory_.path()};
    }

    attest::Collected collected(const attest::Request& request) {
        Tpm tpm = swtpm_.open();
        auto made = attest::collect(tpm, request);
        if (!made) throw std::runtime_error(to_string(made.error()));
        return std::move(*made);
    }

    /// tpm2_checkquote says that each quote is good, and that none is over another nonce.
    void expect_checkquote(const Evidence& evidence, const std::string& digest = "sha256") {
        const TempDir out;
        const auto commands = attest::export_tpm2_tools(evidence, out);
        ASSERT_TRUE(commands) << to_string(commands.error());
        for (std::size_t i = 1; i <= evidence.quotes.size(); ++i) {
            const std::string stem = (out / "quote-").string() + std::to_string(i);
            const std::string command = "tpm2_checkquote -u " + (out / "ak.pem").string() + " -m " +
                                        stem + ".msg -s " + stem + ".sig -f " + stem + ".pcrs -g " +
                                        digest + " -q ";
            const auto good = testing::run(command + "deadbeef");
            EXPECT_EQ(good.status, 0) << good.text;
            EXPECT_NE(testing::run(command + "deadbeee").status, 0);
        }
    }

    /// tpm2_checkquote 5.4 knows RSASSA and ECDSA only.
    void expect_openssl_pss(const Quote& quote) {
        write_file(directory_ / "ak.pem", attest::to_pem(ak_.tpmt_public).value());
        write_file(directory_ / "message", as_text(quote.attest));
        // Part 2, 11.3.4: scheme, hash and size come first.
        write_file(directory_ / "signature", as_text(quote.signature.subspan(6)));
        const auto verified = testing::run(
            "cd " + directory_.path().string() +
            " && openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:auto"
            " -verify ak.pem -signature signature message");
        EXPECT_EQ(verified.status, 0) << verified.text;
    }

    Swtpm swtpm_;
    TempDir directory_;
    attest::PublicKey ak_;
};

TEST_F(Attest, KeysOfEveryAlgorithmQuoteAndTpm2ToolsAgree) {
    measure_keys(2);
    for (const std::string algorithm : attest::kAkAlgorithms) {
        SCOPED_TRACE(algorithm);
        create(algorithm);
        const auto evidence = collected(request());
        EXPECT_TRUE(evidence.explained);
        EXPECT_TRUE(std::ranges::equal(evidence.evidence.ak, ak_.tpmt_public));
        if (algorithm == "rsapss")
            expect_openssl_pss(evidence.evidence.quotes.at(0));
        else
            expect_checkquote(evidence.evidence, algorithm == "ecc384" ? "sha384" : "sha256");
        write_file(directory_ / "ak.pem", attest::to_pem(ak_.tpmt_public).value());
        const auto shown =
            testing::run("tpm2_readpublic -T " + swtpm_.tcti() + " -c 0x8101004b -f pem -o " +
                         (directory_ / "tools.pem").string());
        EXPECT_NE(shown.text.find(to_hex(ak_.name)), std::string::npos) << shown.text;
        EXPECT_EQ(
            testing::run("openssl pkey -pubin -in " + (directory_ / "ak.pem").string()).text,
            testing::run("openssl pkey -pubin -in " + (directory_ / "tools.pem").string()).text);
    }
}

TEST_F(Attest, NothingIsOverwrittenUnasked) {
    create("ecc");
    Tpm tpm = swtpm_.open();
    EXPECT_FALSE(attest::create_ak(tpm, kHandle, "ecc", attest::EkAlgorithm::kEcc, false));
    EXPECT_EQ(attest::read_ak(tpm, kHandle, attest::EkAlgorithm::kEcc).value().name, ak_.name);
    EXPECT_FALSE(attest::read_ak(tpm, kHandle + 1, attest::EkAlgorithm::kEcc));
    EXPECT_FALSE(attest::create_ak(tpm, kHandle + 1, "dsa", attest::EkAlgorithm::kEcc, false));
}

TEST_F(Attest, AKeyThatSignsAnythingIsNoAttestationKey) {
    const std::string at = " -T " + swtpm_.tcti();
    const std::string context = (directory_ / "key").string();
    for (const std::string& command :
         {"tpm2_createprimary" + at +
              " -Q -C o -G ecc256:ecdsa-sha256 -a "
              "'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign' -c " +
              context,
          "tpm2_evictcontrol" + at + " -Q -C o -c " + context + " 0x8101004b"}) {
        const auto output = testing::run(command);
        ASSERT_EQ(output.status, 0) << output.text;
    }
    Tpm tpm = swtpm_.open();
    EXPECT_FALSE(attest::read_ak(tpm, kHandle, attest::EkAlgorithm::kEcc));
}

TEST_F(Attest, AKeyThatSomebodyKnowsIsNoAttestationKey) {
    const std::string at = " -T " + swtpm_.tcti() + " -Q ";
    const std::string in = "cd " + directory_.path().string() + " && ";
    const std::string flush = " && tpm2_flushcontext -T " + swtpm_.tcti() + " -t";
    for (const std::string& command :
         {std::string("openssl ecparam -name prime256v1 -genkey -noout -out key.pem"),
          "tpm2_createprimary" + at + "-C o -G ecc -c parent",
          "tpm2_import" + at +
              "-C parent -G ecc256:ecdsa-sha256:null -i key.pem -a 'userwithauth|restricted|sign'"
              " -u key.pub -r key.priv",
          "tpm2_load" + at + "-C parent -u key.pub -r key.priv -c key",
          "tpm2_evictcontrol" + at + "-C o -c key 0x8101004b"}) {
        const auto output = testing::run(in + command + flush);
        ASSERT_EQ(output.status, 0) << output.text;
    }
    Tpm tpm = swtpm_.open();
    const auto known = attest::read_ak(tpm, kHandle, attest::EkAlgorithm::kEcc);
    ASSERT_FALSE(known);
    EXPECT_EQ(known.error().what,
              "not an attestation key: it is not fixedTPM, fixedParent, sensitiveDataOrigin");
    EXPECT_FALSE(attest::read_ak_quickly(tpm, kHandle, attest::EkAlgorithm::kRsa));
    EXPECT_FALSE(attest::collect(tpm, request()));
}

TEST_F(Attest, AKeyOfAnotherParentIsNoAttestationKey) {
    const std::string at = " -T " + swtpm_.tcti() + " -Q ";
    const std::string in = "cd " + directory_.path().string() + " && ";
    const std::string flush = " && tpm2_flushcontext -T " + swtpm_.tcti() + " -t";
    for (const std::string& command :
         {"tpm2_createprimary" + at +
              "-C o -G ecc256:ecdsa-sha256:null -a 'fixedtpm|fixedparent|sensitivedataorigin|"
              "userwithauth|restricted|sign' -c key",
          "tpm2_evictcontrol" + at + "-C o -c key 0x8101004b"}) {
        const auto output = testing::run(in + command + flush);
        ASSERT_EQ(output.status, 0) << output.text;
    }
    Tpm tpm = swtpm_.open();
    const auto elsewhere = attest::read_ak(tpm, kHandle, attest::EkAlgorithm::kEcc);
    ASSERT_FALSE(elsewhere);
    EXPECT_EQ(elsewhere.error().what,
              "not an attestation key: it is no child of the endorsement key (attest.ek)");
    EXPECT_FALSE(attest::collect(tpm, request()));
    EXPECT_FALSE(attest::activate_credential(tpm, kHandle, attest::EkAlgorithm::kEcc, {}));
}

TEST_F(Attest, AKeyThatTpm2ToolsMadeBelowTheEkIsOne) {
    const std::string at = " -T " + swtpm_.tcti() + " ";
    const std::string in = "cd " + directory_.path().string() + " && ";
    const std::string flush = " && tpm2_flushcontext -T " + swtpm_.tcti() + " -t";
    for (const std::string& command :
         {"tpm2_createek" + at + "-Q -c ek -G ecc",
          "tpm2_createak" + at + "-C ek -c key -G ecc -g sha256 -s ecdsa",
          "tpm2_evictcontrol" + at + "-Q -C o -c key 0x8101004b"}) {
        const auto output = testing::run(in + command + flush);
        ASSERT_EQ(output.status, 0) << output.text;
    }
    Tpm tpm = swtpm_.open();
    const auto made = attest::read_ak(tpm, kHandle, attest::EkAlgorithm::kEcc);
    ASSERT_TRUE(made) << to_string(made.error());
    EXPECT_FALSE(attest::read_ak(tpm, kHandle, attest::EkAlgorithm::kRsa));
}

TEST_F(Attest, CredentialsBindTheAkToTheEk) {
    for (const attest::EkAlgorithm ek : {attest::EkAlgorithm::kRsa, attest::EkAlgorithm::kEcc}) {
        create("ecc", ek);
        {
            Tpm tpm = swtpm_.open();
            write_file(directory_ / "ek.pub",
                       as_text(sized(attest::read_ek(tpm, ek).value().tpmt_public)));
            EXPECT_FALSE(attest::read_ek_certificate(tpm, ek).value());  // a bare swtpm has none
        }
        write_file(directory_ / "secret", "0123456789abcdef");
        const auto make = [&](const std::string& name) {
            return testing::run("tpm2_makecredential -T none -u " +
                                (directory_ / "ek.pub").string() + " -s " +
                                (directory_ / "secret").string() + " -n " + name + " -o " +
                                (directory_ / "credential").string());
        };
        const auto made = make(to_hex(ak_.name));
        ASSERT_EQ(made.status, 0) << made.text;
        const std::string credential = testing::read_file(directory_ / "credential");
        Tpm tpm = swtpm_.open();
        const auto secret = attest::activate_credential(tpm, kHandle, ek, as_bytes(credential));
        ASSERT_TRUE(secret) << to_string(secret.error());
        EXPECT_EQ(as_text(*secret), "0123456789abcdef");

        auto other = ak_.name;
        other.back() ^= 1;
        ASSERT_EQ(make(to_hex(other)).status, 0);
        const std::string wrong = testing::read_file(directory_ / "credential");
        EXPECT_FALSE(attest::activate_credential(tpm, kHandle, ek, as_bytes(wrong)));
        for (std::size_t size = 0; size < credential.size(); size += 7)
            EXPECT_FALSE(attest::activate_credential(tpm, kHandle, ek,
                                                     as_bytes(credential.substr(0, size))));
    }
}

TEST_F(Attest, AnEkCertificateIsReadFromItsIndex) {
    const std::string at = " -T " + swtpm_.tcti();
    const std::string der = (directory_ / "ek.crt").string();
    for (const std::string& command :
         {"openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=ek -outform DER "
          "-out " +
              der,
          // Longer than what is in it, as some manufacturers have it.
          "tpm2_nvdefine" + at + " -Q -C o -s 1200 -a 'ownerwrite|authread|ownerread' 0x01c0000a",
          "tpm2_nvwrite" + at + " -Q -C o -i " + der + " 0x01c0000a"}) {
        const auto output = testing::run(command);
        ASSERT_EQ(output.status, 0) << output.text;
    }
    Tpm tpm = swtpm_.open();
    const auto certificate = attest::read_ek_certificate(tpm, attest::EkAlgorithm::kEcc);
    ASSERT_TRUE(certificate) << to_string(certificate.error());
    ASSERT_TRUE(*certificate);
    EXPECT_EQ(as_text(**certificate), testing::read_file(der));
}

TEST_F(Attest, TheListIsCutWhereTheQuoteEnds) {
    create("ecc");
    measure_keys(5);
    const std::string covered = testing::read_file(directory_ / measure::ListFiles::kBinary);
    for (int i = 0; i < 3; ++i) list_alone("not yet extended");
    const auto all = collected(request());
    EXPECT_TRUE(all.explained);
    EXPECT_EQ(all.evidence.list.entries, 5u);
    EXPECT_EQ(as_text(all.evidence.list.data), covered);

    attest::Request later = request();
    later.since = 3;
    const auto rest = collected(later);
    EXPECT_EQ(rest.evidence.list.from_entry, 3u);
    EXPECT_EQ(rest.evidence.list.entries, 5u);
    EXPECT_EQ(covered.substr(0, rest.evidence.list.offset) +
                  std::string(as_text(rest.evidence.list.data)),
              covered);
    later.since = 5;
    EXPECT_TRUE(collected(later).evidence.list.data.empty());
    later.since = 6;
    Tpm tpm = swtpm_.open();
    EXPECT_FALSE(attest::collect(tpm, later));
}

TEST_F(Attest, HalfAnEntryAtTheEndDoesNoHarm) {
    create("ecc");
    measure_keys(2);
    std::string list = testing::read_file(directory_ / measure::ListFiles::kBinary);
    const std::string whole = list;
    list += list.substr(0, 40);
    write_file(directory_ / measure::ListFiles::kBinary, list);
    EXPECT_EQ(as_text(collected(request()).evidence.list.data), whole);
}

/// A list whose baseline is not told yet.
TEST_F(Attest, EvidenceWaitsForADaemonThatIsStillTellingWhatTheKeyringsHold) {
    create("ecc");
    const auto append = [&](const records::Record& record) {
        Tpm tpm = swtpm_.open();
        measure::Recovery recovery;
        auto log = MeasurementLog::open(directory_, tpm, kPcr, recovery);
        ASSERT_TRUE(log);
        ASSERT_TRUE(log->append(
            std::array{NewEntry{kPcr, "ima-buf", list::encode_ima_buf(record.name, record.buf)}}));
    };
    append(records::start_record({.boot_id = "b"}, {}, 0, false));
    append({"keyscribe:policy", list::to_cbor({{"generation", 1},
                                               {"digest", list::cbor_bytes({})},
                                               {"files", nlohmann::json::array()}})});
    attest::Request patient = request();
    EXPECT_FALSE(collected(patient).whole);
    patient.patience = std::chrono::milliseconds(300);
    EXPECT_FALSE(collected(patient).whole);
    append(
        {"keyscribe:baseline-begin",
         list::to_cbor({{"time", 1}, {"reason", "start"}, {"keyrings", nlohmann::json::array()}})});
    EXPECT_FALSE(collected(request()).whole);
    append({"keyscribe:baseline-end", list::to_cbor({{"time", 2}, {"keyrings", 0}, {"keys", 0}})});
    EXPECT_TRUE(collected(request()).whole);
}

TEST_F(Attest, ForeignExtendsThatTheListTellsOfAreFollowed) {
    create("ecc");
    measure_keys(2);
    const auto extended =
        testing::run("tpm2_pcrextend -T " + swtpm_.tcti() + " 13:sha256=" + std::string(64, 'e'));
    ASSERT_EQ(extended.status, 0) << extended.text;
    {
        Tpm tpm = swtpm_.open();
        measure::Recovery recovery;
        auto log = MeasurementLog::open(directory_, tpm, kPcr, recovery);
        ASSERT_TRUE(log);
        ASSERT_TRUE(recovery.foreign.contains(kPcr));
        log->adopt(kPcr, recovery.foreign[kPcr]);
        const auto record = records::foreign_record(kPcr, recovery.foreign[kPcr]);
        ASSERT_TRUE(log->append(
            std::array{NewEntry{kPcr, "ima-buf", list::encode_ima_buf(record.name, record.buf)}}));
        ASSERT_TRUE(log->append(std::array{
            NewEntry{kPcr, "ima-buf", list::encode_ima_buf(".ima", as_bytes("after"))}}));
    }
    list_alone("not yet extended");
    const auto evidence = collected(request());
    EXPECT_TRUE(evidence.explained);
    EXPECT_EQ(evidence.evidence.list.entries, 4u);
    expect_checkquote(evidence.evidence);
}

TEST_F(Attest, WhatNothingExplainsIsStillEvidence) {
    create("ecc");
    measure_keys(2);
    const auto extended =
        testing::run("tpm2_pcrextend -T " + swtpm_.tcti() + " 13:sha256=" + std::string(64, 'e'));
    ASSERT_EQ(extended.status, 0) << extended.text;
    const auto evidence = collected(request());
    EXPECT_FALSE(evidence.explained);
    EXPECT_EQ(evidence.evidence.list.entries, 2u);
    expect_checkquote(evidence.evidence);
}

TEST_F(Attest, TheKernelsListIsCutWhereTheQuotedPcr10Ends) {
    create("rsa");
    measure_keys(1);
    const std::string fixture =
        testing::read_file(FIXTURES "/lists/linux-6.12.117_binary_runtime_measurements_sha256");
    const auto entries = list::read_list(as_bytes(fixture), Algorithm::kSha256).value();
    ASSERT_GE(entries.size(), 3u);
    {
        // All but the last are in the PCR.
        Tpm tpm = swtpm_.open();
        const auto banks = tpm.banks(10).value();
        for (std::size_t i = 0; i + 1 < entries.size(); ++i) {
            tpm::PcrValues values;
            for (const Algorithm bank : banks) values[bank] = list::extend_value(entries[i], bank);
            ASSERT_TRUE(tpm.extend(10, values));
        }
    }
    write_file(directory_ / "binary_runtime_measurements_sha256", fixture);
    attest::Request wanted = request();
    wanted.pcrs = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    const auto evidence = collected(wanted);
    EXPECT_TRUE(evidence.ima_explained);
    ASSERT_TRUE(evidence.evidence.ima);
    EXPECT_EQ(evidence.evidence.ima->algorithm, Algorithm::kSha256);
    EXPECT_EQ(evidence.evidence.ima->entries, entries.size() - 1);
    EXPECT_EQ(evidence.evidence.ima->data.size(), entries.back().offset);
    EXPECT_EQ(evidence.evidence.quotes.at(1).pcrs.at(Algorithm::kSha1).size(), 11u);
    expect_checkquote(evidence.evidence);

    // And the whole goes through the file.
    const auto encoded = encode_cbor(evidence.evidence);
    const auto decoded = decode(encoded);
    ASSERT_TRUE(decoded) << to_string(decoded.error());
    expect_checkquote(decoded->evidence);

    // The kernel gave the beginning of its list to userspace (CONFIG_IMA_STAGING).
    std::string head = fixture.substr(0, entries[2].offset);
    write_file(directory_ / "binary_runtime_measurements_sha256", fixture.substr(head.size()));
    write_file(directory_ / "former", head);
    wanted.ima_former = directory_ / "former";
    const auto joined = collected(wanted);
    EXPECT_TRUE(joined.ima_explained);
    EXPECT_EQ(as_text(joined.evidence.ima->data), as_text(evidence.evidence.ima->data));
    EXPECT_EQ(joined.evidence.ima->entries, entries.size() - 1);
    head.back() ^= 1;
    write_file(directory_ / "former", head);
    EXPECT_FALSE(collected(wanted).ima_explained);
}

TEST_F(Attest, WhereTheHostHasAFirmwareLogItGoesAlongWithItsPcrs) {
    create("ecc");
    measure_keys(2);
    EXPECT_FALSE(collected(request()).evidence.firmware);
    write_file(directory_ / "firmware-log", "log");
    write_file(directory_ / "MokListRT", "list");
    const auto made = collected(request());
    EXPECT_FALSE(made.without_firmware);
    ASSERT_TRUE(made.evidence.firmware);
    EXPECT_EQ(as_text(made.evidence.firmware->log), "log");
    EXPECT_EQ(as_text(made.evidence.firmware->mok_list), "list");
    EXPECT_TRUE(made.evidence.firmware->mok_list_x.empty());
    ASSERT_EQ(made.evidence.quotes.size(), 2u);
    std::string pcrs;
    for (const auto& [pcr, value] : made.evidence.quotes[1].pcrs.at(Algorithm::kSha256))
        pcrs += std::to_string(pcr) + ' ';
    EXPECT_EQ(pcrs, "0 1 2 3 4 5 6 7 8 9 14 ");
    expect_checkquote(made.evidence);

    attest::Request without = request();
    without.firmware = false;
    EXPECT_FALSE(collected(without).evidence.firmware);
    EXPECT_EQ(collected(without).evidence.quotes.size(), 1u);
    // What cannot be sent is left out, and said.
    write_file(directory_ / "MokListRT", std::string(evidence::kMaxMokVariable + 1, 'x'));
    const auto large = collected(request());
    EXPECT_FALSE(large.evidence.firmware);
    ASSERT_TRUE(large.without_firmware);
    EXPECT_NE(large.without_firmware->where.find("MokListRT"), std::string::npos);
}

TEST_F(Attest, WithoutAKeyOrAListItSaysWhatToDo) {
    Tpm tpm = swtpm_.open();
    const auto no_key = attest::collect(tpm, request());
    ASSERT_FALSE(no_key);
    EXPECT_NE(no_key.error().hint.find("ak create"), std::string::npos);
    ASSERT_TRUE(attest::create_ak(tpm, kHandle, "ecc", attest::EkAlgorithm::kEcc, false));
    const auto no_list = attest::collect(tpm, request());
    ASSERT_FALSE(no_list);
    EXPECT_NE(no_list.error().hint.find("nothing was measured"), std::string::npos);
}

}  // namespace attest_test
}  // namespace keyscribe::evidence
