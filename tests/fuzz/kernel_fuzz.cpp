// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as sources of reference values: kernels, packages, EFI programs, modules,
// signature lists, evidence. What is found lies in the input and is a certificate.
#include <cstdlib>

#include "controller/keyrings/certificate_view.h"
#include "controller/service/references/built_in.h"
#include "controller/service/references/golden_host.h"
#include "controller/service/references/kernel_image.h"
#include "controller/service/references/output.h"
#include "controller/service/references/pe_file.h"
#include "controller/service/references/source.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace kernel_fuzz {

using namespace keyscribe::references;
using keyscribe::Bytes;

void require(bool good) {
    if (!good) std::abort();
}

void check_run(Bytes image, const CertificateRun& run) {
    std::size_t at = run.offset;
    for (const Bytes der : run.certificates) {
        require(der.data() == image.data() + at && at + der.size() <= image.size());
        require(keyscribe::keyrings::view_certificate(der).has_value());
        at += der.size();
    }
}

void fuzz(const std::uint8_t* data, std::size_t size) {
    const Bytes input(data, size);
    // lzop(1) would be started for it.
    if (keyscribe::as_text(input).find("LZO") != std::string_view::npos) return;
    if (const auto built_in = find_built_in(input, "f")) {
        require(!built_in->trusted.certificates.empty());
        check_run(input, built_in->trusted);
        if (built_in->revoked) check_run(input, *built_in->revoked);
        for (const CertificateRun& run : built_in->others) check_run(input, run);
    }
    if (const auto pe = read_pe_file(input, "f")) {
        for (const PeSection& section : pe->sections)
            require(section.content.data() >= data &&
                    section.content.data() + section.content.size() <= data + size);
        for (const Bytes der : pe->signatures)
            require(der.data() >= data && der.data() + der.size() <= data + size);
    }
    Findings findings;
    if (const auto read = read_file_source(input, "f", findings)) {
        resolve_standing_keys(findings);
        for (const FoundCertificate& found : findings.certificates)
            require(keyscribe::keyrings::view_certificate(found.der).has_value());
        for (const KernelImage& image : findings.kernel_images)
            require(!image.certificates.empty());
        (void)to_text(findings, {});
        (void)to_json(findings, {}).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
        (void)blocked_keys(findings);
    } else {
        require(!read.error().what.empty());
    }
}

const testing::Fuzzer kFuzzer("kernel_fuzz", fuzz);

}  // namespace kernel_fuzz
}  // namespace keyscribe
