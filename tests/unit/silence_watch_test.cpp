// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/silence_watch.h"

#include <gtest/gtest.h>

namespace keyscribe::capture {
namespace {

using Names = std::vector<std::string>;

constexpr Answer kYes{.given = true, .patience = 3};
constexpr Answer kNo{.given = false, .patience = 3};

TEST(SilenceWatch, OneThatMissesALookIsNotSilent) {
    SilenceWatch watch;
    EXPECT_TRUE(watch.look({{"link", kNo}, {"move", kYes}}).silent.empty());
    EXPECT_TRUE(watch.has_doubts());
    EXPECT_TRUE(watch.look({{"link", kNo}, {"move", kYes}}).silent.empty());
    EXPECT_TRUE(watch.look({{"link", kYes}, {"move", kYes}}).silent.empty());
    EXPECT_FALSE(watch.has_doubts());
    EXPECT_TRUE(watch.look({{"link", kNo}, {"move", kYes}}).silent.empty());
}

TEST(SilenceWatch, OneThatDoesNotAnswerThreeLooksIsToldOnce) {
    SilenceWatch watch;
    watch.look({{"link", kNo}, {"move", kYes}});
    watch.look({{"link", kNo}, {"move", kYes}});
    const auto told = watch.look({{"link", kNo}, {"move", kYes}});
    EXPECT_EQ(told.silent, Names{"link"});
    EXPECT_FALSE(told.all);
    EXPECT_TRUE(watch.is_any_silent());
    EXPECT_FALSE(watch.has_doubts());
    EXPECT_TRUE(watch.look({{"link", kNo}, {"move", kYes}}).silent.empty());
    EXPECT_EQ(watch.look({{"link", kYes}, {"move", kYes}}).again, Names{"link"});
    EXPECT_FALSE(watch.is_any_silent());
}

TEST(SilenceWatch, OfOneThatIsNotAskedNothingIsKnown) {
    SilenceWatch watch;
    watch.look({{"link", kNo}});
    watch.look({{"link", kNo}});
    EXPECT_TRUE(watch.look({{"move", kYes}}).silent.empty());
    EXPECT_EQ(watch.look({{"link", kNo}}).silent, Names{"link"});
}

TEST(SilenceWatch, NoneThatAnswersIsToldAsAll) {
    SilenceWatch watch;
    watch.look({{"link", kNo}, {"move", kNo}});
    watch.look({{"link", kNo}, {"move", kNo}});
    const auto told = watch.look({{"link", kNo}, {"move", kNo}});
    EXPECT_EQ(told.silent, (Names{"link", "move"}));
    EXPECT_TRUE(told.all);
}

}  // namespace
}  // namespace keyscribe::capture
