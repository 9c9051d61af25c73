// SPDX-License-Identifier: Apache-2.0
// What several tests need: a folder of their own, files, other people's tools, a software TPM.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "controller/base/digest.h"
#include "controller/host/tpm/tpm.h"

namespace keyscribe::testing {

/// Of very many cases alike optimized code takes each. Where one takes ten to a hundred times as
/// long, unoptimized and under sanitizers, a test takes each 7th: odd, so that steps of that many
/// bits come past every bit of a byte.
#if defined(__OPTIMIZE__) && !defined(KEYSCRIBE_SANITIZED)
inline constexpr int kStep = 1;
#else
inline constexpr int kStep = 7;
#endif

class TempDir {
  public:
    TempDir() {
        std::string name = (std::filesystem::temp_directory_path() / "keyscribe-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = name;
    }
    ~TempDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    const std::filesystem::path& path() const { return path_; }
    operator const std::filesystem::path&() const { return path_; }
    std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

  private:
    std::filesystem::path path_;
};

inline std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path.string());
    return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_file(const std::filesystem::path& path, std::string_view text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(text.data(), static_cast<std::streamsize>(text.size()));
    if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

inline std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        lines.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return lines;
}

struct Output {
    int status = -1;   ///< exit status; -1: it did not exit by itself
    std::string text;  ///< stdout and stderr
};

inline Output run(const std::string& command) {
    Output output;
    std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    if (pipe == nullptr) throw std::runtime_error("popen");
    char buffer[4096];
    while (const std::size_t got = std::fread(buffer, 1, sizeof(buffer), pipe))
        output.text.append(buffer, got);
    const int status = ::pclose(pipe);
    if (WIFEXITED(status)) output.status = WEXITSTATUS(status);
    return output;
}

/// A software TPM of its own, freshly started: every PCR that an OS may use is zero. It serves one
/// connection at a time, so a Tpm must be gone before another program may ask.
class Swtpm {
  public:
    Swtpm() { start(); }
    ~Swtpm() { end(SIGTERM); }
    Swtpm(const Swtpm&) = delete;
    Swtpm& operator=(const Swtpm&) = delete;

    /// As a reset: the PCRs begin anew.
    void restart() {
        end(SIGKILL);
        std::filesystem::remove(socket());
        std::filesystem::remove(socket() + ".ctrl");
        start();
    }

    std::string tcti() const { return "swtpm:path=" + socket(); }

    /// Waits until it answers.
    tpm::Tpm open() const {
        const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        for (;;) {
            auto tpm = tpm::Tpm::open(tcti());
            if (tpm) return std::move(*tpm);
            if (std::chrono::steady_clock::now() > limit)
                throw std::runtime_error(to_string(tpm.error()));
            std::this_thread::yield();
        }
    }

    /// What tpm2-tools reads, in lower-case hex.
    std::string pcrread(unsigned pcr, Algorithm bank) const {
        const std::string number = std::to_string(pcr);
        const std::string selection = std::string(name_of(bank)) + ':' + number;
        const Output output = run("tpm2_pcrread -T " + tcti() + ' ' + selection);
        // "  sha256:" and "    13: 0xAB..."
        const std::size_t at = output.text.find("0x");
        if (output.status != 0 || at == std::string::npos)
            throw std::runtime_error("tpm2_pcrread: " + output.text);
        std::string hex;
        for (std::size_t i = at + 2; i < output.text.size() && std::isxdigit(output.text[i]); ++i)
            hex += static_cast<char>(std::tolower(output.text[i]));
        return hex;
    }

  private:
    void start() {
        const std::string state = "dir=" + directory_.path().string();
        const std::string server = "type=unixio,path=" + socket();
        const std::string control = "type=unixio,path=" + socket() + ".ctrl";
        // A test that crashes must not leave it behind.
        std::vector<std::string> words = {"setpriv",    "--pdeathsig",
                                          "TERM",       "swtpm",
                                          "socket",     "--tpm2",
                                          "--tpmstate", state,
                                          "--server",   server,
                                          "--ctrl",     control,
                                          "--flags",    "not-need-init,startup-clear"};
        std::vector<char*> arguments;
        for (std::string& word : words) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        for (const int fd : {STDOUT_FILENO, STDERR_FILENO})
            ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_WRONLY, 0);
        const int code =
            ::posix_spawnp(&pid_, "setpriv", &actions, nullptr, arguments.data(), environ);
        ::posix_spawn_file_actions_destroy(&actions);
        if (code != 0) throw std::runtime_error("cannot start swtpm");
        (void)open();
    }
    void end(int signal) {
        ::kill(pid_, signal);
        ::waitpid(pid_, nullptr, 0);
    }
    std::string socket() const { return (directory_ / "s.sock").string(); }
    TempDir directory_;
    pid_t pid_ = -1;
};

}  // namespace keyscribe::testing
