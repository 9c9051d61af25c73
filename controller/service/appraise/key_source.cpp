// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/key_source.h"

#include "controller/base/printable.h"

namespace keyscribe::appraise {
namespace {

/// The kernel fills these from its own image while it boots (certs/system_keyring.c).
bool is_of_image(std::string_view ring) { return ring == ".builtin_trusted_keys"; }

std::string by_list(const keyrings::KeyringModel& model, const keyrings::Link& link) {
    const std::string entry =
        link.since.entry == keyrings::kNone ? "" : ", entry " + std::to_string(link.since.entry);
    if (link.how == list::Operation::kBaseline)
        return is_of_image(model.key(link.keyring).description)
                   ? "kernel image (not compared with one)" + entry
                   : "no source known: there before the recording began" + entry;
    std::string line(list::name_of(link.how));
    if (link.actor) {
        const keyrings::Actor& actor = *link.actor;
        line += " by " + base::printable(actor.exe.empty() ? actor.comm : actor.exe, 128) +
                ", uid " + std::to_string(actor.uid);
    } else {
        line += ", by whom was not measured";
    }
    return line + entry;
}

}  // namespace

std::string source_line(const keyrings::KeyringModel& model, keyrings::LinkId link,
                        KeySource source) {
    switch (source) {
        case KeySource::kDb:
            return "firmware: db (PCR 7)";
        case KeySource::kMok:
            return "shim: MokListRT, the owner's (PCR 14)";
        case KeySource::kShim:
            return "shim: MokListRT, first list: its own certificate (PCR 14)";
        case KeySource::kDbx:
            return "firmware: dbx (PCR 7)";
        case KeySource::kMokX:
            return "shim: MokListXRT (PCR 14)";
        case KeySource::kKernelImage:
            return "kernel image that was booted (PCR 4, 9 or 11)";
        case KeySource::kNotOfKernel:
            return "not of the kernel image that was booted; " + by_list(model, model.link(link));
        case KeySource::kNotOfFirmware:
            return "not of the firmware; " + by_list(model, model.link(link));
        case KeySource::kList:
            break;
    }
    return by_list(model, model.link(link));
}

}  // namespace keyscribe::appraise
