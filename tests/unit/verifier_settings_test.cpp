// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "controller/service/verifier/settings.h"
#include "support.h"

namespace keyscribe::verifier {
namespace verifier_settings_test {

std::string refused(const std::string& text) {
    const auto settings = parse_settings(text, "v.toml");
    return settings ? std::string("accepted") : to_string(settings.error());
}

TEST(VerifierSettings, ShippedFileHasEverySettingWithItsDefault) {
    const std::string text = testing::read_file(std::string(FIXTURES) +
                                                "/../../controller/service/verifier/verifier.toml");
    std::string effective;
    for (const std::string& line : testing::lines_of(text)) {
        // "# name = value": a setting; "# text": a remark.
        const bool setting = line.starts_with("#") && !line.starts_with("# ");
        effective += (setting ? line.substr(1) : line) + '\n';
    }
    const auto settings = parse_settings(effective, "verifier.toml");
    ASSERT_TRUE(settings) << to_string(settings.error());
    const Settings defaults;
    EXPECT_EQ(settings->limits.body, defaults.limits.body);
    EXPECT_EQ(settings->limits.connections, defaults.limits.connections);
    EXPECT_EQ(settings->attest.silent_after, defaults.attest.silent_after);
    EXPECT_EQ(settings->listen.port, defaults.listen.port);
}

TEST(VerifierSettings, AWrongOneIsToldWithFileAndLine) {
    EXPECT_EQ(refused("[store]\nurl = 5\n"),
              "v.toml:2:7: bad value for 'store.url' (expected a text in quotes)");
    EXPECT_EQ(refused("[listen]\n\nadress = \"x\"\n"),
              "v.toml:3:1: unknown setting 'listen.adress' (did you mean 'address'?)");
    EXPECT_EQ(refused("[sotre]\n"),
              "v.toml:1:2: unknown section or setting 'sotre' (did you mean 'store'?)");
    EXPECT_EQ(refused("[listen]\nport = 70000\n"),
              "v.toml:2:8: bad value for 'listen.port' (expected a number from 0 to 65535)");
    EXPECT_EQ(
        refused("[limits]\nbody = \"2 TiB\"\n"),
        "v.toml:2:8: bad value for 'limits.body' (expected a size from 64 KiB to 1024 MiB, as "
        "in \"8 MiB\")");
    EXPECT_EQ(refused("[webhook]\nurls = [\"ftp://x\"]\n"),
              "v.toml:2:8: bad value for 'webhook.urls' (expected a list of addresses as "
              "\"https://host/path\", without a user, a fragment or blanks)");
    EXPECT_EQ(refused("[attest]\ninterval = 600\nsilent_after = 700\n"),
              "v.toml:3: silent_after must be at least twice the interval: one lost visit "
              "is no silence");
    EXPECT_EQ(refused("[tls]\nkey = \"/k\"\n"), "v.toml:2: certificate and key belong together");
    EXPECT_EQ(refused("[listen]\naddress = \"verifier.example\"\n"),
              "v.toml:2:11: bad value for 'listen.address' (expected an address of this machine, "
              "as in \"::\" and \"127.0.0.1\")");
    EXPECT_EQ(refused("[store]\nurl = \"mysql://x\"\n"),
              "v.toml:2:7: bad value for 'store.url' (expected \"sqlite:PATH\" or "
              "\"postgresql://...\")");
    for (const char* url : {"https://", "https://user:pass@x/", "https://x:0/", "https://x:y/",
                            "https://x/ y", "https://x/#a", "http://[::1", "https:///x"})
        EXPECT_NE(refused("[webhook]\nurls = [\"" + std::string(url) + "\"]\n"), "accepted") << url;
    for (const char* url : {"https://x", "https://x?a=b", "http://127.0.0.1:80/hook",
                            "http://[::1]:9/hook", "https://[::1]/"})
        EXPECT_EQ(refused("[webhook]\nurls = [\"" + std::string(url) + "\"]\n"), "accepted") << url;
    EXPECT_TRUE(refused("[store\n").find("v.toml:1:") != std::string::npos);
}

TEST(VerifierSettings, NoFileMeansSqliteInTheStateDirectory) {
    ::setenv("STATE_DIRECTORY", "/some/where", 1);
    const auto settings = load_settings("/does/not/exist.toml");
    ::unsetenv("STATE_DIRECTORY");
    ASSERT_TRUE(settings);
    EXPECT_EQ(settings->store.url, "sqlite:/some/where/verifier.db");
}

}  // namespace verifier_settings_test
}  // namespace keyscribe::verifier
