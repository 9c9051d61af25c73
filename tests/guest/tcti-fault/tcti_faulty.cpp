// SPDX-License-Identifier: Apache-2.0
// A TCTI between tpm2-tss and another one, so that the real stack and a real (software) TPM run
// with the times and the answers of a worse one:
//
//   tcti = "faulty:delay=10ms,control=/run/keyscribe/tpm-faults:device:/dev/tpmrm0"
//
// `delay` comes on top of every command. The file `control` is read before each: "retry 3" answers
// the next three with TPM_RC_RETRY instead of asking the TPM; also "testing", "yielded", "lockout",
// "failure"; "hang 1" has one wait for 30 seconds first; "delay 20" makes it 20 ms from now on.
// Sources: TCG TSS 2.0 TCTI specification 1.0; TPM 2.0 Library Part 2, 6.6 (response codes).
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>
#include <tss2/tss2_tpm2_types.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <thread>

namespace {

using namespace std::chrono_literals;

struct Context {
    TSS2_TCTI_CONTEXT_COMMON_V2 common{};
    TSS2_TCTI_CONTEXT* child = nullptr;
    std::chrono::milliseconds delay{0};
    std::string control;
    TSS2_RC answer = 0;  // instead of the TPM's; 0: the TPM answers
};

constexpr std::uint64_t kMagic = 0x4b534641554c5459;  // "KSFAULTY"

Context& of(TSS2_TCTI_CONTEXT* context) { return *reinterpret_cast<Context*>(context); }

const std::map<std::string, TSS2_RC>& answers() {
    static const std::map<std::string, TSS2_RC> all = {{"retry", TPM2_RC_RETRY},
                                                       {"testing", TPM2_RC_TESTING},
                                                       {"yielded", TPM2_RC_YIELDED},
                                                       {"lockout", TPM2_RC_LOCKOUT},
                                                       {"failure", TPM2_RC_FAILURE}};
    return all;
}

/// Takes one command's worth of faults from the file.
void take_fault(Context& context) {
    std::string what;
    unsigned count = 0;
    if (context.control.empty() || !(std::ifstream(context.control) >> what >> count)) return;
    if (what == "delay") context.delay = std::chrono::milliseconds(count);
    if (what == "delay" || count == 0) return;
    std::ofstream(context.control, std::ios::trunc) << what << ' ' << count - 1 << '\n';
    if (what == "hang") std::this_thread::sleep_for(30s);
    if (const auto found = answers().find(what); found != answers().end())
        context.answer = found->second;
}

TSS2_RC transmit(TSS2_TCTI_CONTEXT* self, size_t size, const uint8_t* command) {
    Context& context = of(self);
    context.answer = 0;
    take_fault(context);
    std::this_thread::sleep_for(context.delay);
    if (context.answer != 0) return TSS2_RC_SUCCESS;
    return Tss2_Tcti_Transmit(context.child, size, command);
}

TSS2_RC receive(TSS2_TCTI_CONTEXT* self, size_t* size, uint8_t* response, int32_t timeout) {
    Context& context = of(self);
    if (context.answer == 0) return Tss2_Tcti_Receive(context.child, size, response, timeout);
    // TPM_ST_NO_SESSIONS, the response's size, the response code; all big-endian.
    const std::array<uint8_t, 10> bytes = {0x80,
                                           0x01,
                                           0,
                                           0,
                                           0,
                                           10,
                                           0,
                                           0,
                                           static_cast<uint8_t>(context.answer >> 8),
                                           static_cast<uint8_t>(context.answer)};
    if (response != nullptr) {
        if (*size < bytes.size()) return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
        std::memcpy(response, bytes.data(), bytes.size());
    }
    *size = bytes.size();
    return TSS2_RC_SUCCESS;
}

void finalize(TSS2_TCTI_CONTEXT* self) {
    Tss2_TctiLdr_Finalize(&of(self).child);
    of(self).~Context();
}

TSS2_RC cancel(TSS2_TCTI_CONTEXT* self) { return Tss2_Tcti_Cancel(of(self).child); }

TSS2_RC get_poll_handles(TSS2_TCTI_CONTEXT* self, TSS2_TCTI_POLL_HANDLE* handles, size_t* count) {
    return Tss2_Tcti_GetPollHandles(of(self).child, handles, count);
}

TSS2_RC set_locality(TSS2_TCTI_CONTEXT* self, uint8_t locality) {
    return Tss2_Tcti_SetLocality(of(self).child, locality);
}

TSS2_RC make_sticky(TSS2_TCTI_CONTEXT* self, TPM2_HANDLE* handle, uint8_t sticky) {
    return Tss2_Tcti_MakeSticky(of(self).child, handle, sticky);
}

/// "delay=10ms,control=FILE:CHILD"
std::string read_configuration(Context& context, std::string_view text) {
    const std::size_t colon = text.find(':');
    std::string_view options = text.substr(0, colon);
    while (!options.empty()) {
        const std::string_view option = options.substr(0, options.find(','));
        options.remove_prefix(std::min(option.size() + 1, options.size()));
        if (option.starts_with("delay="))
            context.delay = std::chrono::milliseconds(std::atoi(option.data() + 6));
        if (option.starts_with("control=")) context.control = option.substr(8);
    }
    return colon == std::string_view::npos ? std::string() : std::string(text.substr(colon + 1));
}

TSS2_RC init(TSS2_TCTI_CONTEXT* self, size_t* size, const char* configuration) {
    if (self == nullptr) {
        *size = sizeof(Context);
        return TSS2_RC_SUCCESS;
    }
    auto* context = new (self) Context;
    context->common.v1 = {.magic = kMagic,
                          .version = 2,
                          .transmit = transmit,
                          .receive = receive,
                          .finalize = finalize,
                          .cancel = cancel,
                          .getPollHandles = get_poll_handles,
                          .setLocality = set_locality};
    context->common.makeSticky = make_sticky;
    const std::string child = read_configuration(*context, configuration ? configuration : "");
    return Tss2_TctiLdr_Initialize(child.empty() ? nullptr : child.c_str(), &context->child);
}

const TSS2_TCTI_INFO kInfo = {.version = 2,
                              .name = "faulty",
                              .description = "another TCTI with delays and errors, for tests",
                              .config_help = "delay=MS,control=FILE:CHILD",
                              .init = init};

}  // namespace

extern "C" const TSS2_TCTI_INFO* Tss2_Tcti_Info(void) { return &kInfo; }
