// SPDX-License-Identifier: Apache-2.0
// keyscribe doctor: whether this host has what Keyscribe needs.
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "controller/base/mapped_file.h"
#include "controller/cli/client.h"
#include "controller/cli/commands.h"
#include "controller/cli/doctor_report.h"
#include "controller/cli/pcr_users.h"
#include "controller/cli/unmeasured_keyrings.h"
#include "controller/cli/verifier_status.h"
#include "controller/host/capture/hook_plan.h"
#include "controller/host/capture/lockdown.h"
#include "controller/host/settings/policy_loader.h"
#include "controller/host/tpm/tpm.h"

namespace keyscribe::cli {
namespace {

std::string joined(const std::vector<std::string>& parts, const char* between = ",") {
    std::string text;
    for (const std::string& part : parts) text += (text.empty() ? "" : between) + part;
    return text;
}

void look_at_kernel(const settings::Config& config, DoctorReport& report) {
    const auto kernel = capture::probe_kernel();
    if (!kernel) return report.bad("kernel", kernel.error());
    report.good("kernel", kernel->release);
    if (const auto level = capture::check_lockdown(); !level)
        report.bad("lockdown", level.error());
    else if (*level == "none")
        report.note("lockdown", "none: root can change the running kernel, and what it says",
                    "boot with lockdown=integrity, or with Secure Boot");
    else if (level->empty())
        report.note("lockdown",
                    "/sys/kernel/security/lockdown cannot be read: nothing says that "
                    "root cannot change the running kernel");
    else
        report.good("lockdown", *level);
    if (kernel->btf) report.good("BTF", "/sys/kernel/btf/vmlinux");
    if (kernel->active_lsms.empty())
        report.note("LSMs", "/sys/kernel/security/lsm cannot be read: no LSM is relied on");
    else
        report.good("LSMs", joined(kernel->active_lsms) +
                                (kernel->bpf_lsm ? "" : " (without bpf: tracing is used)"));
    const auto plan = capture::plan_hooks(*kernel, config.capture.hook);
    if (!plan) return report.bad("hook", plan.error());
    for (const capture::Hook& hook : *plan)
        report.good("hook", hook.operations + ": " + hook.attach_point + ": " + hook.why);
}

/// Whoever may use the TPM, beside root: the group of /dev/tpmrm0 (tpm2-tss's udev rules).
constexpr const char* kTpmGroup = "tss";

/// Returns its members, and those whose own group it is.
std::vector<std::string> members_of(const char* name) {
    std::vector<std::string> members;
    const group* found = ::getgrnam(name);
    if (found == nullptr) return members;
    const gid_t gid = found->gr_gid;
    for (char** member = found->gr_mem; *member != nullptr; ++member) members.emplace_back(*member);
    ::setpwent();
    while (const passwd* user = ::getpwent())
        if (user->pw_gid == gid && std::ranges::find(members, user->pw_name) == members.end())
            members.emplace_back(user->pw_name);
    ::endpwent();
    return members;
}

void look_at_tpm_access(tpm::Tpm& tpm, DoctorReport& report) {
    const auto passwords = tpm.passwords();
    if (!passwords) return report.bad("passwords", passwords.error());
    if (!passwords->owner)
        report.note("owner",
                    "the owner hierarchy has no password: whoever reaches the TPM can replace the "
                    "attestation key",
                    "once that key is made: tpm2_changeauth -c owner PASSWORD");
    if (!passwords->lockout)
        report.note("lockout",
                    "the lockout hierarchy has no password: whoever reaches the TPM can clear it",
                    "tpm2_changeauth -c lockout PASSWORD");
    const auto members = members_of(kTpmGroup);
    report.note("access", members.empty() ? "nobody but root reaches the TPM by group tss"
                                          : "these reach the TPM by group tss: " + joined(members));
}

void look_at_tpm(const settings::Config& config, DoctorReport& report) {
    const unsigned pcr = config.tpm.pcr;
    auto tpm = tpm::Tpm::open(config.tpm.tcti);
    if (!tpm) return report.bad("TPM", tpm.error());
    look_at_tpm_access(*tpm, report);
    const auto description = tpm->description();
    if (!description) return report.bad("TPM", description.error());
    report.good("TPM", *description + " (" + config.tpm.tcti + ')');
    const auto banks = tpm->banks(pcr);
    if (!banks) return report.bad("banks", banks.error());
    std::vector<std::string> names;
    for (const Algorithm bank : *banks) names.emplace_back(name_of(bank));
    report.good("banks", joined(names));
    if (const auto unknown = tpm->unknown_banks(pcr); unknown && !unknown->empty())
        report.note("banks", joined(*unknown) + ": left alone, nothing is measured in these");
    if (auto checked = tpm::check_pcr(pcr, config.tpm.force_resettable_pcr); !checked)
        return report.bad("PCR", checked.error());
    const auto values = tpm->read_pcr(pcr, *banks);
    if (!values) return report.bad("PCR", values.error());
    for (const auto& [bank, value] : *values)
        report.good("PCR", fmt::format("{} {} {}", pcr, name_of(bank), to_hex(value)));
}

/// Who else extends the PCR, or relies on its value.
void look_at_pcr_users(const settings::Config& config, DoctorReport& report) {
    const unsigned pcr = config.tpm.pcr;
    bool alone = true;
    const auto look = [&](const char* path, const auto& use_by) {
        std::error_code ignored;
        if (!std::filesystem::exists(path, ignored)) return;
        const auto file = MappedFile::open(path);
        if (!file) {
            alone = false;
            return report.note("PCR's users", to_string(file.error()), "run it as root");
        }
        const std::optional<PcrUse> use = use_by(file->bytes());
        if (!use) return;
        alone = false;
        report.note("PCR's users", fmt::format("PCR {}: {}", pcr, use->text), use->remedy);
    };
    look("/sys/kernel/security/tpm0/binary_bios_measurements",
         [&](Bytes log) { return use_by_firmware(pcr, log); });
    look("/run/log/systemd/tpm2-measure.log",
         [&](Bytes log) { return use_by_systemd(pcr, as_text(log)); });
    look("/var/lib/systemd/pcrlock.json",
         [&](Bytes policy) { return use_by_pcrlock(pcr, as_text(policy)); });
    look("/sys/kernel/security/ima/binary_runtime_measurements",
         [&](Bytes list) { return use_by_ima(pcr, list); });
    if (alone)
        report.good("PCR's users", fmt::format("no log says that anybody else uses PCR {}", pcr));
}

/// UEFI 2.10, 3.3: the variable SecureBoot is one byte; efivarfs puts 4 with attributes before it.
void look_at_secure_boot(DoctorReport& report) {
    constexpr const char* kVariable =
        "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    std::error_code ignored;
    if (!std::filesystem::exists("/sys/firmware/efi", ignored))
        return report.note("Secure Boot", "the host was not started by UEFI: there is none");
    const auto variable = MappedFile::open(kVariable);
    if (!variable) return report.note("Secure Boot", to_string(variable.error()));
    if (variable->bytes().size() == 5 && variable->bytes()[4] == 1)
        return report.good("Secure Boot", "on");
    report.note("Secure Boot", "off: the firmware starts any boot loader and kernel",
                "systemctl reboot --firmware-setup, and enable it there");
}

/// Keyrings of this kernel, and those that the policy leaves out: a later kernel may have brought
/// them.
void look_at_keyrings(const settings::Config& config, DoctorReport& report) {
    const auto keys = MappedFile::open("/proc/keys");
    if (!keys) return report.note("keyrings", to_string(keys.error()));
    const auto there = kernels_keyrings(as_text(keys->bytes()));
    report.good("keyrings", there.empty() ? "none whose name begins with a dot" : joined(there));
    const auto loaded = settings::load_policy(config.policy.directory);
    if (!loaded) return report.note("policy", to_string(loaded.error()), "keyscribe policy check");
    if (!*loaded)
        return report.note("policy", "there is none: nothing is measured",
                           "cp /usr/share/keyscribe/policy/trusted-keyrings.policy " +
                               config.policy.directory.string() + " && keyscribe reload");
    const auto unmeasured = unmeasured_keyrings(there, (*loaded)->policy);
    if (unmeasured.empty()) return;
    report.note("keyrings", "no rule measures " + joined(unmeasured),
                "echo 'measure func=KEY_CHECK keyrings=" + joined(unmeasured, "|") + " op=all' >" +
                    (config.policy.directory / "50-keyrings.policy").string() +
                    " && keyscribe reload");
}

void look_at_service(const settings::Config& config, DoctorReport& report) {
    if (::getgrnam(config.control.group.c_str()) == nullptr)
        report.note(
            "group",
            "there is no group " + config.control.group + ": only root can read list and status",
            "systemd-sysusers");
    const auto reply = request(config.control.socket, "GET", "/v1/status");
    if (reply)
        report.good("service", "keyscribed answers");
    else
        report.note("service", to_string(reply.error()), "systemctl enable --now keyscribed");
}

void look_at_verifier(const settings::Config& config, DoctorReport& report) {
    const nlohmann::json verifier = verifier_status(config);
    if (verifier.is_null())
        return report.note("verifier", "this host is enrolled with none: nobody else looks at it",
                           "keyscribe enrol https://VERIFIER --token TOKEN");
    if (verifier.contains("error"))
        return report.note("verifier", verifier["error"], "keyscribe enrol");
    const std::string url = verifier["url"];
    const nlohmann::json& last = verifier["last_visit"];
    if (last.is_null())
        return report.note("verifier", url + ": not visited yet",
                           "systemctl enable --now keyscribe-attest.timer keyscribe-attest.path");
    if (!last["error"].is_null())
        return report.note("verifier",
                           url + ": no verdict since " + last["failing_since"].get<std::string>() +
                               ": " + last["error"].get<std::string>(),
                           "keyscribe attest");
    report.good("verifier", url + ": " + last["verdict"].get<std::string>() + " at " +
                                last["answered"].get<std::string>());
}

int doctor(const settings::Config& config, bool as_json) {
    DoctorReport report;
    look_at_kernel(config, report);
    look_at_secure_boot(report);
    look_at_tpm(config, report);
    look_at_pcr_users(config, report);
    look_at_keyrings(config, report);
    look_at_service(config, report);
    look_at_verifier(config, report);
    return report.print(as_json);
}

}  // namespace

void add_doctor(CLI::App& app, Context& context) {
    CLI::App* doctor_command =
        app.add_subcommand("doctor", "Whether this host has what Keyscribe needs; exit 1 if not");
    const auto as_json = std::make_shared<bool>(false);
    doctor_command->add_flag("--json", *as_json, "as JSON");
    doctor_command->callback(with_config(
        context, [as_json](const settings::Config& config) { return doctor(config, *as_json); }));
}

}  // namespace keyscribe::cli
