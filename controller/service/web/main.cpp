// SPDX-License-Identifier: Apache-2.0
// keyscribe-verifier: the service that a fleet's hosts attest to, with its pages.
// ../verifier/README.md says how it works.
#include <cstdio>
#include <exception>

#include "controller/service/verifier/commands.h"
#include "controller/service/web/routes.h"

int main(int argc, char** argv) {
    try {
        const int status = keyscribe::verifier::run_verifier(argc, argv, keyscribe::web::routes);
        return std::fflush(stdout) == 0 && std::ferror(stdout) == 0 ? status : 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "keyscribe-verifier: %s\n", error.what());
        return 2;
    }
}
