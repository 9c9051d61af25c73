// SPDX-License-Identifier: Apache-2.0
// List and spool outlive somebody who removes their folder and kills the daemon: systemd keeps
// descriptors of them for the next process (FileDescriptorStoreMax= of systemd.service(5)), from
// the moment on at which they are there until the service is stopped.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>

#include "controller/base/error.h"

namespace keyscribe::daemon {

class StoredFiles {
  public:
    /// `directory`: the list's.
    explicit StoredFiles(std::filesystem::path directory) : directory_(std::move(directory)) {}

    /// Before anything reads the folder: puts those files back that are gone, from what the former
    /// process of this service stored. Error: one could not be put back.
    Result<void> put_back();
    /// Stores those that are others than the ones stored last. Where no systemd started this, and
    /// where nothing changed, it does nothing; then it costs three stat(2).
    void look_after();

  private:
    std::filesystem::path directory_;
    std::map<std::string, ino_t> stored_;  // by the file's name
};

}  // namespace keyscribe::daemon
