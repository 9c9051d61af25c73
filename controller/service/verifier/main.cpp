// SPDX-License-Identifier: Apache-2.0
// keyscribe-verifier: the service that a fleet's hosts attest to. README.md says how it works.
#include <cstdio>
#include <exception>

#include "controller/service/verifier/commands.h"

int main(int argc, char** argv) {
    try {
        const int status = keyscribe::verifier::run_verifier(
            argc, argv, [](auto&) { return std::vector<keyscribe::verifier::Route>(); });
        return std::fflush(stdout) == 0 && std::ferror(stdout) == 0 ? status : 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "keyscribe-verifier: %s\n", error.what());
        return 2;
    }
}
