// SPDX-License-Identifier: Apache-2.0
#include "controller/service/web/style.h"

namespace keyscribe::web {

report::Html style_sheet() {
    return report::Html::of(R"css(
[hidden] { display: none !important; }
nav a[aria-current] { color: var(--ink); font-weight: 650; text-decoration: none; }
.top .visitor { display: flex; gap: .75rem; align-items: baseline; color: var(--soft);
  font-size: .88rem; }
h1 { margin: .75rem 0 1rem; }
.banner h1 { margin: 0; }
.card h2 { margin: 0 0 .5rem; font-size: 1.1rem; }
.cards + section h2, .card + section:not(.card) h2 { margin-top: 2rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 9.5rem), 1fr));
  gap: .75rem; padding: 0; list-style: none; }
.tiles a { display: block; padding: .8rem 1rem; border: 1px solid var(--line); border-radius: 10px;
  background: var(--card); color: var(--ink); text-decoration: none; height: 100%; }
.tiles a:hover { border-color: currentColor; }
.tiles b { display: block; font-size: 1.7rem; line-height: 1.2; font-weight: 650;
  font-variant-numeric: tabular-nums; }
.tiles .good { color: var(--good); background: var(--good-tint); border-color: transparent; }
.tiles .bad { color: var(--bad); background: var(--bad-tint); border-color: currentColor; }
.tiles .warn { color: var(--warn); background: var(--warn-tint); border-color: transparent; }
.bar { display: flex; width: 100%; height: .7rem; margin: 1rem 0 0; border-radius: 999px;
  overflow: hidden; background: var(--line); }
.bar svg { width: 100%; height: 100%; display: block; }
.bar .good { fill: var(--good); } .bar .bad { fill: var(--bad); }
.bar .warn { fill: var(--warn); } .bar .none { fill: var(--soft); }
form.filter { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; margin: 0 0 1rem; }
label { display: block; font-size: .84rem; color: var(--soft); }
input[type=text], input[type=search], input[type=password], input[type=datetime-local], select {
  display: block; font: inherit; width: 100%; min-width: 0; padding: .4rem .6rem; min-height: 2.5rem;
  color: var(--ink); background: var(--card); border: 1px solid var(--soft); border-radius: 6px; }
.filter label { flex: 1 1 10rem; min-width: 0; max-width: 22rem; }
button { font: inherit; padding: .4rem 1rem; min-height: 2.5rem; border-radius: 6px; cursor: pointer;
  color: var(--paper); background: var(--link); border: 1px solid var(--link); }
button.no { color: var(--bad); background: var(--card); border-color: var(--bad); }
button.plain { color: var(--link); background: none; border: 0; padding: .25rem 0; min-height: 0;
  text-decoration: underline; font-size: .88rem; }
input:focus-visible, select:focus-visible, button:focus-visible { outline: 3px solid var(--link);
  outline-offset: 2px; }
.login { max-width: 26rem; margin: 12vh auto 0; }
.login button { margin: .9rem 0 .6rem; }
.wrong { color: var(--bad); }
.path { font-size: .92rem; margin: 0; }
.pages { display: flex; gap: 1.25rem; margin: .75rem 0; }
.list { table-layout: fixed; }
.list td, .list th { overflow-wrap: anywhere; }
.list .digest { max-width: 100%; }
.banner + .cards { margin-top: 1rem; }
.verdict.silent .banner, .verdict.none .banner { color: var(--warn); background: var(--warn-tint); }
.decision { display: flex; flex-wrap: wrap; gap: .6rem; align-items: end; margin-top: .8rem; }
.decision label { flex: 1 1 100%; }
.events { list-style: none; padding: 0; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; overflow: hidden; }
.events li { padding: .45rem 1rem; display: grid; gap: 0 .9rem; align-items: baseline;
  grid-template-columns: 12.5rem minmax(0, 1fr); border-left: 4px solid transparent; }
.events li + li { border-top: 1px solid var(--line); }
.events li.bad { border-left-color: var(--bad); }
.events li.warn { border-left-color: var(--warn); }
.events li.good { border-left-color: var(--good); }
.events time { color: var(--soft); font-size: .88rem; font-variant-numeric: tabular-nums; }
.empty { color: var(--soft); background: var(--card); border: 1px dashed var(--line);
  border-radius: 10px; padding: 1rem 1.25rem; }
@media (max-width: 40rem) {
  .events li { grid-template-columns: minmax(0, 1fr); padding: .5rem .75rem; }
  .top .visitor { width: 100%; justify-content: space-between; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .tiles a { padding: .6rem .8rem; }
  .filter label { flex-basis: 100%; max-width: none; }
  .login { margin-top: 4vh; }
  .list tbody th { padding-bottom: .1rem; }
  .list td:nth-of-type(1)::before, .list td:nth-of-type(2)::before, .list td::before {
    content: attr(data-name) " "; color: var(--soft); font-size: .84rem; }
}
@media print {
  .filter, .pages, .decision, .visitor { display: none; }
}
)css");
}

}  // namespace keyscribe::web
