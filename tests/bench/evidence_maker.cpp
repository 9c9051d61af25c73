// SPDX-License-Identifier: Apache-2.0
// evidence_maker DIR ENTRIES SIZE REFERENCES HOSTS HOST-ENTRIES: one piece of evidence with a long
// list of keys, HOSTS pieces with short ones, reference values, the attestation key, and what
// evmctl needs for the same long list.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/unit/appraise_support.h"

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
               << (pcr == Host::kPcr ? measure::to_hex(value) : zeros) << '\n';
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 7) return 1;
    const std::filesystem::path directory = argv[1];
    const int entries = std::atoi(argv[2]), size = std::atoi(argv[3]),
              references = std::atoi(argv[4]), hosts = std::atoi(argv[5]),
              host_entries = std::atoi(argv[6]);
    std::filesystem::create_directories(directory / "references");
    std::filesystem::create_directories(directory / "hosts");

    const auto issuer = rsa_key(), key = rsa_key();
    std::vector<Buffer> certificates;
    for (int i = 0; i < references; ++i) {
        // A subject so long that the certificate has the size that was asked for.
        const std::string name = "Key " + std::to_string(i);
        Buffer made = certificate(key.get(), name, issuer.get(), "Issuer", {}, 0);
        if (static_cast<int>(made.size()) < size)
            made = certificate(key.get(), name, issuer.get(), "Issuer", {},
                               static_cast<unsigned>(size) - static_cast<unsigned>(made.size()));
        certificates.push_back(made);
        write(directory / "references" / (std::to_string(i) + ".der"), made);
    }
    const auto fill = [&](Host& host, int count) {
        host.begin();
        for (int i = 0; i < count; ++i)
            host.list.buf("staging",
                          certificates[static_cast<std::size_t>(i) % certificates.size()]);
    };
    Host big;
    fill(big, entries);
    write(directory / "references" / "build.der", big.builtin);
    write(directory / "big.evidence", big.encoded());
    write(directory / "big.list", big.list.bytes);
    write(directory / "ak.pem", big.quote.pem());
    write_pcrs(directory / "pcrs.sha1", big, Algorithm::kSha1);
    write_pcrs(directory / "pcrs.sha256", big, Algorithm::kSha256);
    for (int i = 0; i < hosts; ++i) {
        Host host;
        host.builtin = big.builtin;
        fill(host, host_entries - static_cast<int>(6));
        write(directory / "hosts" / (std::to_string(i) + ".evidence"), host.encoded());
    }
    std::printf("%zu bytes a certificate\n", certificates.back().size());
    return 0;
}
