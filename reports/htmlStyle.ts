/** The look of the report: one style sheet, light and dark by the reader's setting, light on paper. */
export const STYLE = `
:root{color-scheme:light dark;--bg:#f8fafc;--card:#fff;--ink:#0f172a;--soft:#475569;--line:#e2e8f0;--head:#f1f5f9;
--good:#0f766e;--bad:#b91c1c;--warn:#a16207;--bar:#b91c1c;--goodbg:#ecfdf5;--badbg:#fef2f2;--warnbg:#fefce8;--link:#0369a1}
@media (prefers-color-scheme:dark){:root{--bg:#0b1120;--card:#131c2e;--ink:#e2e8f0;--soft:#a3b1c6;--line:#28344a;--head:#1b263b;
--good:#5eead4;--bad:#fca5a5;--warn:#fde047;--bar:#ef4444;--goodbg:#0b2a2a;--badbg:#331519;--warnbg:#2b2710;--link:#7dd3fc}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:3.2rem}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main,header>div,footer>div{max-width:1180px;margin:0 auto;padding:0 20px}
header{padding:28px 0 8px}
h1{font-size:1.7rem;line-height:1.25;margin:.2em 0 .3em;overflow-wrap:anywhere}
h2{font-size:1.3rem;margin:0 0 .5em;line-height:1.3}
h3{font-size:1.08rem;margin:1.6em 0 .5em}
p{margin:.5em 0;max-width:84ch}
a{color:var(--link)}
code{font:0.9em ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
.soft,.none{color:var(--soft)}
.meta{color:var(--soft);font-size:.92rem;overflow-wrap:anywhere}
nav{position:sticky;top:0;z-index:5;background:var(--bg);border-bottom:1px solid var(--line)}
nav ul{display:flex;gap:4px 18px;list-style:none;margin:0 auto;padding:10px 20px;max-width:1180px;overflow-x:auto;white-space:nowrap;font-size:.92rem}
nav a{text-decoration:none}
nav a:hover{text-decoration:underline}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px 22px;margin:18px 0}
.verdict{display:inline-block;font-weight:700;letter-spacing:.03em;padding:3px 14px;border-radius:999px;border:1.5px solid}
.pass{color:var(--good);background:var(--goodbg)}
.fail{color:var(--bad);background:var(--badbg)}
.warn{color:var(--warn);background:var(--warnbg)}
.mark{font-weight:700;white-space:nowrap;padding:1px 8px;border-radius:6px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:18px 0 6px;padding:0;list-style:none}
.tiles li{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:12px 16px}
.tiles b{display:block;font-size:1.35rem;line-height:1.3;font-variant-numeric:tabular-nums}
.tiles span{color:var(--soft);font-size:.9rem}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px;margin:0 0 .8em}
.scroll:focus-visible{outline:2px solid var(--link);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
.cap{margin:1em 0 .3em;color:var(--soft);font-size:.9rem;max-width:none}
th,td{text-align:left;vertical-align:top;padding:7px 12px;border-top:1px solid var(--line)}
thead th{background:var(--head);border-top:0;vertical-align:bottom;line-height:1.3}
tbody th{font-weight:600}
tfoot th,tfoot td{font-weight:700;border-top:2px solid var(--line)}
.num{text-align:right;white-space:nowrap}
thead .num{white-space:normal;min-width:5.2rem}
tbody th{min-width:7.5rem;overflow-wrap:anywhere}
td{min-width:5rem}td.num{min-width:0}td:has(details){min-width:16rem}
th button{all:unset;cursor:pointer;font-weight:600}
th button:hover{text-decoration:underline}
th button:focus-visible{outline:2px solid var(--link);outline-offset:2px}
th[aria-sort=ascending] button::after{content:" \\25B2"}
th[aria-sort=descending] button::after{content:" \\25BC"}
.filter{display:block;margin-bottom:.5em;font-size:.92rem;color:var(--soft);margin-top:.4em}
.filter input{font:inherit;color:inherit;background:var(--bg);border:1px solid var(--line);border-radius:8px;padding:5px 10px;width:min(calc(100% - 3.4rem),22rem);margin-left:6px}
.bars{list-style:none;padding:0;margin:.6em 0;display:grid;gap:8px}
.bars li{display:grid;grid-template-columns:minmax(220px,2fr) 3fr minmax(150px,auto);gap:4px 14px;align-items:center}
.bars i{display:block;height:14px;border-radius:4px;background:var(--bar);min-width:2px}
.bars .ok i{background:var(--good)}
.bars .track{background:var(--head);border-radius:4px}
.bars b{font-variant-numeric:tabular-nums;text-align:right}
.bars small{white-space:nowrap;color:var(--soft);font-weight:400}
.chart{margin:.8em 0;min-height:60px;position:relative}
.u-legend{font-size:.88rem;text-align:left;color:var(--ink)}
.u-legend .u-marker{width:1.2em;height:.8em}
.u-legend th,.u-legend td{border:0;padding:2px 4px;min-width:0}
.u-legend .u-label{font-weight:400}.u-legend .u-marker{border-radius:3px}
.u-title{font-size:.98rem;font-weight:600}
details>summary{cursor:pointer;color:var(--link)}
.chain{margin:.5em 0 0;padding:0;list-style:none;min-width:17rem;font-size:.9rem}
.chain li{display:grid;grid-template-columns:3.4rem 1fr;gap:10px;padding:3px 0;border-left:2px solid var(--line);padding-left:10px}
.chain time{color:var(--soft);white-space:nowrap}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:.6em 0}
.facts dt{color:var(--soft)}
.facts dd{margin:0;overflow-wrap:anywhere}
footer{padding:4px 0 34px;color:var(--soft);font-size:.9rem}
@media (max-width:640px){
main,header>div,footer>div{padding:0 12px}section{padding:16px 14px;border-radius:10px}h1{font-size:1.35rem}
.bars li{grid-template-columns:1fr auto}.bars .track{grid-column:1/-1;grid-row:2}.facts{grid-template-columns:1fr}.facts dd{margin-bottom:.4em}
.tiles{grid-template-columns:1fr 1fr}.tiles li:last-child:nth-child(odd){grid-column:1/-1}.u-title{font-size:.9rem}
.stack thead{display:none}.stack tr{display:block;border-top:1px solid var(--line);padding:8px 0}.stack tr:first-child{border-top:0}.stack th,.stack td{display:block;border:0;padding:2px 12px}
.stack td.num{text-align:left}.stack td::before{content:attr(data-label) ": ";color:var(--soft)}
th,td{padding:6px 9px}nav ul{padding:9px 12px}}
@media print{
:root{--bg:#fff;--card:#fff;--ink:#000;--soft:#333;--line:#bbb;--head:#eee;--good:#065f46;--bad:#991b1b;--warn:#713f12;--goodbg:#fff;--badbg:#fff;--warnbg:#fff;--link:#000;color-scheme:light}
nav,.filter{display:none}section{break-inside:auto;border:0;padding:0}h2,h3{break-after:avoid}tr,figure{break-inside:avoid}.scroll{overflow:visible;border:0}
body{font-size:11pt}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
`;
