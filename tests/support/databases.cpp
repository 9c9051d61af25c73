// SPDX-License-Identifier: Apache-2.0
#include "tests/support/databases.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

namespace keyscribe::testing {
namespace {

namespace fs = std::filesystem;

/// The newest of Debian's.
fs::path programs() {
    fs::path newest;
    for (const auto& version : fs::directory_iterator("/usr/lib/postgresql"))
        newest = std::max(newest, version.path() / "bin");
    return newest;
}

/// PostgreSQL does not run as root: its own user takes root's place.
pid_t spawn(const fs::path& folder, const std::vector<std::string>& command) {
    // All that takes memory comes before fork(): other threads may hold the allocator's lock.
    std::vector<char*> arguments;
    for (const std::string& one : command) arguments.push_back(const_cast<char*>(one.c_str()));
    arguments.push_back(nullptr);
    const bool is_root = ::getuid() == 0;
    const passwd* user = is_root ? ::getpwnam("postgres") : nullptr;
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (is_root && (user == nullptr || ::setgroups(0, nullptr) != 0 ||
                    ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0))
        ::_exit(126);
    if (::chdir(folder.c_str()) != 0) ::_exit(125);
    const int log = ::open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(log, 1);
    ::dup2(log, 2);
    // Sockets of the test's, which would stay open in it when the test closes them.
    ::close_range(3, ~0u, 0);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
}

struct ProcessState {
    char state = 0;  ///< 0: it is gone
    pid_t parent = 0;
};

ProcessState state_of(const fs::path& process) {
    std::ifstream file(process / "stat");
    std::string text;
    ProcessState found;
    // proc(5): behind the name in parentheses.
    if (std::getline(file, text))
        std::istringstream(text.substr(text.rfind(')') + 1)) >> found.state >> found.parent;
    return found;
}

std::vector<pid_t> children_of(pid_t parent) {
    std::vector<pid_t> children;
    for (const auto& entry : fs::directory_iterator("/proc"))
        if (const pid_t id = std::atoi(entry.path().filename().c_str());
            id > 0 && state_of(entry.path()).parent == parent)
            children.push_back(id);
    return children;
}

/// Gone, or a zombie that nobody waited for.
bool has_ended(pid_t process) {
    const char state = state_of("/proc/" + std::to_string(process)).state;
    return state == 0 || state == 'Z';
}

int finish(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

class Postgres {
  public:
    static Postgres& instance() {
        static Postgres one;
        return one;
    }

    std::string new_database() {
        const std::string name = "test" + std::to_string(++count_);
        EXPECT_EQ(run("createdb", {"-h", folder_, name}), 0);
        return "postgresql:///" + name + "?host=" + folder_.string() + "&user=" + user();
    }

    void start() {
        // Without fsync: what kill -9 leaves in the page cache is as good as on the disk.
        process_ =
            spawn(folder_, {(programs() / "postgres").string(), "-D", (folder_ / "data").string(),
                            "-k", folder_.string(), "-c", "listen_addresses=", "-c", "fsync=off",
                            "-c", "max_connections=200"});
        while (run("pg_isready", {"-q", "-h", folder_}) != 0)
            ASSERT_EQ(::waitpid(process_, nullptr, WNOHANG), 0) << "postgres ended: see its log";
    }

    void kill(int signal) {
        std::vector<pid_t> children;
        if (signal == SIGKILL) {
            // It starts none while it stands still.
            ::kill(process_, SIGSTOP);
            children = children_of(process_);
        }
        ::kill(process_, signal);
        for (const pid_t child : children) ::kill(child, SIGKILL);
        finish(process_);
        // The next one does not start before the last of them is gone.
        for (const pid_t child : children)
            while (!has_ended(child)) std::this_thread::yield();
    }

  private:
    Postgres() {
        std::string pattern = (fs::temp_directory_path() / "keyscribe-postgres-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
        const passwd* user = ::getpwnam("postgres");
        if (::getuid() == 0 && user != nullptr) {
            EXPECT_EQ(::chown(folder_.c_str(), user->pw_uid, user->pw_gid), 0);
        }
        EXPECT_EQ(run("initdb",
                      {"-D", folder_ / "data", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"}),
                  0);
        start();
    }
    ~Postgres() {
        ::kill(process_, SIGQUIT);
        finish(process_);
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }

    static std::string user() {
        return ::getuid() == 0 ? "postgres" : ::getpwuid(::getuid())->pw_name;
    }

    int run(const std::string& program, std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), (programs() / program).string());
        const int status = finish(spawn(folder_, arguments));
        EXPECT_TRUE(status == 0 || program == "pg_isready")
            << program << ": " << std::ifstream(folder_ / "log").rdbuf();
        return status;
    }

    fs::path folder_;
    pid_t process_ = 0;
    unsigned count_ = 0;
};

}  // namespace

std::string name_of(Engine engine) { return engine == Engine::kSqlite ? "Sqlite" : "Postgres"; }

std::string new_database(Engine engine) {
    if (engine == Engine::kPostgres) return Postgres::instance().new_database();
    static const fs::path folder = [] {
        std::string pattern = (fs::temp_directory_path() / "keyscribe-sqlite-XXXXXX").string();
        return fs::path(::mkdtemp(pattern.data()));
    }();
    static unsigned count = 0;
    static const struct Cleaner {
        ~Cleaner() {
            std::error_code ignored;
            fs::remove_all(folder, ignored);
        }
    } cleaner;
    return "sqlite:" + (folder / (std::to_string(++count) + ".db")).string();
}

void kill_postgres(int signal) { Postgres::instance().kill(signal); }
void start_postgres() { Postgres::instance().start(); }

}  // namespace keyscribe::testing
