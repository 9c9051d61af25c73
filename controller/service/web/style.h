// SPDX-License-Identifier: Apache-2.0
// What these pages need beside the report's style sheet.
#pragma once

#include "controller/service/report/html.h"

namespace keyscribe::web {

report::Html style_sheet();

}  // namespace keyscribe::web
