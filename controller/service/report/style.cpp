// SPDX-License-Identifier: Apache-2.0
#include "controller/service/report/style.h"

namespace keyscribe::report {

Html style_sheet() {
    return Html::of(R"css(
:root {
  color-scheme: light dark;
  --paper: #f6f7f8; --card: #ffffff; --ink: #1b2329; --soft: #55616b; --line: #d8dde1;
  --link: #0b5394; --good: #17663b; --good-tint: #e4f3e9; --bad: #a3161f; --bad-tint: #fbe9e9;
  --warn: #7a4b00; --warn-tint: #fbf0da; --code: #eef1f3;
  --lane0: #2f6fab; --lane1: #8a5a00; --lane2: #6b4fa0; --lane3: #0f766e; --lane4: #a03e6f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12171b; --card: #1a2126; --ink: #e3e8ec; --soft: #a3b0ba; --line: #37424b;
    --link: #8cc1f5; --good: #7fd6a0; --good-tint: #173325; --bad: #ff9d9a; --bad-tint: #3f1d20;
    --warn: #f0c170; --warn-tint: #3a2c12; --code: #242d34;
    --lane0: #7db5ea; --lane1: #e0b060; --lane2: #bba4ee; --lane3: #62c9bd; --lane4: #ee9cc4;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif;
  overflow-wrap: anywhere;
}
main, .top, footer { max-width: 70rem; margin: 0 auto; padding: 0 1.25rem; }
.top { padding-top: 1.25rem; padding-bottom: .75rem; display: flex; flex-wrap: wrap;
  gap: .25rem 1.5rem; align-items: baseline; justify-content: space-between; }
.top strong { font-size: .95rem; letter-spacing: .06em; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; margin: 0; padding: 0; list-style: none; }
nav a { display: inline-block; padding: .25rem 0; }
a { color: var(--link); text-underline-offset: .15em; }
a:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 3px solid var(--link);
  outline-offset: 2px; border-radius: 3px; }
h1 { font-size: 1.9rem; line-height: 1.15; margin: 0; font-weight: 650; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 2.5rem 0 .5rem; font-weight: 650; }
h3 { font-size: 1.02rem; margin: 1.25rem 0 .4rem; font-weight: 650; }
p { margin: .4rem 0; }
code { font: .86em/1.45 ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", monospace; }
em { color: var(--soft); }
dl, dd, ul, ol { margin: 0; }
.note, .place, .cut, .wall, .source, .more { color: var(--soft); font-size: .88rem; }
.more { font-style: italic; }
.number { color: var(--soft); font-weight: 400; font-size: .88em; margin-left: .25em; }
.digest { display: inline-block; max-width: 14ch; overflow: hidden; white-space: nowrap;
  text-overflow: ellipsis; vertical-align: bottom; user-select: all; -webkit-user-select: all;
  color: var(--soft); }
.long { user-select: all; -webkit-user-select: all; overflow-wrap: anywhere; }

.banner { display: flex; gap: 1.1rem; align-items: center; padding: 1.4rem 1.5rem;
  border-radius: 10px; border: 1px solid; }
.icon { flex: none; width: 3.25rem; height: 3.25rem; }
.icon circle { fill: none; stroke: currentColor; stroke-width: 2.5; }
.icon path { fill: none; stroke: currentColor; stroke-width: 3.5; stroke-linecap: round;
  stroke-linejoin: round; }
.banner p { color: var(--ink); margin: .25rem 0 0; }
.banner .source { color: var(--soft); }
.affirmed .banner { color: var(--good); background: var(--good-tint); }
.contraindicated .banner { color: var(--bad); background: var(--bad-tint); }
.unusable .banner { color: var(--warn); background: var(--warn-tint); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr));
  gap: 1rem; margin-top: .75rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 1rem 1.25rem; min-width: 0; }
.card h3 { font-size: 1rem; margin: 0; }
.card .note { margin: .1rem 0 .7rem; }
dl > div { padding: .35rem 0; border-top: 1px solid var(--line); }
dt { color: var(--soft); font-size: .84rem; }
dd { font-size: .95rem; min-width: 0; }
.bank { color: var(--soft); font-size: .84rem; }

.findings { list-style: none; padding: 0; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; overflow: hidden; }
.findings li { padding: .65rem 1rem .65rem .9rem; border-left: 4px solid var(--line); }
.findings li + li { border-top: 1px solid var(--line); }
.findings.contraindicates li { border-left-color: var(--bad); }
.findings.unusable li { border-left-color: var(--warn); }
.findings li:target, .timeline li:has(:target), .key:target > details > summary {
  background: var(--warn-tint); }
.code { font-weight: 600; margin-right: .4em; }
.contraindicates .code { color: var(--bad); }
.findings.unusable .code { color: var(--warn); }

.badge { display: inline-block; font-size: .76rem; line-height: 1.35; padding: .05rem .5rem;
  border-radius: 999px; border: 1px solid var(--line); color: var(--soft); background: var(--card);
  vertical-align: baseline; }
.badge.good { color: var(--good); background: var(--good-tint); border-color: transparent; }
.badge.bad { color: var(--bad); background: var(--bad-tint); border-color: currentColor; }
.badge.warn { color: var(--warn); background: var(--warn-tint); border-color: transparent; }

.keyring { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .2rem 1.25rem .9rem; margin: .9rem 0; min-width: 0; }
.keyring h3 { margin: .8rem 0 .4rem; }
.tree { list-style: none; padding: 0 0 0 .2rem; margin: 0; }
.tree > li { position: relative; padding: .1rem 0 .1rem 1.35rem; min-width: 0; }
.tree > li::before { content: ""; position: absolute; left: 0; top: -.1rem; bottom: 0;
  border-left: 1.5px solid var(--line); }
.tree > li::after { content: ""; position: absolute; left: 0; top: 1.15rem; width: .9rem;
  border-top: 1.5px solid var(--line); }
.tree > li:last-child::before { bottom: auto; height: 1.25rem; }
.tree .ring > .tree { margin-top: .15rem; }
summary { cursor: pointer; padding: .25rem .35rem; border-radius: 5px; }
summary:hover { background: var(--code); }
.type { color: var(--soft); font-size: .84rem; }
.title { font-weight: 600; }
.bad > details > summary > .title { color: var(--bad); }
.key dl { margin: .1rem 0 .6rem 1.1rem; display: grid; gap: 0 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); }
.former { margin: .5rem 0 0; }
.former > summary { color: var(--soft); font-size: .92rem; }

