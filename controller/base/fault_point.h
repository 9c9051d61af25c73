// SPDX-License-Identifier: Apache-2.0
// Points at which the tests have the daemon die. Built only with KEYSCRIBE_FAULT_POINTS; else they
// are nothing at all.
#pragma once

#ifdef KEYSCRIBE_FAULT_POINTS
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#endif

namespace keyscribe::base {

/// The file "fault" in $KEYSCRIBE_FAULTS has a point's name and how many times it is still passed:
/// "after-extend 3". At the point itself the process is killed as by kill -9, and the file is
/// renamed to "fault.done" first, so that the next daemon lives.
inline void fault_point([[maybe_unused]] const char* name) {
#ifdef KEYSCRIBE_FAULT_POINTS
    static const char* const directory = std::getenv("KEYSCRIBE_FAULTS");
    if (directory == nullptr) return;
    static unsigned passed = 0;
    const std::string file = std::string(directory) + "/fault";
    if (::access(file.c_str(), F_OK) != 0) return;
    std::string wanted;
    unsigned times = 0;
    std::ifstream(file) >> wanted >> times;
    if (wanted != name || passed++ < times) return;
    std::rename(file.c_str(), (file + ".done").c_str());
    ::kill(::getpid(), SIGKILL);
#endif
}

}  // namespace keyscribe::base
