// SPDX-License-Identifier: Apache-2.0
// signature-prices: what it takes to verify a file's signature, in microseconds of one core, beside
// what the appraisal counts for it. Fails where it counts less.
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <cstdio>
#include <ctime>
#include <string>

#include "controller/service/appraise/ima_signature.h"

namespace {

using namespace keyscribe;
using appraise::Owned;
using appraise::SignatureCheck;

double processor_seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

Owned<EVP_PKEY> rsa(int bits, unsigned long exponent) {
    const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, nullptr));
    const Owned<BIGNUM> number(BN_new());
    EVP_PKEY* key = nullptr;
    EVP_PKEY_keygen_init(context.get());
    EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), bits);
    BN_set_word(number.get(), exponent);
    EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context.get(), number.get());
    EVP_PKEY_generate(context.get(), &key);
    return Owned<EVP_PKEY>(key);
}

bool is_right(const char* name, EVP_PKEY* key) {
    const std::vector<std::uint8_t> digest(32, 7);
    const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key, nullptr));
    std::vector<std::uint8_t> value(4096);
    std::size_t size = value.size();
    if (EVP_PKEY_sign_init(context.get()) != 1 ||
        EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) != 1 ||
        EVP_PKEY_sign(context.get(), value.data(), &size, digest.data(), digest.size()) != 1)
        return std::printf("%-18s cannot sign\n", name), false;
    value.resize(size);
    const appraise::ImaSignature signature{.hash = appraise::kernel_hash("sha256"), .value = value};
    double least = 1;  // of several rounds: others use the processor, too
    for (int round = 0; round < 5; ++round) {
        int count = 0;
        const double begin = processor_seconds();
        double end = begin;
        for (; end - begin < 0.1; end = processor_seconds(), ++count)
            if (appraise::check_signature(key, signature, digest) != SignatureCheck::kGood)
                return std::printf("%-18s does not verify\n", name), false;
        least = std::min(least, (end - begin) / count);
    }
    const auto price = static_cast<double>(appraise::price_of(key));
    const double measured = least * 1e6;
    std::printf("%-18s %8.1f us, counted %6.0f, in 5 s %7.0f\n", name, measured, price,
                5e6 / price);
    return measured <= price;
}

}  // namespace

int main() {
    bool right = true;
    for (const int bits : {1024, 2048, 3072, 4096, 8192}) {
        const std::string name = "RSA-" + std::to_string(bits);
        right = is_right(name.c_str(), rsa(bits, 65537).get()) && right;
    }
    right = is_right("RSA-2048, e 2^63+1", rsa(2048, (1ul << 63) + 1).get()) && right;
    for (const char* curve : {"P-224", "P-256", "P-384", "P-521", "secp256k1", "brainpoolP256r1",
                              "brainpoolP384r1", "brainpoolP512r1", "sect571r1"})
        right = is_right(curve, Owned<EVP_PKEY>(EVP_EC_gen(curve)).get()) && right;
    return right ? 0 : 1;
}
