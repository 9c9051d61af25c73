// SPDX-License-Identifier: Apache-2.0
// The page's style sheet: light, dark, narrow, and print.
#pragma once

#include "controller/service/report/html.h"

namespace keyscribe::report {

Html style_sheet();

}  // namespace keyscribe::report
