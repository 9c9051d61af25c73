// SPDX-License-Identifier: Apache-2.0
#include "controller/service/report/words.h"
#include "controller/service/web/pages.h"

namespace keyscribe::web {

Page login_page(const std::string& next, bool failed) {
    Page page{.title = "Log in", .status = failed ? 403u : 200u};
    page.main.add(
        R"(<form class="card login" method="post" action="/login">
<h1>Log in</h1>
<input hidden type="text" name="user" autocomplete="username" value="keyscribe">
{}<label>Operator’s or reader’s token <input type="password" name="token" required autocomplete="current-password" maxlength="200" autofocus></label>
<input type="hidden" name="next" value="{}">
<button>Log in</button>
<p class="note">For {} hours. <code>keyscribe-verifier tokens create --role reader</code> makes a token that reads only.</p>
</form>
)",
        failed
            ? Html::of(
                  R"(<p class="wrong" role="alert">This is no operator’s or reader’s token, or it has expired.</p>
)")
            : Html(),
        next, kSessionLife / 3600);
    // From a link on another site the browser sends no cookie (SameSite=Strict); from here it does.
    if (!failed && next != "/")
        page.main.add(R"(<p class="note login">Logged in already? <a href="{}">Go on</a></p>
)",
                      next);
    return page;
}

}  // namespace keyscribe::web
