"""How the page looks: readable on a wide and on a narrow window, told apart without colours, focus always visible."""

STYLE = """
:root { --map: .65; --ink: #1a1a1a; --soft: #555; --line: #d0d4d9; --blue: #005a9c; --orange: #9c3d00; }
body { font: 16px/1.45 system-ui, sans-serif; color: var(--ink); background: #fff; }
.nicegui-content { padding: 0; gap: 0; align-items: stretch; max-width: 96rem; margin: 0 auto; }
.frame { padding: 0 1.25rem 3rem; overflow-wrap: anywhere; }
.bar { position: sticky; top: 0; z-index: 5; background: #fff; border-bottom: 1px solid var(--line);
  display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1.5rem; padding: .4rem 0; }
.frame h1 { font-size: 1.5rem; line-height: 1.2; font-weight: 600; margin: 1rem 0 .1rem; }
.frame h2, .form h2 { font-size: 1.1rem; line-height: 1.3; font-weight: 600; margin: 1rem 0 .3rem; }
.soft { color: var(--soft); font-size: .9rem; }
.frame ul { margin: 0; padding-left: 1.2rem; }
.about .q-expansion-item__content { padding: 0 1rem .5rem; }
.warning { border-left: 4px solid #d55e00; background: #fdf3ec; padding: .3rem .8rem; margin: .4rem 0;
  font-size: .9rem; }
.send { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1.5rem; margin: .75rem 0; padding: .75rem 1rem;
  border: 2px dashed #8b95a1; border-radius: 8px; background: #f7f9fb; position: relative; }
.send.over { border-color: var(--blue); background: #e8f1f8; }
.send .q-uploader { position: absolute; width: 1px; height: 1px; min-width: 0; visibility: hidden; overflow: hidden; }
.grow { flex: 1 1 12rem; }
.slider { display: flex; align-items: center; gap: .8rem; width: 17rem; }
.slider input { flex: 1; min-width: 0; accent-color: var(--blue); }
summary { display: list-item; margin: .6rem 0 .2rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(18rem, 100%), 1fr)); gap: 1rem;
  margin: 1rem 0; }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .8rem; display: flex; flex-direction: column;
  gap: .4rem; }
.card.review { border-left: 6px solid #d55e00; }
.pictures { display: flex; gap: .5rem; }
.pictures figure { flex: 1 1 0; min-width: 0; max-width: 22rem; margin: 0; }
.stack { position: relative; background: #eceff2; line-height: 0; }
.stack img { width: 100%; image-rendering: pixelated; }
.stack img.heat { position: absolute; inset: 0; height: 100%; opacity: var(--map); image-rendering: auto; }
figcaption { font-size: .8rem; color: var(--soft); line-height: 1.3; margin-top: .2rem; }
.card h3 { font-size: 1rem; line-height: 1.3; font-weight: 400; margin: 0; }
.card h3 b { font-size: 1.3rem; }
.badge { display: inline-block; font-size: .8rem; padding: 0 .5rem; border-radius: 1rem; margin-left: .5rem;
  border: 1px solid currentcolor; vertical-align: .15rem; }
.badge.look { color: var(--orange); }
.badge.said { color: var(--blue); }
.path { font: .8rem ui-monospace, monospace; color: var(--soft); }
.reason { color: var(--orange); font-size: .95rem; }
.bars { display: grid; grid-template-columns: max-content 1fr max-content; gap: .1rem .6rem; font-size: .85rem;
  align-items: center; font-variant-numeric: tabular-nums; }
.bars i { height: .7rem; background: #9aa5b1; border-radius: 1px; min-width: 1px; }
.bars i.strong { background: var(--blue); }
.foot .q-btn { flex: none; }
.card .foot { display: flex; align-items: center; gap: .8rem; margin-top: auto; }
.summary { display: flex; flex-wrap: wrap; align-items: center; gap: .3rem 1rem; }
.troubles code { font-family: ui-monospace, monospace; font-size: .85rem; }
summary { cursor: pointer; font-weight: 600; }
.tray { max-width: 100%; display: block; margin: .5rem 0; }
.form .q-field { width: 100%; }
.bar .q-option-group > div { margin-right: .7rem; }
.bar .q-field { width: 13rem; }
.form { width: 26rem; max-width: 100%; display: flex; flex-direction: column; gap: .6rem; }
:focus-visible, .q-focusable:focus-visible { outline: 3px solid var(--blue) !important; outline-offset: 2px; }
.q-btn { text-transform: none; }
@media (max-width: 40rem) { .bar { position: static; } .frame { padding: 0 .75rem 2rem; } .slider { width: 100%; } }
"""

DROP = """
<script>
// Files dropped anywhere on the page are sent, and never opened by the browser in its place.
const over = (is) => document.querySelector('.send')?.classList.toggle('over', is);
addEventListener('dragover', (event) => { event.preventDefault(); over(true); });
addEventListener('dragleave', (event) => { if (!event.relatedTarget) over(false); });
addEventListener('drop', (event) => {
  event.preventDefault();
  over(false);
  const chooser = document.querySelector('.send input[type=file]');
  if (!chooser || !event.dataTransfer.files.length) return;
  chooser.files = event.dataTransfer.files;
  chooser.dispatchEvent(new Event('change', { bubbles: true }));
});
</script>
"""