.timeline { list-style: none; padding: 0; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; overflow: hidden; }
.timeline li { padding: .4rem 1rem; display: grid; gap: 0 .9rem; align-items: baseline;
  grid-template-columns: 4.2rem 12rem minmax(0, 1fr); border-left: 4px solid transparent; }
.timeline li + li { border-top: 1px solid var(--line); }
.timeline li.bad { border-left-color: var(--bad); }
.timeline li.more { display: block; }
.timeline .place { grid-column: 1; text-align: right; font-variant-numeric: tabular-nums; }
.when { grid-column: 2; font-size: .88rem; font-variant-numeric: tabular-nums; }
.wall { display: block; font-size: .8rem; }
.what { grid-column: 3; min-width: 0; }
.op { display: inline-block; font-size: .8rem; line-height: 1.4; padding: 0 .5rem;
  border-radius: 4px; background: var(--code); margin-right: .2rem; }
.own { color: var(--soft); }
.own .op { color: var(--ink); }
.actor { color: var(--soft); }
.mark { display: inline-block; font-size: .8rem; color: var(--bad); margin-left: .3rem; }
.fold { margin: .6rem 0; }
.fold > summary { font-weight: 600; }

.who { display: grid; gap: 1.25rem 1.75rem; grid-template-columns: minmax(0, 25rem) minmax(0, 1fr);
  align-items: start; margin-top: .75rem; }
