// SPDX-License-Identifier: Apache-2.0
// What a service does with the library: service REFERENCE-VALUES AK.pem EVIDENCE NONCE
#include <keyscribe/appraise.h>
#include <keyscribe/digest.h>
#include <keyscribe/mapped_file.h>

#include <ctime>
#include <iostream>

int main(int, char** arguments) {
    using namespace keyscribe;
    appraise::Basis parts;
    parts.references = appraise::ReferenceValues::load(arguments[1]).value();
    const appraise::Basis basis = appraise::complete(std::move(parts)).value();
    const auto pem = MappedFile::open(arguments[2]).value();
    const auto key = appraise::AttestationKey::from_pem(
        {reinterpret_cast<const char*>(pem.bytes().data()), pem.bytes().size()});
    const auto file = MappedFile::open(arguments[3]).value();
    const auto nonce = from_hex(arguments[4]).value();
    const appraise::Appraisal result = appraise::appraise(
        {.evidence = file.bytes(), .nonce = nonce, .keys = {&*key, 1}, .now = std::time(nullptr)},
        basis);
    std::cout << appraise::to_json(result, arguments[3]) << '\n';
    return static_cast<int>(result.verdict);
}
