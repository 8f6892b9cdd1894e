"""The page's style sheet: light and dark, wide and narrow, screen and paper."""

STYLE = (
    """
:root {
  color-scheme: light dark;
  --page: #ffffff; --sheet: #f5f6f8; --line: #dde1e6; --ink: #15191e; --muted: #5a6470;
  --strong: #ffffff; --shade: #0003;
  --right: #1f6fb5; --near: #e09f1f; --far: #c8401f;
  --c0: #1f6fb5; --c1: #c8601a; --c2: #12876a; --c3: #8a4fa3;
  --c4: #2b93a8; --c5: #a87c0b; --c6: #c2487e; --c7: #68737f;
}
@media (prefers-color-scheme: dark) { :root {
  --page: #12161b; --sheet: #1a2027; --line: #313a44; --ink: #e8ecf0; --muted: #9aa6b2;
  --strong: #0b0e11; --shade: #000a;
  --right: #62b0f0; --near: #f0bd52; --far: #ff7d57;
  --c0: #62b0f0; --c1: #f09650; --c2: #45c4a0; --c3: #c08fd8;
  --c4: #5fc6da; --c5: #d9b245; --c6: #ee86b4; --c7: #a4aeb9;
} }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  print-color-adjust: exact; -webkit-print-color-adjust: exact;
}
.page { max-width: 1040px; margin: 0 auto; padding: 40px 24px 56px; }
header { margin-bottom: 8px; }
h1 { font-size: 32px; line-height: 1.2; letter-spacing: -.015em; margin: 4px 0 6px; overflow-wrap: anywhere; }
h2 { font-size: 21px; line-height: 1.3; letter-spacing: -.01em; margin: 0 0 6px; }
h3 { font-size: 16px; margin: 26px 0 6px; }
p { margin: 0 0 14px; max-width: 70ch; }
section { padding-top: 30px; margin-top: 38px; border-top: 1px solid var(--line); }
.brand { color: var(--muted); font-size: 14px; margin: 0; }
.muted, .caption { color: var(--muted); }
.caption { font-size: 14.5px; }
.note { border-left: 3px solid var(--near); background: var(--sheet); padding: 8px 14px; font-size: 14.5px;
  max-width: none; overflow-wrap: anywhere; }
code { font: 0.875em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(3, 1fr); gap: 12px; margin: 22px 0; }
.tile { background: var(--sheet); border-radius: 10px; padding: 14px 16px; }
.tile b { display: block; font-size: 23px; line-height: 1.3; letter-spacing: -.01em; }
.tile span { display: block; font-size: 13.5px; line-height: 1.4; color: var(--muted); }
.tile .what { color: var(--ink); font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0 0 14px; font-size: 14.5px; }
dt { color: var(--muted); } dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: 16px 0; padding-bottom: 4px;
  /* A shadow on the side where there is more to scroll to. */
  background: linear-gradient(90deg, var(--page) 40%, transparent) left / 48px 100% no-repeat local,
    linear-gradient(270deg, var(--page) 40%, transparent) right / 48px 100% no-repeat local,
    linear-gradient(90deg, var(--shade), transparent) left / 14px 100% no-repeat,
    linear-gradient(270deg, var(--shade), transparent) right / 14px 100% no-repeat; }
.wide > svg { display: block; height: auto; max-width: none; }
table { border-collapse: collapse; font-size: 14.5px; font-variant-numeric: tabular-nums; }
.pair { display: flex; flex-wrap: wrap; gap: 8px 56px; align-items: flex-start; }
.pair > * { min-width: 0; max-width: 100%; } .pair h3 { margin-top: 18px; }
.full { width: 100%; }
th, td { padding: 6px 14px 6px 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: middle; }
th { font-weight: 600; color: var(--muted); font-size: 13.5px; white-space: nowrap; }
tbody th { color: var(--ink); padding-top: 16px; }
tbody th small { font-weight: 400; color: var(--muted); font-size: 13.5px; margin-left: 8px; }
td.num, th.num { text-align: right; white-space: nowrap; } .full td { white-space: nowrap; }
td.bar { width: 26%; min-width: 110px; padding-right: 0; }
tfoot td { font-weight: 600; border-bottom: 0; }
details { margin: 10px 0; } summary { cursor: pointer; color: var(--muted); font-size: 14.5px; }
.meter { display: flex; height: 10px; background: var(--sheet); border-radius: 5px; overflow: hidden; }
.meter i { display: block; height: 100%; }
.bars { margin: 18px 0 14px; font-size: 15px; font-variant-numeric: tabular-nums; }
.bars > div { display: grid; grid-template: "label meter value" / 215px 1fr 190px; gap: 4px 18px;
  align-items: center; margin-bottom: 12px; break-inside: avoid; }
.bars .label { grid-area: label; } .bars .meter { grid-area: meter; height: 22px; border-radius: 4px; }
.bars .value { grid-area: value; } .bars small { display: block; color: var(--muted); font-size: 13.5px; }
.key { display: flex; flex-wrap: wrap; gap: 4px 20px; font-size: 14px; color: var(--muted); margin: 0 0 12px;
  max-width: none; }
.key i { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 7px;
  vertical-align: -1px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(170px, 1fr)); gap: 14px; margin: 18px 0;
  padding: 0; list-style: none; }
.cards li { background: var(--sheet); border-radius: 10px; padding: 12px; font-size: 14px; line-height: 1.4;
  break-inside: avoid; overflow-wrap: anywhere; }
.cards img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated;
  border-radius: 5px; margin-bottom: 8px; background: var(--line); }
.cards p { margin: 0; } .cards .muted { font-size: 13px; }
.dot { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 5px; }
.figures { display: flex; flex-wrap: wrap; gap: 18px 20px; align-items: flex-start; margin: 14px 0; }
.figures > * { min-width: 0; max-width: 100%; margin: 0; break-inside: avoid; }
figure { margin: 0; } figcaption { font-size: 14px; line-height: 1.4; margin-bottom: 6px; max-width: 312px; }
figcaption small { display: block; color: var(--muted); font-size: 13px; }
figure > svg, .figures > svg { display: block; max-width: 100%; height: auto; }
.shot { width: 112px; } .shot img { display: block; width: 112px; image-rendering: pixelated; border-radius: 5px;
  background: var(--sheet); border: 1px solid var(--line); }
.raster { display: grid; grid-template: "y plot" auto "o x" auto / max-content 172px; gap: 3px 5px; font-size: 12px;
  line-height: 1.3; color: var(--muted); font-variant-numeric: tabular-nums; }
.raster .y { writing-mode: vertical-rl; transform: rotate(180deg); text-align: center; }
.raster img { display: block; width: 170px; height: 216px; image-rendering: pixelated; background: var(--sheet);
  border-left: 1px solid var(--line); border-bottom: 1px solid var(--line); }
.raster .x { grid-area: x; display: flex; justify-content: space-between; }
.strip { display: flex; flex-wrap: wrap; gap: 6px; margin: 0; padding: 0; list-style: none; font-size: 12px;
  color: var(--muted); text-align: center; font-variant-numeric: tabular-nums; }
.strip img { display: block; width: 54px; image-rendering: pixelated; background: var(--sheet);
  border: 1px solid var(--line); border-radius: 4px; }
.figures > .steps { flex: 1 1 320px; }
.sample { border-top: 1px solid var(--line); margin-top: 18px; padding-top: 4px; }
footer { margin-top: 46px; padding-top: 26px; border-top: 1px solid var(--line); font-size: 14.5px; }
svg text { fill: var(--ink); font-size: 14px; font-variant-numeric: tabular-nums; }
svg .name { font-weight: 600; } svg .small { font-size: 12px; fill: var(--muted); }
svg .muted { fill: var(--muted); font-size: 13px; } svg .small.ink { fill: var(--ink); } svg .end { text-anchor: end; }
svg .middle { text-anchor: middle; }
svg .card { fill: var(--sheet); stroke: var(--line); } svg .track { fill: var(--line); }
svg .band { fill: none; stroke-opacity: .32; } svg .brace { fill: none; stroke-width: 1.5; stroke-opacity: .6; }
svg .sheet { fill: var(--sheet); } svg .box { fill: none; stroke: var(--ink); stroke-width: 1.25; }
svg .count { text-anchor: middle; font-size: 13px; } svg .count.strong { fill: var(--strong); }
svg .grid { stroke: var(--line); fill: none; } svg .axis { stroke: var(--muted); fill: none; }
svg .rule { stroke: var(--ink); stroke-dasharray: 4 4; fill: none; opacity: .7; }
svg .line { fill: none; stroke-width: 2; stroke-linejoin: round; } svg .line.faint { stroke-width: 1; opacity: .45; }
svg .points { fill-opacity: .6; }
svg .right { fill: var(--right); } svg .near { fill: var(--near); } svg .far { fill: var(--far); }
"""
    + "\n".join(
        [
            *(
                f".band.c{i}, .brace.c{i}, .line.c{i} {{ stroke: var(--c{i}); }} "
                f".fill.c{i} {{ fill: var(--c{i}); background: var(--c{i}); }}"
                for i in range(8)
            ),
            ".fill.ink { fill: var(--muted); background: var(--muted); }",
            ".fill.right { background: var(--right); } .fill.near { background: var(--near); } "
            ".fill.far { background: var(--far); }",
            *(f"svg .s{i} {{ fill-opacity: {i / 8:.3f}; }}" for i in range(1, 9)),
        ]
    )
    + """
@media (max-width: 600px) {
  .page { padding: 24px 16px 40px; }
  h1 { font-size: 26px; } section { padding-top: 22px; margin-top: 28px; }
  .tiles { grid-template-columns: 1fr 1fr; gap: 10px; } .tile { padding: 12px; } .tile b { font-size: 19px; }
  .bars > div { grid-template: "label value" "meter meter" / 1fr max-content; margin-bottom: 16px; }
  .bars .value { text-align: right; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 8px; }
  .cards { grid-template-columns: repeat(auto-fill, minmax(130px, 1fr)); gap: 10px; }
}
@media print {
  :root { color-scheme: light; --page: #fff; --sheet: #f5f6f8; --line: #d0d5da; --ink: #000; --muted: #444;
    --strong: #fff; --right: #1f6fb5; --near: #e09f1f; --far: #c8401f; --c0: #1f6fb5; --c1: #c8601a;
    --c2: #12876a; --c3: #8a4fa3; --c4: #2b93a8; --c5: #a87c0b; --c6: #c2487e; --c7: #68737f; }
  body { font-size: 11pt; } .page { max-width: none; padding: 0; }
  .wide { overflow: visible; background: none; } .wide > svg { max-width: 100%; }
  tfoot { display: table-row-group; } h2, h3 { break-after: avoid; } .tile, tr { break-inside: avoid; }
}
"""
)
