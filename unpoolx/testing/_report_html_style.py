"""The style of the page: light and dark, wide and narrow, without anything from elsewhere."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #1b1f24; --soft: #59636e; --line: #d8dee4; --code: #eef1f4;
  --good: #1a7f37; --good-bg: #dafbe1; --bad: #b3261e; --bad-bg: #ffe4e1; --skip: #7d5600; --skip-bg: #fff3c9;
  --bar-good: #2da44e; --bar-bad: #cf222e; --bar-skip: #d4a72c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1318; --card: #171c23; --text: #e3e8ee; --soft: #97a3b0; --line: #2e3641; --code: #222933;
    --good: #5bd27a; --good-bg: #12331d; --bad: #ff8f87; --bad-bg: #4a1b1b; --skip: #e6bf57; --skip-bg: #3a2e0d;
    --bar-good: #2ea043; --bar-bad: #e5534b; --bar-skip: #b98f1f;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; text-wrap: balance; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; margin: 0 0 .35rem; }
p { margin: 0 0 .6rem; }
.soft { color: var(--soft); }
a { color: inherit; }
code, pre, .grid, .name { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code, .name { font-size: .9em; }
.name { overflow-wrap: anywhere; }
pre { margin: 0; padding: .6rem .75rem; background: var(--code); border-radius: 6px; overflow-x: auto;
  font-size: .85rem; line-height: 1.4; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.25rem;
  margin: 0 0 1rem; }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 23rem), 1fr)); }
.cards .card { margin: 0; }
.cards .verdict { padding: .3rem .7rem; margin: .4rem 0 .6rem; font-size: .95rem; }
.cards .verdict span { font-size: 1rem; }
.even { table-layout: fixed; min-width: 34rem; }
.even th:first-child { width: 9.5rem; }
.verdict { display: flex; gap: .75rem; align-items: center; border-radius: 10px; padding: .8rem 1.1rem;
  margin: 1rem 0; font-size: 1.1rem; font-weight: 600; }
.verdict span { font-size: 1.4rem; line-height: 1; }
.passed { color: var(--good); } .failed { color: var(--bad); } .skipped { color: var(--skip); }
.verdict.passed { background: var(--good-bg); }
.verdict.failed { background: var(--bad-bg); }
.verdict.skipped { background: var(--skip-bg); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.head { display: flex; flex-wrap: wrap; gap: .2rem .8rem; align-items: baseline; justify-content: space-between; }
.scroll { overflow-x: auto; }
table.list { border-collapse: collapse; width: 100%; }
.list th, .list td { padding: .4rem .7rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
.list thead th { color: var(--soft); font-weight: 600; font-size: .85rem; white-space: nowrap; }
.list tbody:last-child tr:last-child > *, .list tfoot tr:last-child > * { border-bottom: 0; }
.list tfoot > tr > * { font-weight: 600; border-top: 2px solid var(--line); }
.list th[scope=row] { font-weight: 500; }
.list tr.group th { color: var(--soft); font-size: .85rem; font-weight: 600; padding-top: 1.1rem; }
.list .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.list .middle { text-align: center; white-space: nowrap; }
.law .soft { display: block; font-size: .9rem; }
.mark { font-weight: 700; white-space: nowrap; }
.bar { display: flex; gap: 2px; height: .7rem; margin-top: .4rem; border-radius: 4px; overflow: hidden; }
.bar i { display: block; min-width: 3px; }
i.p { background: var(--bar-good); } i.f { background: var(--bar-bad); } i.s { background: var(--bar-skip); }
.list .wide { width: 45%; min-width: 6rem; } .list .wide .bar { margin-top: .35rem; }
.contents { columns: 2 24rem; column-gap: 2.5rem; padding-left: 2.2rem; }
.contents li { padding: .1rem 0; break-inside: avoid; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; font-size: .85rem; color: var(--soft); margin-top: .6rem; }
.legend i { display: inline-block; width: .8rem; height: .8rem; border-radius: 3px; margin-right: .4rem;
  vertical-align: -.1rem; }
.failure { border-left: 4px solid var(--bar-bad); }
.failure h4 { margin: 1.1rem 0 .35rem; font-size: .85rem; color: var(--soft); font-weight: 600; }
.message { color: var(--bad); font-weight: 600; overflow-wrap: anywhere; white-space: pre-wrap; }
.values { display: flex; flex-wrap: wrap; gap: .8rem 2.5rem; align-items: flex-start; }
.values + dl { margin-top: .8rem; }
.values > div { min-width: 0; max-width: 100%; }
.values .what { margin: 0 0 .3rem; } .what .name { margin-right: .5rem; font-weight: 600; }
.command { white-space: pre-wrap; overflow-wrap: anywhere; }
.planes { display: flex; flex-wrap: wrap; gap: .8rem 1.2rem; }
.planes figure { margin: 0; max-width: 100%; overflow-x: auto; }
.planes figcaption { font-size: .8rem; color: var(--soft); margin-bottom: .2rem; }
.grid { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
.note { margin: .5rem 0 0; font-size: .85rem; }
.grid th { border: 1px solid var(--line); padding: .15rem .5rem; color: var(--soft); font-weight: 500; }
.grid td { border: 1px solid var(--line); padding: .15rem .5rem; text-align: right; white-space: nowrap; }
.grid td.differs { background: var(--bad-bg); padding: 0; }
.grid mark { display: block; padding: .15rem .5rem; background: none; color: var(--bad); font-weight: 700;
  text-decoration: underline; text-underline-offset: 3px; }
details { margin-top: .8rem; } summary { cursor: pointer; color: var(--soft); }
details pre { margin-top: .5rem; }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 40rem) {
  main { padding: 1.25rem .8rem 3rem; } .card { padding: .8rem .9rem; }
  .list th, .list td { padding: .35rem .45rem; } .list .wide { min-width: 4rem; } .optional { display: none; }
  dl { column-gap: .8rem; } .card.contents { padding-left: 1.8rem; }
}
@media print { body { background: none; } .card { break-inside: avoid; } }
"""
