"""How the page looks."""

STYLE = """\
body { font: 16px/1.45 system-ui, sans-serif; color: #1a1a1a; max-width: 90rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; margin-bottom: .5rem; }
h2 { font-size: 1.25rem; margin-top: 2rem; border-top: 1px solid #ccc; padding-top: 1rem; }
h2 small { font-weight: normal; color: #555; font-size: .9rem; margin-left: .5rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .9rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tfoot td { border-bottom: 0; font-weight: bold; }
.facts { color: #444; font-size: .9rem; padding-left: 1.2rem; }
.warning { border-left: 4px solid #d55e00; background: #fdf3ec; padding: .3rem .8rem; margin: .4rem 0; }
.filters { position: sticky; top: 0; background: #fffffff2; border: 0; border-bottom: 1px solid #ccc; padding: .5rem 0;
  margin: 1.5rem 0 0; z-index: 1; }
.filters legend { float: left; margin-right: 1rem; color: #555; }
.filters label { margin-right: 1.2rem; white-space: nowrap; }
summary { cursor: pointer; }
img.tray { max-width: 100%; display: block; margin: .5rem 0; }
.key { color: #444; font-size: .9rem; margin: .3rem 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); gap: 1rem; }
article { border: 1px solid #d5d5d5; border-radius: 6px; padding: .8rem; break-inside: avoid; }
.pictures { display: flex; gap: .5rem; align-items: flex-start; }
figure { margin: 0; flex: 0 1 10rem; min-width: 0; }
figcaption { font-size: .8rem; color: #555; }
img.small { width: 100%; max-height: 14rem; object-fit: contain; background: #eee; display: block;
  image-rendering: pixelated; }
h3 { font-size: 1rem; font-weight: normal; margin: .6rem 0 0; }
.verdict { font-size: 1.3rem; font-weight: bold; }
.path { margin: 0; font: .8rem ui-monospace, monospace; color: #555; }
.reason { margin: .4rem 0 0; color: #9c3d00; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .5rem; margin: .5rem 0 .3rem; font-size: .85rem;
  align-items: center; }
dt { text-align: right; }
dd { margin: 0; display: flex; align-items: center; gap: .4rem; font-variant-numeric: tabular-nums; }
dd i { flex: none; height: .7rem; background: #9aa5b1; border-radius: 1px; }
dd span { white-space: nowrap; }
dd i.strong { background: #0072b2; }
.numbers { margin: 0; font-size: .85rem; color: #444; }
"""
