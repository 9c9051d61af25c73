// SPDX-License-Identifier: Apache-2.0
#include "tests/support/report_hosts.h"

namespace keyscribe::testing {

std::vector<std::string> hostile_texts() {
    return {
        "</script><img src=x onerror=document.title='taken'>",
        "\" onmouseover=\"document.title='taken'",
        "' x='",
        "line\nbreak\r\x1b[31mred",
        "\xe2\x80\xae gnp.exe \xe2\x81\xa6",
        "\xff\xfe not UTF-8 \xc0\xbc",
        std::string(4095, 'A'),
        "<style>body{display:none}</style>",
        "--></title><svg onload=document.title='taken'>",
        "{0} {} {{}}",
        std::string("nul\0nul", 7),
        "javascript:document.title='taken'",
        "<script>document.title='taken'</script>",
    };
}

nlohmann::json actor(std::string_view comm, std::string_view exe, unsigned uid) {
    return {{"pid", 4711},
            {"tid", 4711},
            {"ppid", 1},
            {"uid", uid},
            {"gid", uid},
            {"euid", uid},
            {"egid", uid},
            {"login_uid", 4294967295u},
            {"session", 4294967295u},
            {"comm", Host::bytes(comm.substr(0, 15))},
            {"kind", "process"},
            {"exe", Host::bytes(exe)},
            {"cgroup_id", 1},
            {"namespaces", {{"mnt", 1}, {"pid", 1}, {"net", 1}, {"user", 1}}}};
}

void add(Host& host, const char* ring, int ring_serial, const Buffer& payload, int serial,
         const char* description, std::uint64_t seconds) {
    host.list.buf(ring, payload);
    nlohmann::json fields = host.key_fields("create", serial, ring, ring_serial, description);
    fields["time"] = seconds * 1'000'000'000 + 125'000'000;
    fields["plain"] = true;
    fields["length"] = payload.size();
    fields["sha256"] = list::cbor_bytes(hash(Algorithm::kSha256, payload));
    fields["actor"] = actor("keyctl", "/usr/bin/keyctl");
    host.list.record("create", fields);
}

void make_hostile(Host& host) {
    host.good();
    int serial = 400;
    for (const std::string& text : hostile_texts()) {
        host.key(".ima", host.ima, serial++, text);
        host.list.record("create", host.key_fields("create", serial, text, 1000 + serial, text));
        ++serial;
        host.list.record("link", host.key_fields("link", serial++, "plain", 999, text, text));
        const auto key = Host::shared_key(4);
        host.key(".ima", certificate(key.get(), text.substr(0, 60), key.get(), "issuer"), serial,
                 "in a certificate " + std::to_string(serial));
        ++serial;
        nlohmann::json fields = host.key_fields("create", serial++, ".ima", 101, "by whom");
        fields["actor"] = actor(text, text);
        host.list.record("create", fields);
        if (text.find('\xff') == text.npos)
            host.list.record("tampered", {{"time", 5}, {"what", text}});
    }
}

}  // namespace keyscribe::testing
