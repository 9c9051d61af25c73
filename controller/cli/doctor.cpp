// SPDX-License-Identifier: Apache-2.0
// keyscribe doctor: whether this host has what Keyscribe needs.
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>

#include "controller/base/mapped_file.h"
#include "controller/cli/client.h"
#include "controller/cli/commands.h"
#include "controller/cli/unmeasured_keyrings.h"
#include "controller/host/capture/hook_plan.h"
#include "controller/host/capture/lockdown.h"
#include "controller/host/settings/policy_loader.h"
#include "controller/host/tpm/tpm.h"

namespace keyscribe::cli {
namespace {

/// Counts what is missing.
class Findings {
  public:
    void good(std::string_view what, const std::string& text) {
        fmt::print("ok    {:<10}{}\n", what, printable(text));
    }
    void bad(std::string_view what, const Error& error) {
        fmt::print("FAIL  {:<10}{}\n", what,
                   printable(error.where.empty() ? error.what : error.where + ": " + error.what));
        if (!error.hint.empty()) fmt::print("      {:<10}-> {}\n", "", printable(error.hint));
        ++failures_;
    }
    void note(std::string_view what, const std::string& text) {
        fmt::print("note  {:<10}{}\n", what, printable(text));
    }
    int exit_status() const { return failures_ == 0 ? 0 : 1; }

  private:
    int failures_ = 0;
};

std::string joined(const std::vector<std::string>& parts) {
    std::string text;
    for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
    return text;
}

void look_at_kernel(const settings::Config& config, Findings& findings) {
    const auto kernel = capture::probe_kernel();
    if (!kernel) return findings.bad("kernel", kernel.error());
    findings.good("kernel", kernel->release);
    if (const auto level = capture::check_lockdown(); !level)
        findings.bad("lockdown", level.error());
    else if (!level->empty())
        findings.good("lockdown", *level);
    if (kernel->btf) findings.good("BTF", "/sys/kernel/btf/vmlinux");
    if (kernel->active_lsms.empty())
        findings.note("LSMs", "/sys/kernel/security/lsm cannot be read: no LSM is relied on");
    else
        findings.good("LSMs", joined(kernel->active_lsms) +
                                  (kernel->bpf_lsm ? "" : " (without bpf: tracing is used)"));
    const auto plan = capture::plan_hooks(*kernel, config.capture.hook);
    if (!plan) return findings.bad("hook", plan.error());
    for (const capture::Hook& hook : *plan)
        findings.good("hook", hook.operations + ": " + hook.attach_point + ": " + hook.why);
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

void look_at_tpm_access(tpm::Tpm& tpm, Findings& findings) {
    const auto passwords = tpm.passwords();
    if (!passwords) return findings.bad("passwords", passwords.error());
    if (!passwords->owner)
        findings.note("owner",
                      "the owner hierarchy has no password: whoever reaches the TPM can "
                      "replace the attestation key; once it is made: tpm2_changeauth -c owner");
    if (!passwords->lockout)
        findings.note("lockout",
                      "the lockout hierarchy has no password: whoever reaches the TPM "
                      "can clear it: tpm2_changeauth -c lockout");
    const auto members = members_of(kTpmGroup);
    findings.note("access", members.empty()
                                ? "nobody but root reaches the TPM by group tss"
                                : "these reach the TPM by group tss: " + joined(members));
}

void look_at_tpm(const settings::Config& config, Findings& findings) {
    const unsigned pcr = config.tpm.pcr;
    auto tpm = tpm::Tpm::open(config.tpm.tcti);
    if (!tpm) return findings.bad("TPM", tpm.error());
    look_at_tpm_access(*tpm, findings);
    const auto description = tpm->description();
    if (!description) return findings.bad("TPM", description.error());
    findings.good("TPM", *description + " (" + config.tpm.tcti + ')');
    const auto banks = tpm->banks(pcr);
    if (!banks) return findings.bad("banks", banks.error());
    std::vector<std::string> names;
    for (const Algorithm bank : *banks) names.emplace_back(name_of(bank));
    findings.good("banks", joined(names));
    if (const auto unknown = tpm->unknown_banks(pcr); unknown && !unknown->empty())
        findings.note("banks", joined(*unknown) + ": left alone, nothing is measured in these");
    if (auto checked = tpm::check_pcr(pcr, config.tpm.force_resettable_pcr); !checked)
        return findings.bad("PCR", checked.error());
    const auto values = tpm->read_pcr(pcr, *banks);
    if (!values) return findings.bad("PCR", values.error());
    for (const auto& [bank, value] : *values)
        findings.good("PCR", fmt::format("{} {} {}", pcr, name_of(bank), to_hex(value)));
}

/// Keyrings of this kernel that the policy leaves out: a later kernel may have brought them.
void look_at_keyrings(const settings::Config& config, Findings& findings) {
    const auto loaded = settings::load_policy(config.policy.directory);
    if (!loaded || !*loaded) return;  // keyscribe policy check says what is wrong
    const auto keys = MappedFile::open("/proc/keys");
    if (!keys) return findings.note("keyrings", to_string(keys.error()));
    const auto unmeasured = unmeasured_keyrings(as_text(keys->bytes()), (*loaded)->policy);
    if (!unmeasured.empty()) findings.note("keyrings", "no rule measures " + joined(unmeasured));
}

void look_at_service(const settings::Config& config, Findings& findings) {
    if (::getgrnam(config.control.group.c_str()) == nullptr)
        findings.note("group", "there is no group " + config.control.group +
                                   ": only root can read list and status");
    const auto reply = request(config.control.socket, "GET", "/v1/status");
    if (reply)
        findings.good("service", "keyscribed answers");
    else
        findings.note("service", to_string(reply.error()));
}

int doctor(const settings::Config& config) {
    Findings findings;
    look_at_kernel(config, findings);
    look_at_tpm(config, findings);
    look_at_keyrings(config, findings);
    look_at_service(config, findings);
    return findings.exit_status();
}

}  // namespace

void add_doctor(CLI::App& app, Context& context) {
    app.add_subcommand("doctor", "Whether this host has what Keyscribe needs; exit 1 if not")
        ->callback(with_config(context, doctor));
}

}  // namespace keyscribe::cli
