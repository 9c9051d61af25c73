// SPDX-License-Identifier: Apache-2.0
// Lists as a host could have measured them, judged as if a quote covered them. Bytes become entries
// with right digests, so that what the entries say is reached and not only how they are written;
// the same bytes are also taken as a list, and as evidence.
#include <cstdlib>

#include "controller/list/template_data.h"
#include "controller/service/appraise/appraise.h"
#include "controller/service/appraise/ima_list.h"
#include "controller/service/appraise/judge.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace appraise_fuzz {

using namespace keyscribe::appraise;

constexpr std::string_view kNames[] = {".ima",
                                       ".builtin_trusted_keys",
                                       ".secondary_trusted_keys",
                                       "staging",
                                       "keyscribe:start",
                                       "keyscribe:restart",
                                       "keyscribe:policy",
                                       "keyscribe:create",
                                       "keyscribe:link",
                                       "keyscribe:move",
                                       "keyscribe:unlink",
                                       "keyscribe:clear",
                                       "keyscribe:revoke",
                                       "keyscribe:destroy",
                                       "keyscribe:baseline",
                                       "keyscribe:batch",
                                       "keyscribe:foreign",
                                       "keyscribe:baseline-begin",
                                       "keyscribe:baseline-end",
                                       "keyscribe:loss",
                                       "keyscribe:detached"};

void put(std::vector<std::uint8_t>& list, std::uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8)
        list.push_back(static_cast<std::uint8_t>(value >> shift));
}

/// [kind][size][bytes]...: kinds beyond the names are the kernel's templates.
std::vector<std::uint8_t> list_of(Bytes input, unsigned pcr) {
    std::vector<std::uint8_t> list;
    while (input.size() >= 3) {
        const std::size_t kind = input[0],
                          size = std::min<std::size_t>(input[1] | input[2] << 8, input.size() - 3);
        const Bytes payload = input.subspan(3, size);
        input = input.subspan(3 + size);
        auto data = list::encode_ima_buf(kNames[kind % std::size(kNames)], payload);
        std::string_view name = "ima-buf";
        if (kind >= 200) name = "ima-sig";
        if (kind == 255) {
            data = list::encode_ima_ng(Algorithm::kSha256, filled(Algorithm::kSha256, 1),
                                       "boot_aggregate");
            name = "ima-ng";
        }
        const auto digest = hash(Algorithm::kSha1, data);
        put(list, pcr);
        list.insert(list.end(), digest.bytes.begin(), digest.bytes.begin() + 20);
        put(list, static_cast<std::uint32_t>(name.size()));
        list.insert(list.end(), name.begin(), name.end());
        put(list, static_cast<std::uint32_t>(data.size()));
        list.insert(list.end(), data.begin(), data.end());
    }
    return list;
}

void judge(Bytes list, unsigned pcr) {
    static const Basis basis;
    const PcrBanks zeros = {{Algorithm::kSha256, filled(Algorithm::kSha256, 0)}};
    const PcrBanks never = {{Algorithm::kSha256, filled(Algorithm::kSha256, 0xee)}};
    ListPass pass{.list = list, .pcr = pcr, .start = zeros, .quoted = never};
    Findings findings;
    Judge judge(basis.policy, basis.references, basis.blocked_keys, 1'000'000'000, nullptr,
                findings);
    judge.set_list({}, list);
    const auto all = run(pass, [&](const HashedEntry& entry, PcrBanks&) {
        if (entry.fields && !entry.violation)
            judge.entry(entry.number, entry.entry, *entry.fields, 0);
    });
    if (all.reached || all.bytes > list.size()) std::abort();
    const evidence::Evidence nothing;
    const FirmwareCheck firmware(nothing, basis.policy, findings);
    judge.finish(FirmwareKeys(firmware, basis.policy, nullptr, findings));
    ImaJudge ima(basis.policy, judge.keys(), basis.blocked_files, pass, findings);
    pass.quoted = all.values;
    pass.threads = 2;
    const auto again =
        run(pass, [&](const HashedEntry& entry, PcrBanks&) { ima.entry(entry, false); });
    if (!again.reached) std::abort();
    for (const Finding& finding : findings.take())
        if (finding.sentence.empty()) std::abort();
}

void fuzz(const std::uint8_t* data, std::size_t size) {
    static const Basis basis;
    const Bytes input(data, size);
    const auto list = list_of(input, 13);
    judge(list, 13);
    judge(input, 13);
    if (appraise::appraise({.evidence = input}, basis).verdict != Verdict::kUnusable) std::abort();
}

const testing::Fuzzer kFuzzer("appraise_fuzz", fuzz);

}  // namespace appraise_fuzz
}  // namespace keyscribe
