// SPDX-License-Identifier: Apache-2.0
#include "tests/support/kernel_maker.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "controller/base/little_endian.h"

namespace keyscribe::testing {
namespace {

using Buffer = KernelMaker::Buffer;

void put(Buffer& to, std::size_t at, std::string_view text) {
    if (to.size() < at + text.size()) to.resize(at + text.size());
    std::copy(text.begin(), text.end(), to.begin() + static_cast<std::ptrdiff_t>(at));
}

void put32(Buffer& to, std::size_t at, std::size_t value) {
    if (to.size() < at + 4) to.resize(at + 4);
    store_le32(to.data() + at, static_cast<std::uint32_t>(value));
}

void append(Buffer& to, const Buffer& bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

}  // namespace

KernelMaker::KernelMaker(std::size_t align) : align_(align), bytes_(kListAt) {}

void KernelMaker::align() { bytes_.resize((bytes_.size() + align_ - 1) / align_ * align_); }

void KernelMaker::number(std::uint64_t value) {
    align();
    for (int i = 0; i < 8; ++i) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void KernelMaker::list(const std::vector<Buffer>& certificates) {
    align();
    std::size_t size = 0;
    for (const Buffer& one : certificates) {
        append(bytes_, one);
        size += one.size();
    }
    bytes_.resize(bytes_.size() + room_);
    number(size);
    room_ = 0;
}

KernelMaker& KernelMaker::without_module_key() {
    module_key_ = false;
    return *this;
}

KernelMaker& KernelMaker::room(std::size_t bytes) {
    room_ = bytes;
    return *this;
}

KernelMaker& KernelMaker::trusted(const std::vector<Buffer>& certificates) {
    list(certificates);
    number(module_key_ ? certificates.at(0).size() : 0);
    module_key_ = true;
    return text("what follows");
}

KernelMaker& KernelMaker::revoked(const std::vector<Buffer>& certificates) {
    list(certificates);
    return text("what follows");
}

KernelMaker& KernelMaker::loose(const Buffer& certificate) {
    align();
    append(bytes_, certificate);
    return text("what follows");
}

KernelMaker& KernelMaker::text(const std::string& text) {
    bytes_.push_back(0);
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    bytes_.push_back(0);
    return *this;
}

Buffer KernelMaker::image() const {
    Buffer made = bytes_;
    put(made, 0,
        "\x7f"
        "ELF");
    return made;
}

Buffer KernelMaker::arm64_image() const {
    Buffer made = bytes_;
    put(made, 0x38, "ARM\x64");
    return made;
}

Buffer KernelMaker::compressed(const Buffer& content, const std::string& compression) {
    static const std::string command[][2] = {{"gzip", "gzip -nc"},
                                             {"xz", "xz --check=crc32 -c"},
                                             {"zstd", "zstd -qc"},
                                             {"bzip2", "bzip2 -c"},
                                             {"lzma", "xz --format=lzma -c"}};
    if (compression == "lz4") {  // the legacy frame, with a block of literals alone
        Buffer block;
        block.push_back(0xf0);
        std::size_t rest = content.size() - 15;
        for (; rest >= 255; rest -= 255) block.push_back(255);
        block.push_back(static_cast<std::uint8_t>(rest));
        append(block, content);
        Buffer made{0x02, 0x21, 0x4c, 0x18};
        put32(made, 4, block.size());
        append(made, block);
        return made;
    }
    char name[] = "/tmp/keyscribe-kernel-XXXXXX";
    const int fd = ::mkstemp(name);
    if (fd < 0) throw std::runtime_error("mkstemp");
    std::ofstream(name, std::ios::binary)
        .write(reinterpret_cast<const char*>(content.data()),
               static_cast<std::streamsize>(content.size()));
    ::close(fd);
    for (const auto& [which, words] : command) {
        if (which != compression) continue;
        std::FILE* pipe = ::popen((words + " <" + name).c_str(), "r");
        if (pipe == nullptr) throw std::runtime_error("popen");
        Buffer made;
        std::uint8_t buffer[4096];
        while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, pipe))
            made.insert(made.end(), buffer, buffer + got);
        ::unlink(name);
        if (::pclose(pipe) != 0) throw std::runtime_error(words);
        return made;
    }
    throw std::runtime_error("no compression " + compression);
}

Buffer KernelMaker::bzimage(const Buffer& image, const std::string& compression) {
    constexpr std::size_t kSectors = 2, kPayload = 32;
    Buffer made((kSectors + 1) * 512 + kPayload);
    made[0x1f1] = kSectors;
    put(made, 0x1fe, "\x55\xaa");
    put(made, 0x202, "HdrS");
    put(made, 0x206, "\x0f\x02");
    Buffer payload = compressed(image, compression);
    if (compression != "gzip") put32(payload, payload.size(), image.size());
    put32(made, 0x248, kPayload);
    put32(made, 0x24c, payload.size());
    append(made, payload);
    return made;
}

Buffer KernelMaker::zboot(const Buffer& image, const std::string& compression) {
    Buffer made(128);
    put(made, 0, "MZ");
    put(made, 4, "zimg");
    const Buffer payload = compressed(image, compression);
    put32(made, 8, made.size());
    put32(made, 12, payload.size());
    append(made, payload);
    put32(made, made.size(), image.size());
    return made;
}

Buffer KernelMaker::uki(const Buffer& kernel) {
    constexpr std::size_t kOptional = 112 + 16 * 8, kHeaders = 512, kAlign = 512;
    Buffer made(kHeaders);
    put(made, 0, "MZ");
    put32(made, 0x3c, kPeAt);
    put(made, kPeAt, std::string_view("PE\0\0\x64\x86\x01\0", 8));
    put(made, kPeAt + 4 + 16, std::string_view("\xf0\0", 2));
    put(made, kPeAt + 24, std::string_view("\x0b\x02", 2));
    put32(made, kPeAt + 24 + 60, kHeaders);
    put32(made, kPeAt + 24 + 108, 16);
    const std::size_t section = kPeAt + 24 + kOptional;
    put(made, section, ".linux");
    put32(made, section + 8, kernel.size());
    put32(made, section + 12, 0x10000);
    const std::size_t padded = (kernel.size() + kAlign - 1) / kAlign * kAlign;
    put32(made, section + 16, padded);
    put32(made, section + 20, kHeaders);
    append(made, kernel);
    made.resize(kHeaders + padded);
    return made;
}

/// RPM's format, version 3: a lead of 96 bytes, two headers without entries, the payload.
std::string KernelMaker::rpm(const std::string& payload) {
    using namespace std::string_literals;
    std::string lead = "\xed\xab\xee\xdb\x03\0\0\0"s;
    lead.resize(96);
    lead[79] = 5;  // of the headers' form of signature
    const std::string header = "\x8e\xad\xe8\x01\0\0\0\0\0\0\0\0\0\0\0\0"s;
    return lead + header + header + payload;
}

}  // namespace keyscribe::testing
