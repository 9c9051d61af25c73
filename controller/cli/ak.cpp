// SPDX-License-Identifier: Apache-2.0
// keyscribe ak create, export, check, activate.
#include "controller/host/attest/ak.h"

#include <fmt/format.h>

#include <memory>

#include "controller/base/mapped_file.h"
#include "controller/cli/commands.h"
#include "controller/cli/output.h"
#include "controller/service/appraise/endorsement.h"
#include "controller/service/appraise/quote.h"

namespace keyscribe::cli {
namespace {

using attest::EkAlgorithm;
using attest::PublicKey;

EkAlgorithm ek_of(const settings::Config& config) {
    return config.attest.ek == "rsa" ? EkAlgorithm::kRsa : EkAlgorithm::kEcc;
}

/// What a service needs to know of this host, as files.
Result<void> export_keys(tpm::Tpm& tpm, const attest::PublicKey& ak, EkAlgorithm ek,
                         const std::filesystem::path& directory) {
    std::error_code code;
    std::filesystem::create_directories(directory, code);
    if (code) return fail("cannot make the folder: " + code.message(), directory.string());
    const auto endorsement = attest::read_ek(tpm, ek);
    if (!endorsement) return std::unexpected(endorsement.error());
    const auto certificate = attest::read_ek_certificate(tpm, ek);
    if (!certificate) return std::unexpected(certificate.error());
    const auto ak_pem = attest::to_pem(ak.tpmt_public);
    const auto ek_pem = attest::to_pem(endorsement->tpmt_public);
    if (!ak_pem || !ek_pem) return std::unexpected((ak_pem ? ek_pem : ak_pem).error());

    const auto write = [&](const char* name, Bytes bytes, const char* what) {
        auto done = write_output(directory / name, bytes);
        if (done) fmt::print("{:<10}{}\n", name, what);
        return done;
    };
    if (auto done = write("ak.pem", as_bytes(*ak_pem), "the attestation key"); !done) return done;
    if (auto done =
            write("ak.pub", attest::to_tpm2b(ak.tpmt_public), "the same, as a TPM2B_PUBLIC");
        !done)
        return done;
    if (auto done = write("ak.name", ak.name, "its TPM name"); !done) return done;
    if (auto done = write("ek.pem", as_bytes(*ek_pem), "the endorsement key"); !done) return done;
    if (auto done = write("ek.pub", attest::to_tpm2b(endorsement->tpmt_public),
                          "the same, as a TPM2B_PUBLIC");
        !done)
        return done;
    if (*certificate) return write("ek.crt", **certificate, "its certificate (DER)");
    fmt::print("The TPM has no certificate for this endorsement key.\n");
    return {};
}

int create(const settings::Config& config, const std::string& algorithm, bool force,
           const std::filesystem::path& directory) {
    auto tpm = tpm::Tpm::open(config.tpm.tcti);
    if (!tpm) return report(tpm.error());
    const auto made =
        attest::create_ak(*tpm, config.attest.ak_handle, algorithm, ek_of(config), force);
    if (!made) return report(made.error());
    fmt::print("attestation key at 0x{:08x}, name {}\n", config.attest.ak_handle,
               to_hex(made->name));
    const auto done = export_keys(*tpm, *made, ek_of(config), directory);
    return done ? 0 : report(done.error());
}

int export_again(const settings::Config& config, const std::filesystem::path& directory) {
    auto tpm = tpm::Tpm::open(config.tpm.tcti);
    if (!tpm) return report(tpm.error());
    const auto ak = attest::read_ak(*tpm, config.attest.ak_handle, ek_of(config));
    if (!ak) return report(ak.error());
    const auto done = export_keys(*tpm, *ak, ek_of(config), directory);
    return done ? 0 : report(done.error());
}

/// What of the endorsement key is in the folder has to be of one key, too: a credential is made for
/// ek.pub, and ek.crt says whose TPM that is. Returns what was looked at, as a line.
Result<std::string> check_endorsement(const std::filesystem::path& directory) {
    std::vector<MappedFile> files;
    std::vector<Bytes> given;
    std::string names;
    for (const char* name : {"ek.pub", "ek.pem", "ek.crt"}) {
        std::error_code code;
        const auto there = std::filesystem::symlink_status(directory / name, code);
        if (there.type() == std::filesystem::file_type::not_found) {
            given.emplace_back();
            continue;
        }
        auto file = MappedFile::open(directory / name);
        if (!file) return std::unexpected(file.error());
        if (file->bytes().empty()) return fail("the file is empty", (directory / name).string());
        given.push_back(files.emplace_back(std::move(*file)).bytes());
        names += (names.empty() ? "" : ", ") + std::string(name);
    }
    if (auto done = appraise::check_endorsement(given[0], as_text(given[1]), given[2]); !done)
        return std::unexpected(done.error());
    if (names.empty()) return names;
    return names + ": one endorsement key" +
           (given[2].empty() ? "; no certificate says whose TPM it is in"
                             : "; who issued its certificate was not looked at") +
           '\n';
}

/// What a service does with what a host sent of its key, before it makes a credential for it.
int check(const std::filesystem::path& directory) {
    // tss2-mu writes to stderr on its own; what is wrong is told by us, once.
    ::setenv("TSS2_LOG", "all+none", 0);
    std::vector<MappedFile> files;
    for (const char* name : {"ak.pub", "ak.pem", "ak.name"}) {
        auto file = MappedFile::open(directory / name);
        if (!file) return report(file.error());
        files.push_back(std::move(*file));
    }
    if (files[2].bytes().empty())
        return report({"the TPM name is missing", (directory / "ak.name").string(),
                       "have the host write it again: keyscribe ak export"});
    const auto found =
        appraise::check_enrolment(files[0].bytes(), as_text(files[1].bytes()), files[2].bytes());
    if (!found) return report(found.error());
    const auto endorsement = check_endorsement(directory);
    if (!endorsement) return report(endorsement.error());
    fmt::print(
        "ak.pub, ak.pem and ak.name are of one key: fixedTPM, fixedParent, "
        "sensitiveDataOrigin, restricted, sign\n{}name {}\n",
        *endorsement, to_hex(found->name));
    return 0;
}

int activate(const settings::Config& config, const std::filesystem::path& credential,
             const std::filesystem::path& output) {
    const auto file = MappedFile::open(credential);
    if (!file) return report(file.error());
    auto tpm = tpm::Tpm::open(config.tpm.tcti);
    if (!tpm) return report(tpm.error());
    const auto secret =
        attest::activate_credential(*tpm, config.attest.ak_handle, ek_of(config), file->bytes());
    if (!secret) return report(secret.error());
    const auto done = write_output(output, *secret, kOwnerReads);
    return done ? 0 : report(done.error());
}

}  // namespace

void add_ak(CLI::App& app, Context& context) {
    CLI::App* ak = app.add_subcommand("ak", "The key that signs this host's evidence");
    ak->require_subcommand(1);
    const auto directory = std::make_shared<std::filesystem::path>(".");
    const char* about = "folder for ak.pem, ak.pub, ak.name, ek.pem, ek.pub, ek.crt";

    CLI::App* make = ak->add_subcommand("create", "Make it in the TPM, and export it");
    const auto algorithm = std::make_shared<std::string>("ecc");
    const auto force = std::make_shared<bool>(false);
    make->add_option("--algorithm", *algorithm, "ecc (P-256), ecc384 (P-384), rsa, rsapss (2048)")
        ->check(CLI::IsMember(std::vector<std::string>(std::begin(attest::kAkAlgorithms),
                                                       std::end(attest::kAkAlgorithms))))
        ->capture_default_str();
    make->add_flag("--force", *force, "replace the one that is there");
    make->add_option("-o,--output", *directory, about)->capture_default_str();
    make->callback(
        with_config(context, [algorithm, force, directory](const settings::Config& config) {
            return create(config, *algorithm, *force, *directory);
        }));

    CLI::App* export_command = ak->add_subcommand("export", "Export it again");
    export_command->add_option("-o,--output", *directory, about)->capture_default_str();
    export_command->callback(with_config(context, [directory](const settings::Config& config) {
        return export_again(config, *directory);
    }));

    CLI::App* check_command = ak->add_subcommand(
        "check",
        "For the service: whether ak.pub, ak.pem and ak.name in a folder are of one key, "
        "and of one that signs quotes alone; without a TPM");
    const auto exported = std::make_shared<std::filesystem::path>();
    check_command->add_option("folder", *exported, "as `ak create` wrote it")->required();
    check_command->callback([&context, exported] { context.exit_status = check(*exported); });

    CLI::App* activate_command = ak->add_subcommand(
        "activate", "Show a service that this key is in this TPM (credential activation)");
    const auto credential = std::make_shared<std::filesystem::path>();
    const auto secret = std::make_shared<std::filesystem::path>();
    activate_command->add_option("credential", *credential, "as tpm2_makecredential -o writes it")
        ->required();
    activate_command->add_option("-o,--output", *secret, "where the secret goes; - for stdout")
        ->required();
    activate_command->callback(
        with_config(context, [credential, secret](const settings::Config& config) {
            return activate(config, *credential, *secret);
        }));
}

}  // namespace keyscribe::cli
