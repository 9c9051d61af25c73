// SPDX-License-Identifier: Apache-2.0
// TOML files in which each setting is known beforehand: [table] and name = value. What is unknown
// or wrong is refused with file, line, column and what would have been right.
#pragma once

#include <bit>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.h"
#include "controller/base/toml.h"

namespace keyscribe::base {

/// Takes a value over. Returns what would have been right where it is not.
using Setter = std::function<std::optional<std::string>(const toml::node&)>;

struct Setting {
    std::string_view table, name;
    Setter set;
};

/// Gives each value in the text to its setting. `file` is its name in errors.
/// Error: the first setting that is refused; those before it are taken over.
Result<void> read_settings(std::string_view text, const std::string& file,
                           std::span<const Setting> known);

/// The same of a file; one that is not there has no settings.
Result<void> read_settings_file(const std::filesystem::path& file, std::span<const Setting> known);

// Each refers to `to`, which must outlive it.
Setter text_into(std::string& to);      ///< a text that is not empty
Setter any_text_into(std::string& to);  ///< one that may be empty
Setter choice_into(std::string& to, std::vector<std::string> choices);
Setter path_into(std::filesystem::path& to);  ///< an absolute one
Setter flag_into(bool& to);
Setter time_into(std::chrono::seconds& to);  ///< seconds, or "90s", "5min", "2h"

namespace detail {
std::optional<std::uint64_t> number_of(const toml::node& node);
std::optional<std::uint64_t> size_of(const toml::node& node);
std::string expected_size(std::uint64_t low, std::uint64_t high, bool power_of_two);
}  // namespace detail

template <class Number>
Setter number_into(Number& to, std::uint64_t low, std::uint64_t high) {
    return [&to, low, high](const toml::node& node) -> std::optional<std::string> {
        const auto value = detail::number_of(node);
        if (!value || *value < low || *value > high)
            return "a number from " + std::to_string(low) + " to " + std::to_string(high);
        to = static_cast<Number>(*value);
        return std::nullopt;
    };
}

/// Bytes, or "64 KiB", "8 MiB", "1 GiB".
template <class Number>
Setter size_into(Number& to, std::uint64_t low, std::uint64_t high, bool power_of_two = false) {
    return [=, &to](const toml::node& node) -> std::optional<std::string> {
        const auto value = detail::size_of(node);
        if (!value || *value < low || *value > high ||
            (power_of_two && !std::has_single_bit(*value)))
            return detail::expected_size(low, high, power_of_two);
        to = static_cast<Number>(*value);
        return std::nullopt;
    };
}

}  // namespace keyscribe::base
