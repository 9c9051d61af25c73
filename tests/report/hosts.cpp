// SPDX-License-Identifier: Apache-2.0
// report-hosts DIR: evidence of hosts that differ in what a report has to show, with the
// attestation key and the reference values for them.
#include <filesystem>
#include <fstream>
#include <functional>

#include "tests/support/report_hosts.h"

using namespace keyscribe;
using namespace keyscribe::testing;

namespace {

void write(const std::filesystem::path& file, const auto& bytes) {
    std::ofstream stream(file, std::ios::binary);
    stream.write(reinterpret_cast<const char*>(bytes.data()),
                 static_cast<std::streamsize>(bytes.size()));
}

/// Certificates that several hosts have.
struct Certificates {
    std::shared_ptr<EVP_PKEY> platform_key = Host::shared_key(3), vendor_key = Host::shared_key(4),
                              fleet_key = Host::shared_key(5), files_key = Host::shared_key(6),
                              rogue_key = Host::shared_key(7);
    Buffer platform, vendor, fleet, files, old, rogue;

    explicit Certificates(const Host& host) {
        const auto make = [](EVP_PKEY* key, const std::string& name, EVP_PKEY* by,
                             const std::string& issuer, const CertificateOptions& options = {}) {
            return certificate(key, name, by, issuer, options);
        };
        platform = make(platform_key.get(), "Platform firmware CA", platform_key.get(),
                        "Platform firmware CA");
        vendor = make(vendor_key.get(), "Vendor driver signing 2026", host.builtin_key.get(),
                      "Build key");
        fleet = make(fleet_key.get(), "Fleet intermediate", host.builtin_key.get(), "Build key");
        files = make(files_key.get(), "Fleet file signing", fleet_key.get(), "Fleet intermediate");
        const std::int64_t now = std::time(nullptr);
        old =
            make(files_key.get(), "Fleet file signing 2024", fleet_key.get(), "Fleet intermediate",
                 {.not_before = now - 700 * 86400LL, .not_after = now - 30 * 86400LL});
        rogue = make(rogue_key.get(), "Fleet file signing", rogue_key.get(), "Fleet intermediate");
    }
};

/// As a distribution's kernel has its keyrings.
void begin(Host& host, const Certificates& keys) {
    host.begin();
    host.list.record("link", host.key_fields("link", 100, ".secondary_trusted_keys", 102,
                                             ".builtin_trusted_keys", "keyring"));
    host.list.buf(".platform", keys.platform);
    nlohmann::json fields =
        host.key_fields("create", 210, ".platform", 103, "Platform firmware CA: 7f");
    fields["plain"] = true;
    fields["length"] = keys.platform.size();
    fields["sha256"] = list::cbor_bytes(hash(Algorithm::kSha256, keys.platform));
    fields["actor"] = actor("kworker/0:1", "");
    host.list.record("create", fields);
}

void trusted(Host& host, const Certificates& keys) {
    begin(host, keys);
    add(host, ".secondary_trusted_keys", 102, keys.fleet, 301, "Fleet intermediate: 3c", 14);
    add(host, ".secondary_trusted_keys", 102, keys.vendor, 302, "Vendor driver signing 2026: a9",
        15);
    add(host, ".ima", 101, host.ima, 303, "File signer: 11", 16);
    add(host, ".ima", 101, keys.files, 304, "Fleet file signing: 5d", 17);
}

void contraindicated(Host& host, const Certificates& keys) {
    trusted(host, keys);
    add(host, ".ima", 101, keys.rogue, 305, "Fleet file signing: e0", 4021);
    host.event("revoke", 303, ".ima", "File signer: 11");
    host.event("unlink", 305, ".ima", "Fleet file signing: e0");
    add(host, ".ima", 101, keys.old, 306, "Fleet file signing 2024: 5d", 4100);
    host.list.record("loss", {{"first", 900}, {"last", 911}, {"count", 12}});
    nlohmann::json again = Host::speaker();
    again["entries"] = host.list.entries;
    again["controller"] = list::cbor_bytes(hash(Algorithm::kSha256, as_bytes("other")));
    host.list.record("restart", again);
    host.list.record("baseline-end",
                     {{"time", 9}, {"keyrings", 3}, {"keys", 5}, {"appeared", 1}, {"vanished", 0}});
}

void long_list(Host& host, const Certificates& keys) {
    trusted(host, keys);
    for (int i = 0; i < 6000; ++i) {
        nlohmann::json fields = host.key_fields("create", 1000 + i, "sessions", 900,
                                                "session:" + std::to_string(i), "user");
        fields["time"] = (20 + static_cast<std::uint64_t>(i)) * 1'000'000'000;
        fields["withheld"] = "not asked for";
        host.list.record("create", fields);
        if (i == 3000) host.list.record("loss", {{"first", 9}, {"last", 9}, {"count", 1}});
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 1;
    const std::filesystem::path directory = argv[1];
    std::filesystem::create_directories(directory / "references");
    const Host first;
    const Certificates keys(first);
    for (const auto& [name, bytes] :
         std::map<std::string, const Buffer*>{{"build", &first.builtin},
                                              {"file-signer", &first.ima},
                                              {"platform", &keys.platform},
                                              {"vendor", &keys.vendor},
                                              {"fleet", &keys.fleet},
                                              {"fleet-files", &keys.files},
                                              {"fleet-files-2024", &keys.old}})
        write(directory / "references" / (name + ".der"), *bytes);
    write(directory / "ak.pem", first.quote.pem());

    const std::map<std::string, std::function<void(Host&)>> hosts = {
        {"affirmed", [&](Host& host) { trusted(host, keys); }},
        {"contraindicated", [&](Host& host) { contraindicated(host, keys); }},
        {"hostile", [](Host& host) { make_hostile(host); }},
        {"long", [&](Host& host) { long_list(host, keys); }},
        {"unusable", [&](Host& host) {
             trusted(host, keys);
             host.list.extend_only("what the list does not have");
         }}};
    for (const auto& [name, make] : hosts) {
        Host host;
        host.builtin = first.builtin;
        host.ima = first.ima;
        make(host);
        evidence::Evidence made = host.evidence();
        made.time = static_cast<std::uint64_t>(std::time(nullptr));
        made.boot_time = 90'000'000'000'000;
        write(directory / (name + ".evidence"), evidence::encode_cbor(made));
    }
    return 0;
}
