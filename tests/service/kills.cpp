// SPDX-License-Identifier: Apache-2.0
// verifier-kills VERIFIER KILLS [SEED]: three processes of keyscribe-verifier on one PostgreSQL,
// simulated hosts that attest to them without a pause, and kill -9 of any of these processes, of
// PostgreSQL, and of all connections. Then it counts: every answer that a host saw is in the
// database, every verdict changed as often as the hosts did, and each message was received.
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>

#include <atomic>
#include <cstdio>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "controller/base/base64.h"
#include "tests/service/proxy.h"
#include "tests/service/webhook_receiver.h"
#include "tests/support/databases.h"
#include "tests/support/setting.h"
#include "tests/support/verifier_process.h"

namespace {

namespace fs = std::filesystem;
using namespace keyscribe::testing;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr unsigned kProcesses = 3, kThreads = 4, kHostsEach = 4, kSilentHosts = 3;
constexpr unsigned kVisitsBetween = 10;  // that are answered between two kills
constexpr std::chrono::seconds kPatience{240};

std::atomic<unsigned> faults = 0;

void fault(const std::string& what) {
    ++faults;
    std::fprintf(stderr, "verifier-kills: %s\n", what.c_str());
}

template <class Condition>
bool wait_for(const Condition& condition) {
    const auto end = Clock::now() + kPatience;
    while (!condition()) {
        if (Clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
}

/// A host, and what the database must have of it.
struct Simulated {
    FleetHost host;
    std::string id;
    std::string verdict = "none";  ///< that the next answer must have
    unsigned turns = 0;            ///< how often its verdict changed
    bool whole = true;             ///< its list began anew since it was answered
    std::set<std::string> rogues;  ///< fingerprints of the keys that only it had
};

/// As somebody reads who is not the verifier. Nothing while PostgreSQL is down.
class Auditor {
  public:
    explicit Auditor(std::string url) : url_(std::move(url)) {}

    template <class Read>
    bool read(const Read& read) {
        try {
            if (!session_) session_ = std::make_unique<soci::session>(soci::postgresql, url_);
            read(*session_);
            return true;
        } catch (const std::exception&) {
            session_.reset();
            return false;
        }
    }

  private:
    std::string url_;
    std::unique_ptr<soci::session> session_;
};

class Load {
  public:
    Load(std::string url, std::vector<unsigned> ports, std::deque<Simulated>& hosts)
        : url_(std::move(url)), ports_(std::move(ports)), hosts_(hosts) {}

    void start() {
        for (unsigned thread = 0; thread < kThreads; ++thread)
            threads_.emplace_back([this, thread] { run(thread); });
    }
    /// Every host is answered once more, for all that it did.
    void finish() {
        ends_ = true;
        threads_.clear();
    }
    unsigned answered() const { return answered_; }
    unsigned failed() const { return failed_; }
    unsigned compared() const { return compared_; }
    std::string last_failure() const {
        const std::lock_guard lock(mutex_);
        return last_failure_;
    }

  private:
    void run(unsigned thread) {
        std::minstd_rand random(thread + 1);
        Auditor auditor(url_);
        std::unique_ptr<HttpsClient> client;
        for (std::size_t at = 0; !ends_ && faults == 0; ++at) {
            Simulated& one = hosts_[thread * kHostsEach + at % kHostsEach];
            // The verdict turns at each fourth visit; what was not answered is repeated.
            if (random() % 4 == 0 && !one.whole) turn(one);
            // Not even when it ends: what a host did is to be counted.
            while (faults == 0 && !try_visit(one, client, auditor, random)) continue;
        }
    }
    void turn(Simulated& one) {
        ++one.turns;
        if (one.verdict == "affirmed") {
            const Buffer rogue = keyscribe::testing::rogue(one.host.host, one.host.name);
            one.rogues.insert(keyscribe::to_hex(keyscribe::sha256(rogue)));
            one.host.host.key(".ima", rogue, 301, "Rogue: 22");
            one.verdict = "contraindicated";
        } else {
            one.host.reboot();
            one.whole = true;
            one.host.host.good();
            one.verdict = "affirmed";
        }
    }
    /// Whether it was answered.
    bool try_visit(Simulated& one, std::unique_ptr<HttpsClient>& client, Auditor& auditor,
                   std::minstd_rand& random) {
        try {
            if (!client || random() % 8 == 0)
                client = std::make_unique<HttpsClient>(ports_[random() % ports_.size()]);
            return judge(one, visit_by_http(one.host, one.id, *client, one.whole), auditor);
        } catch (const std::exception& error) {
            failed(error.what());
            client.reset();
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
            return false;
        }
    }
    void failed(const std::string& why) {
        ++failed_;
        const std::lock_guard lock(mutex_);
        last_failure_ = why;
    }
    bool judge(Simulated& one, const VisitAnswer& visit, Auditor& auditor) {
        const unsigned status = visit.answer.status;
        // What was sent before, and was not answered, may be taken between a session and its
        // evidence.
        const bool overtaken = status == 409 && visit.answer.body.contains("problem:since");
        if (status == 503 || status == 429 || overtaken) {
            failed(visit.answer.body);
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            return false;
        }
        if (status != 200) {
            fault(one.host.name + " was answered " + std::to_string(status) + ' ' +
                  visit.answer.body);
            return false;
        }
        ++answered_;
        one.whole = false;
        if (verdict_of(visit.answer) != one.verdict)
            fault(one.host.name + " is " + one.verdict + ", and was answered " +
                  verdict_of(visit.answer));
        std::string nonce, verdict;
        if (auditor.read([&](soci::session& session) {
                session << "select last_nonce, verdict from hosts where id = :id",
                    soci::use(one.id), soci::into(nonce), soci::into(verdict);
            })) {
            ++compared_;
            if (nonce != visit.nonce || verdict != one.verdict)
                fault(one.host.name + ": the database has not what was answered");
        }
        return true;
    }
    static std::string verdict_of(const HttpAnswer& answer) {
        const std::string jwt = json::parse(answer.body)["result"];
        const auto begin = jwt.find('.') + 1;
        const auto claims =
            keyscribe::from_base64url(jwt.substr(begin, jwt.rfind('.') - begin)).value();
        const json ear = json::parse(claims)["submods"]["keyscribe"];
        return ear["ear_status"] == "affirming" ? "affirmed" : ear["ear_status"].get<std::string>();
    }

    std::string url_;
    std::vector<unsigned> ports_;
    std::deque<Simulated>& hosts_;
    std::atomic<bool> ends_ = false;
    std::atomic<unsigned> answered_ = 0, failed_ = 0, compared_ = 0;
    mutable std::mutex mutex_;
    std::string last_failure_;
    std::vector<std::jthread> threads_;
};

struct Change {
    long long number = 0;
    std::string host, kind, former, latter;
};

std::vector<Change> read_changes(Auditor& auditor) {
    std::vector<Change> all;
    auditor.read([&](soci::session& session) {
        Change one;
        soci::statement select =
            (session.prepare
                 << "select number, host, kind, former, latter from changes order by number",
             soci::into(one.number), soci::into(one.host), soci::into(one.kind),
             soci::into(one.former), soci::into(one.latter));
        for (select.execute(); select.fetch();) all.push_back(one);
    });
    return all;
}

void count_verdicts(const Simulated& one, const std::vector<Change>& changes, Auditor& auditor) {
    std::string last = "none", silence = "heard", kept;
    unsigned turns = 0;
    for (const Change& change : changes) {
        if (change.host != one.id) continue;
        if (change.kind == "verdict") {
            if (change.former != last || change.latter == last)
                fault(one.host.name + ": a verdict that was " + last + " changed from " +
                      change.former + " to " + change.latter);
            last = change.latter;
            ++turns;
        } else if (change.kind == "silent" || change.kind == "heard") {
            if (change.kind == silence) fault(one.host.name + ": twice " + silence);
            silence = change.kind;
        }
    }
    if (turns != one.turns || last != one.verdict)
        fault(one.host.name + ": " + std::to_string(turns) + " verdicts, the last " + last +
              "; it had " + std::to_string(one.turns) + ", the last " + one.verdict);
    auditor.read([&](soci::session& session) {
        session << "select verdict from hosts where id = :id", soci::use(one.id), soci::into(kept);
    });
    if (kept != one.verdict) fault(one.host.name + " is kept as " + kept);
}

/// Each change is a message that was received, and each message a change.
void count_messages(const std::vector<Change>& changes, const WebhookReceiver::Received& got) {
    std::set<long long> numbers;
    for (const Change& change : changes) {
        numbers.insert(change.number);
        const auto found = got.events.find(change.number);
        const std::string type = "org.keyscribe.host." + change.kind;
        if (found == got.events.end())
            fault("message " + std::to_string(change.number) + " was lost: " + type);
        else if (found->second["type"] != type || found->second["subject"] != change.host ||
                 found->second["data"]["latter"] != change.latter)
            fault("message " + std::to_string(change.number) + " is not the change's");
    }
    for (const auto& [number, event] : got.events)
        if (!numbers.contains(number))
            fault("message " + std::to_string(number) + " is of no change");
    if (!got.in_order) fault("messages were not in order");
}

void count_keys(const std::deque<Simulated>& hosts, const std::vector<Change>& changes) {
    std::map<std::string, unsigned> told;
    for (const Change& change : changes)
        if (change.kind == "key") ++told[change.latter];
    for (const Simulated& one : hosts)
        for (const std::string& rogue : one.rogues)
            if (told[rogue] != 1)
                fault(one.host.name + ": a new key was told " + std::to_string(told[rogue]) +
                      " times");
}

class Trial {
  public:
    Trial(std::string program, unsigned kills, unsigned seed)
        : program_(std::move(program)), kills_(kills), seed_(seed), random_(seed) {}

    int run() {
        prepare();
        std::vector<unsigned> ports;
        for (const auto& proxy : to_verifiers_) ports.push_back(proxy->port());
        Load load(url_, ports, hosts_);
        load.start();
        const auto began = Clock::now();
        for (unsigned i = 0; i < kills_ && faults == 0; ++i) {
            const unsigned before = load.answered();
            kill_something();
            if (!wait_for(
                    [&] { return faults != 0 || load.answered() >= before + kVisitsBetween; }))
                fault("no answers after kill " + std::to_string(i) + ": " +
                      std::to_string(load.answered() - before) + " answered since, " +
                      std::to_string(load.failed()) + " not, the last: " + load.last_failure());
        }
        load.finish();
        const std::chrono::duration<double> lasted = Clock::now() - began;
        count();
        const auto got = receiver_.received();
        std::printf("%u kills in %.0f s (", kills_, lasted.count());
        for (const auto& [what, times] : done_) std::printf("%s %u, ", what.c_str(), times);
        std::printf(
            "seed %u): %u visits answered, %u compared with the database, %u not answered; "
            "%zu messages received, %zu of them again, %zu refused; %u faults\n",
            seed_, load.answered(), load.compared(), load.failed(), got.events.size(), got.repeated,
            got.refused, faults.load());
        return faults == 0 ? 0 : 1;
    }
    ~Trial() {
        verifiers_.clear();
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }

  private:
    void prepare() {
        std::string pattern = (fs::temp_directory_path() / "keyscribe-kills-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
        url_ = new_database(Engine::kPostgres);
        // "postgresql:///NAME?host=FOLDER&user=NAME"
        const auto host = url_.find("host=") + 5;
        const auto end = url_.find('&', host);
        const std::string socket = "/.s.PGSQL.5432";
        to_database_ =
            Proxy::of_socket(folder_.string() + socket, url_.substr(host, end - host) + socket);
        const std::string settings =
            "store.url = \"" + url_.substr(0, host) + folder_.string() + url_.substr(end) +
            "\"\nwebhook.urls = [\"" + receiver_.url() +
            "\"]\nenrol.known_by_token = true\nattest.interval = 10\nattest.silent_after = 20\n"
            "log.level = \"error\"\n";
        // Below the ports that connections get from the kernel.
        const unsigned first = 20000 + static_cast<unsigned>(::getpid() % 1000) * 10;
        for (unsigned i = 0; i < kProcesses; ++i) {
            verifiers_.emplace_back(program_, folder_, first + i, settings);
            verifiers_.back().start();
            verifiers_.back().wait_until_it_serves();
            to_verifiers_.push_back(Proxy::of_port(first + i));
        }
        HttpsClient client(first);
        const std::string token = verifiers_[0].enrolment_token();
        for (unsigned i = 0; i < kThreads * kHostsEach + kSilentHosts; ++i) {
            Simulated& one = hosts_.emplace_back(
                Simulated{.host = FleetHost("host-" + std::to_string(i), true)});
            one.host.host.builtin = hosts_[0].host.host.builtin;
            one.host.host.ima = hosts_[0].host.host.ima;
            one.host.host.good();
            one.id = enrol_by_http(one.host, client, token);
            one.verdict = "affirmed";
            one.turns = 1;
        }
        for (const Buffer* file : {&hosts_[0].host.host.builtin, &hosts_[0].host.host.ima}) {
            const json reference = {{"group", "default"},
                                    {"name", "of " + std::to_string(file->size()) + " bytes.der"},
                                    {"content", keyscribe::to_base64(*file)}};
            const auto added = client.send("POST", "/v1/references", reference.dump(),
                                           "application/json", verifiers_[0].operator_token());
            if (added.status != 201) throw std::runtime_error(added.body);
        }
        // The last ones are heard of once.
        for (unsigned i = kThreads * kHostsEach; i < hosts_.size(); ++i)
            if (const auto visit = visit_by_http(hosts_[i].host, hosts_[i].id, client);
                visit.answer.status != 200)
                throw std::runtime_error(visit.answer.body);
    }

    /// Whether the first verifier's metrics have that; no where it does not answer.
    bool is_in_metrics(const std::string& sample) const {
        try {
            HttpsClient client(verifiers_[0].port());
            return client.send("GET", "/metrics", {}, {}, verifiers_[0].operator_token())
                .body.contains("keyscribe_verifier_" + sample + '\n');
        } catch (const std::exception&) {
            return false;
        }
    }

    void kill_something() {
        const unsigned choice = random_() % 100;
        if (choice < 50) {
            ++done_["verifier"];
            VerifierProcess& one = verifiers_[random_() % kProcesses];
            if (one.has_ended()) fault("a verifier ended by itself");
            one.kill(SIGKILL);
            one.start();
        } else if (choice < 75) {
            const bool immediate = choice < 60;
            ++done_[immediate ? "PostgreSQL, immediate" : "PostgreSQL"];
            const bool metrics = is_in_metrics("store_up 1");
            kill_postgres(immediate ? SIGQUIT : SIGKILL);
            if (metrics && !is_in_metrics("store_up 0"))
                fault("the metrics do not say that the database is away");
            start_postgres();
        } else if (choice < 87) {
            ++done_["connections of the database"];
            to_database_->cut();
        } else {
            ++done_["connections of hosts"];
            for (const auto& proxy : to_verifiers_) proxy->cut();
        }
    }

    void count() {
        Auditor auditor(url_);
        const auto silent = [&] {
            long long told = 0;
            auditor.read([&](soci::session& session) {
                session << "select count(*) from hosts where silent = 1", soci::into(told);
            });
            return told >= kSilentHosts;
        };
        if (!wait_for(silent)) fault("hosts that were heard of once are not silent");
        // The hosts that attested fall silent, too, and that is told: until nothing is left to
        // tell.
        const auto all_sent = [&] {
            long long waiting = 1;
            auditor.read([&](soci::session& session) {
                session << "select count(*) from outbox", soci::into(waiting);
            });
            return waiting == 0;
        };
        if (!wait_for(all_sent)) fault("messages are left in the outbox");
        for (VerifierProcess& verifier : verifiers_) {
            if (verifier.has_ended()) fault("a verifier ended by itself");
            verifier.kill(SIGKILL);
        }
        std::vector<Change> changes = read_changes(auditor);
        // What was told since is in the outbox.
        std::set<long long> unsent;
        auditor.read([&](soci::session& session) {
            std::string event;
            soci::statement select =
                (session.prepare << "select event from outbox", soci::into(event));
            for (select.execute(); select.fetch();)
                unsent.insert(std::stoll(json::parse(event)["id"].get<std::string>()));
        });
        auto got = receiver_.received();
        for (const Simulated& one : hosts_) count_verdicts(one, changes, auditor);
        count_keys(hosts_, changes);
        std::erase_if(changes, [&](const Change& one) {
            return unsent.contains(one.number) && !got.events.contains(one.number);
        });
        count_messages(changes, got);
    }

    std::string program_, url_;
    unsigned kills_, seed_;
    std::minstd_rand random_;
    fs::path folder_;
    WebhookReceiver receiver_;
    std::unique_ptr<Proxy> to_database_;
    std::deque<VerifierProcess> verifiers_;
    std::vector<std::unique_ptr<Proxy>> to_verifiers_;
    std::deque<Simulated> hosts_;
    std::map<std::string, unsigned> done_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: verifier-kills VERIFIER KILLS [SEED]\n");
        return 2;
    }
    try {
        const auto seed =
            argc > 3 ? static_cast<unsigned>(std::atoi(argv[3])) : std::random_device()();
        return Trial(argv[1], static_cast<unsigned>(std::atoi(argv[2])), seed).run();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "verifier-kills: %s\n", error.what());
        return 1;
    }
}
