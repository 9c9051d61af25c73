// SPDX-License-Identifier: Apache-2.0
// Every code that a finding can have; README.md says what each means.
#pragma once

#include "controller/service/appraise/finding.h"

namespace keyscribe::appraise::codes {

using enum Weight;

// What the service compares with.
inline constexpr Code kBasisIncomplete{"basis-incomplete", kUnusable};

// Evidence and quote.
inline constexpr Code kEvidenceMalformed{"evidence-malformed", kUnusable};
inline constexpr Code kEvidencePcr{"evidence-pcr", kUnusable};
inline constexpr Code kAkMalformed{"ak-malformed", kUnusable};
inline constexpr Code kAkMismatch{"ak-mismatch", kUnusable};
inline constexpr Code kAkName{"ak-name", kUnusable};
inline constexpr Code kAkRepeated{"ak-repeated", kContraindicates};
inline constexpr Code kAkNotRestricted{"ak-not-restricted", kUnusable};
inline constexpr Code kQuoteMalformed{"quote-malformed", kUnusable};
inline constexpr Code kQuoteMagic{"quote-magic", kUnusable};
inline constexpr Code kQuoteType{"quote-type", kUnusable};
inline constexpr Code kQuoteSignature{"quote-signature", kUnusable};
inline constexpr Code kQuoteNonce{"quote-nonce", kUnusable};
inline constexpr Code kQuoteRepeated{"quote-repeated", kUnusable};
inline constexpr Code kQuoteSelection{"quote-selection", kUnusable};
inline constexpr Code kQuoteDigest{"quote-digest", kUnusable};
inline constexpr Code kQuoteBanks{"quote-banks", kUnusable};
inline constexpr Code kQuoteBoots{"quote-boots", kUnusable};

// Keyscribe's list.
inline constexpr Code kListMalformed{"list-malformed", kUnusable};
inline constexpr Code kListTemplateDigest{"list-template-digest", kUnusable};
inline constexpr Code kListPayloadDigest{"list-payload-digest", kUnusable};
inline constexpr Code kListTemplate{"list-template", kUnusable};
inline constexpr Code kListReplay{"list-replay", kUnusable};
inline constexpr Code kListCount{"list-count", kUnusable};
inline constexpr Code kListLag{"list-lag", kNote};
inline constexpr Code kEkUnverified{"ek-unverified", kNote};
inline constexpr Code kListPcr{"list-pcr", kContraindicates};
inline constexpr Code kListViolation{"list-violation", kContraindicates};
inline constexpr Code kListStart{"list-start", kContraindicates};
inline constexpr Code kRecordMalformed{"record-malformed", kContraindicates};
inline constexpr Code kRecordUnknown{"record-unknown", kContraindicates};
inline constexpr Code kBootId{"boot-id", kUnusable};
inline constexpr Code kBootAggregate{"boot-aggregate", kContraindicates};

// The firmware's log.
inline constexpr Code kFirmwareLogMissing{"firmware-log-missing", kContraindicates};
inline constexpr Code kFirmwareLogMalformed{"firmware-log-malformed", kContraindicates};
inline constexpr Code kFirmwareLogReplay{"firmware-log-replay", kContraindicates};
inline constexpr Code kFirmwareEvent{"firmware-event", kContraindicates};
inline constexpr Code kSecureBootOff{"secure-boot-off", kContraindicates};
inline constexpr Code kKeyNotOfFirmware{"key-not-of-firmware", kContraindicates};
inline constexpr Code kFirmwareKeyUnexpected{"firmware-key-unexpected", kContraindicates};
inline constexpr Code kFirmwareKeyMissing{"firmware-key-missing", kContraindicates};
inline constexpr Code kKeyNotOfKernel{"key-not-of-kernel", kContraindicates};
inline constexpr Code kKernelUnknown{"kernel-unknown", kContraindicates};
inline constexpr Code kRevocationMissing{"revocation-missing", kContraindicates};

// What the records tell.
inline constexpr Code kEventsLost{"events-lost", kContraindicates};
inline constexpr Code kEventsMissed{"events-missed", kContraindicates};
inline constexpr Code kEventsDropped{"events-dropped", kContraindicates};
inline constexpr Code kForeignExtend{"foreign-extend", kContraindicates};
inline constexpr Code kKexec{"kexec", kContraindicates};
inline constexpr Code kRestarted{"restarted", kContraindicates};
inline constexpr Code kCanaryMissing{"canary-missing", kContraindicates};
inline constexpr Code kDetached{"detached", kContraindicates};
inline constexpr Code kTampered{"tampered", kContraindicates};
inline constexpr Code kTpmReset{"tpm-reset", kContraindicates};
inline constexpr Code kBaselineMissing{"baseline-missing", kContraindicates};
inline constexpr Code kEntriesMissing{"entries-missing", kContraindicates};
inline constexpr Code kTpmOther{"tpm-other", kContraindicates};
inline constexpr Code kTpmUntold{"tpm-untold", kNote};
inline constexpr Code kBaselineDiffers{"baseline-differs", kContraindicates};
inline constexpr Code kPolicyMissing{"policy-missing", kContraindicates};
inline constexpr Code kPolicyDigest{"policy-digest", kContraindicates};
inline constexpr Code kPolicyUnreadable{"policy-unreadable", kContraindicates};
inline constexpr Code kPolicyUnexpected{"policy-unexpected", kContraindicates};
inline constexpr Code kControllerUnexpected{"controller-unexpected", kContraindicates};
inline constexpr Code kBpfUnexpected{"bpf-unexpected", kContraindicates};

// Keys.
inline constexpr Code kKeyUnknown{"key-unknown", kContraindicates};
inline constexpr Code kKeySameName{"key-same-name", kContraindicates};
inline constexpr Code kKeyOtherCertificate{"key-other-certificate", kContraindicates};
inline constexpr Code kKeyUnidentified{"key-unidentified", kContraindicates};
inline constexpr Code kKeyBlocked{"key-blocked", kContraindicates};
inline constexpr Code kKeyExpired{"key-expired", kContraindicates};
inline constexpr Code kKeyNotYetValid{"key-not-yet-valid", kContraindicates};
inline constexpr Code kKeyRevoked{"key-revoked", kContraindicates};
inline constexpr Code kKeyMissing{"key-missing", kContraindicates};
inline constexpr Code kNothingJudged{"nothing-judged", kContraindicates};
inline constexpr Code kKeyringUnmeasured{"keyring-unmeasured", kContraindicates};
inline constexpr Code kKeyringUnwatched{"keyring-unwatched", kContraindicates};
inline constexpr Code kChainBroken{"chain-broken", kContraindicates};
inline constexpr Code kChainOrder{"chain-order", kContraindicates};

// The kernel's list.
inline constexpr Code kImaMissing{"ima-missing", kContraindicates};
inline constexpr Code kImaStart{"ima-start", kContraindicates};
inline constexpr Code kImaNotQuoted{"ima-not-quoted", kUnusable};
inline constexpr Code kImaMalformed{"ima-malformed", kUnusable};
inline constexpr Code kImaTemplateDigest{"ima-template-digest", kUnusable};
inline constexpr Code kImaPayloadDigest{"ima-payload-digest", kUnusable};
inline constexpr Code kImaPayloadUnchecked{"ima-payload-unchecked", kNote};
inline constexpr Code kImaReplay{"ima-replay", kUnusable};
inline constexpr Code kImaCount{"ima-count", kUnusable};
inline constexpr Code kImaPadded{"ima-padded", kNote};
inline constexpr Code kImaLag{"ima-lag", kNote};
inline constexpr Code kImaPcr{"ima-pcr", kContraindicates};
inline constexpr Code kImaTemplate{"ima-template", kContraindicates};
inline constexpr Code kImaViolation{"ima-violation", kContraindicates};
inline constexpr Code kImaUnsigned{"ima-unsigned", kContraindicates};
inline constexpr Code kImaAppended{"ima-appended", kContraindicates};
inline constexpr Code kImaUnverifiable{"ima-unverifiable", kContraindicates};
inline constexpr Code kImaSignatureMalformed{"ima-signature-malformed", kContraindicates};
inline constexpr Code kImaSignatureKey{"ima-signature-key", kContraindicates};
inline constexpr Code kImaSignature{"ima-signature", kContraindicates};
inline constexpr Code kImaSignerLater{"ima-signer-later", kContraindicates};
inline constexpr Code kImaSignerLeft{"ima-signer-left", kContraindicates};
inline constexpr Code kFileBlocked{"file-blocked", kContraindicates};
inline constexpr Code kFileUncomparable{"file-uncomparable", kContraindicates};

// The boot, and what the state remembers.
inline constexpr Code kStateMissing{"state-missing", kUnusable};
inline constexpr Code kStateUnreadable{"state-unreadable", kUnusable};
inline constexpr Code kStateGap{"state-gap", kUnusable};
inline constexpr Code kStateDiverged{"state-diverged", kUnusable};
inline constexpr Code kStateBack{"state-back", kContraindicates};
inline constexpr Code kBootNew{"boot-new", kNote};
inline constexpr Code kTpmResumed{"tpm-resumed", kNote};

}  // namespace keyscribe::appraise::codes