.graph { width: 100%; max-width: 25rem; height: auto; display: block; }
.graph text { fill: var(--ink); font-size: 12px; font-family: inherit; }
.graph .band { font-weight: 650; fill: var(--soft); }
.graph .state { font-size: 10.5px; fill: var(--soft); }
.graph .label { font-weight: 600; }
.node rect { fill: var(--card); stroke: var(--line); stroke-width: 1.5; }
.node.good rect { stroke: var(--good); }
.node.bad rect { stroke: var(--bad); fill: var(--bad-tint); }
.node.bad .state { fill: var(--bad); }
.node.gone rect { stroke-dasharray: 4 3; }
.trunk path { fill: none; stroke: currentColor; stroke-width: 1.5; }
.trunk .tip, .trunk circle { fill: currentColor; stroke: none; }
.lane0 { color: var(--lane0); } .lane1 { color: var(--lane1); } .lane2 { color: var(--lane2); }
.lane3 { color: var(--lane3); } .lane4 { color: var(--lane4); }
.scroll { min-width: 0; }
table { width: 100%; border-collapse: collapse; font-size: .92rem; background: var(--card);
  border: 1px solid var(--line); }
caption { text-align: left; color: var(--soft); font-size: .88rem; padding: 0 0 .4rem; }
th, td { text-align: left; vertical-align: top; padding: .45rem .7rem;
  border-top: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 600; font-size: .84rem; border-top: 0; }
tbody th { font-weight: 600; }

footer { color: var(--soft); font-size: .88rem; padding-top: 2rem; padding-bottom: 2.5rem; }

@media (max-width: 56rem) {
  .who { grid-template-columns: minmax(0, 1fr); }
}
@media (max-width: 40rem) {
  main, .top, footer { padding-left: .9rem; padding-right: .9rem; }
  h1 { font-size: 1.5rem; }
  .banner { padding: 1rem; gap: .8rem; }
  .icon { width: 2.4rem; height: 2.4rem; }
  .card { padding: .85rem 1rem; }
  .keyring { padding: .1rem .8rem .8rem; }
  .tree > li { padding-left: 1rem; }
  .tree > li::after { width: .65rem; }
  .timeline li { grid-template-columns: auto minmax(0, 1fr); padding: .5rem .75rem; }
  .timeline .place { text-align: left; }
  .timeline .place::before { content: "entry "; }
  .when { grid-column: 2; text-align: right; }
  .what { grid-column: 1 / -1; }
  thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden;
    white-space: nowrap; }
  table, caption, tbody, tr, th, td { display: block; }
  caption { padding: .5rem .75rem; }
  tbody tr + tr { border-top: 1px solid var(--line); }
  th, td { border: 0; padding: .15rem .75rem; }
  tr { padding: .45rem 0; }
  td:nth-of-type(1)::before { content: "in "; color: var(--soft); }
  td:nth-of-type(2)::before { content: "signed by "; color: var(--soft); }
}
@media print {
  :root { --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --code: #eee;
    --link: #000; --good: #17663b; --good-tint: #fff; --bad: #a3161f; --bad-tint: #fff;
    --warn: #7a4b00; --warn-tint: #fff; --lane0: #2f6fab; --lane1: #8a5a00; --lane2: #6b4fa0;
    --lane3: #0f766e; --lane4: #a03e6f; }
  @page { margin: 16mm 14mm; }
  body { font-size: 9.5pt; }
  main, .top, footer { max-width: none; padding-left: 0; padding-right: 0; }
  nav { display: none; }
  h2, h3, summary { break-after: avoid; }
  .banner, .card, .key, .moment, .findings li, tr { break-inside: avoid; }
  details::details-content { content-visibility: visible; height: auto; }
  .digest { max-width: none; white-space: normal; }
  .timeline, .findings, .keyring { overflow: visible; border-radius: 0; }
  a { text-decoration: none; }
}
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
)css");
}

}  // namespace keyscribe::report
