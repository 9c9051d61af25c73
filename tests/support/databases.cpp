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
pid_t spawn(const std::vector<std::string>& command) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getuid() == 0) {
        const passwd* user = ::getpwnam("postgres");
        if (user == nullptr || ::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 ||
            ::setuid(user->pw_uid) != 0)
            ::_exit(126);
    }
    const int log = ::open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(log, 1);
    ::dup2(log, 2);
    std::vector<char*> arguments;
    for (const std::string& one : command) arguments.push_back(const_cast<char*>(one.c_str()));
    arguments.push_back(nullptr);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
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
        const fs::path here = fs::current_path();
        fs::current_path(folder_);
        // Without fsync: what kill -9 leaves in the page cache is as good as on the disk.
        process_ = spawn({(programs() / "postgres").string(), "-D", (folder_ / "data").string(),
                          "-k", folder_.string(), "-c", "listen_addresses=", "-c", "fsync=off",
                          "-c", "max_connections=200"});
        fs::current_path(here);
        while (run("pg_isready", {"-q", "-h", folder_}) != 0)
            ASSERT_EQ(::waitpid(process_, nullptr, WNOHANG), 0) << "postgres ended: see its log";
    }

    void kill() {
        ::kill(process_, SIGKILL);
        finish(process_);
        // Its children notice, and end by themselves; the next one starts when they are gone.
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
        const fs::path here = fs::current_path();
        fs::current_path(folder_);
        const int status = finish(spawn(arguments));
        fs::current_path(here);
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

void kill_postgres() { Postgres::instance().kill(); }
void start_postgres() { Postgres::instance().start(); }

}  // namespace keyscribe::testing
