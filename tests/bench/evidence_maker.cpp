// SPDX-License-Identifier: Apache-2.0
// evidence_maker DIR ENTRIES SIZE REFERENCES HOSTS HOST-ENTRIES MANY-ENTRIES: evidence with a long
// list of keys (big: each is one of REFERENCES certificates, so they come again and again;
// distinct: no certificate twice, none of them a reference value; many: as big, with MANY-ENTRIES),
// HOSTS pieces with short ones, reference values, the attestation keys, and what evmctl needs for
// the two lists.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/host.h"

using namespace keyscribe;
using namespace keyscribe::testing;

namespace {

void write(const std::filesystem::path& file, const auto& bytes) {
    std::ofstream stream(file, std::ios::binary);
    stream.write(reinterpret_cast<const char*>(bytes.data()),
                 static_cast<std::streamsize>(bytes.size()));
}

void write_pcrs(const std::filesystem::path& file, const Host& host, Algorithm bank) {
    std::ofstream stream(file);
    const Bytes value = host.list.pcrs().at(bank).at(Host::kPcr);
    const std::string zeros(2 * value.size(), '0');
    for (unsigned pcr = 0; pcr < 24; ++pcr)
        stream << (pcr < 10 ? "PCR-0" : "PCR-") << pcr << ": "
               << (pcr == Host::kPcr ? to_hex(value) : zeros) << '\n';
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 8) return 1;
    const std::filesystem::path directory = argv[1];
    const int entries = std::atoi(argv[2]), size = std::atoi(argv[3]),
              references = std::atoi(argv[4]), hosts = std::atoi(argv[5]),
              host_entries = std::atoi(argv[6]), many_entries = std::atoi(argv[7]);
    std::filesystem::create_directories(directory / "references");
    std::filesystem::create_directories(directory / "hosts");
    std::filesystem::create_directories(directory / "ak");

    const auto issuer = rsa_key(), key = rsa_key();
    std::vector<Buffer> certificates;
    for (int i = 0; i < references; ++i) {
        // A comment so long that the certificate has the size that was asked for.
        const std::string name = "Key " + std::to_string(i);
        Buffer made = certificate(key.get(), name, issuer.get(), "Issuer", {}, 0);
        if (static_cast<int>(made.size()) < size)
            made = certificate(key.get(), name, issuer.get(), "Issuer", {},
                               static_cast<unsigned>(size) - static_cast<unsigned>(made.size()));
        certificates.push_back(made);
        write(directory / "references" / (std::to_string(i) + ".der"), made);
    }
    const auto fill = [&](Host& host, int from, int count) {
        host.begin();
        for (int i = from; i < from + count; ++i)
            host.list.buf("staging",
                          certificates[static_cast<std::size_t>(i) % certificates.size()]);
    };
    const auto write_lists = [&](const std::string& name, const Host& host) {
        write(directory / (name + ".list"), host.list.bytes);
        write_pcrs(directory / (name + ".sha1"), host, Algorithm::kSha1);
        write_pcrs(directory / (name + ".sha256"), host, Algorithm::kSha256);
    };
    Host big;
    fill(big, 0, entries);
    write(directory / "references" / "build.der", big.builtin);
    write(directory / "rsa.pem", big.quote.pem());
    write(directory / "big.evidence", big.encoded());
    write_lists("big", big);

    Host distinct;
    distinct.builtin = big.builtin;
    distinct.begin();
    for (int i = 0; i < entries; ++i) {
        // Another signature makes another certificate; nobody verifies it in this keyring.
        Buffer made = certificates[static_cast<std::size_t>(i) % certificates.size()];
        for (int byte = 0; byte < 4; ++byte)
            made[made.size() - 1 - static_cast<std::size_t>(byte)] =
                static_cast<std::uint8_t>(i >> (8 * byte));
        distinct.list.buf("staging", made);
    }
    write(directory / "distinct.evidence", distinct.encoded());
    write_lists("distinct", distinct);

    if (many_entries != 0) {
        Host many;
        many.builtin = big.builtin;
        fill(many, 0, many_entries);
        write(directory / "many.evidence", many.encoded());
    }
    for (int i = 0; i < hosts; ++i) {
        Host host;
        host.builtin = big.builtin;
        // Each its own: evidence of one key twice in a run is a finding.
        host.quote.key = i % 2 == 1 ? ec_key("P-256") : rsa_key();
        if (i % 2 == 1) host.quote.scheme = TPM2_ALG_ECDSA;
        write(directory / "ak" / (std::to_string(i) + ".pem"), host.quote.pem());
        fill(host, i, host_entries - 6);  // begin() wrote six
        write(directory / "hosts" / (std::to_string(i) + ".evidence"), host.encoded());
    }
    std::printf("%zu bytes a certificate\n", certificates.back().size());
    return 0;
}
